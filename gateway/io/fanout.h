// The steering rules (steer.h) as a classic BPF program for PACKET_FANOUT: the kernel runs it on
// each frame and puts the frame straight into the ring of the shard that owns it. It chooses by
// length as well: each shard has a ring of small slots and one of large slots, and
//
//   member of the group = 2 * shard + (length without Ethernet header > small_limit)
//
// A program that reads past the end of a frame answers 0, and so does ShardOf.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/io/steer.h"

namespace gateway::io {

// struct sock_filter of the kernel.
struct BpfInstruction {
  uint16_t code;
  uint8_t jump_true, jump_false;
  uint32_t k;
};
static_assert(sizeof(BpfInstruction) == 8);

// InvalidArgument, with the reason, if the rules make no sense.
absl::Status CheckRules(const SteeringRules& rules);

inline constexpr size_t kMaxBpfInstructions = 4096;  // BPF_MAXINSNS

// The program for `rules`. `small_limit`: the longest packet, in bytes without the Ethernet header,
// that fits a small slot. InvalidArgument if the rules are illegal, or too many for one program
// (some 800 own addresses and client ranges).
absl::StatusOr<std::vector<BpfInstruction>> BuildFanoutProgram(const SteeringRules& rules,
                                                               uint32_t small_limit);

}  // namespace gateway::io
