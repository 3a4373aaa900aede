#include "gateway/auth/address_pool.h"

#include <map>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/rng.h"

namespace gateway::auth {
namespace {

using stack::Ip4;
using stack::Prefix;

Ip4 A(const char* text) { return *Ip4::Parse(text); }

AddressPool Pool(const AddressPoolOptions& options) {
  auto pool = AddressPool::Create(options);
  EXPECT_TRUE(pool.ok()) << pool.status();
  return *std::move(pool);
}

AddressPoolOptions Small() {
  AddressPoolOptions options;
  options.ranges = {UsableRange(*Prefix::Parse("10.0.0.0/28"))};
  options.never = {A("10.0.0.1")};
  options.shards = 4;
  return options;
}

TEST(UsableRange, LeavesNetworkAndBroadcastOut) {
  const AddressRange range = UsableRange(*Prefix::Parse("10.1.2.3/24"));
  EXPECT_EQ(range.first, A("10.1.2.1"));
  EXPECT_EQ(range.last, A("10.1.2.254"));
  EXPECT_EQ(UsableRange(*Prefix::Parse("10.1.2.2/31")).last, A("10.1.2.3"));
  EXPECT_EQ(UsableRange(*Prefix::Parse("10.1.2.2/32")).first, A("10.1.2.2"));
}

TEST(AddressPool, GivesEveryAddressOnceAndNeverOurs) {
  AddressPool pool = Pool(Small());
  EXPECT_EQ(pool.size(), 13U);
  std::set<Ip4> given;
  for (int i = 0; i < 13; ++i) {
    const auto address = pool.Allocate("u" + std::to_string(i), 0);
    ASSERT_TRUE(address.has_value());
    EXPECT_TRUE(given.insert(*address).second);
  }
  EXPECT_FALSE(pool.Allocate("late", 0).has_value());
  EXPECT_EQ(given.count(A("10.0.0.1")), 0U);
  EXPECT_EQ(*given.begin(), A("10.0.0.2"));
  EXPECT_EQ(*given.rbegin(), A("10.0.0.14"));
  EXPECT_EQ(pool.free(), 0U);
  EXPECT_TRUE(pool.Release(A("10.0.0.9")));
  EXPECT_EQ(pool.Allocate("late", 3), A("10.0.0.9"));
}

TEST(AddressPool, PrefersTheShardThenTakesAny) {
  AddressPool pool = Pool(Small());
  EXPECT_EQ(pool.Allocate("a", 2), A("10.0.0.2"));
  EXPECT_EQ(pool.Allocate("b", 2), A("10.0.0.6"));
  EXPECT_EQ(pool.Allocate("c", 2), A("10.0.0.10"));
  EXPECT_EQ(pool.Allocate("d", 2), A("10.0.0.14"));
  const auto other = pool.Allocate("e", 2);
  ASSERT_TRUE(other.has_value());
  EXPECT_NE(other->value % 4, 2U);
}

TEST(AddressPool, AUserFindsHisAddressAgain) {
  AddressPool pool = Pool(Small());
  const Ip4 first = *pool.Allocate("alice", 2);
  EXPECT_TRUE(pool.Release(first));
  EXPECT_EQ(pool.Allocate("bob", 3), A("10.0.0.3"));
  EXPECT_EQ(pool.Allocate("alice", 3), first);  // even on another shard
}

TEST(AddressPool, TheLongestFreeGoesFirstSoThatAddressesStay) {
  AddressPool pool = Pool(Small());
  const Ip4 alices = *pool.Allocate("alice", 2);
  EXPECT_TRUE(pool.Release(alices));
  for (int i = 0; i < 3; ++i) EXPECT_NE(pool.Allocate("x" + std::to_string(i), 2), alices);
  EXPECT_EQ(pool.Allocate("x3", 2), alices);  // only when the shard has no other left
  EXPECT_TRUE(pool.Release(alices));
  EXPECT_NE(pool.Allocate("alice", 3), alices);  // it is x3's now
  EXPECT_EQ(pool.Allocate("x3", 3), alices);
}

TEST(AddressPool, TwoSessionsOfOneUserGetTwoAddresses) {
  AddressPool pool = Pool(Small());
  const Ip4 one = *pool.Allocate("alice", 2), two = *pool.Allocate("alice", 2);
  EXPECT_NE(one, two);
  EXPECT_TRUE(pool.Release(one));
  EXPECT_TRUE(pool.Release(two));
  EXPECT_EQ(pool.Allocate("bob", 2), A("10.0.0.10"));
  // And finds both again, on whatever shard.
  EXPECT_EQ(pool.Allocate("alice", 3), two);
  EXPECT_EQ(pool.Allocate("alice", 3), one);
}

// One of three comes back, another is somebody else's by then.
TEST(AddressPool, AUserFindsWhatIsLeftOfHisAddresses) {
  AddressPoolOptions options = Small();
  options.shards = 1;
  AddressPool pool = Pool(options);
  std::vector<Ip4> his;
  for (int i = 0; i < 3; ++i) his.push_back(*pool.Allocate("alice", 0));
  while (pool.Allocate("other", 0)) continue;
  EXPECT_TRUE(pool.Release(his[1]));
  EXPECT_TRUE(pool.Release(his[2]));
  EXPECT_EQ(pool.Allocate("bob", 0), his[1]);
  EXPECT_TRUE(pool.Release(his[0]));
  EXPECT_EQ(pool.Allocate("alice", 0), his[0]);
  EXPECT_EQ(pool.Allocate("alice", 0), his[2]);
  EXPECT_EQ(pool.Allocate("alice", 0), std::nullopt);
}

// ---- Several pools ----

AddressPoolOptions Three() {
  AddressPoolOptions options;
  options.ranges = {{A("10.0.2.0"), A("10.0.2.3")},
                    {A("10.0.1.0"), A("10.0.1.1")},
                    {A("10.0.3.0"), A("10.0.3.1")}};
  options.never = {A("10.0.2.0")};
  options.shards = 2;
  return options;
}

// The order of the configuration counts more than the shard: pools may have different gateways.
TEST(AddressPool, PoolsAreUsedInTheirOrder) {
  AddressPool pool = Pool(Three());
  std::vector<std::string> given;
  while (const auto address = pool.Allocate("", 0)) given.push_back(address->Text());
  const std::vector<std::string> expected = {"10.0.2.2", "10.0.2.1", "10.0.2.3", "10.0.1.0",
                                             "10.0.1.1", "10.0.3.0", "10.0.3.1"};
  EXPECT_EQ(given, expected);
}

TEST(AddressPool, AUserOfAPoolGetsNothingElse) {
  AddressPool pool = Pool(Three());
  EXPECT_EQ(pool.Allocate("alice", 0, 1), A("10.0.1.0"));
  EXPECT_EQ(pool.Allocate("alice", 0, 1), A("10.0.1.1"));
  EXPECT_EQ(pool.Allocate("alice", 0, 1), std::nullopt);
  EXPECT_EQ(pool.Allocate("alice", 0, 7), std::nullopt);
  EXPECT_TRUE(pool.Release(A("10.0.1.1")));
  // His last address, but of a pool that he may not use any more.
  EXPECT_EQ(pool.Allocate("alice", 1, 2), A("10.0.3.1"));
  EXPECT_EQ(pool.Allocate("alice", 1), A("10.0.1.1"));
}

// ---- Users' own addresses change while clients are there ----

TEST(AddressPool, FixedAddressesChange) {
  AddressPoolOptions options = Small();
  options.fixed = {A("10.0.0.5"), A("192.0.2.77")};
  AddressPool pool = Pool(options);
  ASSERT_EQ(pool.Allocate("bob", 2), A("10.0.0.2"));
  ASSERT_TRUE(pool.TakeFixed(A("10.0.0.5")));
  pool.SetFixed({A("10.0.0.2"), A("10.0.0.3"), A("192.0.2.99")});
  EXPECT_EQ(pool.size(), 11U);
  EXPECT_FALSE(pool.TakeFixed(A("10.0.0.2")));    // bob still has it
  EXPECT_TRUE(pool.TakeFixed(A("10.0.0.3")));     // at once
  EXPECT_FALSE(pool.TakeFixed(A("192.0.2.99")));  // this has to wait for a restart
  std::set<Ip4> given;
  while (const auto address = pool.Allocate("x", 0)) given.insert(*address);
  EXPECT_EQ(given.size(), 10U);  // 14 hosts; without ours, 2 and 3 as fixed, 5 as still taken
  EXPECT_TRUE(pool.Release(A("10.0.0.2")));
  EXPECT_FALSE(pool.Allocate("x", 0).has_value());
  EXPECT_TRUE(pool.TakeFixed(A("10.0.0.2")));
  EXPECT_TRUE(pool.Release(A("10.0.0.5")));  // one like the others now
  EXPECT_EQ(pool.Allocate("x", 0), A("10.0.0.5"));
}

TEST(AddressPool, ReleaseOfWhatIsNotInUseIsHarmless) {
  AddressPool pool = Pool(Small());
  EXPECT_FALSE(pool.Release(A("10.0.0.2")));
  EXPECT_FALSE(pool.Release(A("10.0.0.1")));
  EXPECT_FALSE(pool.Release(A("192.0.2.1")));
  EXPECT_FALSE(pool.Release(A("0.0.0.0")));
  EXPECT_FALSE(pool.Release(A("255.255.255.255")));
  EXPECT_EQ(pool.free(), 13U);
}

TEST(AddressPool, FixedAddressesInsideAndOutside) {
  AddressPoolOptions options = Small();
  options.fixed = {A("10.0.0.5"), A("192.0.2.77")};
  AddressPool pool = Pool(options);
  EXPECT_EQ(pool.size(), 12U);
  EXPECT_FALSE(pool.TakeFixed(A("10.0.0.6")));
  EXPECT_FALSE(pool.TakeFixed(A("192.0.2.78")));
  for (const Ip4 address : options.fixed) {
    EXPECT_TRUE(pool.TakeFixed(address));
    EXPECT_FALSE(pool.TakeFixed(address));
  }
  for (int i = 0; i < 12; ++i) EXPECT_NE(pool.Allocate("u" + std::to_string(i), 1), A("10.0.0.5"));
  EXPECT_FALSE(pool.Allocate("late", 1).has_value());
  EXPECT_EQ(pool.in_use(), 14U);
  EXPECT_TRUE(pool.Release(A("10.0.0.5")));
  EXPECT_FALSE(pool.Release(A("10.0.0.5")));
  EXPECT_FALSE(pool.Allocate("late", 1).has_value());
  EXPECT_TRUE(pool.TakeFixed(A("10.0.0.5")));
}

TEST(AddressPool, WhatCannotBeConfigured) {
  const auto complaint = [](AddressPoolOptions options) {
    return std::string(AddressPool::Create(options).status().message());
  };
  AddressPoolOptions options = Small();
  options.shards = 0;
  EXPECT_EQ(complaint(options), "shards must be 1 to 256");
  options.shards = 257;
  EXPECT_EQ(complaint(options), "shards must be 1 to 256");
  options = Small();
  options.ranges.push_back({A("10.0.0.14"), A("10.0.0.20")});
  EXPECT_EQ(complaint(options), "address range 10.0.0.14-10.0.0.20 overlaps");
  options.ranges = {{A("10.0.0.2"), A("10.0.0.1")}};
  EXPECT_EQ(complaint(options), "address range 10.0.0.2-10.0.0.1 is reversed");
  options.ranges = {{A("0.0.0.0"), A("255.255.255.255")}};
  EXPECT_EQ(complaint(options), "more than 1048576 addresses for clients");
  options = Small();
  options.fixed = {A("10.0.0.1")};
  EXPECT_EQ(complaint(options), "10.0.0.1 is the gateway's own and cannot belong to a user");
  options.fixed = {A("10.0.0.5"), A("10.0.0.5")};
  EXPECT_EQ(complaint(options), "10.0.0.5 is fixed twice");
  options.fixed = {A("192.0.2.1"), A("192.0.2.1")};
  EXPECT_NE(complaint(options), "");
}

TEST(AddressPool, TheLastAddressThereIs) {
  AddressPoolOptions options;
  options.ranges = {{A("255.255.255.254"), A("255.255.255.255")}};
  options.never = {A("255.255.255.255")};
  AddressPool pool = Pool(options);
  EXPECT_EQ(pool.size(), 1U);
  EXPECT_EQ(pool.Allocate("a", 0), A("255.255.255.254"));
}

// Against the dullest model there is: the set of addresses in use.
TEST(AddressPool, AgreesWithASetOverALongTime) {
  AddressPoolOptions options = Small();
  options.ranges.push_back({A("10.0.1.250"), A("10.0.2.5")});
  options.fixed = {A("10.0.0.5"), A("172.16.0.1")};
  AddressPool pool = Pool(options);
  const size_t all = 12 + 12;
  ASSERT_EQ(pool.size(), all);
  test::FixedRng rng(3);
  std::set<Ip4> used;
  for (int step = 0; step < 20000; ++step) {
    if (rng.Below(100) < 52) {
      const auto address =
          pool.Allocate("u" + std::to_string(rng.Below(40)), static_cast<uint32_t>(rng.Below(4)));
      ASSERT_EQ(address.has_value(), used.size() < all);
      if (address) {
        ASSERT_TRUE(used.insert(*address).second) << address->Text();
      }
    } else if (!used.empty()) {
      const auto victim = std::next(used.begin(), static_cast<ptrdiff_t>(rng.Below(used.size())));
      ASSERT_TRUE(pool.Release(*victim));
      ASSERT_FALSE(pool.Release(*victim));
      used.erase(victim);
    }
    ASSERT_EQ(pool.in_use(), used.size());
    ASSERT_EQ(pool.free(), all - used.size());
  }
}

}  // namespace
}  // namespace gateway::auth
