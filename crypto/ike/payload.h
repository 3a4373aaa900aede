// What stands inside the payloads of ISAKMP and the IPsec DOI: decode into small structs, encode
// from them. RFC 2408 sections 3.3 to 3.15, RFC 2407 section 4.6, RFC 3947 section 5.2.
//
// Decoding checks lengths and bounds and gives views into the message; an error is the notify type
// that RFC 2408 section 5 names for it. Whether the contents are acceptable is decided elsewhere
// (proposal.h and the machines).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/ike/suite.h"
#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/wire/isakmp.h"

namespace crypto::ike {

using stack::wire::ExchangeType;
using stack::wire::Isakmp;
using stack::wire::IsakmpHeader;
using stack::wire::PayloadChain;
using stack::wire::PayloadType;

template <class T>
using Decoded = stack::Result<T, NotifyType>;

inline constexpr uint32_t kDoiIpsec = 1;
inline constexpr uint32_t kSituationIdentityOnly = 1;
inline constexpr uint8_t kProtocolIsakmp = 1;
inline constexpr uint8_t kProtocolEsp = 3;
inline constexpr uint8_t kTransformKeyIke = 1;

// Bounds of ours on what a stranger may send.
inline constexpr size_t kMaxProposals = 64;
inline constexpr size_t kMaxTransforms = 256;  // in all proposals of a message
inline constexpr size_t kMaxIdOctets = 512;
inline constexpr size_t kMinNonce = 8, kMaxNonce = 256;  // RFC 2409 section 5
inline constexpr size_t kMaxDeletedSpis = 64;

// ---- Security Association
// ------------------------------------------------------------------------

// One data attribute, RFC 2408 section 3.3, in its short (TV) or long (TLV) form.
struct Attribute {
  uint16_t type = 0;
  ByteView value;
  // The value as a number; nullopt if it is empty or above 2^32 - 1.
  std::optional<uint32_t> Number() const;
};

struct Transform {
  uint8_t number = 0;
  uint8_t id = 0;
  ByteView attributes;  // as they stand in the message: a chosen transform goes back unchanged
};

struct Proposal {
  uint8_t number = 0;
  uint8_t protocol = 0;
  ByteView spi;
  std::vector<Transform> transforms;
};

struct SaOffer {
  std::vector<Proposal> proposals;
};

Decoded<SaOffer> DecodeSa(ByteView body);
// An SA payload's body holding this one proposal.
Bytes EncodeSa(const Proposal& proposal);
// All attributes of a transform; nullopt if they do not parse. At most 32.
std::optional<std::vector<Attribute>> DecodeAttributes(ByteView attributes);
// Appends an attribute: TV if the value fits in 16 bits, a TLV of 4 octets otherwise.
void AppendAttribute(Bytes& to, uint16_t type, uint32_t value);

// ---- The small ones
// ------------------------------------------------------------------------------

Decoded<Identification> DecodeId(ByteView body);
Bytes EncodeId(const Identification& id);

struct Notify {
  uint8_t protocol = kProtocolIsakmp;
  NotifyType type = NotifyType::kNone;
  ByteView spi;
  ByteView data;
};
Decoded<Notify> DecodeNotify(ByteView body);
Bytes EncodeNotify(const Notify& notify);

struct Delete {
  uint8_t protocol = 0;
  std::vector<ByteView> spis;  // at most kMaxDeletedSpis, all of one size
};
Decoded<Delete> DecodeDelete(ByteView body);
Bytes EncodeDelete(uint8_t protocol, ByteView spi);

// NAT-OA: only IPv4 is spoken here.
std::optional<stack::Ip4> DecodeNatOa(ByteView body);
Bytes EncodeNatOa(stack::Ip4 ip);

inline bool IsNonceSize(size_t octets) { return octets >= kMinNonce && octets <= kMaxNonce; }

// ---- Whole messages
// ------------------------------------------------------------------------------

// The payloads of a message under construction.
class PayloadList {
 public:
  PayloadList() = default;
  PayloadList(const PayloadList&) = delete;
  PayloadList& operator=(const PayloadList&) = delete;

  void Add(PayloadType type, ByteView body) { payloads_.Add(type, body); }
  PayloadType first() const { return payloads_.first(); }
  ByteView bytes() const { return writer_.written(); }
  bool ok() const { return writer_.ok(); }  // false: it did not fit in kCapacity

 private:
  static constexpr size_t kCapacity =
      4096;  // everything of ours fits: the longest is a QM1 with PFS
  std::array<std::byte, kCapacity> buffer_;
  stack::Writer writer_{buffer_};
  stack::wire::PayloadWriter payloads_{writer_};
};

struct Cookies {
  uint64_t initiator = 0, responder = 0;
  std::array<std::byte, 16> Octets() const;  // as they stand in the header
  bool operator==(const Cookies&) const = default;
};

// A message in the clear: the first four of Main Mode, and refusals of the first.
Bytes ClearMessage(const Cookies& cookies, ExchangeType exchange, uint32_t message_id,
                   const PayloadList& payloads);

}  // namespace crypto::ike
