// Who gets a place and who loses one: strangers, offices behind one NAT, and holders of the group
// key who want all of it.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crypto/ike/established.h"
#include "crypto/ike/half_open.h"
#include "crypto/ike/proposal.h"
#include "tests/crypto/ike/scripted_client.h"

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using stack::Drop;
using stack::Ip4;
using test::ClientProfile;
using test::ScriptedClient;

constexpr HalfOpen::Limits kLimits{.max = 100, .max_per_prefix = 8};
constexpr Ip4 kOffice{0xc6336401}, kNeighbour{0xc6336402}, kElsewhere{0xcb007101};
constexpr absl::Time kNow = absl::UnixEpoch();

// Half-open logins that carry themselves out of the house when they are told to.
class House {
 public:
  // False if there was no room.
  bool Enter(uint64_t cookie, Ip4 remote, absl::Time now = kNow, bool known = false) {
    const auto answer = half_open.Ask(now, remote, known, kLimits);
    if (answer.victim) {
      victims.push_back(*answer.victim);
      Leave(*answer.victim, HalfOpen::End::kCrowdedOut);
    }
    if (answer.welcome) places.emplace(cookie, half_open.Enter(remote, known, cookie));
    return answer.welcome;
  }
  void Prove(uint64_t cookie) { half_open.Prove(places.at(cookie)); }
  void Leave(uint64_t cookie, HalfOpen::End end) {
    half_open.Leave(places.at(cookie), end, kLimits);
    places.erase(cookie);
  }

  HalfOpen half_open{0x9e3779b97f4a7c15};
  std::map<uint64_t, HalfOpen::Place> places;
  std::vector<uint64_t> victims;
};

TEST(HalfOpen, TheOldestUnprovenOfThePrefixMakesRoom) {
  House house;
  for (uint64_t i = 1; i <= 8; ++i) EXPECT_TRUE(house.Enter(i, kOffice));
  house.Prove(1);
  EXPECT_TRUE(house.Enter(9, kNeighbour));
  EXPECT_TRUE(house.Enter(10, kElsewhere));  // whom it does not concern
  EXPECT_EQ(house.victims, std::vector<uint64_t>{2});
  for (const uint64_t i : {3, 4, 5, 6, 7, 8, 9}) house.Prove(i);
  EXPECT_FALSE(house.Enter(11, kOffice));  // nobody's place may be taken
  EXPECT_EQ(house.half_open.size(), 9u);
}

TEST(HalfOpen, AnOfficeComesInAsFastAsItsLoginsSucceed) {
  House house;
  for (uint64_t i = 1; i <= 1000; ++i) {
    ASSERT_TRUE(house.Enter(i, kOffice)) << i;
    house.Prove(i);
    if (i >= 8) house.Leave(i - 7, HalfOpen::End::kSuccess);
  }
  EXPECT_TRUE(house.victims.empty());
  // What they earned is good for a burst, and is forgotten after a while.
  for (uint64_t i = 2001; i <= 2008; ++i) EXPECT_TRUE(house.Enter(i, kOffice));
}

TEST(HalfOpen, WhoNeverFinishesUsesUpHisPrefix) {
  House house;
  for (uint64_t i = 1; i <= 8; ++i) {
    ASSERT_TRUE(house.Enter(i, kOffice)) << i;
    house.Prove(i);
    house.Leave(i, HalfOpen::End::kFailure);
  }
  EXPECT_FALSE(house.Enter(9, kOffice));
  EXPECT_TRUE(house.Enter(10, kElsewhere));
  EXPECT_FALSE(house.Enter(11, kOffice, kNow + absl::Seconds(5)));
  EXPECT_TRUE(house.Enter(12, kOffice, kNow + absl::Seconds(10)));  // an eighth of a minute
  EXPECT_TRUE(house.Enter(13, kOffice, kNow + absl::Minutes(5)));
}

TEST(HalfOpen, WhatIsForgedInSomebodysNameCostsHimNothing) {
  House house;
  for (uint64_t i = 1; i <= 100; ++i) {
    ASSERT_TRUE(house.Enter(i, kOffice));
    house.Leave(i, HalfOpen::End::kFailure);  // timed out, and never proved anything
  }
  EXPECT_TRUE(house.Enter(101, kOffice));
}

