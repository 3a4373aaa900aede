#include "gateway/shard/down.h"

#include <utility>

#include "gateway/io/steer.h"
#include "gateway/shard/peers.h"
#include "nat/rewrite.h"
#include "stack/ip/ip4_out.h"

namespace gateway::shard {
namespace {

using stack::Drop;
using stack::wire::Ip4Packet;

// IPv4 and TCP headers without options: what separates an MTU from an MSS (RFC 6691).
constexpr uint16_t kTcpIpHeaders = 40;

stack::Ip4 DestinationOf(const stack::PacketBuf& packet) {
  return {stack::Load32(packet.bytes().data() + nat::kIpDestination)};
}
bool DontFragment(const stack::PacketBuf& packet) {
  return (static_cast<uint8_t>(packet.bytes()[6]) & 0x40) != 0;
}

}  // namespace

void Down::AddArrival(absl::Time now, stack::PacketBuf buf, uint8_t interface, const Train& rest) {
  if (arrivals_.full()) RunArrivals(now);
  Packet& packet = arrivals_.Add(std::move(buf));
  packet.interface = interface;
  packet.rest = rest;
  borrows_ |= !rest.payload.empty();
}

void Down::TakeOver(absl::Time now) {
  if (!std::exchange(borrows_, false)) return;
  RunArrivals(now);
  RunRouted(now);
}

void Down::AddRouted(absl::Time now, stack::PacketBuf packet, bool mailed) {
  if (routed_.full()) RunRouted(now);
  routed_.Add(std::move(packet)).mailed = mailed;
}

Drop Down::TurnBack(absl::Time now, stack::PacketBuf& packet) {
  const auto interface = tables_.OwnerOf(DestinationOf(packet));
  if (!interface) return Drop::kNoRoute;
  const stack::ByteView bytes = std::as_const(packet).bytes();
  const uint8_t owner = io::ShardOfPacket(bytes, tables_.steering[*interface]);
  if (owner == tables_.shard) {
    AddArrival(now, std::move(packet), *interface);
    return Drop::kNone;
  }
  const Drop drop = post_.SendPacket(owner, {Entry::kTurned, *interface, {}, {}}, bytes);
  if (drop == Drop::kNone) packet.Release();
  return drop;
}

void Down::Run(absl::Time now) {
  RunArrivals(now);
  RunRouted(now);
  SendReports(now);
  if (!ready_.empty()) sealer_.SendData(now, ready_);
}

// No error comes of an error (RFC 1122 section 3.2.2), so one more turn is enough.
void Down::SendReports(absl::Time now) {
  if (reports_.empty()) return;
  for (stack::PacketBuf& error : reports_) {
    if (tables_.settings.IsClient(DestinationOf(error))) {
      AddRouted(now, std::move(error));
    } else if (const Drop drop = TurnBack(now, error); drop != Drop::kNone) {
      tables_.stats.Drop(drop);
    }
  }
  reports_.clear();
  RunArrivals(now);
  RunRouted(now);
}

void Down::RunArrivals(absl::Time now) {
  if (arrivals_.empty()) return;
  arrivals_.Stage([this, now](Packet& packet) { return Translate(now, packet); });  // 5
  arrivals_.Stage([this](Packet& packet) {                                          // 6
    return tables_.filter.Check(std::as_const(packet.buf).bytes());
  });
  arrivals_.Stage([this, now](Packet& packet) { return Route(now, packet); });  // 7
  arrivals_.Clear();
}

// 5: a packet for one of our own addresses belongs to a client if there is a mapping. A routed one
// keeps its addresses.
Drop Down::Translate(absl::Time now, Packet& packet) {
  if (!tables_.translator.IsExternal(DestinationOf(packet.buf))) return Drop::kNone;
  const auto client = tables_.translator.Inbound(packet.buf.bytes(), Seconds(now));
  return client.ok() ? Drop::kNone : client.error();
}

// 7: one hop less to live, then to whoever has the client.
Drop Down::Route(absl::Time now, Packet& packet) {
  const Drop expired = nat::DecrementTtl(packet.buf.bytes());
  if (expired != Drop::kNone) {
    auto error = tables_.icmp.TimeExceeded(
        now, {std::as_const(packet.buf).bytes(), DestinationOf(packet.buf)},
        stack::wire::TimeExceededCode::kInTransit);
    if (error.ok() && *error) Report(now, *std::move(error), DestinationOf(packet.buf));
    return expired;
  }
  if (routed_.full()) RunRouted(now);
  routed_.Add(std::move(packet.buf)).rest = packet.rest;
  return Drop::kNone;
}

void Down::RunRouted(absl::Time now) {
  if (routed_.empty()) return;
  routed_.Stage([this](Packet& packet) { return FindClient(packet); });
  routed_.Stage([this, now](Packet& packet) { return Fit(now, packet); });
  routed_.Clear();
}

// The client's session, or the shard that has it: the one that home told, else the one its address
// belongs to. A packet that was mailed for the latter reason already is not mailed back.
Drop Down::FindClient(Packet& packet) {
  using Kind = nat::Hop::Kind;
  const stack::Ip4 client = DestinationOf(packet.buf);
  const nat::Hop hop = tables_.router.Lookup(client);
  if (hop.kind == Kind::kPeer) {
    packet.session = peers_.FindSession(hop.index);
    return packet.session == nullptr || !packet.session->up ? Drop::kPeerGone : Drop::kNone;
  }
  if (hop.kind != Kind::kShard && packet.mailed) return Drop::kPeerGone;
  const uint8_t owner =
      hop.kind == Kind::kShard ? static_cast<uint8_t>(hop.index) : tables_.ShardOfClient(client);
  if (owner == tables_.shard) return Drop::kNoRoute;
  return PassOn(packet, owner);
}

// By mail, packet by packet.
Drop Down::PassOn(Packet& packet, uint8_t owner) {
  const PacketMeta meta{.entry = Entry::kRouted, .from = {}, .to = {}};
  const Drop drop = post_.SendPacket(owner, meta, std::as_const(packet.buf).bytes());
  if (drop != Drop::kNone) return drop;
  if (packet.rest.count() > 0) {
    for (Cutter rest(packet.buf.bytes(), packet.rest); rest.left() > 0;) {
      const stack::PacketBuf next = rest.Next(tables_.pool);
      const Drop lost = next ? post_.SendPacket(owner, meta, next.bytes()) : Drop::kPoolDry;
      if (lost != Drop::kNone) tables_.stats.Drop(lost);
    }
  }
  packet.buf.Release();
  return Drop::kNone;
}

// The packet, and those behind it: here they get buffers of their own.
Drop Down::Fit(absl::Time now, Packet& packet) {
  Session& session = *packet.session;
  nat::ClampMss(packet.buf.bytes(), static_cast<uint16_t>(session.mtu - kTcpIpHeaders));
  if (packet.rest.count() == 0) return FitOne(now, packet.buf, session);
  Cutter rest(packet.buf.bytes(), packet.rest);
  // One report is enough for all of them.
  if (const Drop drop = FitOne(now, packet.buf, session); drop != Drop::kNone) return drop;
  while (rest.left() > 0) {
    stack::PacketBuf next = rest.Next(tables_.pool);
    const Drop drop = next ? FitOne(now, next, session) : Drop::kPoolDry;
    if (drop != Drop::kNone) tables_.stats.Drop(drop);
  }
  return Drop::kNone;
}

Drop Down::FitOne(absl::Time now, stack::PacketBuf& packet, Session& session) {
  if (packet.size() > session.mtu) return FitLarge(now, packet, session);
  AddReady(now, std::move(packet), session);
  return Drop::kNone;
}

// Larger than the tunnel takes: cut, or reported to the sender if it must not be (RFC 1191).
Drop Down::FitLarge(absl::Time now, stack::PacketBuf& packet, Session& session) {
  if (DontFragment(packet)) {
    auto error =
        tables_.icmp.Unreachable(now, {std::as_const(packet).bytes(), session.gateway},
                                 stack::wire::UnreachableCode::kFragmentationNeeded, session.mtu);
    if (error.ok() && *error) Report(now, *std::move(error), session.address);
    return Drop::kTooBig;
  }
  const Drop drop = stack::ip::Fragment(std::move(packet), session.mtu, tables_.pool, fragments_);
  if (drop != Drop::kNone) return drop;
  packet.Release();
  for (stack::PacketBuf& fragment : fragments_) AddReady(now, std::move(fragment), session);
  fragments_.clear();
  return Drop::kNone;
}

void Down::AddReady(absl::Time now, stack::PacketBuf packet, Session& session) {
  if (ready_.full()) sealer_.SendData(now, ready_);
  ready_.Add(std::move(packet)).session = &session;
}

// An ICMP error about a packet on its way down goes back to where that came from: to a client, to
// another client who is seen at one of our own addresses, or out. If the packet came through NAT,
// the error must speak of the addresses its receiver knows: it passes the translator like one that
// the client sent.
void Down::Report(absl::Time now, stack::PacketBuf error, stack::Ip4 client) {
  const stack::Ip4 to = DestinationOf(error);
  // Not at once: this may be a stage over the batch it would be added to.
  if (tables_.settings.IsClient(to)) return reports_.push_back(std::move(error));
  const nat::Hop hop = tables_.router.Lookup(to);
  const auto turned = tables_.OwnerOf(to);
  if (!turned && hop.kind != nat::Hop::Kind::kInterface) return;
  const uint8_t interface = turned ? *turned : static_cast<uint8_t>(hop.index);
  if (tables_.settings.interfaces[interface].nat) {
    stack::wire::SetSource(error.bytes(), client);
    const Drop drop = tables_.translator.Outbound(error.bytes(), interface, client, Seconds(now));
    if (drop != Drop::kNone) return tables_.stats.Drop(drop);
  }
  if (turned) return reports_.push_back(std::move(error));
  const Drop drop = tables_.egress.Send(now, error, interface, hop.via.IsZero() ? to : hop.via);
  if (drop != Drop::kNone) tables_.stats.Drop(drop);
}

}  // namespace gateway::shard
