#include "gateway/io/clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace gateway::io {

absl::Time MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::TimeFromTimespec(now);
}

absl::Duration ThreadCpuTime() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

absl::Time WallNow() { return absl::Now(); }

}  // namespace gateway::io
