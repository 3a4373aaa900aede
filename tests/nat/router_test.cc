#include "nat/router.h"

#include <map>

#include "gtest/gtest.h"
#include "tests/nat/packets.h"
#include "tests/support/rng.h"

namespace nat {
namespace {

using stack::Ip4;
using stack::Prefix;

Prefix Net(const char* text) { return *Prefix::Parse(text); }
Hop To(uint32_t index) { return {Hop::Kind::kInterface, index, {}}; }

TEST(Router, LongestPrefixWins) {
  Router router;
  EXPECT_TRUE(router.Lookup(Ip("10.1.2.3")).IsNone());
  router.Add(Net("0.0.0.0/0"), To(0));
  router.Add(Net("10.0.0.0/8"), To(1));
  router.Add(Net("10.99.0.0/24"), To(2));
  router.Add(Net("10.99.0.20"), {Hop::Kind::kPeer, 77, {}});
  EXPECT_EQ(router.Lookup(Ip("192.0.2.1")), To(0));
  EXPECT_EQ(router.Lookup(Ip("10.1.2.3")), To(1));
  EXPECT_EQ(router.Lookup(Ip("10.99.0.21")), To(2));
  EXPECT_EQ(router.Lookup(Ip("10.99.0.20")), (Hop{Hop::Kind::kPeer, 77, {}}));
  EXPECT_TRUE(router.Remove(Net("10.99.0.20")));
  EXPECT_FALSE(router.Remove(Net("10.99.0.20")));
  EXPECT_EQ(router.Lookup(Ip("10.99.0.20")), To(2));
  EXPECT_TRUE(router.Remove(Net("0.0.0.0/0")));
  EXPECT_TRUE(router.Lookup(Ip("192.0.2.1")).IsNone());
}

TEST(Router, AddReplacesAndIgnoresHostBits) {
  Router router;
  router.Add(Net("10.1.2.3/8"), To(1));
  router.Add(Net("10.0.0.0/8"), {Hop::Kind::kInterface, 2, Ip("10.0.0.1")});
  EXPECT_EQ(router.size(), 1u);
  EXPECT_EQ(router.Lookup(Ip("10.200.0.1")).via, Ip("10.0.0.1"));
  EXPECT_TRUE(router.Remove(Net("10.9.9.9/8")));
  EXPECT_EQ(router.size(), 0u);
}

// What it remembers of the last packet is never older than the table.
TEST(Router, AChangeCountsFromTheNextPacketOn) {
  Router router;
  EXPECT_TRUE(router.Lookup(Ip("0.0.0.0")).IsNone());
  router.Add(Net("0.0.0.0/0"), To(1));
  EXPECT_EQ(router.Lookup(Ip("0.0.0.0")), To(1));
  EXPECT_EQ(router.Lookup(Ip("10.0.0.1")), To(1));
  router.Add(Net("10.0.0.0/8"), To(2));
  EXPECT_EQ(router.Lookup(Ip("10.0.0.1")), To(2));
  EXPECT_EQ(router.Lookup(Ip("10.0.0.1")), To(2));
  router.Add(Net("10.0.0.0/8"), To(3));
  EXPECT_EQ(router.Lookup(Ip("10.0.0.1")), To(3));
  router.Remove(Net("10.0.0.0/8"));
  EXPECT_EQ(router.Lookup(Ip("10.0.0.1")), To(1));
  router.Remove(Net("0.0.0.0/0"));
  EXPECT_TRUE(router.Lookup(Ip("10.0.0.1")).IsNone());
  EXPECT_TRUE(router.Lookup(Ip("0.0.0.0")).IsNone());
}

TEST(Router, RandomAgainstLinearSearch) {
  test::FixedRng dice(6);
  Router router;
  std::map<Prefix, Hop> model;
  const auto random_prefix = [&] {
    const auto length = static_cast<uint8_t>(dice.Below(33));
    const Prefix p{{static_cast<uint32_t>(dice.Next()) & 0x0f0f0fff}, length};
    return Prefix{p.network(), length};
  };
  for (int step = 0; step < 6000; ++step) {
    const Prefix prefix = random_prefix();
    if (dice.Below(3) != 0) {
      router.Add(prefix, To(static_cast<uint32_t>(step)));
      model[prefix] = To(static_cast<uint32_t>(step));
    } else if (!model.empty()) {
      auto victim = model.lower_bound(prefix);
      if (victim == model.end()) victim = model.begin();
      ASSERT_TRUE(router.Remove(victim->first));
      model.erase(victim);
    }
    ASSERT_EQ(router.size(), model.size());
    const Ip4 ip{static_cast<uint32_t>(dice.Next()) & 0x0f0f0fff};
    Hop expected;
    int longest = -1;
    for (const auto& [p, hop] : model) {
      if (p.Contains(ip) && p.length > longest) {
        longest = p.length;
        expected = hop;
      }
    }
    ASSERT_EQ(router.Lookup(ip), expected) << ip.Text();
  }
}

}  // namespace
}  // namespace nat
