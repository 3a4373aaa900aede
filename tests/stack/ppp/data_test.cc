#include "stack/ppp/data.h"

#include "gtest/gtest.h"

namespace stack::ppp {
namespace {

struct Case {
  const char* hex;
  Pulled pulled;
  const char* left;
};

TEST(PppData, PullTakesIp4InAllFourFormsAndLeavesTheRest) {
  PacketPool pool(2, 1);
  for (const Case& c :
       {Case{"ff03002145aa", Pulled::kIp4, "45aa"}, Case{"ff032145aa", Pulled::kIp4, "45aa"},
        Case{"002145aa", Pulled::kIp4, "45aa"}, Case{"2145aa", Pulled::kIp4, "45aa"},
        Case{"ff030021", Pulled::kIp4, ""}, Case{"21", Pulled::kIp4, ""},
        Case{"ff03c02101010004", Pulled::kControl, "ff03c02101010004"},
        Case{"ff03005760", Pulled::kControl, "ff03005760"},
        Case{"ff0300", Pulled::kControl, "ff0300"}, Case{"ff03", Pulled::kControl, "ff03"},
        Case{"ff", Pulled::kControl, "ff"}, Case{"00", Pulled::kControl, "00"},
        Case{"", Pulled::kControl, ""}}) {
    PacketBuf buf = pool.Copy(FromHex(c.hex));
    EXPECT_EQ(PullData(buf), c.pulled) << c.hex;
    EXPECT_EQ(ToHex(buf.bytes()), c.left) << c.hex;
  }
}

TEST(PppData, PushIsUndoneByPull) {
  PacketPool pool(2, 1);
  PacketBuf buf = pool.Copy(FromHex("45aa"));
  ASSERT_TRUE(PushData(buf));
  EXPECT_EQ(ToHex(buf.bytes()), "ff03002145aa");
  EXPECT_EQ(PullData(buf), Pulled::kIp4);
  EXPECT_EQ(ToHex(buf.bytes()), "45aa");
  while (!buf.Push(1).empty()) {
  }
  EXPECT_FALSE(PushData(buf));
}

}  // namespace
}  // namespace stack::ppp
