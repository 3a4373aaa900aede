#include "gateway/load/tally.h"

#include <algorithm>

namespace gateway::load {

void Track::Begin() {
  first_ = end_ = sent_;
  seen_.fill(0);
}

// Forgets what leaves the window as `sequence` enters it.
void Track::MoveTo(uint32_t sequence) {
  if (sequence - end_ >= kWindow) {
    seen_.fill(0);
  } else {
    for (uint32_t n = end_; n != sequence + 1; ++n) {
      seen_[n / 64 % seen_.size()] &= ~(uint64_t{1} << (n % 64));
    }
  }
  end_ = sequence + 1;
}

bool Track::OnArrival(uint32_t sequence, size_t octets, Tally& tally) {
  if (sequence < first_) return false;
  if (sequence < end_) {
    const uint32_t distance = end_ - 1 - sequence;
    if (distance < kWindow && IsSeen(sequence)) {
      ++tally.duplicated;
      return false;
    }
    ++tally.reordered;
    tally.max_distance = std::max<uint64_t>(tally.max_distance, distance);
    if (distance < kWindow) See(sequence);
  } else {
    MoveTo(sequence);
    See(sequence);
  }
  ++tally.received;
  tally.received_octets += octets;
  return true;
}

}  // namespace gateway::load
