#include "nat/rewrite.h"

#include "stack/base/checksum.h"

namespace nat {
namespace {

using stack::ByteSpan;
using stack::Drop;
using stack::Endpoint;
using stack::Load16;
using stack::Load32;
using stack::Store16;
using stack::Store32;
using stack::Update16;
using stack::Update32;

constexpr size_t kTcpChecksum = 16;
constexpr size_t kUdpChecksum = 6;
constexpr size_t kIcmpChecksum = 2;
constexpr size_t kIcmpIdentifier = 4;
constexpr size_t kTcpOptions = 20;
constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNop = 1;
constexpr uint8_t kOptionMss = 2;

struct Change {
  uint32_t ip_before, ip_after;
  uint16_t port_before, port_after;
};

// TCP and UDP cover the addresses by their pseudo-header, ICMP does not (RFC 792).
uint16_t AfterChange(uint16_t checksum, const Change& change) {
  return Update16(Update32(checksum, change.ip_before, change.ip_after), change.port_before,
                  change.port_after);
}

void UpdateTransport(ByteSpan header, Kind kind, const Change& change) {
  if (kind == Kind::kTcp) {
    std::byte* field = &header[kTcpChecksum];
    Store16(field, AfterChange(Load16(field), change));
  } else if (kind == Kind::kUdp) {
    std::byte* field = &header[kUdpChecksum];
    if (Load16(field) == 0) return;
    const uint16_t after = AfterChange(Load16(field), change);
    Store16(field, after == 0 ? uint16_t{0xffff} : after);
  } else {
    std::byte* field = &header[kIcmpChecksum];
    Store16(field, Update16(Load16(field), change.port_before, change.port_after));
  }
}

void Rewrite(ByteSpan packet, const Transport& transport, Endpoint to, bool source) {
  std::byte* address = &packet[source ? kIpSource : kIpDestination];
  const uint32_t before = Load32(address);
  std::byte* checksum = &packet[kIpChecksum];
  Store16(checksum, Update32(Load16(checksum), before, to.ip.value));
  Store32(address, to.ip.value);
  if (transport.role == Transport::Role::kIcmpError) return;

  const ByteSpan header = packet.subspan(transport.at);
  const size_t port_at = transport.flow.kind == Kind::kIcmp ? kIcmpIdentifier : source ? 0 : 2;
  std::byte* port = &header[port_at];
  UpdateTransport(header, transport.flow.kind, {before, to.ip.value, Load16(port), to.port});
  Store16(port, to.port);
}

// Offset of the MSS option's value in a TCP header; 0 if there is none or the options are damaged.
size_t FindMss(stack::ByteView header) {
  const size_t end = (static_cast<size_t>(header[12]) >> 4) * 4;
  size_t at = kTcpOptions;
  while (at < end) {
    const auto kind = static_cast<uint8_t>(header[at]);
    if (kind == kOptionEnd) return 0;
    if (kind == kOptionNop) {
      ++at;
      continue;
    }
    if (end - at < 2) return 0;
    const auto length = static_cast<size_t>(header[at + 1]);
    if (length < 2 || length > end - at) return 0;
    if (kind == kOptionMss) return length == 4 ? at + 2 : 0;
    at += length;
  }
  return 0;
}

}  // namespace

void RewriteSource(ByteSpan packet, const Transport& transport, Endpoint to) {
  Rewrite(packet, transport, to, true);
}

void RewriteDestination(ByteSpan packet, const Transport& transport, Endpoint to) {
  Rewrite(packet, transport, to, false);
}

bool ClampMss(ByteSpan packet, uint16_t max_mss) {
  const auto transport = FindTransport(packet);
  if (!transport.ok() || (transport->tcp_flags & kTcpSyn) == 0) return false;
  const ByteSpan header = packet.subspan(transport->at, size_t{transport->end} - transport->at);
  const size_t at = FindMss(header);
  if (at == 0) return false;
  const uint16_t before = Load16(&header[at]);
  if (before <= max_mss) return false;
  Store16(&header[at], max_mss);
  // NOPs may push the value to an odd offset: its octets then fall into the other halves of two
  // words.
  const bool odd = at % 2 != 0;
  std::byte* checksum = &header[kTcpChecksum];
  Store16(checksum,
          odd ? Update16(Load16(checksum), __builtin_bswap16(before), __builtin_bswap16(max_mss))
              : Update16(Load16(checksum), before, max_mss));
  return true;
}

Drop DecrementTtl(ByteSpan packet) {
  if (packet.size() < kIpHeader) return Drop::kTruncated;
  const auto ttl = static_cast<uint8_t>(packet[kIpTtl]);
  if (ttl <= 1) return Drop::kTtlExpired;
  const uint16_t before = Load16(&packet[kIpTtl]);  // TTL and protocol share a word
  const auto after = static_cast<uint16_t>(before - 0x100);
  Store16(&packet[kIpTtl], after);
  Store16(&packet[kIpChecksum], Update16(Load16(&packet[kIpChecksum]), before, after));
  return Drop::kNone;
}

}  // namespace nat
