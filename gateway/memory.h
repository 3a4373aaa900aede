// What a configuration will need in memory, estimated before any of it is taken: whoever writes
// limits too high for the machine shall hear of it at start and not when clients come.
//
//   at start     packet rings and buffers, mailboxes: reserved once, mostly touched only under load
//   with clients sessions, logins under way and NAT's tables, as they come, up to their limits
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "gateway/io/packet_ring.h"
#include "gateway/shard/settings.h"

namespace gateway {

// In octets.
struct MemoryNeed {
  uint64_t rings = 0;      // shared with the kernel, locked
  uint64_t pools = 0;      // packet buffers
  uint64_t mailboxes = 0;  // between threads
  uint64_t nat = 0;        // mappings and flows, all that limits.flows allows
  uint64_t session = 0;    // each
  uint64_t sessions = 0;   // all that limits.sessions allows
  uint64_t half_open = 0;  // all that limits.half_open allows

  uint64_t AtStart() const { return rings + pools + mailboxes; }
  uint64_t Most() const { return AtStart() + nat + sessions + half_open; }
};

// `sessions`: on line at a time; `writers`: threads that write to shards, the shards included.
MemoryNeed EstimateMemory(const shard::Settings& settings, const io::PacketOptions& rings,
                          uint32_t sessions, size_t writers);

// OutOfRange, with words for people, if not even the start fits into `machine` octets.
absl::Status CheckMemory(const MemoryNeed& need, uint64_t machine);

}  // namespace gateway
