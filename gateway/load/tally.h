// What became of numbered packets: lost, double, late. One Tally counts for a direction; each
// numbered sequence in it (one stream of one client) has a Track.
//
// Only packets that left in the measured window count, wherever they arrive in time: the sender's
// numbers say which these are, so nothing has to be guessed at the window's ends.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "gateway/load/histogram.h"

namespace gateway::load {

struct Tally {
  uint64_t sent = 0;
  uint64_t refused = 0;   // by our own interface: they never left
  uint64_t received = 0;  // each number once
  uint64_t duplicated = 0;
  uint64_t reordered = 0;     // came after one with a higher number
  uint64_t max_distance = 0;  // of these: by how many numbers
  uint64_t corrupt = 0;
  uint64_t sent_octets = 0, received_octets = 0;  // of inner IPv4 packets
  Histogram latency;                              // one way, nanoseconds

  uint64_t lost() const { return sent > received ? sent - received : 0; }
};

class Track {
 public:
  // The number of the next packet to be made, and `count` - 1 more.
  uint32_t Next(uint32_t count = 1) {
    made_ += count;
    return made_ - count;
  }
  // Packets up to and without `end` have left.
  void OnSent(uint32_t end) { sent_ = end; }
  // What leaves from now on counts.
  void Begin();
  // Number `sequence` has arrived, intact. False if it does not count, or not again.
  bool OnArrival(uint32_t sequence, size_t octets, Tally& tally);

 private:
  // As far back as duplicates are told from late ones; behind that a packet counts as late.
  static constexpr uint32_t kWindow = 1024;

  bool IsSeen(uint32_t sequence) const {
    return (seen_[sequence / 64 % seen_.size()] >> (sequence % 64) & 1U) != 0;
  }
  void See(uint32_t sequence) {
    seen_[sequence / 64 % seen_.size()] |= uint64_t{1} << (sequence % 64);
  }
  void MoveTo(uint32_t sequence);

  uint32_t made_ = 0, sent_ = 0;
  uint32_t first_ = 0;                         // of the measured window
  uint32_t end_ = 0;                           // after the highest that has arrived
  std::array<uint64_t, kWindow / 64> seen_{};  // of [end_ - kWindow, end_)
};

}  // namespace gateway::load
