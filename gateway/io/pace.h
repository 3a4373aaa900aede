// How a thread that works off queues waits for the next piece of work: by looking again and again,
// or asleep.
//
// One sleep costs 10 us of CPU and 20 us or more of delay; looking costs a whole CPU. So it pays
// only while the next packet is likely to come sooner than the sleep would take, and that is told
// by how soon the last ones came.
//
// A lone packet finds its thread asleep: an idle gateway takes no CPU at all. But what it asks for
// is often answered at once (a ping, a resolver nearby, the next message of a login), and then a
// second sleep would double its delay. So the thread looks for that too, as long as no more than a
// hundredth of its time goes into it.
#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace gateway::io {

class Pace {
 public:
  // `longest`: to look for more at a stretch. Zero: never.
  explicit Pace(absl::Duration longest) : longest_(longest) {}

  // There was work at `now`.
  void Worked(absl::Time now) {
    // What counts is whether the next gap is short, not how long a night was.
    const absl::Duration pause = now - last_work_;
    const absl::Duration gap = std::min(pause, longest_ * 4);
    if (mean_gap_ >= longest_) credit_ -= std::min(pause, Longest());
    credit_ = std::min(credit_ + std::min(pause, kFull * kShare) / kShare, kFull);
    mean_gap_ += (gap - mean_gap_) / 8;
    last_work_ = now;
  }
  // There was none: whether to look again at once instead of going to sleep.
  bool ShouldLookAgain(absl::Time now) const { return now - last_work_ < Longest(); }

 private:
  static constexpr int64_t kShare = 100;
  static constexpr absl::Duration kFull = absl::Milliseconds(2);

  // At a stretch, from the last work on. An answer takes the time of two machines.
  absl::Duration Longest() const {
    if (mean_gap_ < longest_) return longest_;
    return credit_ > absl::ZeroDuration() ? longest_ * 2 : absl::ZeroDuration();
  }

  const absl::Duration longest_;
  absl::Time last_work_ = absl::InfinitePast();
  absl::Duration mean_gap_ = longest_ * 4;
  absl::Duration credit_;  // for looking after lone packets; may be overdrawn by one look
};

}  // namespace gateway::io
