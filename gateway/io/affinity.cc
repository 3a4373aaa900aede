#include "gateway/io/affinity.h"

#include <sched.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gateway::io {

std::vector<uint16_t> AllowedCpus() {
  cpu_set_t set;
  std::vector<uint16_t> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (uint16_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

absl::Status CheckCpus(const std::vector<uint16_t>& cpus) {
  const std::vector<uint16_t> allowed = AllowedCpus();
  for (const uint16_t cpu : cpus) {
    if (std::ranges::find(allowed, cpu) != allowed.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "this process may not run on CPU ", cpu, " (it may on ", absl::StrJoin(allowed, ","), ")"));
  }
  return absl::OkStatus();
}

bool PinThisThread(uint16_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

}  // namespace gateway::io
