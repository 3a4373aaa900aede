// Anti-replay window of an inbound SA: RFC 4303 section 3.4.3, with the ring bitmap of RFC 6479
// (read that, it is short). 32-bit sequence numbers; extended ones cannot be negotiated in IKEv1
// here.
//
// Asked twice a packet: MayAccept() before the costly integrity check, Commit() after it has proved
// that the number is the sender's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack/base/drop.h"

namespace crypto::esp {

inline constexpr size_t kDefaultReplayWindow = 1024;
inline constexpr size_t kMinReplayWindow = 64;  // RFC 4303 section 3.4.3 asks for 32 at least
inline constexpr size_t kMaxReplayWindow = 65536;

class ReplayWindow {
 public:
  // `size` in packets: how far behind the highest number seen a late packet may be. Brought into
  // kMin.. kMaxReplayWindow and rounded up to a multiple of 64.
  explicit ReplayWindow(size_t size = kDefaultReplayWindow);

  // kNone, kReplayed, or kReplayTooOld; the number 0 is never sent (RFC 4303 section 2.2) and
  // always too old. Changes nothing: the number is still a claim.
  stack::Drop MayAccept(uint32_t sequence) const {
    if (sequence > highest_) return stack::Drop::kNone;
    if (sequence == 0 || highest_ - sequence >= size_) return stack::Drop::kReplayTooOld;
    return IsSeen(sequence) ? stack::Drop::kReplayed : stack::Drop::kNone;
  }
  // Marks a number that MayAccept() let pass, and moves the window if it is a new highest one.
  void Commit(uint32_t sequence);

  uint32_t highest() const { return highest_; }  // 0: none yet
  size_t size() const { return size_; }

 private:
  static constexpr uint32_t kWordBits = 64;
  size_t WordOf(uint32_t sequence) const { return (sequence / kWordBits) & (ring_.size() - 1); }
  bool IsSeen(uint32_t sequence) const {
    return (ring_[WordOf(sequence)] >> (sequence % kWordBits) & 1) != 0;
  }

  uint32_t size_;
  uint32_t highest_ = 0;
  std::vector<uint64_t> ring_;  // a power of two of words, at least one more than the window needs
};

}  // namespace crypto::esp
