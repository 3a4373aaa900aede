#include "nat/conntrack.h"

#include "absl/hash/hash.h"

namespace nat {

Conntrack::Conntrack(uint32_t capacity, const Timeouts& timeouts, uint64_t seed)
    : timeouts_(timeouts), seed_(seed), entries_(capacity), by_flow_(entries_, capacity) {}

uint32_t Conntrack::HashOf(const Flow& flow) const {
  const size_t hash = absl::HashOf(seed_, flow);
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

uint32_t Conntrack::Find(const Flow& flow) const {
  return by_flow_.Find(HashOf(flow), [&](const Entry& entry) { return entry.flow == flow; });
}

uint32_t Conntrack::Open(const Flow& flow, uint32_t mapping, uint32_t now_s, uint32_t& chain) {
  const uint32_t index = entries_.Take();
  if (index == kNoIndex) return kNoIndex;
  Entry& entry = entries_[index];
  entry.flow = flow;
  entry.mapping = mapping;
  entry.last_s = now_s;
  entry.next = chain;
  if (chain != kNoIndex) entries_[chain].previous = index;
  chain = index;
  by_flow_.Insert(index, HashOf(flow));
  return index;
}

void Conntrack::Touch(uint32_t index, uint8_t tcp_flags, Direction direction, uint32_t now_s) {
  Entry& entry = entries_[index];
  if (entry.flow.kind != Kind::kTcp) {
    if (direction == Direction::kOut) entry.last_s = now_s;
    return;
  }
  const TcpState before = entry.state;
  entry.state = NextTcpState(before, TcpEventOf(tcp_flags, direction));
  const bool over = entry.state == TcpState::kFinSeenBoth || entry.state == TcpState::kReset;
  if (!over || entry.state != before) entry.last_s = now_s;
}

void Conntrack::Close(uint32_t index, uint32_t& chain) {
  const Entry& entry = entries_[index];
  (entry.previous == kNoIndex ? chain : entries_[entry.previous].next) = entry.next;
  if (entry.next != kNoIndex) entries_[entry.next].previous = entry.previous;
  by_flow_.Erase(index);
  entries_.Free(index);
}

bool Conntrack::IsExpired(uint32_t index, uint32_t now_s) const {
  const Entry& entry = entries_[index];
  return now_s - entry.last_s >= TimeoutOf(entry);
}

uint32_t Conntrack::TimeoutOf(const Entry& entry) const {
  switch (entry.flow.kind) {
    case Kind::kTcp:
      return IsEstablished(entry.state) ? timeouts_.tcp_established_s : timeouts_.tcp_transitory_s;
    case Kind::kUdp:
      return timeouts_.udp_s;
    case Kind::kIcmp:
      break;
  }
  return timeouts_.icmp_s;
}

}  // namespace nat
