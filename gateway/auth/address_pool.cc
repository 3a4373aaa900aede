#include "gateway/auth/address_pool.h"

#include <algorithm>
#include <utility>

namespace gateway::auth {
namespace {

using stack::Ip4;

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

// So many of a user's addresses are looked at for one of the right pool.
constexpr int kLastsTried = 8;

bool Contains(const std::vector<Ip4>& list, Ip4 address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

// `range` without the addresses of `holes`, in pieces. `holes` is sorted.
std::vector<AddressRange> Without(AddressRange range, const std::vector<Ip4>& holes) {
  std::vector<AddressRange> pieces;
  uint64_t first = range.first.value;
  for (const Ip4 hole : holes) {
    if (hole.value < first || hole > range.last) continue;
    if (hole.value > first) pieces.push_back({{static_cast<uint32_t>(first)}, {hole.value - 1}});
    first = uint64_t{hole.value} + 1;
  }
  if (first <= range.last.value) pieces.push_back({{static_cast<uint32_t>(first)}, range.last});
  return pieces;
}

}  // namespace

AddressRange UsableRange(stack::Prefix network) {
  const Ip4 first = network.network(), last = network.broadcast();
  if (network.length >= 31) return {first, last};
  return {{first.value + 1}, {last.value - 1}};
}

absl::StatusOr<AddressPool> AddressPool::Create(const AddressPoolOptions& options) {
  if (options.shards < 1 || options.shards > 256) return Bad("shards must be 1 to 256");
  for (const Ip4 address : options.fixed) {
    if (!Contains(options.never, address)) continue;
    return Bad(address.Text() + " is the gateway's own and cannot belong to a user");
  }
  AddressPool pool;
  pool.shards_ = options.shards;
  pool.queues_.resize(options.shards * options.ranges.size());
  if (absl::Status status = pool.AddRanges(options); !status.ok()) return status;
  for (const Ip4 address : options.fixed) {
    Slot& slot = pool.slots_[pool.SlotOf(address)];
    if (slot.fixed) return Bad(address.Text() + " is fixed twice");
    slot.fixed = true;
  }
  for (uint32_t slot = 0; slot < pool.slots_.size(); ++slot) {
    if (!pool.MayGive(slot)) continue;
    pool.Enter(slot);
    ++pool.size_;
  }
  return pool;
}

// The configured ranges without our own addresses, and each fixed address outside them as a range
// of one.
absl::Status AddressPool::AddRanges(const AddressPoolOptions& options) {
  struct Wanted {
    AddressRange range;
    uint32_t pool;
  };
  std::vector<Wanted> wanted;
  for (const AddressRange& range : options.ranges) {
    wanted.push_back({range, static_cast<uint32_t>(wanted.size())});
  }
  const auto inside = [&](Ip4 address) {
    return std::any_of(options.ranges.begin(), options.ranges.end(), [&](const AddressRange& r) {
      return r.first <= address && address <= r.last;
    });
  };
  for (const Ip4 address : options.fixed) {
    if (!inside(address)) wanted.push_back({{address, address}, kNone});
  }
  std::sort(wanted.begin(), wanted.end(),
            [](const Wanted& a, const Wanted& b) { return a.range.first < b.range.first; });
  std::vector<Ip4> never = options.never;
  std::sort(never.begin(), never.end());
  uint64_t total = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const AddressRange& range = wanted[i].range;
    const std::string text = range.first.Text() + "-" + range.last.Text();
    if (range.first > range.last) return Bad("address range " + text + " is reversed");
    if (i > 0 && range.first <= wanted[i - 1].range.last)
      return Bad("address range " + text + " overlaps");
    for (const AddressRange& piece : Without(range, never)) {
      ranges_.push_back({piece.first, piece.last, static_cast<uint32_t>(total), wanted[i].pool});
      total += uint64_t{piece.last.value} - piece.first.value + 1;
      if (total > kMaxAddresses) return Bad("more than 1048576 addresses for clients");
    }
  }
  slots_.resize(total);
  return absl::OkStatus();
}

std::optional<Ip4> AddressPool::Allocate(std::string_view user, uint32_t shard,
                                         std::optional<uint8_t> pool) {
  const std::string name(user);
  const uint32_t slot = Choose(name, shard, pool);
  if (slot == kNone) return std::nullopt;
  Leave(slot);
  slots_[slot].taken = true;
  slots_[slot].last_user = name;
  ++in_use_;
  return AddressOf(slot);
}

uint32_t AddressPool::Choose(const std::string& user, uint32_t shard,
                             std::optional<uint8_t> pool) const {
  if (const auto last = last_.find(user); last != last_.end()) {
    uint32_t slot = last->second;
    for (int i = 0; i < kLastsTried && slot != kNone; ++i, slot = slots_[slot].older) {
      if (!pool || RangeOf(slot).pool == *pool) return slot;
    }
  }
  const size_t pools = queues_.size() / shards_;
  const size_t first = pool.value_or(0), end = pool ? size_t{*pool} + 1 : pools;
  for (size_t p = first; p < std::min(end, pools); ++p) {
    for (uint32_t i = 0; i < shards_; ++i) {
      const Queue& queue = queues_[p * shards_ + (shard + i) % shards_];
      if (queue.head != kNone) return queue.head;
    }
  }
  return kNone;
}

bool AddressPool::TakeFixed(Ip4 address) {
  const uint32_t slot = SlotOf(address);
  if (slot == kNone || !slots_[slot].fixed || slots_[slot].taken) return false;
  slots_[slot].taken = true;
  ++in_use_;
  return true;
}

bool AddressPool::Release(Ip4 address) {
  const uint32_t slot = SlotOf(address);
  if (slot == kNone || !slots_[slot].taken) return false;
  slots_[slot].taken = false;
  --in_use_;
  if (MayGive(slot)) Enter(slot);
  return true;
}

void AddressPool::SetFixed(const std::vector<Ip4>& fixed) {
  std::vector<bool> wanted(slots_.size());
  for (const Ip4 address : fixed) {
    if (const uint32_t slot = SlotOf(address); slot != kNone) wanted[slot] = true;
  }
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].fixed == wanted[slot] || RangeOf(slot).pool == kNone) continue;
    if (MayGive(slot)) Leave(slot);
    slots_[slot].fixed = wanted[slot];
    wanted[slot] ? --size_ : ++size_;
    if (MayGive(slot)) Enter(slot);
  }
}

