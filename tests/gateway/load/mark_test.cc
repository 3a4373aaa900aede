// What a payload says of itself, and that nothing can be changed in it unseen.
#include "gateway/load/mark.h"

#include <gtest/gtest.h>

namespace gateway::load {
namespace {

Mark Example() { return {Mark::Kind::kDown, 3, 0x123456, 0xfedcba98, 77}; }

stack::Bytes Written(size_t size) {
  stack::Bytes payload(size);
  Example().Write(payload);
  return payload;
}

TEST(Mark, ComesBackAsItWasWritten) {
  for (size_t size = Mark::kMinSize; size < 120; ++size) {
    const stack::Bytes payload = Written(size);
    EXPECT_EQ(ReadMark(payload), Example()) << size;
    EXPECT_TRUE(IsIntact(payload)) << size;
  }
}

TEST(Mark, EveryBitOfThePayloadCounts) {
  for (const size_t size : {size_t{24}, size_t{31}, size_t{64}, size_t{1372}}) {
    stack::Bytes payload = Written(size);
    for (size_t bit = 0; bit < size * 8; ++bit) {
      const auto flip = static_cast<std::byte>(1U << bit % 8);
      payload[bit / 8] ^= flip;
      EXPECT_FALSE(IsIntact(payload)) << "bit " << bit << " of " << size;
      payload[bit / 8] ^= flip;
    }
    EXPECT_TRUE(IsIntact(payload));
  }
}

TEST(Mark, ACutPayloadIsNotIntact) {
  const stack::Bytes payload = Written(100);
  EXPECT_FALSE(IsIntact(stack::ByteView(payload).first(99)));
  EXPECT_FALSE(IsIntact(stack::ByteView(payload).first(30)));
  EXPECT_FALSE(IsIntact({}));
}

TEST(Mark, PayloadsOfOthersHaveNone) {
  const stack::Bytes zeros(100);
  EXPECT_FALSE(ReadMark(zeros).has_value());
  EXPECT_FALSE(ReadMark(stack::ByteView(Written(24)).first(23)).has_value());
  EXPECT_FALSE(ReadMark({}).has_value());
}

TEST(Mark, WordsOfAPatternDiffer) {
  const stack::Bytes payload = Written(16 + 64);
  for (size_t i = 16; i + 8 < payload.size(); i += 8) {
    EXPECT_NE(stack::Load64(&payload[i]), stack::Load64(&payload[i + 8]));
  }
}

}  // namespace
}  // namespace gateway::load
