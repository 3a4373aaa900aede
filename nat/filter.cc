#include "nat/filter.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace nat {
namespace {

using stack::ByteView;
using stack::Drop;
using stack::Ip4;
using stack::Load16;
using stack::Load32;

constexpr uint16_t kNetBiosFirst = 137;  // name, datagram and session service, RFC 1002
constexpr uint16_t kNetBiosLast = 139;

size_t HeaderLength(ByteView packet) {
  return (static_cast<size_t>(packet[0]) & 0x0fU) * size_t{4};
}

std::optional<uint16_t> DestinationPort(ByteView packet) {
  const auto protocol = static_cast<uint8_t>(packet[kIpProtocol]);
  if (protocol != kProtocolTcp && protocol != kProtocolUdp) return std::nullopt;
  const size_t at = HeaderLength(packet);
  if (packet.size() < at + 4) return std::nullopt;
  return Load16(&packet[at + 2]);
}

// The client's netmask is not known here: what ends in .255 is taken for its network's broadcast
// address.
bool IsNetBiosBroadcast(ByteView packet, Ip4 destination) {
  if (static_cast<uint8_t>(packet[kIpProtocol]) != kProtocolUdp) return false;
  if ((destination.value & 0xff) != 0xff) return false;
  const auto port = DestinationPort(packet);
  return port && *port >= kNetBiosFirst && *port <= kNetBiosLast;
}

bool Fits(const Rule& rule, ByteView packet) {
  if (!rule.source.Contains({Load32(&packet[kIpSource])})) return false;
  if (!rule.destination.Contains({Load32(&packet[kIpDestination])})) return false;
  if (rule.protocol != 0 && rule.protocol != static_cast<uint8_t>(packet[kIpProtocol]))
    return false;
  if (rule.first_port == 0 && rule.last_port == 65535) return true;
  const auto port = DestinationPort(packet);
  return port && rule.first_port <= *port && *port <= rule.last_port;
}

}  // namespace

Drop SwallowNoise(ByteView packet) {
  if (packet.size() < kIpHeader) return Drop::kTruncated;
  const Ip4 destination{Load32(&packet[kIpDestination])};
  const bool noise = destination.IsLimitedBroadcast() || destination.IsMulticast() ||
                     static_cast<uint8_t>(packet[kIpProtocol]) == kProtocolIgmp ||
                     IsNetBiosBroadcast(packet, destination);
  return noise ? Drop::kSwallowed : Drop::kNone;
}

Filter::Filter(std::vector<Rule> rules) : rules_(std::move(rules)) {
  if (rules_.size() > kMaxRules) rules_.resize(kMaxRules);
}

Drop Filter::Check(ByteView packet) const {
  if (packet.size() < kIpHeader || packet.size() < HeaderLength(packet)) return Drop::kTruncated;
  const auto rule =
      std::ranges::find_if(rules_, [packet](const Rule& r) { return Fits(r, packet); });
  if (rule == rules_.end() || rule->action == Rule::Action::kAllow) return Drop::kNone;
  return Drop::kFiltered;
}

}  // namespace nat
