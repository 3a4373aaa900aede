#include "crypto/prim/rng.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>

namespace crypto {
namespace {

// Not a test of the generator, which is the library's: of the block it is drawn through.
TEST(SystemRng, NeverHandsOutTheSameBytesTwice) {
  SystemRng rng, other;
  std::set<uint64_t> seen;
  for (int i = 0; i < 5000; ++i) {
    EXPECT_TRUE(seen.insert(rng.U64()).second);
    EXPECT_TRUE(seen.insert(other.U64()).second);
  }
  EXPECT_FALSE(seen.contains(0));  // a block wiped too early
}

TEST(SystemRng, FillsAnyLengthToTheEnd) {
  SystemRng rng;
  for (const size_t size : {0, 1, 3, 511, 512, 513, 5000}) {
    stack::Bytes drawn(size + 1);
    size_t written = 0;  // a byte that stays zero in eight draws was not written
    std::vector<bool> touched(size + 1);
    for (int i = 0; i < 8; ++i) {
      std::fill(drawn.begin(), drawn.end(), std::byte{0});
      rng.Fill(stack::ByteSpan(drawn).first(size));
      for (size_t k = 0; k <= size; ++k) touched[k] = touched[k] || drawn[k] != std::byte{0};
    }
    for (const bool t : touched) written += t ? 1U : 0U;
    EXPECT_EQ(written, size);
    EXPECT_EQ(drawn.back(), std::byte{0});
  }
}

TEST(SystemRng, IsBalanced) {
  SystemRng rng;
  stack::Bytes drawn(100000);
  rng.Fill(drawn);
  int ones = 0;
  for (const std::byte b : drawn) ones += std::popcount(static_cast<uint8_t>(b));
  EXPECT_NEAR(ones, 400000, 4000);  // nine standard deviations
}

}  // namespace
}  // namespace crypto
