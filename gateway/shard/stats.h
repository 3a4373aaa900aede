// What one shard counts. Written by its own thread alone and read by it as well: whoever wants the
// numbers asks by mailbox, or waits until the thread has ended.
#pragma once

#include <cstdint>

#include "stack/base/drop.h"

namespace gateway::shard {

struct Stats {
  stack::DropCounters drops;

  uint64_t frames_in = 0, frames_out = 0;
  // Those of them that stood for several packets, and for how many.
  uint64_t superframes_in = 0, superframes_out = 0;
  uint64_t segments_in = 0, segments_out = 0;
  uint64_t up_packets = 0, up_bytes = 0;      // IPv4 packets of clients, as they leave the tunnel
  uint64_t down_packets = 0, down_bytes = 0;  // and as they enter it
  uint64_t mailed = 0;                        // packets handed to another shard
  uint64_t rounds = 0;

  void Drop(stack::Drop reason, size_t packets = 1) {
    drops.count[static_cast<size_t>(reason)] += packets;
  }
};

}  // namespace gateway::shard
