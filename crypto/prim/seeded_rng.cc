#include "crypto/prim/seeded_rng.h"

#include <botan/exceptn.h>
#include <botan/mac.h>
#include <unistd.h>

#include <algorithm>

namespace crypto {

void KernelRng::randomize(uint8_t out[], size_t size) {
  constexpr size_t kMost = 256;  // getentropy(3)
  while (size > 0) {
    const size_t n = std::min(size, kMost);
    if (getentropy(out, n) != 0) throw Botan::PRNG_Unseeded(name());
    out += n;
    size -= n;
  }
}

SeededRng::SeededRng()
    : generator_(Botan::MessageAuthenticationCode::create_or_throw("HMAC(SHA-512)"), kernel_) {}

}  // namespace crypto
