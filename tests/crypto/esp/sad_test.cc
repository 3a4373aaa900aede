#include "crypto/esp/sad.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "tests/support/rng.h"

namespace crypto::esp {
namespace {

std::unique_ptr<InboundSa> MakeSa(Spi spi) {
  test::FixedRng rng;
  auto sa = MakeInboundSa(
      {.spi = spi, .suite = {}, .keys = {Secret(size_t{32}), Secret(size_t{20})}, .peer = 7},
      *MakeEngine(EngineId::kBotan, rng));
  EXPECT_TRUE(sa.ok());
  return *std::move(sa);
}

// Gives the numbers of a list, then zeros.
class ListRng : public stack::Rng {
 public:
  explicit ListRng(std::vector<uint32_t> numbers) : numbers_(std::move(numbers)) {}
  void Fill(stack::ByteSpan out) override {
    std::fill(out.begin(), out.end(), std::byte{0});
    if (next_ < numbers_.size()) stack::Store32(out.data(), numbers_[next_]);
    ++next_;
  }
  size_t drawn() const { return next_; }

 private:
  std::vector<uint32_t> numbers_;
  size_t next_ = 0;
};

TEST(Sad, PutsTheBucketIntoTheSpi) {
  Sad sad;
  test::FixedRng rng;
  std::set<Spi> seen;
  for (int i = 0; i < 2000; ++i) {
    const auto bucket = static_cast<uint8_t>(i);
    const std::optional<Spi> spi = sad.Allocate(bucket, rng);
    ASSERT_TRUE(spi.has_value());
    EXPECT_EQ(spi->bucket(), bucket);
    EXPECT_GE(spi->value, kMinSpi);
    EXPECT_TRUE(seen.insert(*spi).second);
  }
  EXPECT_EQ(sad.size(), 2000u);
}

TEST(Sad, DrawsAgainForReservedAndTakenSpis) {
  Sad sad;
  ListRng rng({0x000000ff, 0x12345600, 0x12345677, 0x55555500});
  EXPECT_EQ(sad.Allocate(9, rng)->value, 0x12345609u);  // 9 alone would be reserved
  EXPECT_EQ(sad.Allocate(9, rng)->value, 0x55555509u);  // 0x12345609 is taken
}

TEST(Sad, GivesUpInsteadOfDrawingForEver) {
  Sad sad;
  ListRng rng({});
  EXPECT_EQ(sad.Allocate(9, rng), std::nullopt);
  EXPECT_LE(rng.drawn(), 100u);
  EXPECT_EQ(sad.size(), 0u);
}

TEST(Sad, FindsWhatWasInserted) {
  Sad sad;
  test::FixedRng rng;
  const Spi spi = *sad.Allocate(3, rng);
  EXPECT_EQ(sad.Find(spi), nullptr);  // only reserved
  ASSERT_TRUE(sad.Insert(MakeSa(spi)));
  ASSERT_NE(sad.Find(spi), nullptr);
  EXPECT_EQ(sad.Find(spi)->spi, spi);
  EXPECT_EQ(sad.Find(spi)->peer, 7u);
  EXPECT_EQ(sad.Find(Spi{spi.value + 256}), nullptr);
}

TEST(Sad, NeverReplacesAnSa) {
  Sad sad;
  ASSERT_TRUE(sad.Insert(MakeSa(Spi{0x1000})));
  const InboundSa* const first = sad.Find(Spi{0x1000});
  EXPECT_FALSE(sad.Insert(MakeSa(Spi{0x1000})));
  EXPECT_EQ(sad.Find(Spi{0x1000}), first);
  EXPECT_EQ(sad.size(), 1u);
}

TEST(Sad, KeepsSasWhereTheyAreWhileItGrows) {
  Sad sad;
  ASSERT_TRUE(sad.Insert(MakeSa(Spi{0x1000})));
  const InboundSa* const first = sad.Find(Spi{0x1000});
  for (uint32_t i = 1; i < 500; ++i) ASSERT_TRUE(sad.Insert(MakeSa(Spi{0x1000 + i})));
  EXPECT_EQ(sad.Find(Spi{0x1000}), first);
}

TEST(Sad, ForgetsSasAndReservations) {
  Sad sad;
  test::FixedRng rng;
  const Spi reserved = *sad.Allocate(1, rng);
  ASSERT_TRUE(sad.Insert(MakeSa(Spi{0x1000})));
  EXPECT_TRUE(sad.Remove(reserved));
  EXPECT_TRUE(sad.Remove(Spi{0x1000}));
  EXPECT_FALSE(sad.Remove(Spi{0x1000}));
  EXPECT_EQ(sad.Find(Spi{0x1000}), nullptr);
  EXPECT_EQ(sad.size(), 0u);
}

}  // namespace
}  // namespace crypto::esp
