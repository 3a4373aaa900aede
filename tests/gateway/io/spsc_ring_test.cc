#include "gateway/io/spsc_ring.h"

#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/support/rng.h"

namespace gateway::io {
namespace {

TEST(SpscQueue, HoldsItsCapacityAndNoMore) {
  SpscQueue<int> queue(3);
  EXPECT_EQ(queue.capacity(), 4U);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.Push(int{i}));
  EXPECT_FALSE(queue.Push(4));
  queue.Publish();
  for (int i = 0; i < 4; ++i) {
    ASSERT_NE(queue.Front(), nullptr);
    EXPECT_EQ(*queue.Front(), i);
    queue.Pop();
  }
  EXPECT_EQ(queue.Front(), nullptr);
  EXPECT_TRUE(queue.Push(5));
}

TEST(SpscQueue, NothingIsSeenBeforePublish) {
  SpscQueue<int> queue(4);
  ASSERT_TRUE(queue.Push(1));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.Front(), nullptr);
  queue.Publish();
  EXPECT_FALSE(queue.empty());
  EXPECT_NE(queue.Front(), nullptr);
}

TEST(SpscQueue, KeepsPlacesFree) {
  SpscQueue<int> queue(4);
  EXPECT_TRUE(queue.Push(1, 2));
  EXPECT_TRUE(queue.Push(2, 2));
  EXPECT_FALSE(queue.Push(3, 2));
  EXPECT_TRUE(queue.Push(3));
  EXPECT_TRUE(queue.Push(4));
}

TEST(SpscQueue, RefusedValueIsUntouchedAndTheRestIsDestroyed) {
  const auto counted = std::make_shared<int>(0);
  {
    SpscQueue<std::shared_ptr<int>> queue(2);
    ASSERT_TRUE(queue.Push(std::shared_ptr<int>(counted)));
    ASSERT_TRUE(queue.Push(std::shared_ptr<int>(counted)));
    auto third = counted;
    EXPECT_FALSE(queue.Push(std::move(third)));
    EXPECT_EQ(third, counted);
    EXPECT_EQ(counted.use_count(), 4);
  }
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(SpscByteRing, RefusesWhatCanNeverFit) {
  SpscByteRing ring(1024);
  EXPECT_EQ(ring.MaxRecord(), 504U);
  EXPECT_TRUE(ring.Push(0).empty());
  EXPECT_TRUE(ring.Push(505).empty());
  EXPECT_EQ(ring.Push(504).size(), 504U);
}

TEST(SpscByteRing, AnyRecordFindsRoomOnceEmpty) {
  SpscByteRing ring(1024);
  for (size_t offset = 1; offset < 504; offset += 13) {
    for (const size_t size : {offset, ring.MaxRecord()}) {
      ASSERT_EQ(ring.Push(size).size(), size) << offset;
      ring.Publish();
      ASSERT_EQ(ring.Front().size(), size);
      ring.Pop();
    }
  }
}

// Against a deque: random sizes, random interleaving, every byte compared.
TEST(SpscByteRing, BehavesLikeAQueueOfRecords) {
  test::FixedRng rng(7);
  SpscByteRing ring(4096);
  std::deque<stack::Bytes> model;
  size_t refused = 0;
  for (int step = 0; step < 100000; ++step) {
    if (rng.Below(2) == 0) {
      stack::Bytes record(1 + rng.Below(rng.Below(20) == 0 ? 2000 : 100));
      rng.Fill(record);
      const stack::ByteSpan room = ring.Push(record.size());
      if (room.empty()) {
        ++refused;
        continue;
      }
      ASSERT_EQ(reinterpret_cast<uintptr_t>(room.data()) % 8, 0U);
      std::copy(record.begin(), record.end(), room.begin());
      ring.Publish();
      model.push_back(std::move(record));
    } else {
      const stack::ByteSpan record = ring.Front();
      ASSERT_EQ(record.empty(), model.empty());
      ASSERT_EQ(ring.empty(), model.empty());
      if (model.empty()) continue;
      ASSERT_EQ(stack::ToBytes(record), model.front());
      ring.Pop();
      model.pop_front();
    }
  }
  EXPECT_GT(refused, 1000U);
}

TEST(SpscByteRing, CarriesEverythingInOrderBetweenTwoThreads) {
  constexpr uint64_t kRecords = 50000;
  SpscByteRing ring(8192);
  std::thread producer([&ring] {
    test::FixedRng rng(3);
    for (uint64_t i = 0; i < kRecords; ++i) {
      const size_t size = 8 + rng.Below(200);
      stack::ByteSpan room = ring.Push(size);
      while (room.empty()) {
        std::this_thread::yield();
        room = ring.Push(size);
      }
      stack::Store64(room.data(), i);
      std::memset(room.data() + 8, static_cast<int>(i & 0xff), size - 8);
      if (i % 7 == 0 || i + 1 == kRecords) ring.Publish();
    }
  });
  uint64_t wrong = 0;
  test::FixedRng rng(3);
  for (uint64_t i = 0; i < kRecords; ++i) {
    stack::ByteSpan record = ring.Front();
    while (record.empty()) {
      std::this_thread::yield();
      record = ring.Front();
    }
    if (record.size() != 8 + rng.Below(200) || stack::Load64(record.data()) != i) ++wrong;
    for (const std::byte b : record.subspan(8)) wrong += b != std::byte(i & 0xff) ? 1 : 0;
    ring.Pop();
  }
  producer.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace gateway::io
