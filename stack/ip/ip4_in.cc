#include "stack/ip/ip4_in.h"

namespace stack::ip {
namespace {

bool IsThisNetwork(Ip4 a) { return (a.value >> 24) == 0; }
bool IsReservedClassE(Ip4 a) { return (a.value >> 28) == 0xf; }  // limited broadcast included

}  // namespace

bool IsMartian(Ip4 source, Ip4 destination) {
  if (source.IsZero()) return !destination.IsLimitedBroadcast();
  if (IsThisNetwork(source) || source.IsLoopback()) return true;
  if (source.IsMulticast() || IsReservedClassE(source)) return true;
  if (IsThisNetwork(destination) || destination.IsLoopback()) return true;
  if (IsReservedClassE(destination) && !destination.IsLimitedBroadcast()) return true;
  return source == destination;
}

Result<Ip4Arrival, Drop> In(PacketBuf& buf) {
  const Result<wire::Ip4Packet, Drop> packet = wire::Ip4Packet::Parse(buf.bytes());
  if (!packet) return packet.error();
  if (!packet->ChecksumHolds()) return Drop::kBadChecksum;
  if (IsMartian(packet->source(), packet->destination())) return Drop::kMartian;
  buf.Trim(buf.size() - packet->total_length());
  return Ip4Arrival{*packet, packet->is_fragment()};
}

}  // namespace stack::ip
