#include "stack/base/wheel.h"

#include <algorithm>

namespace stack {

Wheel::Wheel(absl::Time now, absl::Duration tick) : start_(now), tick_(tick) {
  for (List& head : near_) head.next_ = head.prev_ = &head;
  for (List& head : far_) head.next_ = head.prev_ = &head;
  due_.next_ = due_.prev_ = &due_;
}

Wheel::~Wheel() {
  const auto drop = [](List& head) {
    while (head.next_ != &head) head.next_->Unlink();
    head.next_ = head.prev_ = nullptr;
  };
  std::for_each(near_.begin(), near_.end(), drop);
  std::for_each(far_.begin(), far_.end(), drop);
  drop(due_);
}

void Wheel::LinkBefore(List& head, WheelEntry& entry) {
  entry.next_ = &head;
  entry.prev_ = head.prev_;
  head.prev_->next_ = &entry;
  head.prev_ = &entry;
}

uint64_t Wheel::TickOf(absl::Time t) const {
  if (t <= start_) return 0;
  // Rounded up, so that nothing is ever early.
  return static_cast<uint64_t>(absl::ToInt64Nanoseconds(t - start_ + tick_ - absl::Nanoseconds(1)) /
                               absl::ToInt64Nanoseconds(tick_));
}

void Wheel::Schedule(WheelEntry& entry, absl::Time deadline) {
  entry.Unlink();
  entry.deadline_ = deadline;
  if (deadline == absl::InfiniteFuture()) return;
  Insert(entry, TickOf(deadline));
}

void Wheel::Insert(WheelEntry& entry, uint64_t tick) {
  if (tick <= now_) return LinkBefore(due_, entry);
  if (tick - now_ < kSlots) return LinkBefore(near_[tick % kSlots], entry);
  const uint64_t turn = std::min(tick / kSlots, now_ / kSlots + kSlots - 1);
  LinkBefore(far_[turn % kSlots], entry);
}

void Wheel::Cascade(List& slot) {
  List moved;
  if (slot.next_ == &slot) return;
  moved.next_ = slot.next_;
  moved.prev_ = slot.prev_;
  moved.next_->prev_ = moved.prev_->next_ = &moved;
  slot.next_ = slot.prev_ = &slot;
  while (moved.next_ != &moved) {
    WheelEntry& entry = *moved.next_;
    entry.Unlink();
    Insert(entry, TickOf(entry.deadline_));
  }
  moved.next_ = moved.prev_ = nullptr;
}

void Wheel::MoveTo(absl::Time now) {
  if (now <= start_) return;
  const auto target = static_cast<uint64_t>(absl::ToInt64Nanoseconds(now - start_) /
                                            absl::ToInt64Nanoseconds(tick_));
  while (now_ < target) {
    ++now_;
    if (now_ % kSlots == 0) Cascade(far_[(now_ / kSlots) % kSlots]);
    List& slot = near_[now_ % kSlots];
    while (slot.next_ != &slot) {
      WheelEntry& entry = *slot.next_;
      entry.Unlink();
      LinkBefore(due_, entry);
    }
  }
}

WheelEntry* Wheel::TakeDue() {
  if (due_.next_ == &due_) return nullptr;
  WheelEntry* entry = due_.next_;
  entry->Unlink();
  return entry;
}

absl::Time Wheel::Next() const {
  const auto at = [this](uint64_t tick) { return start_ + static_cast<int64_t>(tick) * tick_; };
  if (due_.next_ != &due_) return at(now_);
  for (uint64_t tick = now_ + 1; tick < now_ + kSlots; ++tick) {
    if (near_[tick % kSlots].next_ != &near_[tick % kSlots]) return at(tick);
    if (tick % kSlots == 0 &&
        far_[(tick / kSlots) % kSlots].next_ != &far_[(tick / kSlots) % kSlots])
      return at(tick);
  }
  for (uint64_t turn = now_ / kSlots + 1; turn < now_ / kSlots + kSlots; ++turn) {
    if (far_[turn % kSlots].next_ != &far_[turn % kSlots]) return at(turn * kSlots);
  }
  return absl::InfiniteFuture();
}

}  // namespace stack
