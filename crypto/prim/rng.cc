#include "crypto/prim/rng.h"

#include <algorithm>

#include "crypto/prim/secret.h"
#include "crypto/prim/seeded_rng.h"

namespace crypto {

struct SystemRng::Impl {
  SeededRng generator;
};

SystemRng::SystemRng() : impl_(std::make_unique<Impl>()) {}

SystemRng::~SystemRng() { Scrub(block_); }

void SystemRng::Fill(stack::ByteSpan out) {
  while (!out.empty()) {
    if (left_ == 0) {
      impl_->generator.get().randomize(stack::AsU8(stack::ByteSpan(block_)), block_.size());
      left_ = block_.size();
    }
    const size_t n = std::min(left_, out.size());
    const stack::ByteSpan taken = stack::ByteSpan(block_).last(left_).first(n);
    std::copy(taken.begin(), taken.end(), out.begin());
    Scrub(taken);
    left_ -= n;
    out = out.subspan(n);
  }
}

}  // namespace crypto
