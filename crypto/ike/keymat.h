// Key material of IKE: the SKEYID family, message keys and IVs, the authentication hashes, and the
// keys of ESP SAs. RFC 2409 sections 5, 5.5 and appendix B. The prf is HMAC of the negotiated hash.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "crypto/ike/event.h"
#include "crypto/ike/payload.h"
#include "crypto/ike/suite.h"
#include "crypto/prim/cipher.h"
#include "crypto/prim/mac.h"
#include "crypto/prim/secret.h"

namespace crypto::ike {

// The IV of a message: one block of the phase-1 cipher.
struct Iv {
  std::array<std::byte, kMaxBlockSize> octets{};
  size_t size = 0;
  ByteView view() const { return {octets.data(), size}; }
  static Iv Of(ByteView block);  // at most kMaxBlockSize
};

// The public halves of a Main Mode that go into every hash.
struct Publics {
  Cookies cookies;
  Bytes g_xi, g_xr;  // bodies of the KE payloads
  Bytes ni, nr;      // bodies of the NONCE payloads
};

struct PhaseOneKeys {
  Secret skeyid, skeyid_d, skeyid_a, skeyid_e;
};

// SKEYID and its three children for authentication with a pre-shared key.
PhaseOneKeys DerivePhaseOne(HashId prf, const Secret& psk, const Publics& publics,
                            const Secret& g_xy);
// The message key: the start of SKEYID_e, stretched where it is too short.
Secret DeriveMessageKey(HashId prf, const Secret& skeyid_e, size_t octets);
// The IV of the first encrypted message of phase 1.
Iv FirstIv(HashId hash, const Publics& publics, size_t block_size);
// The IV of the first message of another exchange; `last` is the last block of phase 1.
Iv ExchangeIv(HashId hash, const Iv& last, uint32_t message_id);

// HASH_I and HASH_R: `sai` and `id` are payload bodies.
Secret HashI(HashId prf, const Secret& skeyid, const Publics& publics, ByteView sai, ByteView id);
Secret HashR(HashId prf, const Secret& skeyid, const Publics& publics, ByteView sai, ByteView id);

// HASH of phase 2 and Informational messages: prf(SKEYID_a, M-ID | parts).
Secret MessageHash(HashId prf, const Secret& skeyid_a, uint32_t message_id,
                   std::initializer_list<ByteView> parts);
// HASH(3) of Quick Mode: prf(SKEYID_a, 0 | M-ID | Ni | Nr).
Secret ThirdHash(HashId prf, const Secret& skeyid_a, uint32_t message_id, ByteView ni, ByteView nr);

// What KEYMAT of one SA is made of, besides SKEYID_d.
struct ChildSeed {
  const Secret* g_xy = nullptr;  // of the quick mode's own key exchange, with PFS
  EspSpi spi;                    // the receiver's
  ByteView ni, nr;               // of the quick mode
};
ChildKeys DeriveChild(HashId prf, const Secret& skeyid_d, const ChildSeed& seed,
                      const EspKeySizes& sizes);

}  // namespace crypto::ike
