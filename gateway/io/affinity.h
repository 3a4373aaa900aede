// Which CPUs this process may run on, and keeping a thread on one of them: sched_setaffinity(2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace gateway::io {

// Ascending; empty if the kernel does not say.
std::vector<uint16_t> AllowedCpus();

// OK if this process may run on all of `cpus`. Otherwise InvalidArgument for people: which one it
// may not, and which there are.
absl::Status CheckCpus(const std::vector<uint16_t>& cpus);

// Keeps the calling thread on `cpu`. False if the kernel refuses.
bool PinThisThread(uint16_t cpu);

}  // namespace gateway::io
