#include "gateway/load/nat.h"

#include "stack/base/checksum.h"
#include "stack/wire/ip4.h"

namespace gateway::load {
namespace {

using stack::ByteSpan;
using stack::Ip4;

constexpr uint16_t kIke = 500, kFloated = 4500;
constexpr Ip4 kPrivate{0x0a000002};  // 10.0.0.2, and on
constexpr size_t kIpHeader = 20;     // nobody here sends options
constexpr size_t kSource = 12, kDestination = 16;

bool IsUdp(ByteSpan packet) {
  return packet.size() >= kIpHeader + 8 && packet[0] == std::byte{0x45} &&
         packet[9] == std::byte{17};
}

// Another address and port, the checksums kept right.
void Rewrite(ByteSpan packet, size_t ip_at, size_t port_at, stack::Endpoint to) {
  std::byte* const checksum = &packet[kIpHeader + 6];
  if (const uint16_t sum = stack::Load16(checksum); sum != 0) {
    const uint16_t moved = stack::Update32(sum, stack::Load32(&packet[ip_at]), to.ip.value);
    const uint16_t done = stack::Update16(moved, stack::Load16(&packet[port_at]), to.port);
    stack::Store16(checksum, done == 0 ? uint16_t{0xffff} : done);
  }
  stack::Store16(&packet[port_at], to.port);
  ip_at == kSource ? stack::wire::SetSource(packet, to.ip)
                   : stack::wire::SetDestination(packet, to.ip);
}

}  // namespace

Ip4 Places::Inside(uint32_t client) const {
  return nat_ ? Ip4{kPrivate.value + client} : Outside(client);
}

Ip4 Places::Outside(uint32_t client) const {
  return {source_.first.value + client % source_.size()};
}

std::optional<uint32_t> Places::ClientAt(Ip4 destination, uint16_t port) const {
  if (!source_.Contains(destination)) return std::nullopt;
  const uint32_t at = destination.value - source_.first.value;
  if (!nat_) return at;
  if (port < kFirstNatPort) return std::nullopt;
  return (port - uint32_t{kFirstNatPort}) / 2 * source_.size() + at;
}

bool Places::IsFloated(uint16_t port) const {
  return nat_ ? port >= kFirstNatPort && (port - kFirstNatPort) % 2 == 1 : port == kFloated;
}

bool Places::Outbound(uint32_t client, ByteSpan packet) const {
  if (!nat_) return true;
  if (!IsUdp(packet)) return false;
  const bool floated = stack::Load16(&packet[kIpHeader]) != kIke;
  const auto port = static_cast<uint16_t>(kFirstNatPort + client / source_.size() * 2 + floated);
  Rewrite(packet, kSource, kIpHeader, {Outside(client), port});
  return true;
}

bool Places::Inbound(uint32_t client, ByteSpan packet) const {
  if (!nat_) return true;
  if (!IsUdp(packet)) return false;
  const uint16_t port = IsFloated(stack::Load16(&packet[kIpHeader + 2])) ? kFloated : kIke;
  Rewrite(packet, kDestination, kIpHeader + 2, {Inside(client), port});
  return true;
}

}  // namespace gateway::load
