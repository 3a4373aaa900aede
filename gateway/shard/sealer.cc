#include "gateway/shard/sealer.h"

#include <algorithm>
#include <utility>

#include "stack/ip/ip4_out.h"
#include "stack/ip/udp_ports.h"
#include "stack/l2tp/data.h"
#include "stack/ppp/data.h"

namespace gateway::shard {
namespace {

using stack::Drop;

constexpr uint8_t kUdpProtocol = 17;
constexpr size_t kUdpHeader = 8, kIpHeader = 20;
constexpr size_t kNonEspMarker = 4;
constexpr std::byte kKeepaliveOctet{0xff};

}  // namespace

uint16_t Sealer::TunnelMtu(const Child& child, size_t outer_mtu) {
  const size_t around = kIpHeader + (child.udp_encapsulated ? kUdpHeader : 0);
  if (outer_mtu <= around) return 0;
  const size_t payload = esp::MaxPayload(child.out->suite, outer_mtu - around);
  const size_t headers = kUdpHeader + stack::l2tp::kSequencedDataHeader + stack::ppp::kDataHeader;
  return payload <= headers ? uint16_t{0} : static_cast<uint16_t>(payload - headers);
}

// Stage by stage, as the numbers of the way down go.
void Sealer::SendData(absl::Time now, Batch& batch) {
  batch.Stage([this](Packet& packet) { return PushTunnel(packet); });
  SealAll(now, batch);
  batch.Stage([this](Packet& packet) { return PushOuter(packet); });
  batch.Stage([this, now](Packet& packet) { return Emit(now, packet); });
  batch.Clear();
}

// 8 PPP, 9 L2TP, 10 UDP from our 1701 to the port the client was seen to use.
Drop Sealer::PushTunnel(Packet& packet) {
  Session& session = *packet.session;
  packet.peer = &session.tunnel.peer;
  ++session.down_packets;
  session.down_bytes += packet.buf.size();
  ++tables_.stats.down_packets;
  tables_.stats.down_bytes += packet.buf.size();
  if (!stack::ppp::PushData(packet.buf)) return Drop::kTooBig;
  const stack::l2tp::TunnelId tunnel = session.tunnel.machine.peer();
  const bool pushed = session.sequencing ? stack::l2tp::PushSequencedData(
                                               packet.buf, tunnel, session.peer, session.next_ns++)
                                         : stack::l2tp::PushData(packet.buf, tunnel, session.peer);
  if (!pushed) return Drop::kTooBig;
  return stack::ip::PushUdp(packet.buf, {{}, stack::wire::kL2tpPort}, {{}, session.tunnel.port},
                            stack::ip::UdpChecksum::kIgnore);
}

// 11 ESP, the whole batch at once.
void Sealer::SealAll(absl::Time, Batch& batch) {
  batch.Stage([](Packet& packet) {
    return packet.peer->current == nullptr ? Drop::kNoOutboundSa : Drop::kNone;
  });
  const std::span<Packet> packets = batch.packets();
  for (size_t i = 0; i < packets.size(); ++i) {
    jobs_[i] = {&packets[i].buf, packets[i].peer->current->out.get(), kUdpProtocol};
  }
  esp::Seal(*tables_.esp, {jobs_.data(), packets.size()});
  size_t i = 0;
  batch.Stage(
      [this, &i](Packet& packet) { return tables_.NoteIfEnded(jobs_[i++].drop, packet.peer->id); });
}

// 12 UDP 4500 or protocol 50, 13 IPv4: Don't Fragment is off, so that a smaller MTU on the way
// costs speed and not the connection.
Drop Sealer::PushOuter(Packet& packet) {
  const Peer& peer = *packet.peer;
  stack::wire::Ip4Fields fields;
  fields.source = peer.path.local.ip;
  fields.destination = peer.path.remote.ip;
  fields.id = tables_.ip_ids.Take();
  fields.protocol = stack::wire::IpProtocol::kEsp;
  if (peer.current->udp_encapsulated) {
    fields.protocol = stack::wire::IpProtocol::kUdp;
    const Drop drop = stack::ip::PushUdp(packet.buf, peer.path.local, peer.path.remote,
                                         stack::ip::UdpChecksum::kIgnore);
    if (drop != Drop::kNone) return drop;
  }
  return stack::ip::Push(packet.buf, fields);
}

// 14, 15: the link, collected until the round is flushed.
Drop Sealer::Emit(absl::Time now, Packet& packet) {
  packet.peer->last_sent = now;
  return SendIp(now, packet.buf, packet.peer->path.remote.ip,
                packet.peer->current->udp_encapsulated);
}

Drop Sealer::SendIp(absl::Time now, stack::PacketBuf& packet, stack::Ip4 destination,
                    bool own_esp) {
  const nat::Hop hop = tables_.router.Lookup(destination);
  if (hop.kind != nat::Hop::Kind::kInterface) return Drop::kNoRoute;
  return tables_.egress.Send(now, packet, static_cast<uint8_t>(hop.index),
                             hop.via.IsZero() ? destination : hop.via, own_esp);
}

void Sealer::SendPpp(absl::Time now, Session& session, stack::PacketBuf frame) {
  const stack::l2tp::TunnelId tunnel = session.tunnel.machine.peer();
  const bool pushed = session.sequencing ? stack::l2tp::PushSequencedData(
                                               frame, tunnel, session.peer, session.next_ns++)
                                         : stack::l2tp::PushData(frame, tunnel, session.peer);
  if (!pushed) return tables_.stats.Drop(Drop::kTooBig);
  SealOne(now, session.tunnel.peer, session.tunnel.port, std::move(frame));
}

void Sealer::SendL2tp(absl::Time now, Peer& peer, uint16_t port, stack::PacketBuf message) {
  SealOne(now, peer, port, std::move(message));
}

void Sealer::SealOne(absl::Time now, Peer& peer, uint16_t port, stack::PacketBuf message) {
  if (peer.current == nullptr) return tables_.stats.Drop(Drop::kNoOutboundSa);
  Packet packet;
  packet.buf = std::move(message);
  packet.peer = &peer;
  Drop drop = stack::ip::PushUdp(packet.buf, {{}, stack::wire::kL2tpPort}, {{}, port},
                                 stack::ip::UdpChecksum::kIgnore);
  if (drop == Drop::kNone) {
    esp::SealJob job{&packet.buf, peer.current->out.get(), kUdpProtocol};
    esp::Seal(*tables_.esp, {&job, 1});
    drop = tables_.NoteIfEnded(job.drop, peer.id);
  }
  if (drop == Drop::kNone) drop = PushOuter(packet);
  if (drop == Drop::kNone) drop = Emit(now, packet);
  if (drop != Drop::kNone) tables_.stats.Drop(drop);
}

void Sealer::SendIke(absl::Time now, const ike::Path& path, stack::PacketBuf message) {
  if (path.local.port == ike::kFloatedPort) {
    const stack::ByteSpan marker = message.Push(kNonEspMarker);
    std::fill(marker.begin(), marker.end(), std::byte{0});
  }
  SendUdp(now, path, message, stack::ip::UdpChecksum::kHonest);
}

void Sealer::SendKeepalive(absl::Time now, const ike::Path& path) {
  stack::PacketBuf octet = tables_.pool.Copy({&kKeepaliveOctet, 1});
  if (!octet) return tables_.stats.Drop(Drop::kPoolDry);
  SendUdp(now, path, octet, stack::ip::UdpChecksum::kIgnore);
}

void Sealer::SendUdp(absl::Time now, const ike::Path& path, stack::PacketBuf& payload,
                     stack::ip::UdpChecksum checksum) {
  stack::wire::Ip4Fields fields;
  fields.source = path.local.ip;
  fields.destination = path.remote.ip;
  fields.id = tables_.ip_ids.Take();
  Drop drop = stack::ip::PushUdp(payload, path.local, path.remote, checksum);
  if (drop == Drop::kNone) drop = stack::ip::Push(payload, fields);
  if (drop == Drop::kNone) drop = SendIp(now, payload, fields.destination);
  if (drop != Drop::kNone) tables_.stats.Drop(drop);
}

}  // namespace gateway::shard
