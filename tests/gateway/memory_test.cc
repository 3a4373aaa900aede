#include "gateway/memory.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/rng.h"
#include "tests/support/world/world.h"

namespace gateway {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;

shard::Settings SettingsFor(uint8_t shards) {
  test::FixedRng rng(1);
  return *shard::Translate(test::DefaultModel(), {{}, {}}, shards, rng);
}

TEST(Memory, GrowsWithWhatIsAllowed) {
  const MemoryNeed one = EstimateMemory(SettingsFor(1), {}, 10000, 3);
  const MemoryNeed four = EstimateMemory(SettingsFor(4), {}, 10000, 6);
  EXPECT_EQ(four.rings, 4 * one.rings);
  EXPECT_EQ(four.pools, 4 * one.pools);
  EXPECT_GT(four.mailboxes, 8 * one.mailboxes);  // by pairs
  EXPECT_EQ(one.sessions, 10000 * one.session);
  EXPECT_EQ(four.sessions, one.sessions);
  EXPECT_EQ(one.Most(), one.AtStart() + one.nat + one.sessions + one.half_open);
}

// Two interfaces: rings of 8 and 4 MB and a send buffer of 4 MB for each.
TEST(Memory, OfOneShardIsWhatTheHeadersSay) {
  const MemoryNeed need = EstimateMemory(SettingsFor(1), {}, 1000, 3);
  EXPECT_EQ(need.rings / kMiB, 2 * (8 + 4) + 7);
  EXPECT_EQ(need.pools / kMiB, 8 + 4);
  EXPECT_EQ(need.sessions, 1000 * 16 * 1024);
  EXPECT_TRUE(CheckMemory(need, 512 * kMiB).ok());
}

TEST(Memory, WhatDoesNotFitIsSaid) {
  const absl::Status status = CheckMemory(EstimateMemory(SettingsFor(64), {}, 10, 4), 1024 * kMiB);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("(packet rings "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("this machine has 1024 MiB"));
}

}  // namespace
}  // namespace gateway
