// The first stages of both ways: from a received frame to the way it belongs to. Classified by
// destination first, in the same order as io::ShardOf.
#include <algorithm>
#include <utility>

#include "gateway/presence/share.h"
#include "gateway/shard/path_mtu.h"
#include "gateway/shard/segment.h"
#include "gateway/shard/shard.h"
#include "stack/ip/ip4_in.h"
#include "stack/ip/udp_ports.h"
#include "stack/link/ethernet_io.h"
#include "stack/wire/isakmp.h"
#include "stack/wire/udp.h"

namespace gateway::shard {
namespace {

using stack::Drop;
using stack::wire::IpProtocol;

constexpr uint16_t kDhcpClientPort = 68;
constexpr size_t kNonEspMarker = 4;
constexpr std::byte kKeepalive{0xff};  // RFC 3948 section 2.3
constexpr size_t kCookies = 16;        // both, at the front of an ISAKMP header

stack::Ip4 SourceOf(const stack::PacketBuf& packet) { return {stack::Load32(&packet.bytes()[12])}; }
stack::Ip4 DestinationOf(const stack::PacketBuf& packet) {
  return {stack::Load32(&packet.bytes()[16])};
}
IpProtocol ProtocolOf(const stack::PacketBuf& packet) {
  return static_cast<IpProtocol>(packet.bytes()[9]);
}

// RFC 3948 section 2.1, and not IKE behind its marker (section 2.2).
bool IsEspInUdp(const stack::wire::Udp& udp) {
  const stack::ByteView payload = udp.payload();
  return udp.destination_port() == ike::kFloatedPort && payload.size() >= kNonEspMarker &&
         stack::Load32(payload.data()) != 0;
}

void PullIpHeader(stack::PacketBuf& packet) {
  packet.Pull((static_cast<size_t>(packet.bytes()[0]) & 15U) * 4);
}

}  // namespace

// 1: everything that is there, up to a batch.
size_t Shard::ReceiveFrom(absl::Time now, uint8_t interface) {
  std::array<io::RxFrame, io::kBatch> frames;
  io::Port& port = *env_.ports[interface];
  const size_t count = port.Receive(frames);
  for (size_t i = 0; i < count; ++i) TakeFrame(now, interface, frames[i]);
  if (count == 0) return 0;
  up_.TakeOver(now);
  down_.TakeOver(now);
  port.Release();
  return count;
}

// 2: whole packets with whole checksums, on the shard that owns them.
void Shard::TakeFrame(absl::Time now, uint8_t interface, const io::RxFrame& frame) {
  ++tables_.stats.frames_in;
  if (frame.truncated) return tables_.stats.Drop(Drop::kRingTruncated);
  if (frame.vlan != 0) return tables_.stats.Drop(Drop::kEtherType);
  Segmenter segments(frame.bytes, frame.vnet);
  if (segments.drop() != Drop::kNone) return tables_.stats.Drop(segments.drop());
  if (segments.count() > 1) {
    ++tables_.stats.superframes_in;
    tables_.stats.segments_in += segments.count();
  }
  const uint8_t owner = io::ShardOf(frame.bytes, tables_.steering[interface]);
  if (segments.count() > 1 && owner == env_.index) return TakeTrain(now, interface, segments);
  if (owner == env_.index && TakeEspWhereItLies(now, interface, frame.bytes)) return;
  for (size_t i = 0; i < segments.count(); ++i) {
    stack::PacketBuf packet = segments.Next(tables_.pool);
    if (!packet) {
      tables_.stats.Drop(Drop::kPoolDry);
    } else if (owner == env_.index) {
      TakeEthernet(now, interface, std::move(packet));
    } else {
      const Drop drop = post_.SendPacket(owner, {Entry::kFrame, interface, {}, {}},
                                         std::as_const(packet).bytes());
      if (drop != Drop::kNone) tables_.stats.Drop(drop);
    }
  }
}

// Nearly all that comes from clients is ESP to us, and needs no copy of its own: opening it makes
// one. Takes only what the stages below would take to the same end; what is strange in any way is
// theirs to judge, and so is everything that comes where clients do not.
bool Shard::TakeEspWhereItLies(absl::Time now, uint8_t interface, stack::ByteView frame) {
  if (!env_.settings->interfaces[interface].serve) return false;
  const auto ethernet = stack::wire::Ethernet::Parse(frame);
  if (!ethernet.ok() || ethernet->type() != stack::wire::EtherType::kIp4 ||
      ethernet->destination() != env_.settings->interfaces[interface].mac) {
    return false;
  }
  const auto packet = stack::wire::Ip4Packet::Parse(frame.subspan(stack::wire::Ethernet::kSize));
  if (!packet.ok() || packet->is_fragment() || !packet->ChecksumHolds() ||
      stack::ip::IsMartian(packet->source(), packet->destination()) ||
      env_.settings->IsClient(packet->source())) {
    return false;
  }
  const auto owner = tables_.OwnerOf(packet->destination());
  if (!owner || !env_.settings->interfaces[*owner].serve || IsKernels(*owner, packet->bytes())) {
    return false;
  }
  stack::Endpoint from{packet->source(), 0}, to{packet->destination(), 0};
  if (packet->protocol() == IpProtocol::kEsp) {
    up_.AddBorrowed(now, packet->payload(), from, to, false);
    return true;
  }
  if (packet->protocol() != IpProtocol::kUdp) return false;
  const auto udp = stack::wire::Udp::Parse(packet->payload());
  if (!udp.ok() || !IsEspInUdp(*udp)) return false;
  from.port = udp->source_port();
  to.port = udp->destination_port();
  up_.AddBorrowed(now, udp->payload(), from, to, true);
  return true;
}

// A superframe costs what its head costs where it can: whoever takes that takes the others along.
// Else each goes by itself.
void Shard::TakeTrain(absl::Time now, uint8_t interface, Segmenter& segments) {
  for (size_t left = segments.count(); left > 0; --left) {
    stack::PacketBuf packet = segments.Next(tables_.pool);
    if (!packet) {
      tables_.stats.Drop(Drop::kPoolDry);
      continue;
    }
    train_ = segments.Rest();
    const bool has_rest = train_.count() > 0;
    TakeEthernet(now, interface, std::move(packet));
    if (has_rest && train_.count() == 0) return;
  }
  train_ = {};
}

// 3
void Shard::TakeEthernet(absl::Time now, uint8_t interface, stack::PacketBuf frame) {
  const auto pulled = stack::link::Pull(frame, env_.settings->interfaces[interface].mac);
  if (!pulled.ok()) return tables_.stats.Drop(pulled.error());
  if (pulled->type == stack::wire::EtherType::kArp) {
    if (!fifo_.Push(ArpItem{std::move(frame), interface})) tables_.stats.Drop(Drop::kFifoFull);
    return;
  }
  TakePacket(now, interface, std::move(frame));
}

// 4: fragments wait for the rest; what they make together may belong to another shard. Clients are
// behind tunnels: nothing from a link comes from one.
void Shard::TakePacket(absl::Time now, uint8_t interface, stack::PacketBuf packet) {
  const auto arrival = stack::ip::In(packet);
  if (!arrival.ok()) return tables_.stats.Drop(arrival.error());
  if (env_.settings->IsClient(arrival->packet.source())) {
    return tables_.stats.Drop(Drop::kSpoofedSource);
  }
  if (!arrival->is_fragment) return TakeWhole(now, interface, std::move(packet));
  stack::PacketBuf whole = tables_.outer.Add(now, std::move(packet));
  if (!whole) return;
  const uint8_t owner =
      io::ShardOfPacket(std::as_const(whole).bytes(), tables_.steering[interface]);
  if (owner == env_.index) return TakeWhole(now, interface, std::move(whole));
  const Drop drop =
      post_.SendPacket(owner, {Entry::kWhole, interface, {}, {}}, std::as_const(whole).bytes());
  if (drop != Drop::kNone) tables_.stats.Drop(drop);
}

void Shard::TakeWhole(absl::Time now, uint8_t interface, stack::PacketBuf packet) {
  const Drop drop = Classify(now, interface, packet);
  if (drop != Drop::kNone) tables_.stats.Drop(drop);
}

// Ours, a client's, or nobody's here.
Drop Shard::Classify(absl::Time now, uint8_t interface, stack::PacketBuf& packet) {
  const stack::Ip4 destination = DestinationOf(packet);
  if (const auto owner = tables_.OwnerOf(destination)) return ToUs(now, interface, *owner, packet);
  if (env_.settings->IsClient(destination)) {
    // Behind NAT nobody knows their addresses; a neighbour on the link who guesses gets nowhere.
    const InterfaceSettings& settings = env_.settings->interfaces[interface];
    if (settings.nat && !settings.proxy_arp) return Drop::kNotOurs;
    down_.AddArrival(now, std::move(packet), interface, std::exchange(train_, {}));
    return Drop::kNone;
  }
  const auto& address = tables_.interfaces[interface].address;
  // Before there is a lease the DHCP server's answer may come to the address it offers.
  const bool to_all = destination.IsLimitedBroadcast() ||
                      (address && destination == address->broadcast()) ||
                      (!address && env_.settings->interfaces[interface].dhcp);
  if (to_all) return TakeBroadcast(interface, packet);
  return destination.IsMulticast() ? Drop::kSwallowed : Drop::kNotOurs;
}

Drop Shard::ToUs(absl::Time now, uint8_t interface, uint8_t owner, stack::PacketBuf& packet) {
  const InterfaceSettings& settings = env_.settings->interfaces[owner];
  const IpProtocol protocol = ProtocolOf(packet);
  if (IsKernels(owner, std::as_const(packet).bytes())) return Drop::kKernels;
  if (protocol == IpProtocol::kEsp && settings.serve) {
    const stack::Endpoint from{SourceOf(packet), 0}, to{DestinationOf(packet), 0};
    PullIpHeader(packet);
    up_.Add(now, std::move(packet), from, to, false);
    return Drop::kNone;
  }
  if (protocol == IpProtocol::kUdp) {
    const Drop drop = TakeUdp(now, interface, settings.serve, packet);
    if (drop != Drop::kNoService) return drop;
  }
  if (protocol == IpProtocol::kIcmp) {
    Drop drop = AnswerPing(now, interface, packet);
    if (drop == Drop::kNoService && settings.serve) drop = TakePathTooBig(packet);
    if (drop != Drop::kNoService) return drop;
  }
  if (!settings.nat) return Drop::kNoService;
  down_.AddArrival(now, std::move(packet), interface, std::exchange(train_, {}));
  return Drop::kNone;
}

// Of a packet to the address of interface `owner`, which the kernel may have as well.
bool Shard::IsKernels(uint8_t owner, stack::ByteView packet) const {
  const InterfaceSettings& settings = env_.settings->interfaces[owner];
  if (!settings.shared) return false;
  const io::SteeringRules& rules = tables_.steering[owner];
  return !presence::IsOurs({settings.serve, rules.nat_first, rules.nat_last}, packet);
}

// kNoService: not one of our ports; the packet is untouched and may be a client's.
Drop Shard::TakeUdp(absl::Time now, uint8_t interface, bool serve, stack::PacketBuf& packet) {
  const stack::Ip4 source = SourceOf(packet), destination = DestinationOf(packet);
  const size_t header = (static_cast<size_t>(packet.bytes()[0]) & 15U) * 4;
  const auto udp = stack::wire::Udp::Parse(std::as_const(packet).bytes().subspan(header));
  if (!udp.ok()) return udp.error();
  const uint16_t port = udp->destination_port();
  if (port == kDhcpClientPort) return TakeBroadcast(interface, packet);
  if (!serve) return Drop::kNoService;
  if (port == stack::wire::kL2tpPort) return Drop::kClearL2tp;  // RFC 3193: never outside ESP
  if (port != ike::kIkePort && port != ike::kFloatedPort) return Drop::kNoService;
  const stack::Endpoint from{source, udp->source_port()}, to{destination, port};
  const stack::ByteView payload = udp->payload();
  const bool is_esp = IsEspInUdp(*udp);
  if (port == ike::kFloatedPort && payload.size() < kNonEspMarker) {
    return payload.size() == 1 && payload[0] == kKeepalive ? Drop::kNatKeepalive : Drop::kTruncated;
  }
  packet.Pull(header);
  const auto pulled = stack::ip::PullUdp(
      packet, source, destination,
      is_esp ? stack::ip::UdpChecksum::kIgnore : stack::ip::UdpChecksum::kHonest);
  if (!pulled.ok()) return pulled.error();
  if (is_esp) {
    AddEsp(now, std::move(packet), from, to);
    return Drop::kNone;
  }
  if (port == ike::kFloatedPort) packet.Pull(kNonEspMarker);
  return TakeIke(packet, from, to);
}

// ESP in UDP, from its SPI on, and the payloads of the datagrams behind it if they are nothing
// else. Nobody looks at a checksum of theirs (RFC 3948 section 2.1), and they need no headers.
void Shard::AddEsp(absl::Time now, stack::PacketBuf packet, const stack::Endpoint& from,
                   const stack::Endpoint& to) {
  up_.Add(now, std::move(packet), from, to, true);
  const Train rest = train_;
  for (size_t at = 0; at < rest.payload.size(); at += rest.segment) {
    const stack::ByteView payload = rest.payload.subspan(at);
    if (payload.size() < kNonEspMarker || stack::Load32(payload.data()) == 0) return;
  }
  train_ = {};
  for (size_t at = 0; at < rest.payload.size(); at += rest.segment) {
    const size_t size = std::min<size_t>(rest.segment, rest.payload.size() - at);
    up_.AddBorrowed(now, rest.payload.subspan(at, size), from, to, true);
  }
}

// A first message has no responder cookie, so shard 0 has it, and home knows where it belongs. The
// others follow their cookie, and the phase 1 if that has moved to another shard.
Drop Shard::TakeIke(stack::PacketBuf& message, const stack::Endpoint& from,
                    const stack::Endpoint& to) {
  const stack::ByteView bytes = std::as_const(message).bytes();
  if (bytes.size() < kCookies) return Drop::kTruncated;
  if (home_ != nullptr && stack::Load64(&bytes[8]) == 0) {
    const uint8_t owner = home_->ShardForFirst(from, stack::Load64(bytes.data()));
    if (owner != env_.index) return post_.SendPacket(owner, {Entry::kIke, 0, from, to}, bytes);
  }
  if (const auto owner = peers_.ElsewhereOf(ike::PhaseOneId{stack::Load64(&bytes[8])})) {
    return post_.SendPacket(*owner, {Entry::kIke, 0, from, to}, bytes);
  }
  return fifo_.Push(IkeItem{std::move(message), from, to}) ? Drop::kNone : Drop::kFifoFull;
}

// To everybody on the link: only DHCP's answers are for us.
Drop Shard::TakeBroadcast(uint8_t interface, stack::PacketBuf& packet) {
  if (home_ == nullptr || !env_.settings->interfaces[interface].dhcp ||
      ProtocolOf(packet) != IpProtocol::kUdp) {
    return Drop::kSwallowed;
  }
  const stack::Ip4 source = SourceOf(packet), destination = DestinationOf(packet);
  PullIpHeader(packet);
  const auto ports =
      stack::ip::PullUdp(packet, source, destination, stack::ip::UdpChecksum::kHonest);
  if (!ports.ok()) return ports.error();
  if (ports->destination != kDhcpClientPort) return Drop::kSwallowed;
  return fifo_.Push(DhcpItem{std::move(packet), interface}) ? Drop::kNone : Drop::kFifoFull;
}

Drop Shard::AnswerPing(absl::Time now, uint8_t interface, stack::PacketBuf& packet) {
  const Drop drop = tables_.icmp.AnswerEcho(now, packet);
  if (drop != Drop::kNone) return drop;
  const stack::Ip4 to = DestinationOf(packet);
  const nat::Hop hop = tables_.router.Lookup(to);
  if (hop.kind != nat::Hop::Kind::kInterface || hop.index != interface) return Drop::kNoRoute;
  return tables_.egress.Send(now, packet, interface, hop.via.IsZero() ? to : hop.via);
}

// kNoService: not about one of our outer packets.
Drop Shard::TakePathTooBig(stack::PacketBuf& packet) {
  const auto path = ReadPathTooBig(std::as_const(packet).bytes());
  if (!path) return Drop::kNoService;
  packet.Release();
  return fifo_.Push(*path) ? Drop::kNone : Drop::kFifoFull;
}

// From another shard, at the entry it names.
void Shard::TakeMailed(absl::Time now, const PacketMeta& meta, stack::ByteView bytes) {
  stack::PacketBuf packet = tables_.pool.Copy(bytes);
  if (!packet) return tables_.stats.Drop(Drop::kPoolDry);
  switch (meta.entry) {
    case Entry::kFrame:
      return TakeEthernet(now, meta.interface, std::move(packet));
    case Entry::kWhole:
      return TakeWhole(now, meta.interface, std::move(packet));
    case Entry::kIke:
      if (!fifo_.Push(IkeItem{std::move(packet), meta.from, meta.to}))
        tables_.stats.Drop(Drop::kFifoFull);
      return;
    case Entry::kEsp:
      return up_.Add(now, std::move(packet), meta.from, meta.to, meta.to.port != 0);
    case Entry::kRouted:
      return down_.AddRouted(now, std::move(packet), true);
    case Entry::kTurned:
      return down_.AddArrival(now, std::move(packet), meta.interface);
  }
}

}  // namespace gateway::shard
