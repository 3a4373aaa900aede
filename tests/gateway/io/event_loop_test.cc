#include "gateway/io/event_loop.h"

#include <atomic>
#include <thread>

#include "gateway/io/clock.h"
#include "gateway/io/spsc_ring.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gateway::io {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EventLoop, ReportsTagsOfWhatIsReady) {
  EventLoop loop;
  Waker a, b;
  ASSERT_TRUE(loop.Add(a.fd(), 7).ok());
  ASSERT_TRUE(loop.Add(b.fd(), 9).ok());
  EXPECT_THAT(loop.Wait(absl::ZeroDuration()), IsEmpty());
  b.Signal();
  EXPECT_THAT(loop.Wait(absl::InfiniteDuration()), ElementsAre(9));
  EXPECT_THAT(loop.Wait(absl::InfiniteDuration()), ElementsAre(9)) << "level-triggered";
  b.EndSleep();
  EXPECT_THAT(loop.Wait(absl::ZeroDuration()), IsEmpty());
  loop.Remove(b.fd());
  b.Signal();
  EXPECT_THAT(loop.Wait(absl::ZeroDuration()), IsEmpty());
}

TEST(EventLoop, RefusesADescriptorTwiceOrClosed) {
  EventLoop loop;
  Waker a;
  ASSERT_TRUE(loop.Add(a.fd(), 1).ok());
  EXPECT_FALSE(loop.Add(a.fd(), 1).ok());
  EXPECT_FALSE(loop.Add(-1, 1).ok());
}

TEST(EventLoop, WaitsAtLeastTheTimeout) {
  EventLoop loop;
  const absl::Time start = MonotonicNow();
  EXPECT_THAT(loop.Wait(absl::Microseconds(2500)), IsEmpty());
  EXPECT_GE(MonotonicNow() - start, absl::Microseconds(2500));
}

TEST(Waker, WakeIsSilentWhileAwake) {
  EventLoop loop;
  Waker waker;
  ASSERT_TRUE(loop.Add(waker.fd(), 1).ok());
  waker.Wake();
  EXPECT_THAT(loop.Wait(absl::ZeroDuration()), IsEmpty());
  waker.BeginSleep();
  waker.Wake();
  EXPECT_THAT(loop.Wait(absl::ZeroDuration()), ElementsAre(1));
  waker.EndSleep();
  waker.Wake();
  EXPECT_THAT(loop.Wait(absl::ZeroDuration()), IsEmpty());
}

TEST(Waker, ASignalToOneAwakeEndsHisNextSleepAndNoOther) {
  EventLoop loop;
  Waker waker;
  ASSERT_TRUE(loop.Add(waker.fd(), 1).ok());
  for (const int signals : {1, 2}) {
    for (int i = 0; i < signals; ++i) waker.Signal();
    waker.BeginSleep();
    EXPECT_THAT(loop.Wait(absl::ZeroDuration()), ElementsAre(1));
    waker.EndSleep();
    waker.BeginSleep();
    EXPECT_THAT(loop.Wait(absl::ZeroDuration()), IsEmpty());
    waker.EndSleep();
  }
}

// The sleeper sleeps without a timeout whenever it finds nothing: one lost wake-up and the test
// hangs.
TEST(Waker, NoWakeUpIsLost) {
  constexpr int kItems = 20000;
  SpscQueue<int> queue(16);
  Waker waker;
  std::atomic<bool> stuck{false};
  std::thread sleeper([&] {
    EventLoop loop;
    ASSERT_TRUE(loop.Add(waker.fd(), 1).ok());
    for (int expected = 0; expected < kItems;) {
      while (int* item = queue.Front()) {
        ASSERT_EQ(*item, expected++);
        queue.Pop();
      }
      waker.BeginSleep();
      const bool work = !queue.empty() || expected == kItems;
      if (loop.Wait(work ? absl::ZeroDuration() : absl::Seconds(20)).empty() && !work) {
        stuck = true;
        return;
      }
      waker.EndSleep();
    }
  });
  for (int i = 0; i < kItems; ++i) {
    while (!queue.Push(int{i}) && !stuck) std::this_thread::yield();
    queue.Publish();
    waker.Wake();
    if (i % 64 == 0) std::this_thread::yield();
  }
  sleeper.join();
  EXPECT_FALSE(stuck);
}

TEST(Clock, MonotonicDoesNotGoBack) {
  absl::Time last = MonotonicNow();
  for (int i = 0; i < 1000; ++i) {
    const absl::Time now = MonotonicNow();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_LT(last, absl::UnixEpoch() + absl::Hours(24 * 365 * 20)) << "time since boot, no date";
  EXPECT_GT(WallNow(), absl::FromCivil(absl::CivilYear(2020), absl::UTCTimeZone()));
}

}  // namespace
}  // namespace gateway::io
