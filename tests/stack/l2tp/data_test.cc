// The data header on a packet buffer.
#include "stack/l2tp/data.h"

#include "gtest/gtest.h"
#include "tests/stack/l2tp/recorded.h"

namespace stack::l2tp {
namespace {

class DataTest : public testing::Test {
 protected:
  PacketBuf Buf(const std::string& hex) { return pool_.Copy(FromHex(hex)); }
  static std::string Left(const PacketBuf& buf) { return ToHex(buf.bytes()); }
  PacketPool pool_{8, 1};
};

TEST_F(DataTest, PullsTheRecordedFrame) {
  PacketBuf buf = Buf(test::recorded::kData);
  const auto header = PullData(buf);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->tunnel.value, 0xc383);
  EXPECT_EQ(header->session.value, 0x92af);
  EXPECT_FALSE(header->has_sequence);
  EXPECT_EQ(Left(buf), "ff03c0210101001401040500020600000000");
}

TEST_F(DataTest, PushesTheRecordedFrame) {
  PacketBuf buf = Buf("ff03c0210101001401040500020600000000");
  ASSERT_TRUE(PushData(buf, {0xc383}, {0x92af}));
  EXPECT_EQ(Left(buf), test::recorded::kData);
}

TEST_F(DataTest, PullsOptionalFieldsPaddingAndTrailer) {
  struct Case {
    const char* hex;
    bool has_sequence;
  };
  for (const Case& c : {Case{"4002000a00070009c021", false},  // L: Apple
                        Case{"0802000700090005"
                             "0000c021",
                             true},  // S
                        Case{"020200070009"
                             "0002eeeec021",
                             false},  // O
                        Case{"4b02001400070009"
                             "00050000"
                             "0002eeeec021"
                             "ffff",
                             true},
                        Case{"4302000c00070009"
                             "0000"
                             "c021",
                             false}}) {  // L, O, P
    PacketBuf buf = Buf(c.hex);
    const auto header = PullData(buf);
    ASSERT_TRUE(header.ok()) << c.hex;
    EXPECT_EQ(header->has_sequence, c.has_sequence) << c.hex;
    EXPECT_EQ(header->ns, c.has_sequence ? 5 : 0);
    EXPECT_EQ(Left(buf).substr(0, 4), "c021") << c.hex;
  }
}

TEST_F(DataTest, CutsWhatFollowsTheLength) {
  PacketBuf buf = Buf("4002000a00070009c021ffffff");
  ASSERT_TRUE(PullData(buf).ok());
  EXPECT_EQ(Left(buf), "c021");
}

TEST_F(DataTest, LeavesWhatItRefuses) {
  for (const char* hex : {"", "0002", "4002000f00070009c021", "0002000700",
                          "c802000c0007000900000000", "0003000700090000"}) {
    PacketBuf buf = Buf(hex);
    EXPECT_FALSE(PullData(buf).ok()) << hex;
    EXPECT_EQ(Left(buf), hex);
  }
}

TEST_F(DataTest, SequencedFramesAreReadBack) {
  PacketBuf buf = Buf("c021");
  ASSERT_TRUE(PushSequencedData(buf, {1}, {2}, 0xfffe));
  EXPECT_EQ(Left(buf), "080200010002fffe0000c021");
  const auto header = PullData(buf);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->ns, 0xfffe);
}

TEST_F(DataTest, NoHeadroomNoHeader) {
  PacketBuf buf = Buf("c021");
  buf.Push(buf.headroom() - 5);
  EXPECT_FALSE(PushData(buf, {1}, {2}));
  EXPECT_FALSE(PushSequencedData(buf, {1}, {2}, 0));
}

TEST_F(DataTest, TellsControlByItsFirstBit) {
  EXPECT_TRUE(IsControl(FromHex("c802")));
  EXPECT_FALSE(IsControl(FromHex("4802")));
  EXPECT_FALSE(IsControl({}));
}

}  // namespace
}  // namespace stack::l2tp
