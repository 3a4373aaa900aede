#include "gateway/io/spsc_ring.h"

namespace gateway::io {

SpscByteRing::SpscByteRing(size_t capacity)
    : mask_(std::bit_ceil(capacity < 64 ? size_t{64} : capacity) - 1),
      memory_(std::make_unique_for_overwrite<std::byte[]>(mask_ + 1)) {}

bool SpscByteRing::HasRoom(size_t bytes) {
  const size_t capacity = mask_ + 1;
  if (capacity - static_cast<size_t>(tail_ - head_seen_) >= bytes) return true;
  head_seen_ = indices_.head.load(std::memory_order_acquire);
  return capacity - static_cast<size_t>(tail_ - head_seen_) >= bytes;
}

stack::ByteSpan SpscByteRing::Push(size_t size) {
  if (size == 0 || size > MaxRecord()) return {};
  const size_t whole = kHeader + Rounded(size);
  const size_t to_end = mask_ + 1 - static_cast<size_t>(tail_ & mask_);
  const size_t skipped = whole > to_end ? to_end : 0;  // does not fit before the end: start anew
  if (!HasRoom(skipped + whole)) return {};
  if (skipped != 0) {
    std::memcpy(At(tail_), &kSkip, sizeof kSkip);
    tail_ += skipped;
  }
  const auto length = static_cast<uint32_t>(size);
  std::memcpy(At(tail_), &length, sizeof length);
  const stack::ByteSpan record{At(tail_) + kHeader, size};
  tail_ += whole;
  return record;
}

stack::ByteSpan SpscByteRing::Front() {
  if (head_ == tail_seen_) {
    tail_seen_ = indices_.tail.load(std::memory_order_acquire);
    if (head_ == tail_seen_) return {};
  }
  uint32_t length;
  std::memcpy(&length, At(head_), sizeof length);
  if (length == kSkip) {  // the record behind it was published with it
    head_ += mask_ + 1 - (head_ & mask_);
    std::memcpy(&length, At(head_), sizeof length);
  }
  return {At(head_) + kHeader, length};
}

void SpscByteRing::Pop() {
  uint32_t length;
  std::memcpy(&length, At(head_), sizeof length);
  head_ += kHeader + Rounded(length);
  indices_.head.store(head_, std::memory_order_release);
}

}  // namespace gateway::io
