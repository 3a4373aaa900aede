// The wheel against a std::multimap that does the same slowly.
#include "stack/base/wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "tests/support/rng.h"

namespace stack {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(10);
const absl::Time kStart = absl::UnixEpoch() + absl::Seconds(1000);

int CountDue(Wheel& wheel, absl::Time now) {
  int count = 0;
  wheel.Advance(now, [&](WheelEntry&) { ++count; });
  return count;
}

TEST(Wheel, NeverEarlyAndAtMostOneTickLate) {
  for (const absl::Duration delay :
       {absl::Nanoseconds(1), absl::Milliseconds(10), absl::Milliseconds(2559),
        absl::Milliseconds(2560), absl::Milliseconds(2561), absl::Seconds(30), absl::Minutes(10),
        absl::Minutes(11), absl::Hours(8), absl::Hours(30)}) {
    Wheel wheel(kStart, kTick);
    WheelEntry entry;
    wheel.Schedule(entry, kStart + delay);
    EXPECT_EQ(CountDue(wheel, kStart + delay - absl::Nanoseconds(1)), 0) << delay;
    EXPECT_TRUE(entry.scheduled());
    EXPECT_EQ(CountDue(wheel, kStart + delay + kTick), 1) << delay;
    EXPECT_FALSE(entry.scheduled());
  }
}

TEST(Wheel, SleepingByNextMissesNothingAndWakesSeldom) {
  for (const absl::Duration delay : {absl::Milliseconds(5), absl::Seconds(2), absl::Seconds(4),
                                     absl::Minutes(9), absl::Minutes(40), absl::Hours(9)}) {
    Wheel wheel(kStart, kTick);
    WheelEntry entry;
    wheel.Schedule(entry, kStart + delay);
    absl::Time now = kStart;
    int wakes = 0, due = 0;
    while (due == 0) {
      ASSERT_GT(wheel.Next(), now) << delay;  // else the loop spins
      now = wheel.Next();
      due = CountDue(wheel, now);
      ASSERT_LT(++wakes, 300);
    }
    EXPECT_GE(now, kStart + delay);
    EXPECT_LE(now, kStart + delay + kTick);
    EXPECT_EQ(wheel.Next(), absl::InfiniteFuture());
  }
}

TEST(Wheel, APastDeadlineIsDueAtOnce) {
  Wheel wheel(kStart, kTick);
  CountDue(wheel, kStart + absl::Seconds(5));
  WheelEntry entry;
  wheel.Schedule(entry, kStart);
  EXPECT_LE(wheel.Next(), kStart + absl::Seconds(5));
  EXPECT_EQ(CountDue(wheel, kStart + absl::Seconds(5)), 1);
}

TEST(Wheel, CancelAndRescheduleMoveTheEntry) {
  Wheel wheel(kStart, kTick);
  WheelEntry a, b;
  wheel.Schedule(a, kStart + absl::Seconds(1));
  wheel.Schedule(b, kStart + absl::Seconds(1));
  wheel.Cancel(a);
  EXPECT_FALSE(a.scheduled());
  wheel.Cancel(a);  // twice is nothing
  wheel.Schedule(b, kStart + absl::Minutes(20));
  EXPECT_EQ(CountDue(wheel, kStart + absl::Minutes(19)), 0);
  wheel.Schedule(b, kStart);
  EXPECT_EQ(CountDue(wheel, kStart + absl::Minutes(19)), 1);
}

TEST(Wheel, InfiniteFutureIsNever) {
  Wheel wheel(kStart, kTick);
  WheelEntry entry;
  wheel.Schedule(entry, absl::InfiniteFuture());
  EXPECT_FALSE(entry.scheduled());
  EXPECT_EQ(wheel.Next(), absl::InfiniteFuture());
}

TEST(Wheel, TheCallbackMayRescheduleAndDestroyEntriesItselfIncluded) {
  Wheel wheel(kStart, kTick);
  std::vector<std::unique_ptr<WheelEntry>> entries;
  for (int i = 0; i < 6; ++i) {
    entries.push_back(std::make_unique<WheelEntry>());
    wheel.Schedule(*entries.back(), kStart + absl::Milliseconds(i < 3 ? 10 : 20));
  }
  int called = 0;
  wheel.Advance(kStart + absl::Seconds(1), [&](WheelEntry& entry) {
    if (++called == 1) {
      entries[5].reset();                                           // due in the same round
      wheel.Cancel(*entries[1]);                                    // ditto
      wheel.Schedule(entry, kStart + absl::Seconds(2));             // itself, later
      wheel.Schedule(*entries[4], kStart + absl::Milliseconds(5));  // another, earlier
    } else {
      for (auto& each : entries) {
        if (each.get() == &entry) each.reset();
      }
    }
  });
  EXPECT_EQ(called, 4);  // 0, 2, 3, 4
  EXPECT_TRUE(entries[0]->scheduled());
  EXPECT_EQ(CountDue(wheel, kStart + absl::Seconds(2)), 1);
}

TEST(Wheel, AnEntryThatReschedulesIntoThePastRunsInTheSameAdvanceUpToTheLimit) {
  Wheel wheel(kStart, kTick);
  WheelEntry entry;
  wheel.Schedule(entry, kStart);
  int called = 0;
  const bool more = wheel.Advance(
      kStart + absl::Seconds(1),
      [&](WheelEntry& e) {
        ++called;
        wheel.Schedule(e, kStart);
      },
      5);
  EXPECT_TRUE(more);
  EXPECT_EQ(called, 5);
}

TEST(Wheel, TheLimitLeavesTheRestForTheNextCall) {
  Wheel wheel(kStart, kTick);
  WheelEntry entries[10];
  for (WheelEntry& entry : entries) wheel.Schedule(entry, kStart + kTick);
  int called = 0;
  EXPECT_TRUE(wheel.Advance(
      kStart + kTick, [&](WheelEntry&) { ++called; }, 4));
  EXPECT_EQ(called, 4);
  EXPECT_LE(wheel.Next(), kStart + kTick);
  EXPECT_FALSE(wheel.Advance(
      kStart + kTick, [&](WheelEntry&) { ++called; }, 6));
  EXPECT_EQ(called, 10);
}

TEST(Wheel, DiesBeforeItsEntries) {
  WheelEntry near, far, due;
  {
    Wheel wheel(kStart, kTick);
    wheel.Schedule(near, kStart + absl::Seconds(1));
    wheel.Schedule(far, kStart + absl::Minutes(5));
    wheel.Schedule(due, kStart);
  }
  EXPECT_FALSE(near.scheduled() || far.scheduled() || due.scheduled());
}

// One random life of a wheel and a model beside it.
class Race {
 public:
  explicit Race(uint64_t seed) : rng_(seed), wheel_(kStart, kTick), entries_(64) {}

