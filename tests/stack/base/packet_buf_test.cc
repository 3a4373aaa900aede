#include "stack/base/packet_buf.h"

#include <gtest/gtest.h>

#include <set>

#include "stack/base/machine.h"
#include "tests/support/frames.h"
#include "tests/support/rng.h"

namespace stack {
namespace {

TEST(PacketBuf, GrowsAndShrinksAtBothEnds) {
  PacketPool pool(1, 0);
  PacketBuf buf = pool.Copy(FromHex("0102030405"));
  ASSERT_TRUE(buf);
  EXPECT_EQ(buf.headroom(), kHeadroom);
  EXPECT_EQ(ToHex(buf.Pull(2)), "0102");
  EXPECT_EQ(buf.headroom(), kHeadroom + 2);
  Store16(buf.Push(2).data(), 0xaabb);
  EXPECT_TRUE(buf.Trim(1));
  Store16(buf.Append(2).data(), 0xccdd);
  EXPECT_EQ(ToHex(buf.bytes()), "aabb0304ccdd");
  EXPECT_EQ(buf.headroom() + buf.size() + buf.tailroom(), kSmallSlot);
}

TEST(PacketBuf, RefusesWhatDoesNotFitAndChangesNothing) {
  PacketPool pool(1, 0);
  PacketBuf buf = pool.Copy(FromHex("0102"));
  EXPECT_TRUE(buf.Pull(3).empty());
  EXPECT_FALSE(buf.Trim(3));
  EXPECT_TRUE(buf.Push(kHeadroom + 1).empty());
  EXPECT_TRUE(buf.Append(buf.tailroom() + 1).empty());
  EXPECT_FALSE(buf.Assign(Bytes(kSmallSlot)));
  EXPECT_EQ(ToHex(buf.bytes()), "0102");
  EXPECT_EQ(buf.Push(kHeadroom).size(), kHeadroom);
  EXPECT_EQ(buf.headroom(), 0U);
}

TEST(PacketBuf, WithoutASlotIsEmptyAndRefusesAll) {
  PacketBuf buf;
  EXPECT_FALSE(buf);
  EXPECT_TRUE(buf.empty());
  EXPECT_TRUE(buf.Push(1).empty());
  EXPECT_TRUE(buf.Append(1).empty());
  EXPECT_TRUE(buf.Pull(1).empty());
  EXPECT_FALSE(buf.Trim(1));
  EXPECT_TRUE(buf.Assign({}));
  buf.Release();
}

TEST(PacketBuf, MovingLeavesOneOwner) {
  PacketPool pool(2, 0);
  PacketBuf a = pool.Copy(FromHex("0a"));
  PacketBuf b = pool.Copy(FromHex("0b"));
  EXPECT_EQ(pool.free_small(), 0U);
  a = std::move(b);
  EXPECT_EQ(pool.free_small(), 1U);  // a's old slot is back
  EXPECT_FALSE(b);                   // NOLINT: what a moved-from buffer is, is part of the promise
  EXPECT_EQ(ToHex(a.bytes()), "0b");
  PacketBuf& same = a;
  a = std::move(same);
  EXPECT_EQ(ToHex(a.bytes()), "0b");
  {
    const PacketBuf c = std::move(a);
    EXPECT_EQ(pool.free_small(), 1U);
  }
  EXPECT_EQ(pool.free_small(), 2U);
}

TEST(PacketPool, RunsDryAndSaysSo) {
  PacketPool pool(1, 1);
  const PacketBuf small = pool.Get();
  EXPECT_TRUE(small);
  EXPECT_FALSE(pool.Get());
  const PacketBuf large = pool.Get(60000);
  EXPECT_TRUE(large);
  EXPECT_FALSE(pool.Get(60000));
  EXPECT_EQ(pool.dry(), 2U);
}

TEST(PacketPool, GivesTheKindOfSlotThatHoldsTheRoomAsked) {
  PacketPool pool(1, 1);
  constexpr size_t kMost = kSmallSlot - kHeadroom - kTailroom;
  EXPECT_EQ(pool.Get(kMost).tailroom(), kMost + kTailroom);
  EXPECT_EQ(pool.free_small(), 1U);
  EXPECT_GE(pool.Get(kMost + 1).tailroom(), 65535 + kTailroom);
  EXPECT_FALSE(pool.Get(kLargeSlot - kHeadroom - kTailroom + 1));
  EXPECT_FALSE(pool.Get(SIZE_MAX));
}

TEST(PacketPool, TheWholeEthernetFrameLeavesItsTailroom) {
  PacketPool pool(1, 0);
  PacketBuf buf = pool.Get();
  ASSERT_EQ(buf.Append(1518).size(), 1518U);
  EXPECT_GE(buf.tailroom(), kTailroom);
}

TEST(PacketPool, ReusesTheWarmestSlotAndNeverSharesOne) {
  PacketPool pool(4, 2);
  const std::byte* warm = nullptr;
  {
    PacketBuf buf = pool.Get();
    warm = buf.bytes().data();
  }
  PacketBuf again = pool.Get();
  EXPECT_EQ(again.bytes().data(), warm);
  std::vector<PacketBuf> held;
  std::set<const std::byte*> slots{warm};
  for (int i = 0; i < 3; ++i) held.push_back(pool.Get());
  for (int i = 0; i < 2; ++i) held.push_back(pool.Get(5000));
  for (PacketBuf& buf : held) EXPECT_TRUE(slots.insert(buf.bytes().data()).second);
  held.clear();
  EXPECT_EQ(pool.free_small(), 3U);
  EXPECT_EQ(pool.free_large(), 2U);
}

TEST(PacketBuf, RandomEditsAgreeWithAPlainVector) {
  PacketPool pool(1, 0);
  test::FixedRng rng(3);
  for (int round = 0; round < 200; ++round) {
    Bytes model = test::Pattern(rng.Below(100));
    PacketBuf buf = pool.Copy(model);
    for (int edit = 0; edit < 50; ++edit) {
      const size_t n = rng.Below(40);
      const Bytes fresh = test::Pattern(n, static_cast<uint8_t>(edit));
      switch (rng.Below(4)) {
        case 0:
          if (const ByteSpan room = buf.Push(n); room.size() == n) {
            std::copy(fresh.begin(), fresh.end(), room.begin());
            model.insert(model.begin(), fresh.begin(), fresh.end());
          }
          break;
        case 1:
          if (n <= model.size()) {
            EXPECT_EQ(buf.Pull(n).size(), n);
            model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(n));
          }
          break;
        case 2:
          if (buf.Assign(fresh)) model.insert(model.end(), fresh.begin(), fresh.end());
          break;
        default:
          if (buf.Trim(n)) model.erase(model.end() - static_cast<ptrdiff_t>(n), model.end());
      }
      ASSERT_EQ(ToBytes(buf.bytes()), model);
    }
  }
}

TEST(Outbox, KeepsFramesAndEventsInOrder) {
  PacketPool pool(2, 0);
  Outbox<int, Endpoint> out(pool);
  ASSERT_NE(out.Frame(100, test::At("192.0.2.1:500")), nullptr);
  out.Tell(7);
  PacketBuf* second = out.Frame();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(out.Frame(), nullptr);  // the pool is dry: as if lost on the wire
  ASSERT_EQ(out.items().size(), 3U);
  EXPECT_EQ(std::get<0>(out.items()[0]).address, test::At("192.0.2.1:500"));
  EXPECT_EQ(std::get<1>(out.items()[1]), 7);
  out.Retract();
  EXPECT_EQ(out.items().size(), 2U);
  out.Retract();  // the last is an event now: that is not taken back
  EXPECT_EQ(out.items().size(), 2U);
  out.Clear();
  EXPECT_EQ(pool.free_small(), 2U);
}

TEST(Deadlines, ShowOnlyTheSoonest) {
  enum class Name { kA, kB };
  Deadlines<Name, 2> timers;
  const absl::Time t0 = absl::UnixEpoch();
  EXPECT_EQ(timers.Next(), absl::InfiniteFuture());
  timers.Arm(Name::kA, t0 + absl::Seconds(2));
  timers.Arm(Name::kB, t0 + absl::Seconds(1));
  EXPECT_EQ(timers.Next(), t0 + absl::Seconds(1));
  EXPECT_FALSE(timers.TakeDue(Name::kB, t0 + absl::Milliseconds(999)));
  EXPECT_TRUE(timers.TakeDue(Name::kB, t0 + absl::Seconds(1)));
  EXPECT_FALSE(timers.TakeDue(Name::kB, t0 + absl::Seconds(5)));  // once
  EXPECT_TRUE(timers.IsArmed(Name::kA));
  timers.DisarmAll();
  EXPECT_EQ(timers.Next(), absl::InfiniteFuture());
}

}  // namespace
}  // namespace stack
