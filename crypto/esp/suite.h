// The algorithms an ESP SA can have, and the sizes that follow from them: a cipher in CBC mode with
// an HMAC (RFC 3602, RFC 2451; RFC 2404, RFC 4868), or AES-GCM, which is both in one (RFC 4106).
//
//   packet   | SPI | sequence | IV | payload | padding | pad length | next header | ICV |
//               4       4       a           whole units of b, with the trailer       c
//
//                       a    b    c
//   AES-CBC + HMAC     16   16   12, 16, 24, 32 by the hash
//   3DES + HMAC         8    8   likewise
//   AES-GCM-16          8    4   16
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "crypto/prim/cipher.h"
#include "crypto/prim/gcm.h"
#include "crypto/prim/hash.h"
#include "crypto/prim/secret.h"

namespace crypto::esp {

inline constexpr size_t kHeaderSize = 8;   // SPI and sequence number
inline constexpr size_t kTrailerSize = 2;  // pad length and next header

// RFC 4106 sections 3.1 and 8.1: the nonce is a salt out of KEYMAT, then the packet's IV.
inline constexpr size_t kGcmSaltSize = 4;
inline constexpr size_t kGcmIvSize = kGcmNonceSize - kGcmSaltSize;

struct Suite {
  CipherId cipher = CipherId::kAesCbc;
  size_t key_octets = 32;                      // of the cipher's key, GCM's salt not counted
  std::optional<HashId> auth = HashId::kSha1;  // of the HMAC; absent exactly for GCM

  friend bool operator==(const Suite&, const Suite&) = default;
};

constexpr bool IsGcm(const Suite& suite) { return suite.cipher == CipherId::kAesGcm; }

// What an SA takes from KEYMAT, in this order.
struct Keys {
  Secret encryption;      // CipherKeySize() octets; GCM's end with the salt
  Secret authentication;  // AuthKeySize() octets
};
constexpr size_t CipherKeySize(const Suite& suite) {
  return suite.key_octets + (IsGcm(suite) ? kGcmSaltSize : 0);
}
// HMAC keys are as long as the hash (RFC 2404, RFC 4868).
constexpr size_t AuthKeySize(const Suite& suite) { return suite.auth ? HashSize(*suite.auth) : 0; }

// Octets of the explicit IV.
constexpr size_t IvSize(const Suite& suite) {
  return IsGcm(suite) ? kGcmIvSize : BlockSize(suite.cipher);
}

// Payload, padding and trailer together are a multiple of this: a block, and where the cipher does
// not care, what RFC 4303 section 2.4 asks for.
constexpr size_t Alignment(const Suite& suite) {
  return IsGcm(suite) ? 4 : BlockSize(suite.cipher);
}

// Octets of the ICV: 96 bits for SHA-1 (RFC 2404), half the hash for SHA-2 (RFC 4868).
constexpr size_t IcvSize(const Suite& suite) {
  if (!suite.auth) return kGcmTagSize;
  return *suite.auth == HashId::kSha1 ? 12 : HashSize(*suite.auth) / 2;
}

// Octets of padding, without the trailer, behind `payload` octets.
constexpr size_t PaddingSize(const Suite& suite, size_t payload) {
  const size_t unit = Alignment(suite);
  return (unit - (payload + kTrailerSize) % unit) % unit;
}

// Octets of the ESP packet, header to ICV, that `payload` octets become; and the most payload that
// fits into an ESP packet of `sealed` octets (0 if none does).
constexpr size_t SealedSize(const Suite& suite, size_t payload) {
  return kHeaderSize + IvSize(suite) + payload + PaddingSize(suite, payload) + kTrailerSize +
         IcvSize(suite);
}
constexpr size_t MaxPayload(const Suite& suite, size_t sealed) {
  const size_t unit = Alignment(suite);
  const size_t around = kHeaderSize + IvSize(suite) + IcvSize(suite);
  return sealed < around + unit ? 0 : (sealed - around) / unit * unit - kTrailerSize;
}

}  // namespace crypto::esp
