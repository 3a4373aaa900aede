#include "nat/icmp_inner.h"

#include "stack/base/checksum.h"

namespace nat {
namespace {

using stack::ByteSpan;
using stack::ByteView;
using stack::Drop;
using stack::Endpoint;
using stack::Load16;
using stack::Load32;
using stack::Store16;
using stack::Store32;
using stack::Update16;
using stack::Update32;

constexpr size_t kIcmpHeader = 8;
constexpr size_t kIcmpChecksum = 2;
constexpr size_t kIcmpIdentifier = 4;
constexpr size_t kQuotedTransport = 8;  // what RFC 792 has quoted at least
constexpr size_t kTcpChecksum = 16;     // beyond that minimum
constexpr size_t kUdpChecksum = 6;
constexpr uint16_t kFragmentOffset = 0x1fff;

bool SumsUp(ByteView covered) { return stack::Fold(stack::SumOf(covered)) == 0xffff; }

Drop ReadQuotedTransport(ByteView header, uint8_t protocol, Quotation& inner) {
  switch (protocol) {
    case kProtocolTcp:
    case kProtocolUdp:
      inner.flow.kind = protocol == kProtocolTcp ? Kind::kTcp : Kind::kUdp;
      inner.flow.source.port = Load16(&header[0]);
      inner.flow.destination.port = Load16(&header[2]);
      return Drop::kNone;
    case kProtocolIcmp: {
      const auto type = static_cast<uint8_t>(header[0]);
      if (type != 0 && type != 8) return Drop::kNatProtocol;
      inner.flow.kind = Kind::kIcmp;
      inner.echo_reply = type == 0;
      (inner.echo_reply ? inner.flow.destination : inner.flow.source).port =
          Load16(&header[kIcmpIdentifier]);
      return Drop::kNone;
    }
    default:
      return Drop::kNatProtocol;
  }
}

// The quoted transport checksum covers the change too, if it is quoted at all.
void UpdateQuotedChecksum(ByteSpan header, Kind kind, uint32_t ip_before, uint32_t ip_after,
                          uint16_t port_before, uint16_t port_after) {
  if (kind == Kind::kIcmp) {
    std::byte* field = &header[kIcmpChecksum];
    Store16(field, Update16(Load16(field), port_before, port_after));
    return;
  }
  const size_t at = kind == Kind::kTcp ? kTcpChecksum : kUdpChecksum;
  if (header.size() < at + 2) return;
  std::byte* field = &header[at];
  if (kind == Kind::kUdp && Load16(field) == 0) return;
  const uint16_t after =
      Update16(Update32(Load16(field), ip_before, ip_after), port_before, port_after);
  Store16(field, kind == Kind::kUdp && after == 0 ? uint16_t{0xffff} : after);
}

void RewriteQuoted(ByteSpan packet, const Transport& transport, const Quotation& inner, Endpoint to,
                   bool source) {
  std::byte* address = &packet[inner.ip_at + (source ? kIpSource : kIpDestination)];
  const uint32_t ip_before = Load32(address);
  std::byte* ip_checksum = &packet[inner.ip_at + kIpChecksum];
  Store16(ip_checksum, Update32(Load16(ip_checksum), ip_before, to.ip.value));
  Store32(address, to.ip.value);

  const Kind kind = inner.flow.kind;
  const ByteSpan header = packet.subspan(inner.at, size_t{transport.end} - inner.at);
  std::byte* port = &header[kind == Kind::kIcmp ? kIcmpIdentifier : source ? 0 : 2];
  UpdateQuotedChecksum(header, kind, ip_before, to.ip.value, Load16(port), to.port);
  Store16(port, to.port);

  // The old sum was verified, so nothing is hidden by a new one.
  const ByteSpan icmp = packet.subspan(transport.at, size_t{transport.end} - transport.at);
  Store16(&icmp[kIcmpChecksum], 0);
  Store16(&icmp[kIcmpChecksum], stack::Finish(stack::SumOf(icmp)));
}

}  // namespace

stack::Result<Quotation, Drop> ReadQuotation(ByteView packet, const Transport& transport) {
  const ByteView icmp = packet.subspan(transport.at, size_t{transport.end} - transport.at);
  if (icmp.size() < kIcmpHeader + kIpHeader + kQuotedTransport) return Drop::kNatMalformed;
  if (!SumsUp(icmp)) return Drop::kNatMalformed;

  const ByteView quoted = icmp.subspan(kIcmpHeader);
  const auto version_ihl = static_cast<uint8_t>(quoted[0]);
  const size_t header_length = (version_ihl & 0x0fU) * size_t{4};
  if (version_ihl >> 4 != 4 || header_length < kIpHeader) return Drop::kNatMalformed;
  if (quoted.size() < header_length + kQuotedTransport) return Drop::kNatMalformed;
  if (!SumsUp(quoted.first(header_length))) return Drop::kNatMalformed;
  if ((Load16(&quoted[6]) & kFragmentOffset) != 0) return Drop::kNatMalformed;

  Quotation inner;
  inner.ip_at = static_cast<uint16_t>(transport.at + kIcmpHeader);
  inner.at = static_cast<uint16_t>(inner.ip_at + header_length);
  inner.flow.source.ip.value = Load32(&quoted[kIpSource]);
  inner.flow.destination.ip.value = Load32(&quoted[kIpDestination]);
  const Drop drop = ReadQuotedTransport(quoted.subspan(header_length),
                                        static_cast<uint8_t>(quoted[kIpProtocol]), inner);
  if (drop != Drop::kNone) return drop;
  return inner;
}

void RewriteQuotedSource(ByteSpan packet, const Transport& transport, const Quotation& inner,
                         Endpoint to) {
  RewriteQuoted(packet, transport, inner, to, true);
}

void RewriteQuotedDestination(ByteSpan packet, const Transport& transport, const Quotation& inner,
                              Endpoint to) {
  RewriteQuoted(packet, transport, inner, to, false);
}

}  // namespace nat
