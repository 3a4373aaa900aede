#include "stack/link/wait_queue.h"

#include <utility>

namespace stack::link {

Parked WaitQueue::Park(absl::Time now, Ip4 hop, PacketBuf&& packet) {
  auto found = hops_.find(hop);
  const bool first = found == hops_.end();
  if (first) {
    if (hops_.size() >= kHops) return Parked::kFull;
    found = hops_.emplace(hop, Hop{order_.insert(order_.end(), {now, hop}), {}}).first;
  }
  Waiting& waiting = found->second.waiting;
  if (waiting.count_ == kPerHop) return Parked::kFull;
  waiting.packets_[waiting.count_++] = std::move(packet);
  return first ? Parked::kFirst : Parked::kBehind;
}

WaitQueue::Waiting WaitQueue::Take(Ip4 hop) {
  Waiting taken;
  const auto found = hops_.find(hop);
  if (found == hops_.end()) return taken;
  taken = std::move(found->second.waiting);
  order_.erase(found->second.place);
  hops_.erase(found);
  return taken;
}

std::vector<PacketBuf> WaitQueue::Expire(absl::Time now) {
  std::vector<PacketBuf> dead;
  while (NextDeadline() <= now) {
    Waiting waiting = Take(order_.front().hop);
    for (PacketBuf& packet : waiting.packets()) dead.push_back(std::move(packet));
  }
  return dead;
}

}  // namespace stack::link
