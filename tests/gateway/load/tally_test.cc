// Losses, duplicates and disorder as a receiver sees them, and the percentiles of times.
#include "gateway/load/tally.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/support/rng.h"

namespace gateway::load {
namespace {

// Sends `count` packets, counted from the first on, and lets `arrivals` arrive.
Tally After(uint32_t count, const std::vector<uint32_t>& arrivals) {
  Tally tally;
  Track track;
  track.Next(count);
  track.OnSent(count);
  tally.sent = count;
  for (const uint32_t n : arrivals) track.OnArrival(n, 100, tally);
  return tally;
}

TEST(Tally, InOrderNothingIsToBeSaid) {
  const Tally tally = After(5, {0, 1, 2, 3, 4});
  EXPECT_EQ(tally.received, 5U);
  EXPECT_EQ(tally.received_octets, 500U);
  EXPECT_EQ(tally.lost(), 0U);
  EXPECT_EQ(tally.duplicated, 0U);
  EXPECT_EQ(tally.reordered, 0U);
}

TEST(Tally, AGapIsALoss) {
  const Tally tally = After(5, {0, 1, 4});
  EXPECT_EQ(tally.lost(), 2U);
  EXPECT_EQ(tally.reordered, 0U);
}

TEST(Tally, TheSameAgainIsADuplicateAndNoMore) {
  const Tally tally = After(5, {0, 1, 1, 2, 0, 3, 4, 4});
  EXPECT_EQ(tally.received, 5U);
  EXPECT_EQ(tally.duplicated, 3U);
  EXPECT_EQ(tally.reordered, 0U);
}

TEST(Tally, LateOnesAreReorderedWithTheirDistance) {
  const Tally tally = After(6, {0, 2, 1, 5, 3, 4});
  EXPECT_EQ(tally.received, 6U);
  EXPECT_EQ(tally.reordered, 3U);
  EXPECT_EQ(tally.max_distance, 2U);
  EXPECT_EQ(tally.duplicated, 0U);
}

TEST(Tally, FarBehindItIsLateAndStillCounted) {
  const Tally tally = After(10'000, {0, 9'000, 5});
  EXPECT_EQ(tally.received, 3U);
  EXPECT_EQ(tally.reordered, 1U);
  EXPECT_EQ(tally.max_distance, 8'995U);
}

TEST(Tally, WhatLeftBeforeTheWindowDoesNotCount) {
  Tally tally;
  Track track;
  track.Next(10);
  track.OnSent(10);
  track.OnArrival(8, 100, tally);
  track.Begin();
  tally = {};
  EXPECT_FALSE(track.OnArrival(9, 100, tally));  // of before, late
  EXPECT_EQ(track.Next(), 10U);
  track.OnSent(11);
  EXPECT_TRUE(track.OnArrival(10, 100, tally));
  EXPECT_FALSE(track.OnArrival(10, 100, tally));
  EXPECT_EQ(tally.received, 1U);
  EXPECT_EQ(tally.duplicated, 1U);
}

// Against the definition, with a set of everything that has come.
TEST(Tally, AgreesWithASlowCount) {
  test::FixedRng rng(4);
  constexpr uint32_t kCount = 5'000;
  std::vector<uint32_t> arrivals;
  for (uint32_t n = 0; n < kCount; ++n) {
    if (rng.Below(10) == 0) continue;
    arrivals.push_back(n);
    if (rng.Below(10) == 0) arrivals.push_back(n);
  }
  for (size_t i = 0; i + 1 < arrivals.size(); ++i) {  // at most some 200 apart
    if (rng.Below(5) == 0) {
      std::swap(arrivals[i], arrivals[std::min(arrivals.size() - 1, i + rng.Below(200))]);
    }
  }
  uint64_t duplicated = 0, reordered = 0, distance = 0, received = 0;
  std::vector<bool> seen(kCount);
  uint32_t highest = 0;
  for (const uint32_t n : arrivals) {
    if (seen[n]) {
      ++duplicated;
      continue;
    }
    seen[n] = true;
    ++received;
    if (received > 1 && n < highest) {
      ++reordered;
      distance = std::max<uint64_t>(distance, highest - n);
    }
    highest = std::max(highest, n);
  }
  const Tally tally = After(kCount, arrivals);
  EXPECT_EQ(tally.received, received);
  EXPECT_EQ(tally.duplicated, duplicated);
  EXPECT_EQ(tally.reordered, reordered);
  EXPECT_EQ(tally.max_distance, distance);
}

TEST(Histogram, PercentilesAreWithinThreePercent) {
  test::FixedRng rng(9);
  std::vector<uint64_t> values;
  Histogram histogram;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(rng.Below(uint64_t{1} << (1 + rng.Below(50))));
    histogram.Add(values.back());
  }
  std::ranges::sort(values);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const auto rank = static_cast<size_t>(share * static_cast<double>(values.size()));
    const auto exact = static_cast<double>(values[rank - 1]);
    EXPECT_NEAR(static_cast<double>(histogram.Percentile(share)), exact, exact * 0.032) << share;
  }
  EXPECT_EQ(histogram.Percentile(1), values.back());
  EXPECT_EQ(histogram.max(), values.back());
}

TEST(Histogram, OfOneValueEveryPercentileIsThatValue) {
  Histogram histogram;
  EXPECT_EQ(histogram.Percentile(0.5), 0U);
  histogram.Add(123'456'789);
  for (const double share : {0.0, 0.5, 1.0}) EXPECT_EQ(histogram.Percentile(share), 123'456'789U);
}

TEST(Histogram, SumsAreAsIfCountedTogether) {
  Histogram a, b, both;
  for (uint64_t v = 1; v < 1000; ++v) {
    (v % 3 == 0 ? a : b).Add(v * v);
    both.Add(v * v);
  }
  a.Add(b);
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.Percentile(0.9), both.Percentile(0.9));
  EXPECT_EQ(a.max(), both.max());
}

}  // namespace
}  // namespace gateway::load
