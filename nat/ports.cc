#include "nat/ports.h"

#include <algorithm>
#include <bit>

namespace nat {
namespace {

using stack::Drop;
using stack::Ip4;

constexpr uint64_t kAll = ~uint64_t{0};
constexpr uint64_t kEven = 0x5555555555555555;

constexpr size_t Index(Kind kind) { return static_cast<size_t>(kind); }
constexpr uint16_t BlockOf(uint16_t port) { return static_cast<uint16_t>(port / kPortsPerBlock); }

// The ports of block `number` that may not be given out.
uint64_t ReservedIn(uint32_t number, const PortRange& range) {
  uint64_t reserved = 0;
  for (uint32_t bit = 0; bit < kPortsPerBlock; ++bit) {
    const auto port = static_cast<uint16_t>(number * kPortsPerBlock + bit);
    const bool excluded = std::ranges::any_of(range.excluded, [port](const Ports& ports) {
      return ports.first <= port && port <= ports.last;
    });
    const bool usable =
        port >= range.first && port <= range.last && !excluded && !IsReservedPort(port);
    if (!usable) reserved |= uint64_t{1} << bit;
  }
  return reserved;
}

// One of the set bits, which one depends on `random`; -1 if there is none.
int PickBit(uint64_t bits, uint32_t random) {
  if (bits == 0) return -1;
  const int turn = static_cast<int>(random % kPortsPerBlock);
  return (std::countr_zero(std::rotr(bits, turn)) + turn) % static_cast<int>(kPortsPerBlock);
}

}  // namespace

PortPool::PortPool(const PortRange& range)
    : quota_blocks_(std::max(1U, (range.quota + kPortsPerBlock - 1) / kPortsPerBlock)) {
  const uint32_t shards = std::max(1U, range.shards);
  for (uint32_t number = 0; number < kBlocks; ++number) {
    if (ShardOfPort(static_cast<uint16_t>(number * kPortsPerBlock), shards) != range.shard)
      continue;
    Block& block = block_[number];
    block.reserved = ReservedIn(number, range);
    if (block.reserved == kAll) continue;
    owned_.push_back(static_cast<uint16_t>(number));
  }
  fresh_ = owned_;                  // and never more: its memory is all there
  clients_.reserve(owned_.size());  // a client has at least a block
}

stack::Result<uint16_t, Drop> PortPool::Take(Ip4 client, Kind kind, uint16_t inside_port,
                                             uint32_t now_s, stack::Rng& rng) {
  const uint32_t random = rng.U32();
  const uint64_t same_parity = inside_port % 2 == 0 ? kEven : ~kEven;
  const auto holder = clients_.find(client);
  if (holder != clients_.end()) {
    if (kind == Kind::kUdp) {
      if (const int32_t port = TakeHeld(holder->second, kind, same_parity, random); port >= 0) {
        return static_cast<uint16_t>(port);
      }
    }
    if (const int32_t port = TakeHeld(holder->second, kind, kAll, random); port >= 0) {
      return static_cast<uint16_t>(port);
    }
    if (holder->second.count >= quota_blocks_) return Drop::kNatQuota;
  }
  const uint16_t number = TakeBlock(now_s, rng);
  if (number == kNone) return Drop::kNatNoPort;
  Client& owner = clients_[client];
  block_[number].client = client;
  block_[number].next = owner.first;
  owner.first = number;
  ++owner.count;
  int32_t port = -1;
  if (kind == Kind::kUdp) port = TakeFrom(number, kind, same_parity, random);
  if (port < 0) port = TakeFrom(number, kind, kAll, random);
  return static_cast<uint16_t>(port);
}

// Tries all blocks the client holds, beginning with any of them.
int32_t PortPool::TakeHeld(const Client& client, Kind kind, uint64_t wanted, uint32_t random) {
  uint16_t number = client.first;
  for (uint32_t skip = (random >> 8) % client.count; skip > 0; --skip) number = block_[number].next;
  for (uint32_t tried = 0; tried < client.count; ++tried) {
    if (const int32_t port = TakeFrom(number, kind, wanted, random); port >= 0) return port;
    number = block_[number].next;
    if (number == kNone) number = client.first;
  }
  return -1;
}

int32_t PortPool::TakeFrom(uint16_t number, Kind kind, uint64_t wanted, uint32_t random) {
  Block& block = block_[number];
  const int bit = PickBit(~(block.used[Index(kind)] | block.reserved) & wanted, random);
  if (bit < 0) return -1;
  block.used[Index(kind)] |= uint64_t{1} << bit;
  return static_cast<int32_t>(number * kPortsPerBlock) + bit;
}

uint16_t PortPool::TakeBlock(uint32_t now_s, stack::Rng& rng) {
  EndRests(now_s);
  if (fresh_.empty() && rest_first_ != kNone) WakeOldest();  // better too soon than not at all
  if (fresh_.empty()) return kNone;
  std::swap(fresh_[rng.U32() % fresh_.size()], fresh_.back());
  const uint16_t number = fresh_.back();
  fresh_.pop_back();
  return number;
}

void PortPool::GiveBack(Kind kind, uint16_t port, uint32_t now_s) {
  const uint16_t number = BlockOf(port);
  Block& block = block_[number];
  block.used[Index(kind)] &= ~(uint64_t{1} << port % kPortsPerBlock);
  if (std::ranges::any_of(block.used, [](uint64_t used) { return used != 0; })) return;
  Unchain(number);
  Rest(number, now_s);
}

// Takes a block out of its client's chain, and forgets a client whose last one it was.
void PortPool::Unchain(uint16_t number) {
  const auto holder = clients_.find(block_[number].client);
  Client& client = holder->second;
  uint16_t* link = &client.first;
  while (*link != number) link = &block_[*link].next;
  *link = block_[number].next;
  if (--client.count == 0) clients_.erase(holder);
}

void PortPool::Rest(uint16_t number, uint32_t now_s) {
  Block& block = block_[number];
  block.client = {};
  block.next = kNone;
  block.rested_s = now_s + kBlockRest_s;
  (rest_first_ == kNone ? rest_first_ : block_[rest_last_].next) = number;
  rest_last_ = number;
  ++resting_;
}

void PortPool::EndRests(uint32_t now_s) {
  while (rest_first_ != kNone && block_[rest_first_].rested_s <= now_s) WakeOldest();
}

void PortPool::WakeOldest() {
  fresh_.push_back(rest_first_);  // reserved: never allocates
  rest_first_ = block_[rest_first_].next;
  --resting_;
}

int32_t PortPool::AnyInUse(Kind kind, stack::Rng& rng) const {
  if (owned_.empty()) return -1;
  const uint16_t number = owned_[rng.U32() % owned_.size()];
  const int bit = PickBit(block_[number].used[Index(kind)], rng.U32());
  return bit < 0 ? -1 : static_cast<int32_t>(number * kPortsPerBlock) + bit;
}

}  // namespace nat
