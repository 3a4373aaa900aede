// A packet's memory: one slot of its shard's pool, owned by exactly one PacketBuf at a time.
//
//        slot                                                             slot + capacity
//        |<-- headroom -->|<------------ bytes() ------------>|<-- tailroom -->|
//                      Push()  Pull()                      Trim()  Append()
//
// There are two kinds of slots: 2 KB, and a few large ones for what the kernel or reassembly hands
// over whole. A fresh buffer starts with kHeadroom in front, enough for every header that is pushed
// below it on its way out, and the small kind is cut so that kTailroom is left behind a full
// Ethernet frame.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "stack/base/bytes.h"

namespace stack {

inline constexpr size_t kHeadroom = 128;
inline constexpr size_t kTailroom = 64;
inline constexpr size_t kSmallSlot = 2048;
inline constexpr size_t kLargeSlot = 66 * 1024;

// The longest way down: virtio_net_hdr 10, Ethernet + VLAN 18, IPv4 20, UDP 8, ESP 8 + IV 16, UDP
// 8, L2TP with length and offset 12, PPP 4; and the longest ESP trailer: padding 15 + 2, ICV 32.
static_assert(10 + 18 + 20 + 8 + 8 + 16 + 8 + 12 + 4 <= kHeadroom);
static_assert(15 + 2 + 32 <= kTailroom);

class PacketPool;

class PacketBuf {
 public:
  PacketBuf() = default;  // no slot: bytes() is empty, every Push and Append fails
  PacketBuf(PacketBuf&& other) noexcept { Steal(other); }
  PacketBuf& operator=(PacketBuf&& other) noexcept {
    if (this != &other) {
      Release();
      Steal(other);
    }
    return *this;
  }
  PacketBuf(const PacketBuf&) = delete;
  PacketBuf& operator=(const PacketBuf&) = delete;
  ~PacketBuf() { Release(); }

  explicit operator bool() const { return slot_ != nullptr; }
  ByteSpan bytes() { return {slot_ + begin_, size()}; }
  ByteView bytes() const { return {slot_ + begin_, size()}; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return end_ == begin_; }
  size_t headroom() const { return begin_; }
  size_t tailroom() const { return capacity_ - end_; }

  // Room for a header in front; empty if there is none.
  ByteSpan Push(size_t n) {
    if (n > begin_) return {};
    begin_ -= static_cast<uint32_t>(n);
    return {slot_ + begin_, n};
  }
  // Takes a header off and shows it; empty, and nothing taken, if the packet is shorter.
  ByteView Pull(size_t n) {
    if (n > size()) return {};
    const ByteView header{slot_ + begin_, n};
    begin_ += static_cast<uint32_t>(n);
    return header;
  }
  // Room for a trailer; empty if there is none. The new bytes are not initialised.
  ByteSpan Append(size_t n) {
    if (n > tailroom()) return {};
    end_ += static_cast<uint32_t>(n);
    return {slot_ + end_ - n, n};
  }
  // Takes a trailer off; false, and nothing taken, if the packet is shorter.
  bool Trim(size_t n) {
    if (n > size()) return false;
    end_ -= static_cast<uint32_t>(n);
    return true;
  }
  // Appends a copy of `bytes`; false if they do not fit.
  bool Assign(ByteView bytes) {
    const ByteSpan room = Append(bytes.size());
    if (room.size() != bytes.size()) return false;
    if (!bytes.empty()) std::memcpy(room.data(), bytes.data(), bytes.size());
    return true;
  }
  void Release();  // gives the slot back now; the buffer is then empty

 private:
  friend class PacketPool;
  void Steal(PacketBuf& other) {
    pool_ = std::exchange(other.pool_, nullptr);
    slot_ = std::exchange(other.slot_, nullptr);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
  }

  PacketPool* pool_ = nullptr;
  std::byte* slot_ = nullptr;
  uint32_t begin_ = 0, end_ = 0, capacity_ = 0;
};

// The slots of one shard; used by its thread alone and outlives every PacketBuf taken from it.
// The last slot given back is the next one taken, so that a few of them stay in the cache.
class PacketPool {
 public:
  PacketPool(size_t small_slots, size_t large_slots);
  ~PacketPool();
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  // An empty buffer with kHeadroom in front and room for at least `room` bytes and kTailroom behind
  // them; one without a slot if the pool is dry or `room` is more than a large slot holds.
  PacketBuf Get(size_t room = kSmallSlot - kHeadroom - kTailroom);
  // The same, filled with a copy of `bytes`.
  PacketBuf Copy(ByteView bytes);

  size_t free_small() const { return small_.size(); }
  size_t free_large() const { return large_.size(); }
  size_t small_slots() const { return small_count_; }
  size_t large_slots() const { return large_count_; }
  uint64_t dry() const { return dry_; }  // how often Get found nothing

 private:
  friend class PacketBuf;
  void GiveBack(std::byte* slot, size_t capacity);

  size_t small_count_, large_count_;
  std::byte* memory_;
  std::vector<std::byte*> small_, large_;
  uint64_t dry_ = 0;
};

inline void PacketBuf::Release() {
  if (slot_ == nullptr) return;
  pool_->GiveBack(slot_, capacity_);
  pool_ = nullptr;
  slot_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

inline void PacketPool::GiveBack(std::byte* slot, size_t capacity) {
  (capacity == kSmallSlot ? small_ : large_).push_back(slot);  // reserved: never allocates
}

}  // namespace stack