  void Step() {
    for (uint64_t i = rng_.Below(8); i > 0; --i) Edit();
    now_ += Span();
    std::vector<WheelEntry*> due;
    wheel_.Advance(now_, [&](WheelEntry& entry) { due.push_back(&entry); });
    for (WheelEntry* entry : due) {
      const auto found = Find(entry);
      ASSERT_NE(found, model_.end()) << "handed out, but not scheduled";
      ASSERT_LE(found->first, now_) << "early";
      model_.erase(found);
    }
    for (const auto& [deadline, entry] : model_) {
      ASSERT_GT(deadline + kTick, now_) << "more than a tick late";
      ASSERT_TRUE(entry->scheduled());
    }
    if (!model_.empty()) {
      ASSERT_LE(wheel_.Next(), std::max(now_, model_.begin()->first) + kTick);
    }
    ASSERT_EQ(wheel_.Next() == absl::InfiniteFuture(), model_.empty());
  }

 private:
  using Model = std::multimap<absl::Time, WheelEntry*>;

  absl::Duration Span() {  // a tick to hours, each size equally likely
    const int64_t most = int64_t{1} << (23 + rng_.Below(21));
    return absl::Nanoseconds(static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(most))));
  }
  void Edit() {
    WheelEntry& entry = entries_[rng_.Below(entries_.size())];
    if (const auto found = Find(&entry); found != model_.end()) model_.erase(found);
    if (rng_.Below(4) == 0) return wheel_.Cancel(entry);
    const absl::Time deadline = rng_.Below(16) == 0 ? now_ - Span() : now_ + Span();
    wheel_.Schedule(entry, deadline);
    model_.emplace(deadline, &entry);
  }
  Model::iterator Find(WheelEntry* entry) {
    return std::find_if(model_.begin(), model_.end(),
                        [entry](const auto& each) { return each.second == entry; });
  }

  test::FixedRng rng_;
  Wheel wheel_;
  std::vector<WheelEntry> entries_;
  Model model_;
  absl::Time now_ = kStart;
};

TEST(Wheel, RunsWithTheModelThroughRandomLives) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Race race(seed);
    for (int step = 0; step < 250; ++step) {
      race.Step();
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace stack
