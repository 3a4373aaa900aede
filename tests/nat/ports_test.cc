#include "nat/ports.h"

#include <map>
#include <set>

#include "gtest/gtest.h"
#include "tests/nat/packets.h"
#include "tests/support/rng.h"

namespace nat {
namespace {

using stack::Drop;
using stack::Ip4;

const Ip4 kAlice = Ip("10.99.0.20");
const Ip4 kBob = Ip("10.99.0.21");

// All ports a client can get for a kind, until the pool says no.
std::vector<uint16_t> TakeAll(PortPool& pool, Ip4 client, Kind kind, test::FixedRng& rng,
                              Drop* last = nullptr) {
  std::vector<uint16_t> ports;
  while (true) {
    const auto port = pool.Take(client, kind, 0, 0, rng);
    if (!port.ok()) {
      if (last != nullptr) *last = port.error();
      return ports;
    }
    ports.push_back(*port);
  }
}

TEST(Ports, BucketAndShardAreArithmetic) {
  EXPECT_EQ(BucketOfPort(1024), 16);
  EXPECT_EQ(BucketOfPort(1087), 16);
  EXPECT_EQ(BucketOfPort(1088), 17);
  EXPECT_EQ(BucketOfPort(65535), 255);
  EXPECT_EQ(BucketOfPort(16384), 0);
  EXPECT_EQ(ShardOfPort(1088, 4), 1u);
}

TEST(Ports, EveryPortIsGivenOutOnceAndNoneOfOurs) {
  test::FixedRng rng;
  PortPool pool({.first = 1, .quota = 65536 + 64});
  for (const Kind kind : {Kind::kTcp, Kind::kIcmp}) {
    Drop last{};
    const auto ports = TakeAll(pool, kAlice, kind, rng, &last);
    const std::set<uint16_t> distinct(ports.begin(), ports.end());
    EXPECT_EQ(last, Drop::kNatNoPort);
    EXPECT_EQ(distinct.size(), ports.size());
    EXPECT_EQ(distinct.size(), 65535u - 5u);
    for (const int ours : {0, 67, 68, 500, 1701, 4500}) {
      EXPECT_FALSE(distinct.contains(static_cast<uint16_t>(ours)));
    }
  }
}

TEST(Ports, RangeEndsInTheMiddleOfABlock) {
  test::FixedRng rng;
  PortPool pool({.first = 2000, .last = 2100});
  const auto ports = TakeAll(pool, kAlice, Kind::kUdp, rng);
  EXPECT_EQ(std::set<uint16_t>(ports.begin(), ports.end()).size(), 101u);
  EXPECT_EQ(*std::ranges::min_element(ports), 2000);
  EXPECT_EQ(*std::ranges::max_element(ports), 2100);
}

// The kernel keeps its own range on an address that adit shares with it.
TEST(Ports, ExcludedPortsAreNotGivenOut) {
  test::FixedRng rng;
  PortPool pool({.excluded = {{32768, 60999}, {8080, 8080}}, .quota = 65536});
  const auto ports = TakeAll(pool, kAlice, Kind::kTcp, rng);
  EXPECT_EQ(std::set<uint16_t>(ports.begin(), ports.end()).size(),
            64512u - 2u - (60999u - 32768u + 1u) - 1u);
  for (const uint16_t port : ports) {
    EXPECT_TRUE((port < 32768 || port > 60999) && port != 8080) << port;
  }
}

TEST(Ports, ShardsDivideThePortsAmongThem) {
  test::FixedRng rng;
  std::set<uint16_t> all;
  size_t count = 0;
  for (uint32_t shard = 0; shard < 5; ++shard) {
    PortPool pool({.shard = shard, .shards = 5, .quota = 65536});
    for (const uint16_t port : TakeAll(pool, kAlice, Kind::kTcp, rng)) {
      EXPECT_EQ(ShardOfPort(port, 5), shard);
      all.insert(port);
      ++count;
    }
  }
  EXPECT_EQ(count, 64512u - 2u);  // 1701 and 4500 are ours
  EXPECT_EQ(all.size(), count);
}

TEST(Ports, BlockHasOneClient) {
  test::FixedRng rng;
  PortPool pool({});
  std::map<int, Ip4> holder;
  for (uint32_t i = 0; i < 20; ++i) {
    const Ip4 client{kAlice.value + i};
    for (const Kind kind : {Kind::kTcp, Kind::kUdp}) {
      for (int n = 0; n < 100; ++n) {
        const auto port = pool.Take(client, kind, 0, 0, rng);
        ASSERT_TRUE(port.ok());
        EXPECT_EQ(holder.emplace(*port / 64, client).first->second, client);
      }
    }
  }
  EXPECT_EQ(pool.blocks_in_use(), 40u);
  EXPECT_EQ(pool.clients(), 20u);
}

TEST(Ports, QuotaIsWholeBlocks) {
  test::FixedRng rng;
  PortPool pool({.first = 8192, .quota = 100});
  Drop last{};
  EXPECT_EQ(TakeAll(pool, kAlice, Kind::kTcp, rng, &last).size(), 128u);
  EXPECT_EQ(last, Drop::kNatQuota);
}

TEST(Ports, GivenBackBlocksRest) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    test::FixedRng rng(seed);
    PortPool pool({.first = 8192, .last = 8192 + 127, .quota = 64});
    const auto first = pool.Take(kAlice, Kind::kUdp, 0, 100, rng);
    ASSERT_TRUE(first.ok());
    pool.GiveBack(Kind::kUdp, *first, 100);
    EXPECT_EQ(pool.clients(), 0u);
    EXPECT_EQ(pool.blocks_in_use(), 0u);
    const auto second = pool.Take(kBob, Kind::kUdp, 0, 219, rng);
    ASSERT_TRUE(second.ok());
    EXPECT_NE(*second / 64, *first / 64) << "the other block rests";
    const auto third = pool.Take(kAlice, Kind::kUdp, 0, 219, rng);
    ASSERT_TRUE(third.ok()) << "unless there is no other";
    EXPECT_EQ(*third / 64, *first / 64);
  }
}

