#include "stack/base/bytes.h"

#include <gtest/gtest.h>

#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack {
namespace {

TEST(LoadStore, AreBigEndian) {
  const Bytes bytes = FromHex("0102030405060708");
  EXPECT_EQ(Load16(bytes.data()), 0x0102);
  EXPECT_EQ(Load32(bytes.data()), 0x01020304U);
  EXPECT_EQ(Load64(bytes.data()), 0x0102030405060708U);
  Bytes out(8);
  Store64(out.data(), 0x0102030405060708U);
  EXPECT_EQ(out, bytes);
  Store32(out.data(), 0xa0b0c0d0);
  Store16(out.data() + 4, 0x1122);
  EXPECT_EQ(ToHex(out), "a0b0c0d011220708");
}

TEST(Hex, GoesThereAndBack) {
  EXPECT_EQ(ToHex(FromHex("00ff 7F\nAb")), "00ff7fab");
  EXPECT_TRUE(FromHex("").empty());
  EXPECT_TRUE(FromHex("0").empty());
  EXPECT_TRUE(FromHex("0g").empty());
  EXPECT_TRUE(FromHex("00 1").empty());
}

TEST(Reader, ReadsDownThePage) {
  const Bytes bytes = FromHex("01 0203 04050607 08090a0b0c0d0e0f aabb");
  Reader in(bytes);
  EXPECT_EQ(in.U8(), 1);
  EXPECT_EQ(in.U16(), 0x0203);
  EXPECT_EQ(in.U32(), 0x04050607U);
  EXPECT_EQ(in.U64(), 0x08090a0b0c0d0e0fU);
  EXPECT_FALSE(in.done());
  EXPECT_EQ(in.left(), 2U);
  EXPECT_EQ(ToHex(in.Rest()), "aabb");
  EXPECT_TRUE(in.done());
}

TEST(Reader, IsPoisonedByAShortRead) {
  const Bytes bytes = FromHex("010203");
  Reader in(bytes);
  EXPECT_EQ(in.U32(), 0U);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.U8(), 0);  // though three octets were there
  EXPECT_EQ(in.left(), 0U);
  EXPECT_FALSE(in.done());
}

TEST(Reader, TakesNothingAtTheEndWithoutHarm) {
  Reader in({});
  EXPECT_TRUE(in.Take(0).empty());
  EXPECT_TRUE(in.Rest().empty());
  EXPECT_TRUE(in.done());
  in.Skip(1);
  EXPECT_FALSE(in.ok());
}

TEST(Reader, RefusesALengthThatWraps) {
  const Bytes bytes(4);
  Reader in(bytes);
  in.U8();
  EXPECT_TRUE(in.Take(SIZE_MAX).empty());
  EXPECT_FALSE(in.ok());
}

TEST(Reader, PartCannotReadPastItsOwnEnd) {
  const Bytes bytes = FromHex("aabb ccdd");
  Reader in(bytes);
  Reader part = in.Part(2);
  EXPECT_EQ(part.U32(), 0U);
  EXPECT_FALSE(part.ok());
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.U16(), 0xccdd);
  EXPECT_FALSE(in.Part(1).ok());
  EXPECT_FALSE(in.ok());
}

TEST(Reader, FailIsForGood) {
  const Bytes bytes(4);
  Reader in(bytes);
  in.Fail();
  EXPECT_EQ(in.U8(), 0);
  EXPECT_FALSE(in.ok());
  EXPECT_FALSE(in.Part(0).ok());
}

TEST(Writer, WritesDownThePage) {
  Bytes out(21, std::byte{0xee});
  Writer to(out);
  to.U8(1);
  to.U16(0x0203);
  const size_t hole = to.Hole16();
  const size_t from = to.used();
  to.U32(0x04050607);
  to.U64(0x08090a0b0c0d0e0f);
  to.Put(FromHex("ff"));
  to.Put({});
  to.Zeros(2);
  to.FillLength16(hole, from);
  EXPECT_TRUE(to.ok());
  EXPECT_EQ(ToHex(to.written()), "010203000f0405060708090a0b0c0d0e0fff0000");
  EXPECT_EQ(out.back(), std::byte{0xee});
}

TEST(Writer, WritesNothingPastTheEnd) {
  Bytes out(5, std::byte{0xee});
  Writer to(ByteSpan(out).first(3));
  to.U16(0x0102);
  to.U16(0x0304);
  to.U8(5);  // would fit, but what stands before it is missing
  to.Zeros(1);
  to.Fill16(0, 0xffff);
  EXPECT_FALSE(to.ok());
  EXPECT_EQ(to.used(), 2U);
  EXPECT_EQ(ToHex(out), "0102eeeeee");
}

TEST(Result, HoldsAValueOrTheReason) {
  const Result<int, Drop> good = 7;
  const Result<int, Drop> bad = Drop::kTruncated;
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 7);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error(), Drop::kTruncated);
}

}  // namespace
}  // namespace stack
