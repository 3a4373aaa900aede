#include "gateway/io/pace.h"

#include "gtest/gtest.h"

namespace gateway::io {
namespace {

constexpr absl::Duration kLongest = absl::Microseconds(30), kStep = absl::Microseconds(1);

class PaceTest : public testing::Test {
 protected:
  // `count` pieces of work, each `gap` after the one before.
  void Work(int count, absl::Duration gap) {
    for (int i = 0; i < count; ++i) pace_.Worked(now_ += gap);
  }
  bool LooksAgainAfter(absl::Duration silence) const {
    return pace_.ShouldLookAgain(now_ + silence);
  }

  absl::Time now_ = absl::FromUnixSeconds(1);
  Pace pace_{kLongest};
};

TEST_F(PaceTest, SleepsWithoutWork) { EXPECT_FALSE(LooksAgainAfter(absl::ZeroDuration())); }

TEST_F(PaceTest, LooksForTheAnswerToALonePacket) {
  Work(1, absl::Hours(8));
  EXPECT_TRUE(LooksAgainAfter(kLongest + absl::Microseconds(10)));
  EXPECT_FALSE(LooksAgainAfter(kLongest * 2));
}

// However packets come, as long as they come slowly: looking for answers that never come takes one
// hundredth of the time, and what a pause had left.
TEST_F(PaceTest, LooksForAnswersForAHundredthOfItsTime) {
  for (const int64_t gap_us : {100, 200, 1000, 5999, 6001, 20000, 100000}) {
    Pace pace(kLongest);
    absl::Duration looked;
    pace.Worked(now_ += absl::Hours(8));
    const absl::Time begin = now_;
    while (now_ - begin < absl::Seconds(20)) {
      const absl::Duration gap = absl::Microseconds(gap_us);
      for (absl::Duration t; t < gap && pace.ShouldLookAgain(now_ + t); t += kStep) looked += kStep;
      pace.Worked(now_ += gap);
    }
    EXPECT_LE(looked, (now_ - begin) / 100 + absl::Milliseconds(3)) << gap_us;
    EXPECT_GE(looked, std::min((now_ - begin) / 120,
                               kLongest * 2 * ((now_ - begin) / absl::Microseconds(gap_us))))
        << gap_us;
  }
}

TEST_F(PaceTest, LooksAgainWhilePacketsComeFasterThanASleepTakes) {
  Work(100, absl::Microseconds(5));
  EXPECT_TRUE(LooksAgainAfter(absl::Microseconds(1)));
  EXPECT_TRUE(LooksAgainAfter(absl::Microseconds(29)));
}

TEST_F(PaceTest, LooksNoLongerThanItIsTold) {
  Work(100, absl::Microseconds(5));
  EXPECT_FALSE(LooksAgainAfter(kLongest));
}

TEST_F(PaceTest, SleepsBetweenPacketsThatComeSlowly) {
  Work(100, absl::Microseconds(200));
  EXPECT_FALSE(LooksAgainAfter(absl::Microseconds(1)));
}

// However long the night was, a few packets in a row wake it up.
TEST_F(PaceTest, ForgetsAPauseSoon) {
  Work(100, absl::Microseconds(5));
  Work(1, absl::Hours(8));
  EXPECT_TRUE(LooksAgainAfter(absl::Microseconds(1))) << "one pause is no sign of a slow stream";
  Work(60, absl::Microseconds(200));
  EXPECT_FALSE(LooksAgainAfter(absl::Microseconds(1)));
  Work(20, absl::Microseconds(5));
  EXPECT_TRUE(LooksAgainAfter(absl::Microseconds(1)));
}

TEST(Pace, ZeroNeverLooksAgain) {
  Pace pace(absl::ZeroDuration());
  absl::Time now = absl::FromUnixSeconds(1);
  for (int i = 0; i < 100; ++i) pace.Worked(now += absl::Nanoseconds(1));
  EXPECT_FALSE(pace.ShouldLookAgain(now));
}

}  // namespace
}  // namespace gateway::io
