#include "crypto/esp/replay.h"

#include <algorithm>
#include <bit>

namespace crypto::esp {
namespace {

uint32_t WindowOf(size_t wanted) {
  const size_t size = std::clamp(wanted, kMinReplayWindow, kMaxReplayWindow);
  return static_cast<uint32_t>((size + 63) / 64 * 64);
}

}  // namespace

// One word more than the window: the word that the highest number has just entered is cleared
// whole, and may not hold numbers which are still inside.
ReplayWindow::ReplayWindow(size_t size)
    : size_(WindowOf(size)), ring_(std::bit_ceil(size_t{size_ / kWordBits} + 1)) {}

void ReplayWindow::Commit(uint32_t sequence) {
  if (sequence > highest_) {
    const uint32_t entered = sequence / kWordBits - highest_ / kWordBits;
    const size_t to_clear = std::min<size_t>(entered, ring_.size());
    for (size_t i = 0; i < to_clear; ++i) {
      ring_[(sequence / kWordBits - i) & (ring_.size() - 1)] = 0;
    }
    highest_ = sequence;
  }
  ring_[WordOf(sequence)] |= uint64_t{1} << (sequence % kWordBits);
}

}  // namespace crypto::esp
