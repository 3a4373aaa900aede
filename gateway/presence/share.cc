#include "gateway/presence/share.h"

#include <algorithm>

#include "stack/wire/icmp4.h"
#include "stack/wire/ip4.h"

namespace gateway::presence {
namespace {

using stack::wire::IcmpType;
using stack::wire::IpProtocol;

bool IsOurPort(const Share& share, IpProtocol protocol, uint16_t port) {
  const bool served =
      share.serve && protocol == IpProtocol::kUdp &&
      std::find(kServedPorts.begin(), kServedPorts.end(), port) != kServedPorts.end();
  return served || share.IsNatPort(port);
}

}  // namespace

bool IsOurs(const Share& share, stack::ByteView packet) {
  const auto protocol = static_cast<IpProtocol>(packet[9]);
  const stack::ByteView payload = packet.subspan((static_cast<size_t>(packet[0]) & 15U) * 4);
  switch (protocol) {
    case IpProtocol::kEsp:
      return share.serve;
    case IpProtocol::kUdp:
    case IpProtocol::kTcp:
      return payload.size() >= 4 && IsOurPort(share, protocol, stack::Load16(&payload[2]));
    case IpProtocol::kIcmp: {
      const auto icmp = stack::wire::Icmp4::Parse(payload);
      if (!icmp.ok()) return false;
      // An error may be about our outer packets: a path that takes only smaller ones.
      if (icmp->IsError()) return share.serve || share.HasNat();
      return icmp->type() == IcmpType::kEchoReply && share.HasNat();
    }
    default:
      return false;
  }
}

}  // namespace gateway::presence
