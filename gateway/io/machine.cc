#include "gateway/io/machine.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace gateway::io {

// In a container the group's own limit is at the root of what it sees (cgroups(7), version 2);
// "max", or no such file, is none.
uint64_t MemoryLimit() {
  const auto pages = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  uint64_t limit = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream group("/sys/fs/cgroup/memory.max");
  if (uint64_t of_group = 0; group >> of_group) limit = std::min(limit, of_group);
  return limit;
}

}  // namespace gateway::io
