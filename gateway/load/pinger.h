// Echo requests through the tunnel of one client, for the round trip as a user has it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "absl/time/time.h"
#include "gateway/load/fleet.h"
#include "gateway/load/histogram.h"
#include "gateway/load/inner.h"

namespace gateway::load {

struct PingCounts {
  uint64_t sent = 0, received = 0;
  Histogram times;  // nanoseconds

  uint64_t lost() const { return sent - received; }
};

class Pinger {
 public:
  // For so long what was sent is waited for without a sleep.
  static constexpr absl::Duration kMoment = absl::Milliseconds(20);

  // `target`: zero for the client's PPP gateway. Every `interval`, once started; zero: never.
  Pinger(uint32_t client, stack::Ip4 target, absl::Duration interval)
      : client_(client), target_(target), interval_(interval) {}

  // From now on, with new counts.
  void Begin(absl::Time now);
  void End() { next_at_ = absl::InfiniteFuture(); }
  // A request's time begins when it is sealed, by `clock` (empty: at `now`): what sealing takes is
  // the client's own time, and not the way's.
  void OnDeadline(absl::Time now, const std::function<absl::Time()>& clock, Fleet& fleet,
                  stack::PacketPool& pool);
  absl::Time NextDeadline() const { return next_at_; }
  void OnReply(absl::Time now, uint32_t client, const Segment& reply);

  const PingCounts& counts() const { return counts_; }
  // Whether the last request was sent a moment ago and has no answer yet.
  bool IsWaiting(absl::Time now) const;
  bool AllAnswered() const { return counts_.received >= counts_.sent; }

 private:
  static constexpr size_t kKept = 4096;  // requests that may still be answered

  const uint32_t client_;
  const stack::Ip4 target_;
  const absl::Duration interval_;
  absl::Time next_at_ = absl::InfiniteFuture();
  uint16_t sequence_ = 0;
  std::array<absl::Time, kKept> sent_at_{};  // by sequence number; InfiniteFuture: none is open
  PingCounts counts_;
};

}  // namespace gateway::load
