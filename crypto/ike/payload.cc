#include "crypto/ike/payload.h"

#include <algorithm>

namespace crypto::ike {
namespace {

constexpr uint16_t kShortForm = 0x8000;
constexpr size_t kMaxAttributes = 32;

using stack::Reader;
using stack::Writer;

void Append8(Bytes& to, size_t v) { to.push_back(static_cast<std::byte>(v)); }
void Append16(Bytes& to, size_t v) {
  Append8(to, v >> 8 & 0xff);
  Append8(to, v & 0xff);
}
void Append32(Bytes& to, uint32_t v) {
  Append16(to, v >> 16);
  Append16(to, v & 0xffff);
}
void Append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

// One link of a chain of proposals or transforms: `type` is what its kind is called by the one
// before.
struct Link {
  bool last;
  Reader body;
};
std::optional<Link> NextLink(Reader& in, PayloadType type) {
  const auto next = static_cast<PayloadType>(in.U8());
  in.Skip(1);
  const size_t length = in.U16();
  if (!in.ok() || length < stack::wire::kIsakmpPayloadHeader) return std::nullopt;
  Reader body = in.Part(length - stack::wire::kIsakmpPayloadHeader);
  if (!in.ok()) return std::nullopt;
  if (next != PayloadType::kNone && next != type) return std::nullopt;
  return Link{next == PayloadType::kNone, body};
}

// False if they do not parse, or are not as many as the proposal says.
bool DecodeTransforms(Reader& in, size_t count, size_t& budget, std::vector<Transform>& to) {
  for (bool last = false; !last;) {
    if (to.size() == count || budget == 0) return false;
    auto link = NextLink(in, PayloadType::kTransform);
    if (!link) return false;
    Transform transform;
    transform.number = link->body.U8();
    transform.id = link->body.U8();
    link->body.Skip(2);
    if (!link->body.ok()) return false;
    transform.attributes = link->body.Rest();
    to.push_back(transform);
    last = link->last;
    --budget;
  }
  return to.size() == count;
}

std::optional<Proposal> DecodeProposal(Reader& in, size_t& budget) {
  Proposal proposal;
  proposal.number = in.U8();
  proposal.protocol = in.U8();
  const size_t spi_size = in.U8();
  const size_t count = in.U8();
  proposal.spi = in.Take(spi_size);
  if (!in.ok() || !DecodeTransforms(in, count, budget, proposal.transforms)) return std::nullopt;
  return proposal;
}

}  // namespace

std::optional<uint32_t> Attribute::Number() const {
  if (value.empty()) return std::nullopt;
  uint32_t number = 0;
  for (const std::byte b : value) {
    if (number >> 24 != 0) return std::nullopt;
    number = number << 8 | static_cast<uint32_t>(b);
  }
  return number;
}

Decoded<SaOffer> DecodeSa(ByteView body) {
  Reader in(body);
  const uint32_t doi = in.U32();
  const uint32_t situation = in.U32();
  if (!in.ok()) return NotifyType::kPayloadMalformed;
  if (doi != kDoiIpsec || situation != kSituationIdentityOnly) {
    return NotifyType::kSituationNotSupported;
  }
  SaOffer offer;
  size_t budget = kMaxTransforms;
  for (bool last = false; !last;) {
    if (offer.proposals.size() == kMaxProposals) return NotifyType::kBadProposalSyntax;
    auto link = NextLink(in, PayloadType::kProposal);
    if (!link) return NotifyType::kBadProposalSyntax;
    auto proposal = DecodeProposal(link->body, budget);
    if (!proposal) return NotifyType::kBadProposalSyntax;
    offer.proposals.push_back(*std::move(proposal));
    last = link->last;
  }
  return offer;
}

Bytes EncodeSa(const Proposal& proposal) {
  constexpr size_t kLinkHeader = 8;
  size_t transforms = 0;
  for (const Transform& t : proposal.transforms) transforms += kLinkHeader + t.attributes.size();
  Bytes body;
  Append32(body, kDoiIpsec);
  Append32(body, kSituationIdentityOnly);
  Append16(body, 0);
  Append16(body, kLinkHeader + proposal.spi.size() + transforms);
  Append8(body, proposal.number);
  Append8(body, proposal.protocol);
  Append8(body, proposal.spi.size());
  Append8(body, proposal.transforms.size());
  Append(body, proposal.spi);
  for (size_t i = 0; i < proposal.transforms.size(); ++i) {
    const Transform& t = proposal.transforms[i];
    const bool last = i + 1 == proposal.transforms.size();
    Append8(body, static_cast<size_t>(last ? PayloadType::kNone : PayloadType::kTransform));
    Append8(body, 0);
    Append16(body, kLinkHeader + t.attributes.size());
    Append8(body, t.number);
    Append8(body, t.id);
    Append16(body, 0);
    Append(body, t.attributes);
  }
  return body;
}

std::optional<std::vector<Attribute>> DecodeAttributes(ByteView attributes) {
  std::vector<Attribute> out;
  Reader in(attributes);
  while (in.left() > 0) {
    if (out.size() == kMaxAttributes) return std::nullopt;
    const uint16_t head = in.U16();
    Attribute attribute;
    attribute.type = head & static_cast<uint16_t>(~kShortForm);
    const bool is_short = (head & kShortForm) != 0;
    attribute.value = in.Take(is_short ? 2 : in.U16());
    if (!in.ok()) return std::nullopt;
    out.push_back(attribute);
  }
  return out;
}

void AppendAttribute(Bytes& to, uint16_t type, uint32_t value) {
  if (value <= 0xffff) {
    Append16(to, type | size_t{kShortForm});
    Append16(to, value);
  } else {
    Append16(to, type);
    Append16(to, 4);
    Append32(to, value);
  }
}

Decoded<Identification> DecodeId(ByteView body) {
  Reader in(body);
  Identification id;
  id.type = static_cast<IdType>(in.U8());
  id.protocol = in.U8();
  id.port = in.U16();
  if (!in.ok()) return NotifyType::kPayloadMalformed;
  const ByteView data = in.Rest();
  if (data.size() > kMaxIdOctets) return NotifyType::kInvalidIdInformation;
  if (id.type == IdType::kIpv4Addr && data.size() != 4) return NotifyType::kInvalidIdInformation;
  id.data = stack::ToBytes(data);
  return id;
}

Bytes EncodeId(const Identification& id) {
  Bytes body;
  Append8(body, static_cast<size_t>(id.type));
  Append8(body, id.protocol);
  Append16(body, id.port);
  Append(body, id.data);
  return body;
}

Decoded<Notify> DecodeNotify(ByteView body) {
  Reader in(body);
  in.Skip(4);  // DOI: 0 and 1 both occur
  Notify notify;
  notify.protocol = in.U8();
  const size_t spi_size = in.U8();
  notify.type = static_cast<NotifyType>(in.U16());
  notify.spi = in.Take(spi_size);
  if (!in.ok()) return NotifyType::kPayloadMalformed;
  notify.data = in.Rest();
  return notify;
}

Bytes EncodeNotify(const Notify& notify) {
  Bytes body;
  Append32(body, kDoiIpsec);
  Append8(body, notify.protocol);
  Append8(body, notify.spi.size());
  Append16(body, static_cast<size_t>(notify.type));
  Append(body, notify.spi);
  Append(body, notify.data);
  return body;
}

Decoded<Delete> DecodeDelete(ByteView body) {
  Reader in(body);
  in.Skip(4);  // DOI
  Delete del;
  del.protocol = in.U8();
  const size_t spi_size = in.U8();
  const size_t count = in.U16();
  if (!in.ok() || spi_size == 0) return NotifyType::kPayloadMalformed;
  for (size_t i = 0; i < count; ++i) {
    const ByteView spi = in.Take(spi_size);
    if (!in.ok()) return NotifyType::kPayloadMalformed;
    if (del.spis.size() < kMaxDeletedSpis) del.spis.push_back(spi);
  }
  return del;
}

Bytes EncodeDelete(uint8_t protocol, ByteView spi) {
  Bytes body;
  Append32(body, kDoiIpsec);
  Append8(body, protocol);
  Append8(body, spi.size());
  Append16(body, 1);
  Append(body, spi);
  return body;
}

std::optional<stack::Ip4> DecodeNatOa(ByteView body) {
  Reader in(body);
  const auto type = static_cast<IdType>(in.U8());
  in.Skip(3);
  const uint32_t address = in.U32();
  if (!in.done() || type != IdType::kIpv4Addr) return std::nullopt;
  return stack::Ip4{address};
}

Bytes EncodeNatOa(stack::Ip4 ip) {
  Bytes body;
  Append8(body, static_cast<size_t>(IdType::kIpv4Addr));
  Append8(body, 0);
  Append16(body, 0);
  Append32(body, ip.value);
  return body;
}

std::array<std::byte, 16> Cookies::Octets() const {
  std::array<std::byte, 16> octets;
  stack::Store64(octets.data(), initiator);
  stack::Store64(octets.data() + 8, responder);
  return octets;
}

Bytes ClearMessage(const Cookies& cookies, ExchangeType exchange, uint32_t message_id,
                   const PayloadList& payloads) {
  IsakmpHeader header;
  header.initiator_cookie = cookies.initiator;
  header.responder_cookie = cookies.responder;
  header.next_payload = payloads.first();
  header.exchange = exchange;
  header.message_id = message_id;
  header.length = static_cast<uint32_t>(stack::wire::kIsakmpHeader + payloads.bytes().size());
  Bytes message(header.length);
  Writer writer(message);
  header.Write(writer);
  writer.Put(payloads.bytes());
  return message;
}

}  // namespace crypto::ike
