// Randomness as an argument: machines never reach for it themselves (law 1).
#pragma once

#include "stack/base/bytes.h"

namespace stack {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void Fill(ByteSpan out) = 0;

  uint32_t U32() {
    std::byte b[4];
    Fill(b);
    return Load32(b);
  }
  uint64_t U64() {
    std::byte b[8];
    Fill(b);
    return Load64(b);
  }
};

}  // namespace stack
