#include "gateway/io/memory_port.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "gateway/io/event_loop.h"
#include "gateway/io/fanout.h"
#include "gateway/io/spsc_ring.h"

namespace gateway::io {
namespace {

bool IsLegal(const TxFrame& frame) {
  size_t size = frame.bytes.size();
  for (const stack::ByteView piece : frame.more) size += piece.size();
  return size <= kMaxFrame && frame.more.size() <= TxFrame::kMaxPieces;
}

}  // namespace

// One direction. Frames stay in their slots while they are lent, so the slots are walked by hand
// here instead of by SpscQueue; the memory order is that of spsc_ring.h.
class MemoryPort::Queue {
 public:
  struct Slot {
    stack::Bytes bytes;
    VnetHdr vnet;
  };

  explicit Queue(size_t slots) : slots_(std::bit_ceil(std::max<size_t>(slots, 2))) {}

  // --- sender ---

  Slot* Next() {
    if (tail_ - indices_.head.load(std::memory_order_acquire) >= slots_.size()) return nullptr;
    return &At(tail_);
  }
  void Fill() { ++tail_; }
  void Publish() {
    indices_.tail.store(tail_, std::memory_order_seq_cst);
    waker_.Wake();
  }

  // --- receiver ---

  // How many frames wait. If none does, the descriptor tells of the next one.
  size_t Waiting() {
    if (const size_t waiting = Count(); waiting != 0) return waiting;
    waker_.EndSleep();
    waker_.BeginSleep();
    return Count();
  }
  Slot& Lend() { return At(lent_++); }
  void Release() {
#ifndef NDEBUG  // whoever still looks at what was lent shall see that he may not
    for (uint64_t i = indices_.head.load(std::memory_order_relaxed); i != lent_; ++i) {
      std::ranges::fill(At(i).bytes, std::byte{0xdd});
    }
#endif
    indices_.head.store(lent_, std::memory_order_release);
  }
  int fd() const { return waker_.fd(); }

 private:
  Slot& At(uint64_t index) { return slots_[index & (slots_.size() - 1)]; }
  size_t Count() const {
    return static_cast<size_t>(indices_.tail.load(std::memory_order_seq_cst) - lent_);
  }

  std::vector<Slot> slots_;
  SpscIndices indices_;
  alignas(64) uint64_t tail_ = 0;  // sender's own
  alignas(64) uint64_t lent_ = 0;  // receiver's own
  Waker waker_;
};

std::pair<std::unique_ptr<MemoryPort>, std::unique_ptr<MemoryPort>> MemoryPort::Pair(
    const std::string& left_name, const std::string& right_name, size_t slots) {
  const auto to_left = std::make_shared<Queue>(slots);
  const auto to_right = std::make_shared<Queue>(slots);
  return {std::unique_ptr<MemoryPort>(new MemoryPort(left_name, to_left, to_right)),
          std::unique_ptr<MemoryPort>(new MemoryPort(right_name, to_right, to_left))};
}

MemoryPort::MemoryPort(std::string name, std::shared_ptr<Queue> in, std::shared_ptr<Queue> out)
    : name_(std::move(name)), in_(std::move(in)), out_(std::move(out)), wake_fd_(in_->fd()) {
  in_->Waiting();  // arms the descriptor: frames may come before the first Receive
}

MemoryPort::~MemoryPort() = default;

size_t MemoryPort::Receive(std::span<RxFrame> frames) {
  Release();
  const size_t count = std::min({frames.size(), kBatch, in_->Waiting()});
  for (RxFrame& frame : frames.first(count)) {
    const Queue::Slot& slot = in_->Lend();
    frame = {slot.bytes, slot.vnet, 0, false};
    if (frame.vnet.IsSuperframe()) ++stats_.rx_superframes;
  }
  stats_.rx_frames += count;
  return count;
}

void MemoryPort::Release() { in_->Release(); }

size_t MemoryPort::Send(std::span<TxFrame> frames) {
  size_t sent = 0;
  for (TxFrame& frame : frames) {
    frame.unfit = !IsLegal(frame);
    Queue::Slot* slot = frame.unfit ? nullptr : out_->Next();
    frame.ok = slot != nullptr;
    if (!frame.ok) continue;
    slot->bytes.assign(frame.bytes.begin(), frame.bytes.end());
    for (const stack::ByteView piece : frame.more) {
      slot->bytes.insert(slot->bytes.end(), piece.begin(), piece.end());
    }
    slot->vnet = frame.vnet;
    out_->Fill();
    ++sent;
    if (frame.vnet.IsSuperframe()) ++stats_.tx_superframes;
  }
  if (sent != 0) out_->Publish();
  stats_.tx_frames += sent;
  stats_.tx_failed += frames.size() - sent;
  return sent;
}

absl::Status MemoryPort::Steer(const SteeringRules& rules) { return CheckRules(rules); }

}  // namespace gateway::io
