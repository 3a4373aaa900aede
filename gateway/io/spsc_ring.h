// Queues from exactly one thread to exactly one other, without locks: SpscQueue<T> for objects,
// SpscByteRing for byte records of any size.
//
// The producer writes behind `tail`, the consumer reads from `head`; each index has one writer and
// a cache line of its own, and each side keeps a copy of the other's index, so that the lines
// travel only when the copy says full or empty. Memory order:
//   - contents are written before the store of tail (release) and read after its load (acquire);
//   - contents are read before the store of head (release), and written again after its load
//   (acquire);
//   - Publish() and empty() are sequentially consistent on top of it, as Waker (event_loop.h)
//   needs.
// What is pushed is invisible to the consumer until Publish().
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "stack/base/bytes.h"

namespace gateway::io {

// Indices count for ever and are masked on use: full and empty differ without a wasted slot.
struct SpscIndices {
  alignas(64) std::atomic<uint64_t> tail{0};  // written by the producer
  alignas(64) std::atomic<uint64_t> head{0};  // written by the consumer
};

template <class T>
class SpscQueue {
 public:
  // `capacity` is rounded up to a power of two.
  explicit SpscQueue(size_t capacity)
      : mask_(std::bit_ceil(capacity == 0 ? size_t{1} : capacity) - 1),
        slots_(std::allocator<T>().allocate(mask_ + 1)) {}
  ~SpscQueue() {
    Publish();
    while (Front() != nullptr) Pop();
    std::allocator<T>().deallocate(slots_, mask_ + 1);
  }
  SpscQueue(const SpscQueue&) = delete;
  SpscQueue& operator=(const SpscQueue&) = delete;

  size_t capacity() const { return mask_ + 1; }

  // --- producer ---

  // False, and `value` untouched, if that would leave fewer than `keep_free` places.
  bool Push(T&& value, size_t keep_free = 0) {
    if (Free(keep_free + 1) < keep_free + 1) return false;
    new (&slots_[tail_ & mask_]) T(std::move(value));
    ++tail_;
    return true;
  }
  void Publish() { indices_.tail.store(tail_, std::memory_order_seq_cst); }

  // --- consumer ---

  // The oldest, to be used or moved from and then popped; nullptr if there is none.
  T* Front() {
    if (head_ == tail_seen_) {
      tail_seen_ = indices_.tail.load(std::memory_order_acquire);
      if (head_ == tail_seen_) return nullptr;
    }
    return &slots_[head_ & mask_];
  }
  void Pop() {
    slots_[head_ & mask_].~T();
    ++head_;
    indices_.head.store(head_, std::memory_order_release);
  }
  bool empty() const { return indices_.tail.load(std::memory_order_seq_cst) == head_; }

 private:
  // Free places; looks at the consumer's index only if the known ones are fewer than `wanted`.
  size_t Free(size_t wanted) {
    size_t free = capacity() - static_cast<size_t>(tail_ - head_seen_);
    if (free >= wanted) return free;
    head_seen_ = indices_.head.load(std::memory_order_acquire);
    return capacity() - static_cast<size_t>(tail_ - head_seen_);
  }

  const size_t mask_;
  T* const slots_;
  SpscIndices indices_;
  alignas(64) uint64_t tail_ = 0;  // producer's own
  uint64_t head_seen_ = 0;
  alignas(64) uint64_t head_ = 0;  // consumer's own
  uint64_t tail_seen_ = 0;
};

// Records lie in one piece, so that both sides work in place:
//
//   | size u32, pad u32 | record, rounded up to 8 | size ... | rest of the round: kSkip |
class SpscByteRing {
 public:
  // `capacity` in bytes, rounded up to a power of two, at least 64. A record may have up to
  // MaxRecord() bytes.
  explicit SpscByteRing(size_t capacity);
  SpscByteRing(const SpscByteRing&) = delete;
  SpscByteRing& operator=(const SpscByteRing&) = delete;

  // Half the ring less its header, so that every record finds room once the consumer has caught up.
  size_t MaxRecord() const { return (mask_ + 1) / 2 - kHeader; }

  // --- producer ---

  // Room for a record of `size` bytes, aligned to 8; empty if the ring is full or `size` is 0 or
  // too much. The next Push adds another; there is no taking back.
  stack::ByteSpan Push(size_t size);
  void Publish() { indices_.tail.store(tail_, std::memory_order_seq_cst); }

  // --- consumer ---

  // The oldest record, good until Pop; empty if there is none.
  stack::ByteSpan Front();
  void Pop();
  bool empty() const { return indices_.tail.load(std::memory_order_seq_cst) == head_; }

 private:
  static constexpr size_t kHeader = 8;
  static constexpr uint32_t kSkip = 0xffffffff;
  static size_t Rounded(size_t size) { return (size + 7) & ~size_t{7}; }
  bool HasRoom(size_t bytes);
  std::byte* At(uint64_t index) { return memory_.get() + (index & mask_); }

  const size_t mask_;
  const std::unique_ptr<std::byte[]> memory_;
  SpscIndices indices_;
  alignas(64) uint64_t tail_ = 0;  // producer's own
  uint64_t head_seen_ = 0;
  alignas(64) uint64_t head_ = 0;  // consumer's own
  uint64_t tail_seen_ = 0;
};

}  // namespace gateway::io
