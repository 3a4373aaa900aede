// Any frame, any cut: ShardOf stays in range and agrees with the program the kernel runs.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "gateway/io/fanout.h"
#include "gateway/io/steer.h"
#include "tests/gateway/io/steering_frames.h"
#include "tests/support/cbpf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gateway::io::SteeringRules rules = test::steering::Rules(7);
  static const auto program = *gateway::io::BuildFanoutProgram(rules, 1952);
  const stack::ByteView frame = stack::AsBytes(data, size);
  const uint8_t shard = gateway::io::ShardOf(frame, rules);
  const uint32_t large = size > 14 + 1952 ? 1 : 0;
  if (shard >= 7 || test::RunFanoutProgram(program, frame) != shard * 2U + large) std::abort();
  return 0;
}