TEST(HalfOpen, AnAddressThatIsKnownDoesNotDependOnItsNeighbours) {
  House house;
  for (uint64_t i = 1; i <= 8; ++i) {
    ASSERT_TRUE(house.Enter(i, kNeighbour));
    house.Prove(i);
  }
  EXPECT_FALSE(house.Enter(9, kOffice));
  EXPECT_TRUE(house.Enter(10, kOffice, kNow, true));
}

TEST(HalfOpen, InAllTheOldestUnprovenMakesRoom) {
  House house;
  for (uint32_t i = 1; i <= 100; ++i) ASSERT_TRUE(house.Enter(i, {0x01000000 + (i << 8)}));
  EXPECT_TRUE(house.victims.empty());
  house.Prove(1);
  EXPECT_TRUE(house.Enter(101, {0x02000000}));
  EXPECT_EQ(house.victims, std::vector<uint64_t>{2});
  EXPECT_EQ(house.half_open.size(), 100u);
}

const Identification kSomebody = Identification::OfAddress({1});
const Identification kSomebodyElse = Identification::OfAddress({2});

TEST(Established, TheOldestOfAnIdentityGoesForTheNewest) {
  Established established;
  const Established::Limits limits{.max = 1000, .max_of_identity = 3};
  for (uint64_t i = 1; i <= 3; ++i) {
    EXPECT_FALSE(established.Add(kOffice, kSomebody, i, limits));
    EXPECT_FALSE(established.Add(kOffice, kSomebodyElse, 10 + i, limits));
    EXPECT_FALSE(established.Add(kElsewhere, kSomebody, 20 + i, limits));
  }
  EXPECT_EQ(established.Add(kOffice, kSomebody, 4, limits), 1u);
  established.Remove(kOffice, 1);
  EXPECT_EQ(established.Add(kOffice, kSomebody, 5, limits), 2u);
  established.Remove(kOffice, 2);
  EXPECT_EQ(established.size(), 9u);
}

TEST(Established, WhenTheHouseIsFullTheLargestLosesOne) {
  Established established;
  const Established::Limits limits{.max = 10, .max_of_identity = 100};
  for (uint64_t i = 1; i <= 3; ++i) established.Add(kOffice, kSomebody, i, limits);
  for (uint64_t i = 11; i <= 17; ++i) {
    EXPECT_FALSE(established.Add(kElsewhere, Identification::OfAddress({uint32_t(i)}), i, limits));
  }
  EXPECT_EQ(established.Add(kNeighbour, kSomebody, 20, limits), 11u);
  established.Remove(kElsewhere, 11);
  EXPECT_EQ(established.Add(kElsewhere, kSomebody, 18, limits), 12u);
  established.Remove(kElsewhere, 12);
  EXPECT_TRUE(established.Knows(kNeighbour));
  established.Remove(kNeighbour, 20);
  EXPECT_FALSE(established.Knows(kNeighbour));
}

// ---- The same, seen from outside
// -----------------------------------------------------------------

// AES-256, SHA1, MODP-1024: the quickest agreement.
ClientProfile Quick() {
  ClientProfile profile{.name = "quick"};
  profile.vendor_ids = {profile.natt_id, "afcad71368a1f1c96b8696fc77570100"};
  profile.phase_one = {"80010007800e0100800200028003000180040002800b0001800c7080"};
  profile.phase_two = {{12, "80060080800500028001000180020e10"}};
  return profile;
}

struct Town {
  explicit Town(Options options) {
    options.psks = test::Psks();
    gateway = std::make_unique<Responder>(test::kStart, options, rng);
  }
  ScriptedClient& Add(Ip4 outside, Ip4 inside) {
    const uint16_t port = next_port++;
    clients.push_back(std::make_unique<ScriptedClient>(
        Quick(), *gateway,
        ScriptedClient::Place{.inside = {inside, 500}, .outside = {outside, port}},
        clients.size() + 1));
    return *clients.back();
  }
  test::FixedRng rng;
  std::unique_ptr<Responder> gateway;
  std::vector<std::unique_ptr<ScriptedClient>> clients;
  uint16_t next_port = 1024;
};

