#include "stack/link/wait_queue.h"

#include <gtest/gtest.h>

#include "tests/support/frames.h"

namespace stack::link {
namespace {

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

class WaitQueueTest : public testing::Test {
 protected:
  Parked Park(absl::Duration at, uint32_t hop, uint8_t mark) {
    packet_ = pool_.Copy(test::Pattern(1, mark));
    return queue_.Park(kStart + at, {hop}, std::move(packet_));
  }
  std::string Take(uint32_t hop) {
    std::string marks;
    WaitQueue::Waiting waiting = queue_.Take({hop});
    for (PacketBuf& packet : waiting.packets()) marks += ToHex(packet.bytes());
    return marks;
  }
  size_t Expire(absl::Duration at) { return queue_.Expire(kStart + at).size(); }

  PacketPool pool_{400, 0};
  WaitQueue queue_;
  PacketBuf packet_;
};

TEST_F(WaitQueueTest, KeepsTheOrderOfEachHop) {
  EXPECT_EQ(Park({}, 1, 0x11), Parked::kFirst);
  EXPECT_EQ(Park({}, 2, 0x21), Parked::kFirst);
  EXPECT_EQ(Park({}, 1, 0x12), Parked::kBehind);
  EXPECT_EQ(Take(1), "1112");
  EXPECT_EQ(Take(1), "");
  EXPECT_EQ(Park({}, 1, 0x13), Parked::kFirst);  // to be asked for anew
  EXPECT_EQ(Take(2), "21");
}

TEST_F(WaitQueueTest, HoldsThreePacketsPerHopAndLeavesTheFourthWithItsOwner) {
  for (uint8_t i = 0; i < WaitQueue::kPerHop; ++i) EXPECT_NE(Park({}, 1, i), Parked::kFull);
  EXPECT_EQ(Park({}, 1, 9), Parked::kFull);
  EXPECT_TRUE(packet_);
  EXPECT_EQ(Take(1), "000102");
}

TEST_F(WaitQueueTest, HoldsABoundedNumberOfHops) {
  for (uint32_t hop = 0; hop < WaitQueue::kHops; ++hop) EXPECT_EQ(Park({}, hop, 0), Parked::kFirst);
  EXPECT_EQ(Park({}, 1000, 0), Parked::kFull);
  EXPECT_TRUE(packet_);
  EXPECT_EQ(Park({}, 7, 0), Parked::kBehind);
  Take(7);
  EXPECT_EQ(Park({}, 1000, 0), Parked::kFirst);
}

TEST_F(WaitQueueTest, GivesUpInTheOrderOfArrival) {
  EXPECT_EQ(queue_.NextDeadline(), absl::InfiniteFuture());
  Park(absl::Seconds(0), 1, 0x11);
  Park(absl::Seconds(1), 2, 0x21);
  Park(absl::Seconds(2), 1, 0x12);
  EXPECT_EQ(queue_.NextDeadline(), kStart + WaitQueue::kPatience);
  EXPECT_EQ(Expire(WaitQueue::kPatience - absl::Nanoseconds(1)), 0U);
  EXPECT_EQ(Expire(WaitQueue::kPatience), 2U);  // the whole hop goes with its first packet
  EXPECT_EQ(queue_.NextDeadline(), kStart + absl::Seconds(1) + WaitQueue::kPatience);
  EXPECT_EQ(Take(2), "21");
  EXPECT_EQ(queue_.NextDeadline(), absl::InfiniteFuture());
  packet_.Release();
  EXPECT_EQ(pool_.free_small(), 400U);
}

}  // namespace
}  // namespace stack::link
