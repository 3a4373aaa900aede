// When the last client has left, nothing is left of it, however it went: no session, SA, flow,
// address, route, entry of the directory, timer or packet buffer, on no shard.
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/gateway/shard/asking.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using gateway::load::Client;
using LoadOut = gateway::load::Out;

constexpr absl::Duration kLinger = absl::Seconds(31);
constexpr absl::Duration kMargin = absl::Seconds(5);

struct Way {
  const char* name;
  void (*leave)(World&, Caller&);
  absl::Duration found_out;  // until the gateway can know
};

void Close(World& world, Caller& caller) {
  world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.Close(now, out); });
}
void CloseIpsec(World& world, Caller& caller) {
  world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.CloseIpsec(now, out); });
}
void Vanish(World& world, Caller&) { world.deaf = true; }

const Way kWays[] = {
    {"InOrder", Close, absl::ZeroDuration()},
    {"ByDeleteAlone", CloseIpsec, absl::ZeroDuration()},
    {"InTheMiddleOfARekeying",
     [](World& world, Caller& caller) {
       world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyPhaseOne(now, out); });
       world.RunFor(absl::Milliseconds(15));
       CloseIpsec(world, caller);
     },
     absl::ZeroDuration()},
    {"AfterARekeying",
     [](World& world, Caller& caller) {
       world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyPhaseOne(now, out); });
       world.RunFor(absl::Seconds(1));
       world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.RenewPhaseOne(now, out); });
       world.RunFor(absl::Seconds(1));
       Close(world, caller);
     },
     absl::ZeroDuration()},
    // Idle for 30 s, then four questions every 5 s.
    {"FoundDead", Vanish, absl::Seconds(30 + 20)},
};

class Leaving : public testing::TestWithParam<std::tuple<int, bool, Way>> {
 protected:
  Leaving() : world({.shards = static_cast<uint8_t>(std::get<0>(GetParam()))}) {
    NatBox& nat = world.AddNat("203.0.113.99");
    for (int user = 1; user <= 5; ++user) {
      Caller::Options who{.user = user, .address = "203.0.113.1" + std::to_string(user)};
      if (std::get<1>(GetParam())) {
        who.address = "192.168.1.2";
        who.nat = &nat;
      }
      callers.push_back(&world.Add(who));
    }
  }
  World world;
  std::vector<Caller*> callers;
};

TEST_P(Leaving, LeavesNothing) {
  for (Caller* caller : callers) {
    ASSERT_TRUE(world.LogIn(*caller)) << Why(world, *caller);
    ASSERT_TRUE(Pings(world, *caller));
  }
  EXPECT_EQ(world.Counts().addresses, callers.size());
  const Way& way = std::get<2>(GetParam());
  for (Caller* caller : callers) way.leave(world, *caller);
  world.RunFor(way.found_out + kLinger + kMargin);
  ExpectEmpty(world);
}

// Each one crashes and comes back a few times before.
TEST_P(Leaving, LeavesNothingOfEarlierLives) {
  for (int life = 0; life < 3; ++life) {
    for (Caller*& caller : callers) {
      const size_t user = static_cast<size_t>(&caller - callers.data()) + 1;
      if (life > 0) {
        Caller::Options who{.user = static_cast<int>(user),
                            .address = "203.0.113.1" + std::to_string(user)};
        world.Remove(*caller);
        caller = &world.Add(who);
      }
      ASSERT_TRUE(world.LogIn(*caller)) << Why(world, *caller);
    }
    world.RunFor(absl::Seconds(3));
  }
  const Way& way = std::get<2>(GetParam());
  for (Caller* caller : callers) way.leave(world, *caller);
  // Earlier lives are found dead on their own account where nobody else could have ended them.
  const bool natted = std::get<1>(GetParam());
  world.RunFor((natted ? absl::Seconds(50) : way.found_out) + kLinger + kMargin);
  ExpectEmpty(world);
}

INSTANTIATE_TEST_SUITE_P(Ways, Leaving,
                         testing::Combine(testing::Values(1, 2, 4), testing::Bool(),
                                          testing::ValuesIn(kWays)),
                         [](const auto& one) {
                           return std::string(std::get<2>(one.param).name) +
                                  std::to_string(std::get<0>(one.param)) +
                                  (std::get<1>(one.param) ? "Natted" : "");
                         });

// A client without dead peer detection (Windows) that falls silent: PPP's echoes find out.
TEST(LeavingSilently, IsFoundOutByEchoes) {
  World world({.shards = 2});
  Caller& caller = world.Add({.change = [](auto& client) { client.ipsec.ike.dpd = false; }});
  ASSERT_TRUE(world.LogIn(caller)) << Why(world, caller);
  world.deaf = true;
  ASSERT_TRUE(world.RunUntil([&] { return world.Logged("session ended"); }, absl::Minutes(4)));
  world.RunFor(absl::Seconds(70));  // the CDN that nobody acknowledges
  world.RunFor(kLinger + kMargin);
  ExpectEmpty(world);
}

// An authenticated phase 1 that nothing follows.
TEST(LeavingSilently, BeforeQuickMode) {
  World world({.shards = 2});
  Caller& caller = world.Add({.change = [](auto& client) {
    for (auto& suite : client.ipsec.ike.esp) suite.auth = crypto::ike::EspAuth::kHmacMd5;
  }});
  world.LogIn(caller, absl::Seconds(20));
  EXPECT_TRUE(world.Logged("phase 1 up"));
  world.RunFor(absl::Seconds(60));
  ExpectEmpty(world);
}

}  // namespace
}  // namespace test
