// The program's source of randomness for machines: cookies, nonces, SPIs, challenges, magic
// numbers.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "stack/base/rng.h"

namespace crypto {

// A generator of its own, seeded by the operating system and reseeded by itself; one a thread, no
// lock. Output is drawn ahead in blocks, because each visit to the generator costs some 10 us; so
// a call for a cookie or a nonce costs nanoseconds on average. Bytes handed out are wiped from the
// block. Not for the IVs of packets: ESP has its own way (crypto/esp/seal.h).
class SystemRng : public stack::Rng {
 public:
  SystemRng();
  ~SystemRng() override;
  SystemRng(const SystemRng&) = delete;
  SystemRng& operator=(const SystemRng&) = delete;

  void Fill(stack::ByteSpan out) override;

 private:
  static constexpr size_t kBlock = 512;
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::array<std::byte, kBlock> block_;
  size_t left_ = 0;  // bytes at the end of block_ not yet handed out
};

}  // namespace crypto