TEST(Limits, AHolderOfTheKeyLosesOnlyHisOwn) {
  Options options;
  options.max_phase_ones = 12;
  options.max_phase_ones_of_identity = 4;
  Town town(options);
  ScriptedClient& victim = town.Add(kOffice, {0xc0a80102});
  ASSERT_TRUE(victim.MainMode());
  for (uint32_t i = 1; i <= 10; ++i) ASSERT_TRUE(town.Add(kElsewhere, {0xc0a80102}).MainMode());
  EXPECT_EQ(town.gateway->established(), 5u);
  for (uint32_t i = 1; i <= 20; ++i) ASSERT_TRUE(town.Add(kElsewhere, {0x0a000000 + i}).MainMode());
  EXPECT_EQ(town.gateway->established(), 12u);
  EXPECT_EQ(town.clients.back()->story.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kCrowdedOut);
  EXPECT_TRUE(victim.QuickMode(1));
  EXPECT_NE(town.gateway->Find({victim.cookies.responder}), nullptr);
}

TEST(Limits, AThousandClientsOfOneOfficeComeInAtOnce) {
  Options options;
  options.max_half_open = 64;
  options.max_half_open_per_prefix = 16;
  Town town(options);
  constexpr size_t kAtOnce = 10, kRounds = 10;
  for (size_t round = 0; round < kRounds; ++round) {
    std::vector<ScriptedClient*> waiting;
    for (uint32_t i = 0; i < kAtOnce; ++i) {
      waiting.push_back(&town.Add(kOffice, {static_cast<uint32_t>(0x0a000000 + round * 100 + i)}));
      ASSERT_TRUE(waiting.back()->SendFirst());
    }
    for (ScriptedClient* client : waiting) ASSERT_TRUE(client->SendKey() && client->SendIdentity());
  }
  EXPECT_EQ(town.gateway->established(), kAtOnce * kRounds);
  for (const auto& client : town.clients) {
    EXPECT_EQ(client->story.Drops(Drop::kHalfOpenLimit), 0u);
    EXPECT_EQ(client->story.Count<PhaseOneFailed>(), 0u);
  }
}

TEST(Limits, StrangersWithAWrongKeyUseUpTheirPrefixAlone) {
  Options options;
  options.max_half_open_per_prefix = 4;
  Town town(options);
  for (uint32_t i = 0; i < 4; ++i) {
    ScriptedClient& stranger = town.Add({0xc6336400 + i}, {1});
    ASSERT_TRUE(stranger.SendFirst() && stranger.SendKey());  // and never says who he is
  }
  EXPECT_EQ(town.gateway->half_open(), 4u);
  ScriptedClient& next = town.Add({0xc6336409}, {1});
  EXPECT_TRUE(next.Say(next.First()).empty());
  EXPECT_EQ(next.story.Drops(Drop::kHalfOpenLimit), 1u);
  EXPECT_TRUE(town.Add(kElsewhere, {1}).MainMode());
}

// A client that is in renews its phase 1 while its prefix is used up.
TEST(Limits, ARenewalFindsRoom) {
  Options options;
  options.max_half_open_per_prefix = 4;
  Town town(options);
  ASSERT_TRUE(town.Add(kOffice, {1}).MainMode());
  for (uint32_t i = 10; i < 16; ++i) {  // success had earned a token or two
    ScriptedClient& stranger = town.Add({0xc6336400 + i}, {1});
    if (stranger.Say(stranger.First()).empty()) break;
    ASSERT_TRUE(stranger.SendFirst() && stranger.SendKey());
  }
  ScriptedClient& newcomer = town.Add(kNeighbour, {2});
  ASSERT_TRUE(newcomer.Say(newcomer.First()).empty());
  EXPECT_TRUE(town.Add(kOffice, {1}).MainMode());
}

}  // namespace
