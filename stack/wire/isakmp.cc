#include "stack/wire/isakmp.h"

namespace stack::wire {

std::string_view NameOf(PayloadType type) {
  switch (type) {
    case PayloadType::kNone:
      return "none";
    case PayloadType::kSa:
      return "SA";
    case PayloadType::kProposal:
      return "P";
    case PayloadType::kTransform:
      return "T";
    case PayloadType::kKeyExchange:
      return "KE";
    case PayloadType::kId:
      return "ID";
    case PayloadType::kCertificate:
      return "CERT";
    case PayloadType::kCertificateRequest:
      return "CR";
    case PayloadType::kHash:
      return "HASH";
    case PayloadType::kSignature:
      return "SIG";
    case PayloadType::kNonce:
      return "NONCE";
    case PayloadType::kNotify:
      return "N";
    case PayloadType::kDelete:
      return "D";
    case PayloadType::kVendorId:
      return "VID";
    case PayloadType::kNatD:
    case PayloadType::kDraftNatD:
      return "NAT-D";
    case PayloadType::kNatOa:
    case PayloadType::kDraftNatOa:
      return "NAT-OA";
    case PayloadType::kFragment:
      return "FRAGMENT";
  }
  return "unknown";
}

std::string_view NameOf(ExchangeType type) {
  switch (type) {
    case ExchangeType::kNone:
      return "none";
    case ExchangeType::kBase:
      return "Base";
    case ExchangeType::kIdentityProtection:
      return "Main Mode";
    case ExchangeType::kAuthenticationOnly:
      return "Authentication Only";
    case ExchangeType::kAggressive:
      return "Aggressive";
    case ExchangeType::kInformational:
      return "Informational";
    case ExchangeType::kTransaction:
      return "Transaction";
    case ExchangeType::kQuickMode:
      return "Quick Mode";
    case ExchangeType::kNewGroupMode:
      return "New Group Mode";
  }
  return "unknown";
}

void IsakmpHeader::Write(Writer& to) const {
  to.U64(initiator_cookie);
  to.U64(responder_cookie);
  to.U8(static_cast<uint8_t>(next_payload));
  to.U8(version);
  to.U8(static_cast<uint8_t>(exchange));
  to.U8(flags);
  to.U32(message_id);
  to.U32(length);
}

Result<Isakmp, Drop> Isakmp::Parse(ByteView datagram) {
  Reader in(datagram);
  IsakmpHeader h;
  h.initiator_cookie = in.U64();
  h.responder_cookie = in.U64();
  h.next_payload = static_cast<PayloadType>(in.U8());
  h.version = in.U8();
  h.exchange = static_cast<ExchangeType>(in.U8());
  h.flags = in.U8();
  h.message_id = in.U32();
  h.length = in.U32();
  if (!in.ok()) return Drop::kTruncated;
  if (h.version >> 4 != IsakmpHeader::kVersion1 >> 4) return Drop::kIkeVersion;
  if (h.length < kIsakmpHeader || h.length > datagram.size()) return Drop::kIkeMalformed;
  return Isakmp{h, in.Take(h.length - kIsakmpHeader)};
}

std::optional<PayloadChain> PayloadChain::Parse(PayloadType first, ByteView bytes) {
  PayloadChain chain;
  Reader in(bytes);
  for (PayloadType type = first; type != PayloadType::kNone;) {
    if (chain.count_ == kIsakmpMaxPayloads) return std::nullopt;
    const ByteView from_here = bytes.subspan(chain.octets_);
    const auto next = static_cast<PayloadType>(in.U8());
    in.Skip(1);  // RESERVED: some peers put random bits there
    const size_t length = in.U16();
    if (!in.ok() || length < kIsakmpPayloadHeader) return std::nullopt;
    const ByteView body = in.Take(length - kIsakmpPayloadHeader);
    if (!in.ok()) return std::nullopt;
    chain.payloads_[chain.count_++] = {type, body, from_here.first(length)};
    chain.octets_ += length;
    type = next;
  }
  return chain;
}

size_t PayloadChain::Count(PayloadType type) const {
  size_t n = 0;
  for (const IsakmpPayload& payload : *this) n += payload.type == type ? 1 : 0;
  return n;
}

std::optional<ByteView> PayloadChain::Only(PayloadType type) const {
  std::optional<ByteView> found;
  for (const IsakmpPayload& payload : *this) {
    if (payload.type != type) continue;
    if (found) return std::nullopt;
    found = payload.body;
  }
  return found;
}

void PayloadWriter::Add(PayloadType type, ByteView body) {
  const size_t at = to_.used();
  if (first_ == PayloadType::kNone) {
    first_ = type;
  } else if (to_.ok()) {
    to_.written()[next_at_] = static_cast<std::byte>(type);
  }
  to_.U8(0);
  to_.U8(0);
  to_.U16(static_cast<uint16_t>(body.size() + kIsakmpPayloadHeader));
  to_.Put(body);
  next_at_ = at;
}

}  // namespace stack::wire
