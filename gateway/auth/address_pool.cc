#include "gateway/auth/address_pool.h"

#include <algorithm>
#include <utility>

namespace gateway::auth {
namespace {

using stack::Ip4;

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

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
  pool.queues_.resize(options.shards);
  if (absl::Status status = pool.AddRanges(options); !status.ok()) return status;
  for (const Ip4 address : options.fixed) {
    Slot& slot = pool.slots_[pool.SlotOf(address)];
    if (slot.use == Use::kFixed) return Bad(address.Text() + " is fixed twice");
    slot.use = Use::kFixed;
    ++pool.fixed_;
  }
  for (uint32_t slot = 0; slot < pool.slots_.size(); ++slot) {
    if (pool.slots_[slot].use == Use::kFree) pool.Enqueue(slot);
  }
  pool.free_ = pool.size();
  return pool;
}

// The configured ranges without our own addresses, and each fixed address outside them as a range
// of one.
absl::Status AddressPool::AddRanges(const AddressPoolOptions& options) {
  std::vector<AddressRange> wanted = options.ranges;
  const auto inside = [&](Ip4 address) {
    return std::any_of(options.ranges.begin(), options.ranges.end(), [&](const AddressRange& r) {
      return r.first <= address && address <= r.last;
    });
  };
  for (const Ip4 address : options.fixed) {
    if (!inside(address)) wanted.push_back({address, address});
  }
  std::sort(wanted.begin(), wanted.end(),
            [](const AddressRange& a, const AddressRange& b) { return a.first < b.first; });
  std::vector<Ip4> never = options.never;
  std::sort(never.begin(), never.end());
  uint64_t total = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const AddressRange& range = wanted[i];
    const std::string text = range.first.Text() + "-" + range.last.Text();
    if (range.first > range.last) return Bad("address range " + text + " is reversed");
    if (i > 0 && range.first <= wanted[i - 1].last)
      return Bad("address range " + text + " overlaps");
    for (const AddressRange& piece : Without(range, never)) {
      ranges_.push_back({piece.first, piece.last, static_cast<uint32_t>(total)});
      total += uint64_t{piece.last.value} - piece.first.value + 1;
      if (total > kMaxAddresses) return Bad("more than 1048576 addresses for clients");
    }
  }
  slots_.resize(total);
  return absl::OkStatus();
}

std::optional<Ip4> AddressPool::Allocate(std::string_view user, uint32_t shard) {
  const std::string name(user);
  const uint32_t slot = Choose(name, shard);
  if (slot == kNone) return std::nullopt;
  Dequeue(slot);
  Remember(slot, name);
  slots_[slot].use = Use::kTaken;
  --free_;
  ++in_use_;
  return AddressOf(slot);
}

uint32_t AddressPool::Choose(const std::string& user, uint32_t shard) const {
  if (const auto last = last_.find(user);
      last != last_.end() && slots_[last->second].use == Use::kFree) {
    return last->second;
  }
  for (size_t i = 0; i < queues_.size(); ++i) {
    const Queue& queue = queues_[(shard + i) % queues_.size()];
    if (queue.head != kNone) return queue.head;
  }
  return kNone;
}

void AddressPool::Remember(uint32_t slot, const std::string& user) {
  Slot& taken = slots_[slot];
  if (taken.last_user == user) return;
  if (!taken.last_user.empty()) last_.erase(taken.last_user);
  if (user.empty()) {
    taken.last_user.clear();
    return;
  }
  const auto [entry, fresh] = last_.try_emplace(user, slot);
  if (!fresh) {  // his former address is taken (by another session of his): the new one counts
    slots_[entry->second].last_user.clear();
    entry->second = slot;
  }
  taken.last_user = user;
}

bool AddressPool::TakeFixed(Ip4 address) {
  const uint32_t slot = SlotOf(address);
  if (slot == kNone || slots_[slot].use != Use::kFixed) return false;
  slots_[slot].use = Use::kFixedTaken;
  ++in_use_;
  return true;
}

bool AddressPool::Release(Ip4 address) {
  const uint32_t slot = SlotOf(address);
  if (slot == kNone) return false;
  switch (slots_[slot].use) {
    case Use::kFree:
    case Use::kFixed:
      return false;
    case Use::kFixedTaken:
      slots_[slot].use = Use::kFixed;
      break;
    case Use::kTaken:
      slots_[slot].use = Use::kFree;
      Enqueue(slot);
      ++free_;
      break;
  }
  --in_use_;
  return true;
}

uint32_t AddressPool::SlotOf(Ip4 address) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), address,
                                      [](Ip4 a, const Range& r) { return a < r.first; });
  if (after == ranges_.begin()) return kNone;
  const Range& range = *std::prev(after);
  return address > range.last ? kNone : range.slot + (address.value - range.first.value);
}

Ip4 AddressPool::AddressOf(uint32_t slot) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), slot,
                                      [](uint32_t s, const Range& r) { return s < r.slot; });
  const Range& range = *std::prev(after);
  return {range.first.value + (slot - range.slot)};
}

AddressPool::Queue& AddressPool::QueueOf(uint32_t slot) {
  return queues_[(AddressOf(slot).value & 0xff) % queues_.size()];
}

void AddressPool::Enqueue(uint32_t slot) {
  Queue& queue = QueueOf(slot);
  slots_[slot].previous = queue.tail;
  slots_[slot].next = kNone;
  (queue.tail == kNone ? queue.head : slots_[queue.tail].next) = slot;
  queue.tail = slot;
}

void AddressPool::Dequeue(uint32_t slot) {
  Queue& queue = QueueOf(slot);
  const Slot& gone = slots_[slot];
  (gone.previous == kNone ? queue.head : slots_[gone.previous].next) = gone.next;
  (gone.next == kNone ? queue.tail : slots_[gone.next].previous) = gone.previous;
}

}  // namespace gateway::auth