bool AddressPool::MayGive(uint32_t slot) const {
  return !slots_[slot].fixed && !slots_[slot].taken && RangeOf(slot).pool != kNone;
}

uint32_t AddressPool::SlotOf(Ip4 address) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), address,
                                      [](Ip4 a, const Range& r) { return a < r.first; });
  if (after == ranges_.begin()) return kNone;
  const Range& range = *std::prev(after);
  return address > range.last ? kNone : range.slot + (address.value - range.first.value);
}

const AddressPool::Range& AddressPool::RangeOf(uint32_t slot) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), slot,
                                      [](uint32_t s, const Range& r) { return s < r.slot; });
  return *std::prev(after);
}

Ip4 AddressPool::AddressOf(uint32_t slot) const {
  const Range& range = RangeOf(slot);
  return {range.first.value + (slot - range.slot)};
}

AddressPool::Queue& AddressPool::QueueOf(uint32_t slot) {
  return queues_[RangeOf(slot).pool * shards_ + (AddressOf(slot).value & 0xff) % shards_];
}

void AddressPool::Enter(uint32_t slot) {
  Queue& queue = QueueOf(slot);
  slots_[slot].previous = queue.tail;
  slots_[slot].next = kNone;
  (queue.tail == kNone ? queue.head : slots_[queue.tail].next) = slot;
  queue.tail = slot;
  EnterLasts(slot);
  ++free_;
}

void AddressPool::Leave(uint32_t slot) {
  Queue& queue = QueueOf(slot);
  const Slot& gone = slots_[slot];
  (gone.previous == kNone ? queue.head : slots_[gone.previous].next) = gone.next;
  (gone.next == kNone ? queue.tail : slots_[gone.next].previous) = gone.previous;
  LeaveLasts(slot);
  --free_;
}

// A user's free addresses are a list of their own, the one he left last at its head.
void AddressPool::EnterLasts(uint32_t slot) {
  Slot& entered = slots_[slot];
  if (entered.last_user.empty()) return;
  const auto [head, is_first] = last_.try_emplace(entered.last_user, slot);
  entered.newer = kNone;
  entered.older = is_first ? kNone : std::exchange(head->second, slot);
  if (entered.older != kNone) slots_[entered.older].newer = slot;
}

void AddressPool::LeaveLasts(uint32_t slot) {
  const Slot& gone = slots_[slot];
  if (gone.last_user.empty()) return;
  if (gone.older != kNone) slots_[gone.older].newer = gone.newer;
  if (gone.newer != kNone) {
    slots_[gone.newer].older = gone.older;
  } else if (gone.older != kNone) {
    last_[gone.last_user] = gone.older;
  } else {
    last_.erase(gone.last_user);
  }
}

}  // namespace gateway::auth
