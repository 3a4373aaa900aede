// Drives a fuzz target without libFuzzer: replays every file of the corpus folder named on the
// command line, then mutates them from a fixed seed. ADIT_FUZZ_SECONDS (default 2) bounds the
// second part. With clang, -fsanitize=fuzzer can be linked in its place.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/support/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Input = std::vector<uint8_t>;

void Mutate(Input& input, const std::vector<Input>& corpus, test::FixedRng& rng) {
  const uint64_t edits = 1 + rng.Below(4);
  for (uint64_t i = 0; i < edits; ++i) {
    const size_t at = input.empty() ? 0 : rng.Below(input.size());
    switch (rng.Below(7)) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<uint8_t>(1U << rng.Below(8));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<uint8_t>(rng.Next());
        break;
      case 2:
        input.resize(at);
        break;
      case 3:
        input.insert(input.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(rng.Next()));
        break;
      case 4:
        if (!input.empty()) input.erase(input.begin() + static_cast<ptrdiff_t>(at));
        break;
      case 5: {
        static constexpr uint8_t kEdges[] = {0, 1, 2, 3, 4, 5, 7, 8, 0x7f, 0x80, 0xfe, 0xff};
        if (!input.empty()) input[at] = kEdges[rng.Below(sizeof kEdges)];
        break;
      }
      default: {
        const Input& other = corpus[rng.Below(corpus.size())];
        const size_t from = other.empty() ? 0 : rng.Below(other.size());
        input.resize(at);
        input.insert(input.end(), other.begin() + static_cast<ptrdiff_t>(from), other.end());
        if (input.size() > 70000) input.resize(70000);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Input> corpus;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) continue;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus: a fuzz target without seeds tests nothing\n");
    return 1;
  }
  for (const Input& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  const char* wanted = std::getenv("ADIT_FUZZ_SECONDS");
  const double seconds = wanted != nullptr ? std::atof(wanted) : 2.0;
  test::FixedRng rng(20240607);
  uint64_t runs = 0;
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
         seconds) {
    for (int i = 0; i < 64; ++i, ++runs) {
      Input input = corpus[rng.Below(corpus.size())];
      Mutate(input, corpus, rng);
      LLVMFuzzerTestOneInput(input.data(), input.size());
    }
  }
  std::printf("%zu seeds replayed, %llu mutants run\n", corpus.size(),
              static_cast<unsigned long long>(runs));
  return 0;
}
