#include "gateway/io/clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace gateway::io {

absl::Time MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::TimeFromTimespec(now);
}

absl::Time WallNow() { return absl::Now(); }

}  // namespace gateway::io
