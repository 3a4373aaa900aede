// An ISAKMP SA: what an authenticated phase 1 leaves behind, and the sealing and opening of
// messages under it. RFC 2409 section 5.5 and appendix B.
//
// Messages are CBC-encrypted with IVs that are chained within an exchange. The chain is the
// exchange's own: Open never advances it, the caller does once a message has proved itself by its
// HASH. A forged message thus leaves no trace.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "crypto/ike/event.h"
#include "crypto/ike/keymat.h"
#include "crypto/ike/natt.h"
#include "crypto/ike/payload.h"
#include "crypto/prim/cipher.h"
#include "stack/base/result.h"

namespace crypto::ike {

// A decrypted message.
struct Opened {
  Bytes plain;            // the payloads' bytes and padding
  PayloadChain payloads;  // views into `plain`
  Iv next_iv;             // the last block of ciphertext

  // What the HASH of phase 2 covers: all payloads behind the first, padding excluded.
  ByteView BehindFirst() const {
    const size_t first = payloads[0].whole.size();
    return ByteView(plain).subspan(first, payloads.octets() - first);
  }
};

// The cipher of a phase 1, both directions. Holds the key and no more: a phase 1 has a handful of
// messages in an hour, so preparing the cipher anew for each (2 us) is cheaper than a kilobyte of
// key schedules that lie idle.
class MessageCipher {
 public:
  // nullopt if `key` has not the size `shape` says, or there is no such cipher.
  static std::optional<MessageCipher> Create(const CipherShape& shape, Secret key);

  size_t block_size() const { return BlockSize(id_); }
  // kIkeMalformed if the message is no ciphertext, kIkeUndecryptable if no payloads come out.
  stack::Result<Opened, stack::Drop> Open(const Isakmp& message, const Iv& iv) const;
  // A whole message. `payloads` and zeros up to a block are encrypted; `iv` becomes the last block.
  Bytes Seal(IsakmpHeader header, ByteView payloads, Iv& iv) const;

 private:
  MessageCipher(CipherId id, Secret key) : id_(id), key_(std::move(key)) {}
  bool Process(Direction direction, const Iv& iv, ByteSpan blocks) const;

  CipherId id_;
  Secret key_;
};

struct IsakmpSa {
  PhaseOneId id;
  Cookies cookies;
  PhaseOneSuite suite;
  HashId prf = HashId::kSha1;
  Secret skeyid_d, skeyid_a;
  MessageCipher cipher;
  Iv last_block;  // of phase 1: all other exchanges begin with it

  const NattVersion* natt = nullptr;  // what was agreed on; nullptr: no NAT traversal
  bool peer_natted = false;           // or was told so
  bool local_natted = false;          // then this end keeps the mapping alive (RFC 3948 section 4)
  // We are behind a NAT, and told the peer that we are not (NatDEcho).
  bool nat_hidden = false;
  Vendors vendors;
  Identification peer;
  Path path;  // the last place where the peer proved to be
  absl::Time expires = absl::InfiniteFuture();

  bool behind_nat() const { return peer_natted || local_natted; }
  Iv StartIv(uint32_t message_id) const { return ExchangeIv(prf, last_block, message_id); }
  // A message of phase 2 or Informational: HASH in front of `rest`.
  Bytes Seal(ExchangeType exchange, uint32_t message_id, const Secret& hash,
             const PayloadList& rest, Iv& iv);
  Secret HashOf(uint32_t message_id, std::initializer_list<ByteView> parts) const {
    return MessageHash(prf, skeyid_a, message_id, parts);
  }
  // A fresh message proved where the peer is.
  void Prove(const Path& at, Out& out);
};

// The HASH payload in front of a message, as phase 2 has it; empty if it stands elsewhere or is
// missing.
ByteView LeadingHash(const PayloadChain& payloads);

// Message ids seen under one phase 1, so that a recorded message cannot start anything again. Keeps
// the last kRemembered.
class SeenIds {
 public:
  bool Contains(uint32_t message_id) const;
  void Add(uint32_t message_id);

 private:
  static constexpr size_t kRemembered = 256;
  std::vector<uint32_t> ids_;
  size_t next_ = 0;
};

// Puts a message into the outbox; as if lost on the wire when the pool is dry.
void Send(ByteView message, const Path& path, Out& out);

}  // namespace crypto::ike
