// What the machine has to give, as the kernel says.
#pragma once

#include <cstdint>

namespace gateway::io {

// Octets of memory this process may use: the machine's, or less where its control group has a
// limit.
uint64_t MemoryLimit();

}  // namespace gateway::io
