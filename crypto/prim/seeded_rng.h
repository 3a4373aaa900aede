// The generator behind every secret number of ours: HMAC_DRBG (NIST SP 800-90A section 10.1.2),
// seeded and reseeded by the kernel. One a thread.
//
// Botan's own ready-made one reads /dev/urandom, a file that an empty root does not have; this one
// asks by getrandom(2), which waits until the kernel is ready and needs nothing.
#pragma once

#include <botan/hmac_drbg.h>
#include <botan/rng.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace crypto {

// The kernel's generator. Throws Botan::PRNG_Unseeded if the kernel has none (before Linux 3.17).
class KernelRng final : public Botan::RandomNumberGenerator {
 public:
  void randomize(uint8_t out[], size_t size) override;
  bool accepts_input() const override { return false; }
  void add_entropy(const uint8_t[], size_t) override {}
  std::string name() const override { return "kernel"; }
  void clear() override {}
  bool is_seeded() const override { return true; }
};

class SeededRng {
 public:
  SeededRng();
  Botan::RandomNumberGenerator& get() { return generator_; }

 private:
  KernelRng kernel_;
  Botan::HMAC_DRBG generator_;
};

}  // namespace crypto
