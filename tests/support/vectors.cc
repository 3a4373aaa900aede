#include "tests/support/vectors.h"

#include <zlib.h>

#include <cstdlib>
#include <filesystem>

namespace test {

std::string VectorsFolder() {
  const char* folder = std::getenv("ADIT_VECTORS");
  return folder != nullptr && std::filesystem::is_directory(folder) ? folder : "";
}

std::string ReadFile(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");  // reads plain files as they are
  if (file == nullptr) return "";
  std::string text;
  char chunk[1 << 16];
  for (int n = 0; (n = gzread(file, chunk, sizeof chunk)) > 0;)
    text.append(chunk, static_cast<size_t>(n));
  gzclose(file);
  return text;
}

nlohmann::json ReadJson(const std::string& path) { return nlohmann::json::parse(ReadFile(path)); }

}  // namespace test
