#include "gateway/shard/up.h"

#include <utility>

#include "gateway/shard/peers.h"
#include "nat/rewrite.h"
#include "stack/base/checksum.h"
#include "stack/ip/dhcp_inform.h"
#include "stack/ip/ip4_in.h"
#include "stack/ip/udp_ports.h"
#include "stack/l2tp/data.h"
#include "stack/ppp/data.h"
#include "stack/wire/dhcp4.h"
#include "stack/wire/esp.h"
#include "stack/wire/udp.h"

namespace gateway::shard {
namespace {

using stack::Drop;

constexpr uint8_t kUdpProtocol = 17, kNoNextHeader = 59;
constexpr uint16_t kTcpIpHeaders = 40;  // RFC 6691

stack::ByteView BytesOf(const Packet& packet) { return packet.buf.bytes(); }
// Before it is opened.
stack::ByteView SealedBytesOf(const Packet& packet) {
  return packet.lies.empty() ? BytesOf(packet) : packet.lies;
}
bool DontFragment(const Packet& packet) {
  return (static_cast<uint8_t>(BytesOf(packet)[6]) & 0x40) != 0;
}
stack::Ip4 DestinationOf(const Packet& packet) {
  return {stack::Load32(BytesOf(packet).data() + nat::kIpDestination)};
}

}  // namespace

void Up::Add(absl::Time now, stack::PacketBuf buf, const stack::Endpoint& from,
             const stack::Endpoint& to, bool udp_encapsulated) {
  if (batch_.full()) Run(now);
  Packet& packet = batch_.Add(std::move(buf));
  packet.from = from;
  packet.to = to;
  packet.udp_encapsulated = udp_encapsulated;
}

void Up::AddBorrowed(absl::Time now, stack::ByteView bytes, const stack::Endpoint& from,
                     const stack::Endpoint& to, bool udp_encapsulated) {
  stack::PacketBuf room = tables_.pool.Get(bytes.size());
  if (!room) return tables_.stats.Drop(Drop::kPoolDry);
  room.Append(bytes.size());
  Add(now, std::move(room), from, to, udp_encapsulated);
  batch_.packets().back().lies = bytes;
  borrows_ = true;
}

// The stages, in the order of a packet's way.
void Up::Run(absl::Time now) {
  if (batch_.empty()) return;
  batch_.Stage([this](Packet& p) { return FindSa(p); });              //  6
  OpenAll(now);                                                       //  7
  batch_.Stage([this, now](Packet& p) { return PullL2tp(now, p); });  //  8, 9
  batch_.Stage([this](Packet& p) { return PullPpp(p); });             // 10
  batch_.Stage([this](Packet& p) { return PullInner(p); });           // 11
  batch_.Stage([this, now](Packet& p) { return Reassemble(now, p); });
  batch_.Stage([this, now](Packet& p) { return AnswerInform(now, p); });
  batch_.Stage([](Packet& p) { return nat::SwallowNoise(BytesOf(p)); });
  batch_.Stage([this](Packet& p) { return tables_.filter.Check(BytesOf(p)); });  // 12
  batch_.Stage([this, now](Packet& p) { return Route(now, p); });                // 13
  batch_.Stage([this, now](Packet& p) { return NatOutbound(now, p); });          // 14
  batch_.Stage([this, now](Packet& p) { return Emit(now, p); });                 // 15
  batch_.Clear();
  borrows_ = false;
}

Drop Up::FindSa(Packet& packet) {
  const auto header = stack::wire::Esp::Parse(SealedBytesOf(packet));
  if (!header.ok()) return header.error();
  packet.sa = tables_.sad.Find({header->spi()});
  return packet.sa == nullptr ? PassOn(packet, {header->spi()}) : Drop::kNone;
}

// The SA may have moved to another shard, with its peer.
Drop Up::PassOn(Packet& packet, esp::Spi spi) {
  const auto shard = peers_.ElsewhereOf(spi);
  if (!shard) return Drop::kUnknownSpi;
  const Drop drop =
      post_.SendPacket(*shard, {Entry::kEsp, 0, packet.from, packet.to}, SealedBytesOf(packet));
  if (drop == Drop::kNone) packet.buf.Release();
  return drop;
}

void Up::OpenAll(absl::Time now) {
  const std::span<Packet> packets = batch_.packets();
  for (size_t i = 0; i < packets.size(); ++i) {
    jobs_[i] = {packets[i].buf.bytes(), packets[i].sa, packets[i].lies};
  }
  esp::Open(*tables_.esp, {jobs_.data(), packets.size()});
  size_t i = 0;
  batch_.Stage([this, now, &i](Packet& packet) { return TakeOpened(now, packet, jobs_[i++]); });
}

// What opened is proven to come from the peer: only now may it tell us anything, its new place
// included.
Drop Up::TakeOpened(absl::Time now, Packet& packet, const esp::OpenJob& job) {
  if (job.drop != Drop::kNone) return tables_.NoteIfEnded(job.drop, packet.sa->peer);
  packet.peer = peers_.OnOpened(now, *packet.sa, packet.from, packet.to, packet.udp_encapsulated);
  if (packet.peer == nullptr) return Drop::kPeerGone;
  if (job.next_header == kNoNextHeader) return Drop::kSwallowed;  // RFC 4303 section 2.6
  if (job.next_header != kUdpProtocol) return Drop::kInnerNotL2tp;
  const auto front = static_cast<size_t>(job.payload.data() - packet.buf.bytes().data());
  packet.lies = {};
  packet.buf.Pull(front);
  packet.buf.Trim(packet.buf.size() - job.payload.size());
  return Drop::kNone;
}

// 8: nothing but L2TP to our port may come out of the tunnel (RFC 3193 section 4). The checksum
// covers addresses that a NAT may have changed; the ICV proved more than it could. 9: a tunnel
// belongs to one peer.
Drop Up::PullL2tp(absl::Time now, Packet& packet) {
  const auto ports = stack::ip::PullUdp(packet.buf, {}, {}, stack::ip::UdpChecksum::kIgnore);
  if (!ports.ok()) return ports.error();
  if (ports->destination != stack::wire::kL2tpPort) return Drop::kInnerNotL2tp;
  if (stack::l2tp::IsControl(BytesOf(packet))) {
    const bool taken = fifo_.Push(L2tpItem{std::move(packet.buf), packet.peer->id, ports->source});
    return taken ? Drop::kNone : Drop::kFifoFull;
  }
  const auto header = stack::l2tp::PullData(packet.buf);
  if (!header.ok()) return header.error();
  Tunnel* tunnel = peers_.FindTunnel(header->tunnel);
  if (tunnel == nullptr || &tunnel->peer != packet.peer || tunnel->port != ports->source) {
    const Drop drop = PutAside(now, packet, *header, ports->source);
    return drop == Drop::kForeignTunnel && tunnel == nullptr ? Drop::kUnknownTunnel : drop;
  }
  packet.session = tunnel->Find(header->session);
  if (packet.session == nullptr) return PutBehindCall(packet, *header);
  tunnel->machine.OnLifeSign(now);
  packet.session->link.OnLifeSign(now);
  return Drop::kNone;
}

// Data in a tunnel that is not his. He may be about to move it here.
Drop Up::PutAside(absl::Time now, Packet& packet, const stack::l2tp::DataHeader& header,
                  uint16_t port) {
  const bool is_ip4 = stack::ppp::PullData(packet.buf) == stack::ppp::Pulled::kIp4;
  if (!peers_.MayStray(now, *packet.peer, is_ip4)) return Drop::kForeignTunnel;
  StrayItem item{{}, packet.peer->id, port, header.tunnel, header.session};
  if (!is_ip4) item.frame = std::move(packet.buf);
  packet.buf.Release();
  return fifo_.Push(std::move(item)) ? Drop::kNone : Drop::kFifoFull;
}

// A client's first PPP frame may come in one batch with the message that makes its call: it takes
// its turn behind that. Nothing else is worth waiting.
Drop Up::PutBehindCall(Packet& packet, const stack::l2tp::DataHeader& header) {
  if (fifo_.empty() || stack::ppp::PullData(packet.buf) == stack::ppp::Pulled::kIp4) {
    return Drop::kUnknownSession;
  }
  const bool taken = fifo_.Push(PppItem{std::move(packet.buf), header.tunnel, header.session});
  return taken ? Drop::kNone : Drop::kFifoFull;
}

// 10
Drop Up::PullPpp(Packet& packet) {
  if (stack::ppp::PullData(packet.buf) == stack::ppp::Pulled::kIp4) {
    return packet.session->up ? Drop::kNone : Drop::kPppNotOpen;
  }
  const bool taken = fifo_.Push(
      PppItem{std::move(packet.buf), packet.session->tunnel.machine.own(), packet.session->own});
  return taken ? Drop::kNone : Drop::kFifoFull;
}

// 11: an IPv4 packet, and from the address that this client was given.
Drop Up::PullInner(Packet& packet) {
  const auto arrival = stack::ip::In(packet.buf);
  if (!arrival.ok()) return arrival.error();
  Session& session = *packet.session;
  if (arrival->packet.source() != session.address) return Drop::kSpoofedSource;
  ++session.up_packets;
  session.up_bytes += packet.buf.size();
  ++tables_.stats.up_packets;
  tables_.stats.up_bytes += packet.buf.size();
  return Drop::kNone;
}

// NAT and filters want whole packets: only the first fragment has ports.
Drop Up::Reassemble(absl::Time now, Packet& packet) {
  if ((stack::Load16(BytesOf(packet).data() + 6) & 0x3fff) == 0) return Drop::kNone;
  packet.buf = tables_.inner.Add(now, std::move(packet.buf));
  return Drop::kNone;  // no slot: it waits for the others
}

// The one broadcast of a client that is answered: DHCPINFORM, to everybody or to us. Anything else
// goes on, to be swallowed or refused.
Drop Up::AnswerInform(absl::Time now, Packet& packet) {
  const stack::ByteView bytes = BytesOf(packet);
  const Session& session = *packet.session;
  const stack::Ip4 to = DestinationOf(packet);
  const bool may_be = static_cast<uint8_t>(bytes[nat::kIpProtocol]) == nat::kProtocolUdp &&
                      (to.IsLimitedBroadcast() || to == session.gateway);
  if (!may_be) return Drop::kNone;
  const auto udp =
      stack::wire::Udp::Parse(bytes.subspan((static_cast<size_t>(bytes[0]) & 15U) * 4));
  if (!udp.ok() || udp->destination_port() != stack::wire::kDhcpServerPort) return Drop::kNone;
  if (!udp->ChecksumHolds(session.address, to)) return Drop::kBadUdpChecksum;
  const PoolSettings& pool = tables_.settings.pools[session.pool];
  auto ack = stack::ip::AnswerInform(
      {session.gateway, session.address, session.dns, pool.routes, pool.domain}, udp->payload(),
      tables_.pool);
  if (!ack.ok()) return ack.error() == Drop::kDhcpIgnored ? Drop::kNone : ack.error();
  packet.buf.Release();
  down_.AddRouted(now, *std::move(ack));
  return Drop::kNone;
}

// 13: to us, to another client (down again, on his shard), or out on an interface.
Drop Up::Route(absl::Time now, Packet& packet) {
  const stack::Ip4 destination = DestinationOf(packet);
  const nat::Hop hop = tables_.router.Lookup(destination);
  if (hop.kind == nat::Hop::Kind::kLocal) {
    return IsForAClient(packet) ? TurnBack(now, packet) : ToUs(now, packet);
  }
  const Drop expired = nat::DecrementTtl(packet.buf.bytes());
  if (expired != Drop::kNone) {
    auto error = tables_.icmp.TimeExceeded(now, {BytesOf(packet), packet.session->gateway},
                                           stack::wire::TimeExceededCode::kInTransit);
    if (error.ok() && *error) down_.AddRouted(now, *std::move(error));
    return expired;
  }
  nat::ClampMss(packet.buf.bytes(), static_cast<uint16_t>(packet.session->mtu - kTcpIpHeaders));
  if (hop.kind == nat::Hop::Kind::kPeer || hop.kind == nat::Hop::Kind::kShard ||
      tables_.settings.IsClient(destination)) {
    down_.AddRouted(now, std::move(packet.buf));
    return Drop::kNone;
  }
  if (hop.kind != nat::Hop::Kind::kInterface) {
    Refuse(now, packet, stack::wire::UnreachableCode::kNet);
    return Drop::kNoRoute;
  }
  packet.interface = static_cast<uint8_t>(hop.index);
  packet.next_hop = hop.via.IsZero() ? destination : hop.via;
  const uint16_t mtu = tables_.egress.mtu(packet.interface);
  if (packet.buf.size() <= mtu || !DontFragment(packet)) return Drop::kNone;
  // Told before NAT, so that the quotation is the packet as the client knows it.
  Refuse(now, packet, stack::wire::UnreachableCode::kFragmentationNeeded, mtu);
  return Drop::kTooBig;
}

// Whether a packet to one of our addresses may be for a client who is seen there from outside.
bool Up::IsForAClient(const Packet& packet) const {
  using Role = nat::Transport::Role;
  const stack::Ip4 destination = DestinationOf(packet);
  if (!tables_.translator.IsExternal(destination)) return false;
  const auto transport = nat::FindTransport(BytesOf(packet));
  if (!transport.ok()) return false;
  const nat::Options& nat = tables_.settings.nat;
  const uint16_t port = transport->flow.destination.port;
  return transport->role == Role::kIcmpError ||
         (transport->role == Role::kData && nat.ports.first <= port && port <= nat.ports.last);
}

// Hairpinning, RFC 4787 REQ-9: it goes out and comes back in without leaving the house, and the one
// it reaches sees the sender's external address.
Drop Up::TurnBack(absl::Time now, Packet& packet) {
  const uint8_t group = *tables_.OwnerOf(DestinationOf(packet));
  nat::ClampMss(packet.buf.bytes(), static_cast<uint16_t>(packet.session->mtu - kTcpIpHeaders));
  const Drop drop =
      tables_.translator.Outbound(packet.buf.bytes(), group, packet.session->address, Seconds(now));
  return drop == Drop::kNone ? down_.TurnBack(now, packet.buf) : drop;
}

// Tells the client why his packet went nowhere.
void Up::Refuse(absl::Time now, const Packet& packet, stack::wire::UnreachableCode code,
                uint16_t mtu) {
  auto error = tables_.icmp.Unreachable(now, {BytesOf(packet), packet.session->gateway}, code, mtu);
  if (error.ok() && *error) down_.AddRouted(now, *std::move(error));
}

// A client talks to the gateway itself: it may ping it.
Drop Up::ToUs(absl::Time now, Packet& packet) {
  const Drop drop = tables_.icmp.AnswerEcho(now, packet.buf);
  if (drop == Drop::kNone) {
    down_.AddRouted(now, std::move(packet.buf));
    return Drop::kNone;
  }
  if (drop == Drop::kNoService) Refuse(now, packet, stack::wire::UnreachableCode::kPort);
  return drop;
}

// 14
Drop Up::NatOutbound(absl::Time now, Packet& packet) {
  if (!tables_.settings.interfaces[packet.interface].nat) return Drop::kNone;
  const Drop drop = tables_.translator.Outbound(packet.buf.bytes(), packet.interface,
                                                packet.session->address, Seconds(now));
  if (drop != Drop::kNone || packet.buf.size() <= tables_.egress.mtu(packet.interface)) return drop;
  // It will be fragmented, and other clients' fragments bear the same source: the id is ours now.
  stack::ByteSpan header = packet.buf.bytes();
  const uint16_t before = stack::Load16(&header[4]), after = tables_.ip_ids.Take();
  stack::Store16(&header[4], after);
  stack::Store16(&header[nat::kIpChecksum],
                 stack::Update16(stack::Load16(&header[nat::kIpChecksum]), before, after));
  return Drop::kNone;
}

// 15
Drop Up::Emit(absl::Time now, Packet& packet) {
  return tables_.egress.Send(now, packet.buf, packet.interface, packet.next_hop);
}

}  // namespace gateway::shard
