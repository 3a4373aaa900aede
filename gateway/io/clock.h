// The clocks of the program. Nothing else reads one: time is an argument everywhere else.
#pragma once

#include "absl/time/time.h"

namespace gateway::io {

// What machines call `now`: CLOCK_MONOTONIC dressed as absl::Time (UnixEpoch + time since boot). It
// never goes back and has nothing to do with the calendar. Nanoseconds.
absl::Time MonotonicNow();

// What the calling thread has had of a core since it began.
absl::Duration ThreadCpuTime();

// The calendar: for log lines and certificates only. It may jump.
absl::Time WallNow();

}  // namespace gateway::io
