// ESP security associations: one direction each, with all that opening or sealing a packet needs.
// RFC 4303 sections 2 and 3 for the fields, RFC 4301 section 4.4.2 for what an SA holds.
//
// An SA is made once from the keys that IKE's Quick Mode agreed on, belongs to one shard, and is
// then used by crypto/esp/{open,seal}. Making one allocates; using it never does.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/esp/replay.h"
#include "crypto/prim/cipher.h"
#include "crypto/prim/hash.h"
#include "crypto/prim/mac.h"
#include "crypto/prim/secret.h"
#include "stack/base/rng.h"

namespace crypto::esp {

// Security Parameters Index. Ours carry the bucket, and so the shard, in their low 8 bits (sad.h);
// the peer's are any number.
struct Spi {
  uint32_t value = 0;

  uint8_t bucket() const { return static_cast<uint8_t>(value); }
  friend auto operator<=>(const Spi&, const Spi&) = default;
  template <class H>
  friend H AbslHashValue(H h, Spi spi) {
    return H::combine(std::move(h), spi.value);
  }
};

// SPIs 0 to 255 are reserved (RFC 4303 section 2.1).
inline constexpr uint32_t kMinSpi = 256;

inline constexpr size_t kHeaderSize = 8;   // SPI and sequence number
inline constexpr size_t kTrailerSize = 2;  // pad length and next header

// A pair of transforms. HMAC keys are as long as the hash (RFC 2404, RFC 4868).
struct Suite {
  CipherId cipher = CipherId::kAesCbc;
  size_t key_octets = 32;  // of the encryption key
  HashId auth = HashId::kSha1;

  friend bool operator==(const Suite&, const Suite&) = default;
};

constexpr size_t AuthKeySize(const Suite& suite) { return HashSize(suite.auth); }

// Octets of the ICV: 96 bits for SHA-1 (RFC 2404), half the hash for SHA-2 (RFC 4868).
constexpr size_t IcvSize(const Suite& suite) {
  return suite.auth == HashId::kSha1 ? 12 : HashSize(suite.auth) / 2;
}

// Octets of the explicit IV: one block.
constexpr size_t IvSize(const Suite& suite) { return BlockSize(suite.cipher); }

// Octets of the ESP packet, header to ICV, that `payload` octets become; and the most payload that
// fits into an ESP packet of `sealed` octets (0 if none does).
constexpr size_t SealedSize(const Suite& suite, size_t payload) {
  const size_t block = BlockSize(suite.cipher);
  const size_t padded = (payload + kTrailerSize + block - 1) / block * block;
  return kHeaderSize + block + padded + IcvSize(suite);
}
constexpr size_t MaxPayload(const Suite& suite, size_t sealed) {
  const size_t block = BlockSize(suite.cipher);
  const size_t around = kHeaderSize + block + IcvSize(suite);
  return sealed < around + block ? 0 : (sealed - around) / block * block - kTrailerSize;
}

struct Keys {
  Secret encryption;      // Suite::key_octets
  Secret authentication;  // AuthKeySize()
};

// Where an SA ends for good; the softer limit at which it is renewed is IKE's business. Octets are
// watched here (kSaExpired); time is watched by the shard, which removes the SA.
struct Lifetime {
  absl::Time created = absl::InfinitePast();
  absl::Time hard_end = absl::InfiniteFuture();
  uint64_t hard_octets = std::numeric_limits<uint64_t>::max();  // of payload
};

struct Counters {
  uint64_t packets = 0;
  uint64_t octets = 0;  // of payload, without ESP's own
};

// What an SA is made of.
struct SaParameters {
  Spi spi;
  Suite suite;
  Keys keys;
  Lifetime lifetime;
  uint32_t peer = 0;                            // the shard's index of the subscriber it belongs to
  size_t replay_window = kDefaultReplayWindow;  // inbound only
};

// From the peer to us.
struct InboundSa {
  Spi spi;
  Suite suite;
  uint32_t peer;
  Lifetime lifetime;
  Counters counters;
  ReplayWindow replay;
  CbcCipher cipher;
  Hmac hmac;
};

// From us to the peer.
struct OutboundSa {
  Spi spi;
  Suite suite;
  uint32_t peer;
  Lifetime lifetime;
  Counters counters;
  uint32_t sequence;  // of the last packet sent; the first one has 1 (RFC 4303 section 2.2)
  CbcCipher cipher;
  Hmac hmac;
  CbcCipher iv_cipher;  // keyed with random octets of its own: seal.h tells why
  uint64_t iv_counter;
};

// InvalidArgument if a key has not the size that the suite wants, the suite has no such key size or
// hash, or the SPI is reserved. The keys are copied into their ciphers; `parameters` is consumed
// and its keys are scrubbed.
absl::StatusOr<std::unique_ptr<InboundSa>> MakeInboundSa(SaParameters parameters);
// `rng` gives the key of the IVs.
absl::StatusOr<std::unique_ptr<OutboundSa>> MakeOutboundSa(SaParameters parameters,
                                                           stack::Rng& rng);

}  // namespace crypto::esp
