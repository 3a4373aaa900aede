#include "stack/ip/icmp.h"

#include <algorithm>

#include "stack/ip/ip4_out.h"

namespace stack::ip {
namespace {

using wire::Icmp4;
using wire::Ip4Packet;

constexpr uint8_t kInternetworkControl = 0xc0;  // precedence of errors, RFC 1812 4.3.2.5

// One host, and not one of the loopback or reserved nets.
bool IsHost(Ip4 ip) {
  return (ip.value >> 24) != 0 && !ip.IsLoopback() && !ip.IsMulticast() && (ip.value >> 28) != 0xf;
}

bool IsGroup(Ip4 ip) { return ip.IsMulticast() || ip.IsLimitedBroadcast(); }

// Whether the packet is an ICMP error, or may be one.
bool MayBeIcmpError(const Ip4Packet& packet) {
  if (packet.protocol() != wire::IpProtocol::kIcmp) return false;
  const Result<Icmp4, Drop> icmp = Icmp4::Parse(packet.payload());
  return !icmp || icmp->IsError();
}

}  // namespace

bool TokenBucket::Take(absl::Time now) {
  if (now > last_) {
    const double earned = absl::ToDoubleSeconds(now - last_) * per_second_;
    tokens_ = std::min(burst_, tokens_ + earned);
    last_ = now;
  }
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Drop Icmp::AnswerEcho(absl::Time now, PacketBuf& buf) {
  const Result<Ip4Packet, Drop> packet = Ip4Packet::Parse(buf.bytes());
  if (!packet) return packet.error();
  if (packet->protocol() != wire::IpProtocol::kIcmp) return Drop::kNoService;
  const Result<Icmp4, Drop> icmp = Icmp4::Parse(packet->payload());
  if (!icmp) return icmp.error();
  if (icmp->type() != wire::IcmpType::kEchoRequest) return Drop::kNoService;
  if (!icmp->ChecksumHolds()) return Drop::kBadChecksum;
  if (!IsHost(packet->source()) || IsGroup(packet->destination())) return Drop::kSwallowed;
  if (!echoes_.Take(now)) return Drop::kRateLimited;

  // RFC 1122 3.2.2.6 and 3.2.1.6: the addresses change places; data and type of service stay. The
  // request's id serves the reply as well: it is unique for the same pair of addresses.
  const wire::Ip4Fields reply{.source = packet->destination(),
                              .destination = packet->source(),
                              .protocol = wire::IpProtocol::kIcmp,
                              .tos = packet->tos(),
                              .id = packet->id(),
                              .dont_fragment = packet->dont_fragment()};
  buf.Pull(packet->header_size());
  std::byte* message = buf.bytes().data();
  const uint16_t before = Load16(message);
  message[0] = static_cast<std::byte>(wire::IcmpType::kEchoReply);
  Store16(message + 2, Update16(Load16(message + 2), before, Load16(message)));
  return Push(buf, reply);
}

bool Icmp::MayReport(const Offence& about) {
  const Result<Ip4Packet, Drop> packet = Ip4Packet::Parse(about.packet);
  if (!packet || about.broadcast || packet->fragment_offset() != 0) return false;
  if (!IsHost(packet->source()) || IsGroup(packet->destination())) return false;
  return !MayBeIcmpError(*packet);
}

Result<PacketBuf, Drop> Icmp::Unreachable(absl::Time now, const Offence& about,
                                          wire::UnreachableCode code, uint16_t mtu) {
  const bool has_mtu = code == wire::UnreachableCode::kFragmentationNeeded;
  return Error(now, about, wire::IcmpType::kDestinationUnreachable, static_cast<uint8_t>(code),
               has_mtu ? mtu : 0);
}

Result<PacketBuf, Drop> Icmp::TimeExceeded(absl::Time now, const Offence& about,
                                           wire::TimeExceededCode code) {
  return Error(now, about, wire::IcmpType::kTimeExceeded, static_cast<uint8_t>(code), 0);
}

Result<PacketBuf, Drop> Icmp::Error(absl::Time now, const Offence& about, wire::IcmpType type,
                                    uint8_t code, uint32_t rest) {
  if (!MayReport(about)) return Drop::kNone;
  if (!errors_.Take(now)) return Drop::kRateLimited;
  PacketBuf error = pool_.Get(kMaxError);
  if (!error) return Drop::kPoolDry;
  const Result<Ip4Packet, Drop> packet = Ip4Packet::Parse(about.packet);
  const size_t quoted =
      std::min(packet->bytes().size(), kMaxError - Ip4Packet::kMinHeader - Icmp4::kSize);
  wire::WriteIcmp4(error.Append(Icmp4::kSize), type, code, rest);
  error.Assign(packet->bytes().first(quoted));
  wire::FillIcmpChecksum(error.bytes());
  const Drop drop = Push(error, {.source = about.reporter,
                                 .destination = packet->source(),
                                 .protocol = wire::IpProtocol::kIcmp,
                                 .tos = kInternetworkControl,
                                 .dont_fragment = true});
  if (drop != Drop::kNone) return drop;
  return error;
}

}  // namespace stack::ip
