#include "gateway/shard/path_mtu.h"

#include <algorithm>

#include "crypto/ike/natt.h"
#include "gateway/shard/peer.h"
#include "stack/wire/icmp4.h"
#include "stack/wire/ip4.h"

namespace gateway::shard {
namespace {

using stack::ByteView;
using stack::Load16;
using stack::Load32;

constexpr size_t kIpHeader = 20, kQuotedTransport = 8;
constexpr uint8_t kUdp = 17, kEsp = 50;
constexpr uint16_t kOldRouterMtu = 576;

// The quotation is a packet's beginning: its own lengths say more than there is.
std::optional<PathTooBig> ReadQuoted(ByteView quoted, stack::Ip4 us) {
  if (quoted.size() < kIpHeader) return std::nullopt;
  const auto version_ihl = static_cast<uint8_t>(quoted[0]);
  const size_t header = (version_ihl & 15U) * size_t{4};
  if (version_ihl >> 4 != 4 || header < kIpHeader) return std::nullopt;
  if (quoted.size() < header + kQuotedTransport || Load32(&quoted[12]) != us.value) {
    return std::nullopt;
  }
  PathTooBig path;
  path.remote.ip.value = Load32(&quoted[16]);
  const std::byte* transport = &quoted[header];
  switch (static_cast<uint8_t>(quoted[9])) {
    case kEsp:
      path.spi = Load32(transport);
      return path;
    case kUdp:
      if (Load16(transport) != ike::kFloatedPort) return std::nullopt;
      path.remote.port = Load16(transport + 2);
      return path;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<PathTooBig> ReadPathTooBig(ByteView bytes) {
  using stack::wire::IcmpType;
  using stack::wire::UnreachableCode;
  const auto packet = stack::wire::Ip4Packet::Parse(bytes);
  if (!packet.ok() || packet->protocol() != stack::wire::IpProtocol::kIcmp) return std::nullopt;
  const auto icmp = stack::wire::Icmp4::Parse(packet->payload());
  if (!icmp.ok() || icmp->type() != IcmpType::kDestinationUnreachable ||
      icmp->code() != static_cast<uint8_t>(UnreachableCode::kFragmentationNeeded) ||
      !icmp->ChecksumHolds()) {
    return std::nullopt;
  }
  auto path = ReadQuoted(icmp->payload(), packet->destination());
  if (path) path->mtu = icmp->mtu() == 0 ? kOldRouterMtu : icmp->mtu();
  return path;
}

}  // namespace gateway::shard