TEST(Ports, RestEndsAfterTwoMinutes) {
  test::FixedRng rng;
  std::set<int> got;
  for (int i = 0; i < 50; ++i) {
    PortPool pool({.first = 8192, .last = 8192 + 127});
    const auto first = pool.Take(kAlice, Kind::kUdp, 0, 100, rng);
    pool.GiveBack(Kind::kUdp, *first, 100);
    got.insert(*pool.Take(kBob, Kind::kUdp, 0, 220, rng) / 64 == *first / 64 ? 1 : 0);
  }
  EXPECT_EQ(got.size(), 2u) << "both blocks are as likely then";
}

TEST(Ports, UdpKeepsParityWhilePossible) {
  test::FixedRng rng;
  PortPool pool({.first = 8192, .quota = 64});
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(*pool.Take(kAlice, Kind::kUdp, 5004, 0, rng) % 2, 0);
    EXPECT_EQ(*pool.Take(kBob, Kind::kUdp, 5005, 0, rng) % 2, 1);
  }
  EXPECT_EQ(*pool.Take(kAlice, Kind::kUdp, 5004, 0, rng) % 2, 1);
}

TEST(Ports, ChoiceIsSpread) {
  test::FixedRng rng;
  std::set<uint16_t> seen;
  for (int i = 0; i < 200; ++i) {
    PortPool pool({});
    seen.insert(*pool.Take(kAlice, Kind::kTcp, 0, 0, rng));
  }
  EXPECT_GT(seen.size(), 190u);
}

TEST(Ports, EmptyRangeHasNothing) {
  test::FixedRng rng;
  PortPool pool({.first = 3000, .last = 2000});
  EXPECT_EQ(pool.blocks(), 0u);
  EXPECT_EQ(pool.Take(kAlice, Kind::kTcp, 0, 0, rng).error(), Drop::kNatNoPort);
}

// Against a plain set of ports in use.
TEST(Ports, RandomTakeAndGiveBack) {
  test::FixedRng rng(2), dice(9);
  PortPool pool({.first = 8192, .last = 8192 + 640 - 1, .quota = 192});
  std::map<std::pair<Kind, uint16_t>, Ip4> used;
  uint32_t now = 0;
  int taken = 0;
  for (int step = 0; step < 20000; ++step) {
    now += static_cast<uint32_t>(dice.Below(3));
    const auto kind = static_cast<Kind>(dice.Below(3));
    if (dice.Below(2) == 0 || used.empty()) {
      const Ip4 client{kAlice.value + static_cast<uint32_t>(dice.Below(6))};
      const auto port = pool.Take(client, kind, 0, now, rng);
      if (!port.ok()) continue;
      ++taken;
      ASSERT_TRUE(used.emplace(std::pair{kind, *port}, client).second);
    } else {
      auto victim = used.begin();
      std::advance(victim, static_cast<long>(dice.Below(used.size())));
      pool.GiveBack(victim->first.first, victim->first.second, now);
      used.erase(victim);
    }
    std::map<int, Ip4> holders;
    if (step % 100 != 0) continue;
    for (const auto& [key, client] : used) {
      ASSERT_EQ(holders.emplace(key.second / 64, client).first->second, client);
    }
    ASSERT_EQ(pool.blocks_in_use(), holders.size());
  }
  EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace nat
