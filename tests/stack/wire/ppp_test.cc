#include "stack/wire/ppp.h"

#include <vector>

#include "gtest/gtest.h"

namespace stack::wire {
namespace {

Result<PppFrame, Drop> Parse(const char* hex, Bytes& store) {
  store = FromHex(hex);
  return PppFrame::Parse(store);
}

TEST(PppFrame, AllFormsOfAddressAndProtocolField) {
  Bytes store;
  for (const char* hex : {"ff030021aabb", "ff0321aabb", "0021aabb", "21aabb"}) {
    const auto frame = Parse(hex, store);
    ASSERT_TRUE(frame) << hex;
    EXPECT_EQ(frame->protocol, PppProtocol::kIp4) << hex;
    EXPECT_EQ(ToHex(frame->payload), "aabb") << hex;
  }
  for (const char* hex : {"ff03c02101", "c02101"}) {
    const auto frame = Parse(hex, store);
    ASSERT_TRUE(frame) << hex;
    EXPECT_EQ(frame->protocol, PppProtocol::kLcp) << hex;
    EXPECT_EQ(ToHex(frame->payload), "01") << hex;
  }
}

TEST(PppFrame, TooShortOrNeitherAddressNorProtocol) {
  Bytes store;
  EXPECT_EQ(Parse("", store).error(), Drop::kTruncated);
  EXPECT_EQ(Parse("ff03", store).error(), Drop::kTruncated);
  EXPECT_EQ(Parse("c0", store).error(), Drop::kTruncated);
  EXPECT_EQ(Parse("ff03c0", store).error(), Drop::kTruncated);
  EXPECT_EQ(Parse("ff", store).error(), Drop::kPppMalformed);
  EXPECT_EQ(Parse("ff130021", store).error(), Drop::kPppMalformed);
}

TEST(PppControl, LengthRulesAndPaddingIsCutOff) {
  const Bytes padded = FromHex("01070006aabb000000");
  const auto packet = PppControl::Parse(padded);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->code, 1);
  EXPECT_EQ(packet->id, 7);
  EXPECT_EQ(ToHex(packet->data), "aabb");
  EXPECT_EQ(ToHex(packet->whole), "01070006aabb");
  EXPECT_EQ(PppControl::Parse(FromHex("010700")).error(), Drop::kTruncated);
  EXPECT_EQ(PppControl::Parse(FromHex("01070007aabb")).error(), Drop::kTruncated);
  EXPECT_EQ(PppControl::Parse(FromHex("01070003aabb")).error(), Drop::kPppMalformed);
  EXPECT_EQ(PppControl::Parse(FromHex("0107ffffaabb")).error(), Drop::kPppMalformed);
}

TEST(PppOptions, WalksAndStopsAtImpossibleLengths) {
  const Bytes good = FromHex("010405780702");
  PppOptions options(good);
  const auto mru = options.Next();
  ASSERT_TRUE(mru);
  EXPECT_EQ(mru->type, 1);
  EXPECT_EQ(ToHex(mru->data), "0578");
  const auto pfc = options.Next();
  ASSERT_TRUE(pfc);
  EXPECT_EQ(pfc->type, 7);
  EXPECT_TRUE(pfc->data.empty());
  EXPECT_FALSE(options.Next());
  EXPECT_TRUE(options.ok());
  EXPECT_TRUE(PppOptions::WellFormed({}));
  for (const char* bad : {"01", "0100", "0101", "0103", "01ff", "0702ff", "070201"}) {
    const Bytes bytes = FromHex(bad);
    EXPECT_FALSE(PppOptions::WellFormed(bytes)) << bad;
  }
}

// Value size against packet length, all of them: what is said to be there is there, or there is
// nothing.
TEST(ChapValue, GridOfSizes) {
  for (size_t length = 0; length < 300; ++length) {
    Bytes data(length, std::byte{0x55});
    for (size_t value_size = 0; value_size < 256; ++value_size) {
      if (length > 0) data[0] = static_cast<std::byte>(value_size);
      const auto parsed = ChapValue::Parse(data);
      const bool possible = length > value_size && value_size > 0;
      ASSERT_EQ(parsed.ok(), possible) << length << " " << value_size;
      if (!possible) continue;
      ASSERT_EQ(parsed->value.size(), value_size);
      ASSERT_EQ(parsed->name.size(), length - 1 - value_size);
    }
  }
}

TEST(MsChapV2Response, ParseIsTheInverseOfWrite) {
  MsChapV2Response response;
  for (size_t i = 0; i < 16; ++i) response.peer_challenge[i] = static_cast<std::byte>(i);
  for (size_t i = 0; i < 24; ++i) response.nt_response[i] = static_cast<std::byte>(0x80 + i);
  std::array<std::byte, 64> bytes;
  Writer out(bytes);
  response.Write(out);
  ASSERT_EQ(out.used(), MsChapV2Response::kSize);
  const auto back = MsChapV2Response::Parse(out.written());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->peer_challenge, response.peer_challenge);
  EXPECT_EQ(back->nt_response, response.nt_response);
  EXPECT_FALSE(MsChapV2Response::Parse(ByteView(bytes).first(48)));
  EXPECT_FALSE(MsChapV2Response::Parse(ByteView(bytes).first(50)));
}

TEST(AppendPppControl, FrameAsPppdSendsIt) {
  PacketPool pool(1, 1);
  PacketBuf buf = pool.Get();
  ASSERT_TRUE(AppendPppControl(buf, PppProtocol::kIpcp, 1, 1, FromHex("03060a630001")));
  EXPECT_EQ(ToHex(buf.bytes()), "ff0380210101000a03060a630001");
}

TEST(AppendPppControl, RefusesWhatNobodyHasToTake) {
  PacketPool pool(1, 1);
  PacketBuf buf = pool.Get();
  const Bytes data(kPppMaxControl);
  EXPECT_FALSE(AppendPppControl(buf, PppProtocol::kLcp, 9, 1, data));
  EXPECT_TRUE(buf.empty());
}

}  // namespace
}  // namespace stack::wire
