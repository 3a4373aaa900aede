// ISAKMP on the wire: the header and the chain of generic payloads. RFC 2408 sections 3.1 and 3.2.
//
// What is inside a payload is IKE's business (crypto/ike/payload.h); what is encrypted is opaque
// here.
//
//    0                   1                   2                   3
//   |                       initiator cookie (8)                    |
//   |                       responder cookie (8)                    |
//   | next payload  | version 1.0   | exchange type |     flags     |
//   |                         message id                            |
//   |                  length, header included                      |
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

inline constexpr size_t kIsakmpHeader = 28;
inline constexpr size_t kIsakmpPayloadHeader = 4;
inline constexpr size_t kIsakmpMaxPayloads = 64;  // ours: real messages hold fewer than 20

// RFC 2408 section 3.1, RFC 3947; the numbers from 130 on are those of the NAT-T drafts and of
// vendors.
enum class PayloadType : uint8_t {
  kNone = 0,
  kSa = 1,
  kProposal = 2,
  kTransform = 3,
  kKeyExchange = 4,
  kId = 5,
  kCertificate = 6,
  kCertificateRequest = 7,
  kHash = 8,
  kSignature = 9,
  kNonce = 10,
  kNotify = 11,
  kDelete = 12,
  kVendorId = 13,
  kNatD = 20,
  kNatOa = 21,
  kDraftNatD = 130,
  kDraftNatOa = 131,
  kFragment = 132,
};

enum class ExchangeType : uint8_t {
  kNone = 0,
  kBase = 1,
  kIdentityProtection = 2,  // Main Mode
  kAuthenticationOnly = 3,
  kAggressive = 4,
  kInformational = 5,
  kTransaction = 6,
  kQuickMode = 32,
  kNewGroupMode = 33,
};

std::string_view NameOf(PayloadType type);
std::string_view NameOf(ExchangeType type);

struct IsakmpHeader {
  static constexpr uint8_t kEncrypted = 0x01, kCommit = 0x02, kAuthenticationOnly = 0x04;
  static constexpr uint8_t kVersion1 = 0x10;

  uint64_t initiator_cookie = 0;
  uint64_t responder_cookie = 0;
  PayloadType next_payload = PayloadType::kNone;
  uint8_t version = kVersion1;
  ExchangeType exchange = ExchangeType::kNone;
  uint8_t flags = 0;
  uint32_t message_id = 0;
  uint32_t length = 0;  // of the whole message

  bool encrypted() const { return (flags & kEncrypted) != 0; }
  void Write(Writer& to) const;
};

// A whole message: the header, and what follows it as far as its length says. Octets of the
// datagram behind that are ignored.
struct Isakmp {
  IsakmpHeader header;
  ByteView body;  // payloads, or ciphertext

  // kTruncated if shorter than a header, kIkeVersion if the major version is not 1, kIkeMalformed
  // if the length field is less than a header or more than the datagram.
  static Result<Isakmp, Drop> Parse(ByteView datagram);
};

struct IsakmpPayload {
  PayloadType type = PayloadType::kNone;
  ByteView body;   // behind the generic header
  ByteView whole;  // with the generic header
};

// The payloads of one message in order.
class PayloadChain {
 public:
  // `first` is the type of the first one. nullopt if a length is below 4 or past the end, or there
  // are more than kIsakmpMaxPayloads. What follows the last payload is padding of any content.
  static std::optional<PayloadChain> Parse(PayloadType first, ByteView bytes);

  const IsakmpPayload* begin() const { return payloads_.data(); }
  const IsakmpPayload* end() const { return payloads_.data() + count_; }
  size_t size() const { return count_; }
  const IsakmpPayload& operator[](size_t i) const { return payloads_[i]; }

  size_t Count(PayloadType type) const;
  // The body of the only payload of this type; nullopt if there is none, or more than one.
  std::optional<ByteView> Only(PayloadType type) const;
  size_t octets() const { return octets_; }  // of all payloads, padding not counted

 private:
  std::array<IsakmpPayload, kIsakmpMaxPayloads> payloads_{};
  size_t count_ = 0;
  size_t octets_ = 0;
};

// Writes a message's payloads one after the other, each payload's type into the one before it.
class PayloadWriter {
 public:
  explicit PayloadWriter(Writer& to) : to_(to) {}
  // A payload whose body is `body`.
  void Add(PayloadType type, ByteView body);
  PayloadType first() const { return first_; }

 private:
  Writer& to_;
  PayloadType first_ = PayloadType::kNone;
  size_t next_at_ = 0;  // where the last payload's "next payload" octet is
};

}  // namespace stack::wire
