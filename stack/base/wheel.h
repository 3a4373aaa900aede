// A timer wheel: one entry an owner, holding the soonest deadline of everything the owner keeps.
//
// Hashed in two levels, after the scheme of Varghese and Lauck: near deadlines (the next 256 ticks)
// have a slot of their own tick, later ones wait in one of 256 coarse slots of 256 ticks and come
// down when their turn is near; anything beyond (about 11 minutes at 10 ms) waits in the last
// coarse slot and is put back. Schedule and Cancel are O(1) and allocate nothing. A deadline never
// fires early and at most one tick late. One thread; entries are intrusive and must outlive their
// being scheduled.
#pragma once

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace stack {

class WheelEntry {
 public:
  WheelEntry() = default;
  WheelEntry(const WheelEntry&) = delete;
  WheelEntry& operator=(const WheelEntry&) = delete;
  ~WheelEntry() { Unlink(); }
  bool scheduled() const { return next_ != nullptr; }
  absl::Time deadline() const { return deadline_; }

 private:
  friend class Wheel;
  void Unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }
  WheelEntry* next_ = nullptr;
  WheelEntry* prev_ = nullptr;
  absl::Time deadline_ = absl::InfiniteFuture();
};

class Wheel {
 public:
  explicit Wheel(absl::Time now, absl::Duration tick = absl::Milliseconds(10));
  ~Wheel();

  // Puts the entry where `deadline` says, wherever it was before. InfiniteFuture takes it out.
  void Schedule(WheelEntry& entry, absl::Time deadline);
  void Cancel(WheelEntry& entry) { Schedule(entry, absl::InfiniteFuture()); }

  // Hands out every entry that is due, each already taken out, in the order of their ticks. `due`
  // may schedule, cancel and destroy entries, itself included. At most `limit` entries a call, so
  // that a crowd of deadlines does not hold up packets; true if some due ones are left.
  template <class F>
  bool Advance(absl::Time now, F&& due, int limit = 1 << 30) {
    MoveTo(now);
    while (WheelEntry* entry = TakeDue()) {
      due(*entry);
      if (--limit == 0) return due_.next_ != &due_;
    }
    return false;
  }

  // When Advance should be called next: exact to a tick for near deadlines, sooner than the
  // deadline for coarse ones. InfiniteFuture when nothing is scheduled near or far.
  absl::Time Next() const;

 private:
  static constexpr size_t kSlots = 256;
  using List = WheelEntry;  // a list head is an entry that is never due

  uint64_t TickOf(absl::Time t) const;
  void Insert(WheelEntry& entry, uint64_t tick);
  void MoveTo(absl::Time now);
  void Cascade(List& slot);
  WheelEntry* TakeDue();
  static void LinkBefore(List& head, WheelEntry& entry);

  const absl::Time start_;
  const absl::Duration tick_;
  uint64_t now_ = 0;  // the tick up to which everything has been handed out
  std::array<List, kSlots> near_, far_;
  List due_;
};

}  // namespace stack
