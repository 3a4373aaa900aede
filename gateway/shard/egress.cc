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
constexpr size_t kFlushAt = 128;

}  // namespace

Egress::Egress(const Settings& settings, const std::vector<io::Port*>& ports,
               stack::PacketPool& pool, Stats& stats)
    : pool_(pool), stats_(stats), lanes_(settings.interfaces.size()) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].port = ports[i];
    lanes_[i].settings = &settings.interfaces[i];
    lanes_[i].mtu = settings.interfaces[i].mtu;
    lanes_[i].frames.reserve(kFlushAt);
  }
  fragments_.reserve(64);
  tx_.reserve(kFlushAt);
}

void Egress::SetMtu(uint8_t interface, uint16_t mtu) {
  Lane& lane = lanes_[interface];
  lane.mtu = mtu == 0 ? lane.settings->mtu : std::min(mtu, lane.settings->mtu);
}

stack::Drop Egress::Send(absl::Time now, stack::PacketBuf& packet, uint8_t interface,
                         stack::Ip4 next_hop) {
  const size_t limit = mtu(interface);
  if (packet.size() <= limit) {
    SendTo(now, std::move(packet), interface, next_hop);
    return stack::Drop::kNone;
  }
  const stack::Drop drop = stack::ip::Fragment(std::move(packet), limit, pool_, fragments_);
  if (drop == stack::Drop::kNone) packet.Release();
  for (stack::PacketBuf& fragment : fragments_)
    SendTo(now, std::move(fragment), interface, next_hop);
  fragments_.clear();
  return drop;
}

void Egress::SendTo(absl::Time now, stack::PacketBuf packet, uint8_t interface,
                    stack::Ip4 next_hop) {
  Lane& lane = lanes_[interface];
  const auto it = lane.neighbors.find(next_hop);
  if (it != lane.neighbors.end()) {
    if (now - it->second.asked > stack::link::Neighbors::kIdle / 2) {
      it->second.asked = now;
      questions_.push_back({interface, next_hop});
    }
    return Collect(std::move(packet), lane, it->second.mac);
  }
  switch (lane.waiting.Park(now, next_hop, std::move(packet))) {
    case stack::link::Parked::kFirst:
      questions_.push_back({interface, next_hop});
      break;
    case stack::link::Parked::kBehind:
      break;
    case stack::link::Parked::kFull:
      stats_.Drop(stack::Drop::kNeighborQueueFull);
      break;
  }
}

void Egress::Collect(stack::PacketBuf packet, Lane& lane, stack::Mac to) {
  if (!stack::link::Push(packet, to, lane.settings->mac, stack::wire::EtherType::kIp4)) {
    return stats_.Drop(stack::Drop::kTooBig);
  }
  lane.frames.push_back(std::move(packet));
  if (lane.frames.size() >= kFlushAt) Flush(lane);
}

void Egress::SendFrame(stack::PacketBuf frame, uint8_t interface) {
  Lane& lane = lanes_[interface];
  lane.frames.push_back(std::move(frame));
  if (lane.frames.size() >= kFlushAt) Flush(lane);
}

void Egress::Flush() {
  for (Lane& lane : lanes_) Flush(lane);
}

void Egress::Flush(Lane& lane) {
  if (lane.frames.empty()) return;
  tx_.clear();
  for (stack::PacketBuf& frame : lane.frames) {
    tx_.push_back({.bytes = std::as_const(frame).bytes(), .more = {}, .vnet = {}});
  }
  for (size_t at = 0; at < tx_.size(); at += io::kBatch) {
    const size_t count = std::min(io::kBatch, tx_.size() - at);
    const size_t sent = lane.port->Send(std::span(tx_).subspan(at, count));
    stats_.frames_out += sent;
    for (size_t lost = count - sent; lost > 0; --lost) stats_.Drop(stack::Drop::kSendFailed);
  }
  lane.frames.clear();
}

void Egress::OnNeighbor(const NeighborKnown& known, absl::Time now) {
  Lane& lane = lanes_[known.interface];
  lane.neighbors[known.ip] = {known.mac, now};
  auto waiting = lane.waiting.Take(known.ip);
  for (stack::PacketBuf& packet : waiting.packets()) Collect(std::move(packet), lane, known.mac);
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
