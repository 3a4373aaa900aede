// A suite with its keys: what computes on a packet, and the only part of ESP that knows how.
//
// open.h and seal.h cut packets into Parts and look after everything that is the protocol's; what
// is here sees bytes alone. So this is the seam for an engine that computes on many packets at
// once: it would take the Parts of a whole batch, behind the same Open() and Seal().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "absl/status/statusor.h"
#include "crypto/esp/suite.h"
#include "crypto/prim/cipher.h"
#include "crypto/prim/gcm.h"
#include "crypto/prim/mac.h"
#include "stack/base/rng.h"

namespace crypto::esp {

// An ESP packet as the algorithms see it; all of it lies in one piece.
struct Parts {
  ByteView header;         // SPI and sequence number
  ByteSpan iv;             // IvSize()
  ByteSpan ciphered;       // payload, padding and trailer: whole units of Alignment()
  ByteSpan icv;            // IcvSize()
  ByteView authenticated;  // header, iv and ciphered
};
// `packet` has at least the octets of SealedSize(suite, 0), and a whole number of units.
Parts CutUp(const Suite& suite, ByteSpan packet);

// GCM's secret half of a nonce, scrubbed when it goes.
class Salt {
 public:
  explicit Salt(ByteView keymat_end);
  Salt(const Salt&) = default;
  Salt& operator=(const Salt&) = default;
  ~Salt() { Scrub(octets_); }
  std::array<std::byte, kGcmNonceSize> NonceOf(ByteView iv) const;

 private:
  std::array<std::byte, kGcmSaltSize> octets_;
};

// Neither of the two allocates once it is made. One thread.
class InboundTransform {
 public:
  // InvalidArgument if there is no such suite or a key has another size than it says.
  static absl::StatusOr<InboundTransform> Create(const Suite& suite, const Keys& keys);

  // Checks the ICV in constant time and decrypts in place. False if the packet is not the peer's;
  // `ciphered` is rubbish then, and nothing else has changed.
  [[nodiscard]] bool Open(const Parts& parts);

 private:
  struct CbcHmac {
    CbcCipher cipher;
    HmacKey hmac;
    bool Open(const Parts& parts);
  };
  struct Gcm {
    GcmCipher cipher;
    Salt salt;
    bool Open(const Parts& parts);
  };
  using Keyed = std::variant<CbcHmac, Gcm>;
  explicit InboundTransform(Keyed keyed) : keyed_(std::move(keyed)) {}

  Keyed keyed_;
};

// Chooses the IVs, too. CBC wants such that nobody can foretell (NIST SP 800-38A appendix C; RFC
// 3602 section 3): they are a counter encrypted by AES under a random key of its own, as
// unpredictable as AES is good and a hundred times cheaper than a visit to the generator. GCM wants
// such that never come twice under a key (RFC 4106 section 3.1): they are the counter itself, which
// starts with the keys and never goes back, whatever becomes of the sequence number.
class OutboundTransform {
 public:
  // As above; `rng` gives the key of CBC's IVs.
  static absl::StatusOr<OutboundTransform> Create(const Suite& suite, const Keys& keys,
                                                  stack::Rng& rng);

  // Writes an IV no packet had before, encrypts in place and writes the ICV. False if the parts
  // have not the suite's sizes.
  [[nodiscard]] bool Seal(const Parts& parts);

 private:
  struct CbcHmac {
    CbcCipher cipher;
    HmacKey hmac;
    CbcCipher iv_cipher;
    bool Seal(const Parts& parts, uint64_t counter);
  };
  struct Gcm {
    GcmCipher cipher;
    Salt salt;
    bool Seal(const Parts& parts, uint64_t counter);
  };
  using Keyed = std::variant<CbcHmac, Gcm>;
  explicit OutboundTransform(Keyed keyed) : keyed_(std::move(keyed)) {}

  Keyed keyed_;
  uint64_t counter_ = 0;  // 2^64 outlasts 2^32 sequence numbers
};

}  // namespace crypto::esp
