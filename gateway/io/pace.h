// How a thread that works off queues waits for the next piece of work: by looking again and again,
// or asleep.
//
// One sleep costs 10 us of CPU and 20 us or more of delay; looking costs a whole CPU. So it pays
// only while the next packet is likely to come sooner than the sleep would take, and that is told
// by how soon the last ones came. A lone packet always finds its thread asleep: an idle gateway
// takes no CPU at all.
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
    const absl::Duration gap = std::min(now - last_work_, longest_ * 4);
    mean_gap_ += (gap - mean_gap_) / 8;
    last_work_ = now;
  }
  // There was none: whether to look again at once instead of going to sleep.
  bool ShouldLookAgain(absl::Time now) const {
    return mean_gap_ < longest_ && now - last_work_ < longest_;
  }

 private:
  const absl::Duration longest_;
  absl::Time last_work_ = absl::InfinitePast();
  absl::Duration mean_gap_ = longest_ * 4;
};

}  // namespace gateway::io
