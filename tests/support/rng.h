// Randomness by hand: the same seed gives the same bytes on every machine.
#pragma once

#include "stack/base/rng.h"

namespace test {

class FixedRng : public stack::Rng {
 public:
  explicit FixedRng(uint64_t seed = 1) : state_(seed) {}
  void Fill(stack::ByteSpan out) override {
    for (std::byte& b : out) b = static_cast<std::byte>(Next() >> 56);
  }
  uint64_t Next() {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t n) { return Next() % n; }

 private:
  uint64_t state_;
};

}  // namespace test
