#include "gateway/shard/egress.h"

#include <algorithm>
#include <utility>

#include "stack/ip/ip4_out.h"
#include "stack/link/ethernet_io.h"
#include "stack/link/neighbors.h"

namespace gateway::shard {
namespace {

// Frames collected for an interface before they are handed over without waiting for the end of the
// round.
constexpr size_t kFlushAt = Coalescer::kMaxFrames;
// Superframes in a row that were refused while their packets got through one by one, until no more
// are tried: a full queue does not look like this for long.
constexpr int kRefusals = 8;

}  // namespace

Egress::Egress(const Settings& settings, const std::vector<io::Port*>& ports, const Shared& shared)
    : pool_(shared.pool),
      stats_(shared.stats),
      coalescer_(shared.ip_ids),
      lanes_(settings.interfaces.size()) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].port = ports[i];
    lanes_[i].settings = &settings.interfaces[i];
    lanes_[i].mtu = settings.interfaces[i].mtu;
    lanes_[i].frames.reserve(kFlushAt);
    if (!settings.superframes) continue;
    lanes_[i].kinds = {.tcp = true, .udp = true};
    if (!ports[i]->TakesUdpSuperframes()) GiveUp(lanes_[i], false);
  }
  fragments_.reserve(64);
}

void Egress::SetMtu(uint8_t interface, uint16_t mtu) {
  Lane& lane = lanes_[interface];
  lane.mtu = mtu == 0 ? lane.settings->mtu : std::min(mtu, lane.settings->mtu);
}

stack::Drop Egress::Send(absl::Time now, stack::PacketBuf& packet, uint8_t interface,
                         stack::Ip4 next_hop, bool own_esp) {
  const size_t limit = mtu(interface);
  if (packet.size() <= limit) {
    SendTo(now, {std::move(packet), own_esp}, interface, next_hop);
    return stack::Drop::kNone;
  }
  const stack::Drop drop = stack::ip::Fragment(std::move(packet), limit, pool_, fragments_);
  if (drop == stack::Drop::kNone) packet.Release();
  for (stack::PacketBuf& fragment : fragments_)
    SendTo(now, {std::move(fragment)}, interface, next_hop);
  fragments_.clear();
  return drop;
}

void Egress::SendTo(absl::Time now, Outgoing packet, uint8_t interface, stack::Ip4 next_hop) {
  Lane& lane = lanes_[interface];
  const auto it = lane.neighbors.find(next_hop);
  if (it != lane.neighbors.end()) {
    if (now - it->second.asked > stack::link::Neighbors::kIdle / 2) {
      it->second.asked = now;
      questions_.push_back(NeedNeighbor{interface, next_hop});
    }
    return Collect(std::move(packet), lane, it->second.mac);
  }
  switch (lane.waiting.Park(now, next_hop, std::move(packet.frame))) {
    case stack::link::Parked::kFirst:
      questions_.push_back(NeedNeighbor{interface, next_hop});
      break;
    case stack::link::Parked::kBehind:
      break;
    case stack::link::Parked::kFull:
      stats_.Drop(stack::Drop::kNeighborQueueFull);
      break;
  }
}

void Egress::Collect(Outgoing packet, Lane& lane, stack::Mac to) {
  if (!stack::link::Push(packet.frame, to, lane.settings->mac, stack::wire::EtherType::kIp4)) {
    return stats_.Drop(stack::Drop::kTooBig);
  }
  lane.frames.push_back(std::move(packet));
  if (lane.frames.size() >= kFlushAt) Flush(lane);
}

void Egress::SendFrame(stack::PacketBuf frame, uint8_t interface) {
  Lane& lane = lanes_[interface];
  lane.frames.push_back({std::move(frame)});
  if (lane.frames.size() >= kFlushAt) Flush(lane);
}

void Egress::Flush() {
  for (Lane& lane : lanes_) Flush(lane);
}

void Egress::Flush(Lane& lane) {
  if (lane.frames.empty()) return;
  const std::span<io::TxFrame> tx = coalescer_.Merge(lane.frames, lane.kinds);
  for (size_t at = 0; at < tx.size(); at += io::kBatch) {
    const auto batch = tx.subspan(at, std::min(io::kBatch, tx.size() - at));
    lane.port->Send(batch);
    for (size_t i = 0; i < batch.size(); ++i) Account(lane, batch[i], at + i);
  }
  lane.frames.clear();
}

void Egress::Account(Lane& lane, const io::TxFrame& frame, size_t index) {
  if (!frame.vnet.IsSuperframe()) {
    if (frame.ok) {
      ++stats_.frames_out;
    } else {
      stats_.Drop(stack::Drop::kSendFailed);
    }
    return;
  }
  if (!frame.ok) return SendApart(lane, frame, index);
  ++stats_.frames_out;
  ++stats_.superframes_out;
  stats_.segments_out += coalescer_.SegmentsOf(index);
  (frame.vnet.gso_type == io::VnetHdr::kGsoTcp4 ? lane.tcp_refused : lane.udp_refused) = 0;
}

// The packets of a superframe that was not taken get their chance one by one. What of their flow
// was sent meanwhile is ahead of them: that happens until we have given up, and then no more.
void Egress::SendApart(Lane& lane, const io::TxFrame& refused, size_t index) {
  const std::span<io::TxFrame> apart = coalescer_.Apart(index);
  const size_t sent = lane.port->Send(apart);
  stats_.frames_out += sent;
  for (size_t lost = apart.size() - sent; lost > 0; --lost) {
    stats_.Drop(stack::Drop::kSendFailed);
  }
  const bool tcp = refused.vnet.gso_type == io::VnetHdr::kGsoTcp4;
  int& in_a_row = tcp ? lane.tcp_refused : lane.udp_refused;
  if (sent == apart.size()) ++in_a_row;
  if (refused.unfit || in_a_row >= kRefusals) GiveUp(lane, tcp);
}

// Once and for all, and home says so once for all shards.
void Egress::GiveUp(Lane& lane, bool tcp) {
  bool& kind = tcp ? lane.kinds.tcp : lane.kinds.udp;
  const auto interface = static_cast<uint8_t>(&lane - lanes_.data());
  if (std::exchange(kind, false)) questions_.push_back(SuperframesRefused{interface, tcp});
}

void Egress::OnNeighbor(const NeighborKnown& known, absl::Time now) {
  Lane& lane = lanes_[known.interface];
  lane.neighbors[known.ip] = {known.mac, now};
  auto waiting = lane.waiting.Take(known.ip);
  for (stack::PacketBuf& packet : waiting.packets()) Collect({std::move(packet)}, lane, known.mac);
}

void Egress::OnNeighborLost(const NeighborLost& lost) {
  Lane& lane = lanes_[lost.interface];
  lane.neighbors.erase(lost.ip);
  auto waiting = lane.waiting.Take(lost.ip);
  for (size_t i = 0; i < waiting.packets().size(); ++i) stats_.Drop(stack::Drop::kUnresolved);
}

void Egress::Expire(absl::Time now) {
  for (Lane& lane : lanes_) {
    for (size_t late = lane.waiting.Expire(now).size(); late > 0; --late) {
      stats_.Drop(stack::Drop::kUnresolved);
    }
  }
}

}  // namespace gateway::shard
