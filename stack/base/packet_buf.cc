#include "stack/base/packet_buf.h"

#include <new>

namespace stack {
namespace {

constexpr std::align_val_t kSlotAlignment{64};

}  // namespace

PacketPool::PacketPool(size_t small_slots, size_t large_slots)
    : small_count_(small_slots), large_count_(large_slots) {
  const size_t size = small_slots * kSmallSlot + large_slots * kLargeSlot;
  memory_ = static_cast<std::byte*>(::operator new(size == 0 ? 1 : size, kSlotAlignment));
  small_.reserve(small_slots);
  large_.reserve(large_slots);
  std::byte* slot = memory_;
  for (size_t i = 0; i < large_slots; ++i, slot += kLargeSlot) large_.push_back(slot);
  for (size_t i = 0; i < small_slots; ++i, slot += kSmallSlot) small_.push_back(slot);
}

PacketPool::~PacketPool() { ::operator delete(memory_, kSlotAlignment); }

PacketBuf PacketPool::Get(size_t room) {
  PacketBuf buf;
  const bool small = room <= kSmallSlot - kHeadroom - kTailroom;
  std::vector<std::byte*>& free = small ? small_ : large_;
  if (free.empty() || room > kLargeSlot - kHeadroom - kTailroom) {
    ++dry_;
    return buf;
  }
  buf.pool_ = this;
  buf.slot_ = free.back();
  buf.begin_ = buf.end_ = kHeadroom;
  buf.capacity_ = small ? kSmallSlot : kLargeSlot;
  free.pop_back();
  return buf;
}

PacketBuf PacketPool::Copy(ByteView bytes) {
  PacketBuf buf = Get(bytes.size());
  if (buf) buf.Assign(bytes);
  return buf;
}

}  // namespace stack
