#include "stack/base/address.h"

#include <gtest/gtest.h>

#include "absl/hash/hash_testing.h"

namespace stack {
namespace {

TEST(Ip4, ParsesDottedQuadsOnly) {
  EXPECT_EQ(Ip4::Parse("192.0.2.1"), (Ip4{0xc0000201}));
  EXPECT_EQ(Ip4::Parse("0.0.0.0"), (Ip4{0}));
  EXPECT_EQ(Ip4::Parse("255.255.255.255"), (Ip4{0xffffffff}));
  for (const char* bad :
       {"", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", "1.2.3.256", "1..3.4", "01.2.3.4",
        "1.2.3.00", "+1.2.3.4", "-1.2.3.4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4a", "0x1.2.3.4",
        "1.2.3.4294967297", "1.2.3.000000000004", "a.b.c.d"}) {
    EXPECT_FALSE(Ip4::Parse(bad)) << bad;
  }
}

TEST(Ip4, TextGoesThereAndBack) {
  for (const char* text : {"0.0.0.0", "10.99.0.10", "255.255.255.255", "1.20.255.0"}) {
    EXPECT_EQ(Ip4::Parse(text)->Text(), text);
  }
}

TEST(Ip4, KnowsTheSpecialOnes) {
  EXPECT_TRUE(Ip4::Parse("224.0.0.1")->IsMulticast());
  EXPECT_TRUE(Ip4::Parse("239.255.255.255")->IsMulticast());
  EXPECT_FALSE(Ip4::Parse("240.0.0.0")->IsMulticast());
  EXPECT_FALSE(Ip4::Parse("223.255.255.255")->IsMulticast());
  EXPECT_TRUE(Ip4::Parse("127.255.0.1")->IsLoopback());
  EXPECT_TRUE(Ip4::Parse("255.255.255.255")->IsLimitedBroadcast());
  EXPECT_TRUE(Ip4{}.IsZero());
}

TEST(Prefix, ParsesAndPrints) {
  EXPECT_EQ(Prefix::Parse("10.0.0.1/24")->Text(), "10.0.0.1/24");
  EXPECT_EQ(Prefix::Parse("10.0.0.1")->length, 32);
  EXPECT_EQ(Prefix::Parse("0.0.0.0/0")->length, 0);
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/024", "/8",
                          "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0/8"}) {
    EXPECT_FALSE(Prefix::Parse(bad)) << bad;
  }
}

TEST(Prefix, KnowsItsEnds) {
  const Prefix p = *Prefix::Parse("10.1.2.3/22");
  EXPECT_EQ(p.mask(), 0xfffffc00U);
  EXPECT_EQ(p.network().Text(), "10.1.0.0");
  EXPECT_EQ(p.broadcast().Text(), "10.1.3.255");
  EXPECT_TRUE(p.Contains(*Ip4::Parse("10.1.3.255")));
  EXPECT_FALSE(p.Contains(*Ip4::Parse("10.1.4.0")));
  EXPECT_TRUE(Prefix::Parse("0.0.0.0/0")->Contains(*Ip4::Parse("255.1.2.3")));
  EXPECT_EQ(Prefix::Parse("1.2.3.4/32")->broadcast().Text(), "1.2.3.4");
}

TEST(Prefix, OverlapsBothWays) {
  const Prefix wide = *Prefix::Parse("10.0.0.0/8"), narrow = *Prefix::Parse("10.200.0.0/16");
  EXPECT_TRUE(wide.Overlaps(narrow));
  EXPECT_TRUE(narrow.Overlaps(wide));
  EXPECT_FALSE(narrow.Overlaps(*Prefix::Parse("10.201.0.0/16")));
  EXPECT_TRUE(narrow.Overlaps(*Prefix::Parse("0.0.0.0/0")));
}

TEST(Mac, ParsesAndPrints) {
  EXPECT_EQ(Mac::Parse("02:00:5E:00:00:ff")->Text(), "02:00:5e:00:00:ff");
  for (const char* bad : {"", "02:00:5e:00:00", "02-00-5e-00-00-01", "02:00:5e:00:00:0g",
                          "02:00:5e:00:00:1", "02:00:5e:00:00:01:", " 2:00:5e:00:00:01"}) {
    EXPECT_FALSE(Mac::Parse(bad)) << bad;
  }
  EXPECT_TRUE(Mac::Parse("01:00:5e:00:00:01")->IsMulticast());
  EXPECT_TRUE(Mac::Broadcast().IsMulticast());
  EXPECT_FALSE(Mac::Parse("02:00:00:00:00:01")->IsMulticast());
}

TEST(Mac, StoresWhatItLoads) {
  const Mac mac = *Mac::Parse("02:01:02:03:04:05");
  Bytes bytes(6);
  mac.Store(bytes.data());
  EXPECT_EQ(Mac::Load(bytes), mac);
}

TEST(Endpoint, Prints) {
  EXPECT_EQ((Endpoint{*Ip4::Parse("192.0.2.1"), 4500}).Text(), "192.0.2.1:4500");
}

TEST(Addresses, HashLikeTheyCompare) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {Endpoint{}, Endpoint{{1}, 0}, Endpoint{{0}, 1}, Endpoint{{1}, 1}}));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({Mac{}, Mac::Broadcast()}));
}

}  // namespace
}  // namespace stack
