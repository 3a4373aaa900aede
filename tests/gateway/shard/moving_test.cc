// Clients that rekey phase 1 from wherever their NAT lets them, and clients that turn up in another
// network with the tunnel they had: their sessions go on, on whatever shard things fall.
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/gateway/shard/asking.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using gateway::load::Client;
using gateway::load::Milestone;
using LoadOut = gateway::load::Out;
using stack::Drop;

class Moving : public testing::TestWithParam<int> {
 protected:
  WorldOptions Options() const { return {.shards = static_cast<uint8_t>(GetParam())}; }
};

void RekeyPhaseOne(World& world, Caller& caller) {
  world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyPhaseOne(now, out); });
}
void RenewPhaseOne(World& world, Caller& caller) {
  world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.RenewPhaseOne(now, out); });
}

// Behind one NAT, which gives each first message on port 500 another port: the next phase 1 of a
// client falls on any shard. All of them have the same inner address and identity.
TEST_P(Moving, RekeyingOfPhaseOneFindsItsPeer) {
  World world(Options());
  NatBox& nat = world.AddNat("203.0.113.99");
  std::vector<Caller*> callers;
  for (int user = 1; user <= 6; ++user) {
    callers.push_back(&world.Add({.user = user, .address = "192.168.1.2", .nat = &nat}));
    ASSERT_TRUE(world.LogIn(*callers.back())) << Why(world, *callers.back());
  }
  size_t elsewhere = 0;
  for (uint16_t round = 1; round <= 3; ++round) {
    for (Caller* caller : callers) RekeyPhaseOne(world, *caller);
    world.Settle();
    world.Settle();
    elsewhere += world.Counts().peers.elsewhere;
    for (Caller* caller : callers) {
      EXPECT_TRUE(Pings(world, *caller, round)) << Why(world, *caller);
    }
    world.RunFor(absl::Seconds(40));
    EXPECT_EQ(world.Counts().sas, callers.size());
    EXPECT_EQ(world.Counts().peers.peers, callers.size());
  }
  EXPECT_EQ(elsewhere > 0, GetParam() > 1);  // or this was no test
  EXPECT_EQ(world.Dropped(Drop::kForeignTunnel), 0U);
  EXPECT_EQ(world.Dropped(Drop::kUnknownSpi), 0U);
  for (Caller* caller : callers) {
    world.Do(*caller, [](absl::Time now, Client& c, LoadOut& out) { c.Close(now, out); });
  }
  world.RunFor(absl::Seconds(40));
  ExpectEmpty(world);
}

// The renewed phase 1 carries no quick mode. It is the peer's all the same: what he deletes under
// it is deleted.
TEST_P(Moving, ARenewedPhaseOneIsItsPeers) {
  World world(Options());
  NatBox& nat = world.AddNat("203.0.113.99");
  Caller& other = world.Add({.user = 2, .address = "192.168.1.2", .nat = &nat});
  Caller& caller = world.Add({.address = "192.168.1.2", .nat = &nat});
  for (Caller* each : {&other, &caller}) ASSERT_TRUE(world.LogIn(*each)) << Why(world, *each);
  for (int round = 1; round <= 4; ++round) {
    RenewPhaseOne(world, caller);
    world.RunFor(absl::Seconds(1));
    EXPECT_EQ(world.Counts().peers.phase_ones, 2U);
  }
  EXPECT_TRUE(world.Logged("phase 1 rekeyed"));
  EXPECT_TRUE(Pings(world, caller)) << Why(world, caller);
  world.RunFor(absl::Minutes(5));  // it is not taken for one that nobody wants
  EXPECT_EQ(world.Counts().peers.phase_ones, 2U);
  world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.CloseIpsec(now, out); });
  world.RunFor(absl::Seconds(36));
  EXPECT_EQ(world.Counts().peers.sessions, 1U);
  EXPECT_TRUE(Pings(world, other)) << Why(world, other);
}

// DPD needs some phase 1, and the one the current SAs came from may be gone.
TEST_P(Moving, ARenewedPhaseOneAsksForLife) {
  World world(Options());
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller)) << Why(world, caller);
  RenewPhaseOne(world, caller);
  world.RunFor(absl::Seconds(1));
  world.deaf = true;
  world.RunFor(absl::Seconds(30 + 25));
  ExpectEmpty(world);
}

// ---- Another network --------------------------------------------------------------------------

struct Roaming : testing::TestWithParam<std::tuple<int, bool>> {
  World world{{.shards = static_cast<uint8_t>(std::get<0>(GetParam()))}};
  Caller* caller = nullptr;
  void SetUp() override {
    caller = &world.Add({});
    ASSERT_TRUE(world.LogIn(*caller)) << Why(world, *caller);
    ASSERT_TRUE(Pings(world, *caller));
  }
  void Move(int to) {
    const bool natted = std::get<1>(GetParam());
    const std::string number = std::to_string(to);
    NatBox* nat = natted ? &world.AddNat("203.0.113.1" + number) : nullptr;
    world.Move(*caller, natted ? "10.0.0." + number : "203.0.113.5" + number, nat);
  }
  // Until something the client sends comes back.
  bool Recovers(absl::Duration limit) {
    const absl::Time end = world.now() + limit;
    for (uint16_t n = 1; world.now() < end; ++n) {
      if (Pings(world, *caller, n)) return true;
      world.RunFor(absl::Milliseconds(500));
    }
    return false;
  }
};

TEST_P(Roaming, KeepsTunnelAndAddress) {
  const stack::Ip4 address = caller->up->address;
  for (int place = 1; place <= 4; ++place) {
    SCOPED_TRACE(place);
    Move(place);
    ASSERT_TRUE(Recovers(absl::Seconds(8))) << Why(world, *caller);
    EXPECT_TRUE(world.Logged("goes on from another place"));
    world.log.clear();
    world.RunFor(absl::Seconds(40));
    EXPECT_EQ(world.Counts().peers.peers, 1U);
    EXPECT_EQ(world.Counts().peers.children, 1U);
    EXPECT_EQ(world.Counts().peers.phase_ones, 1U);
  }
  EXPECT_EQ(caller->up->address, address);
  EXPECT_FALSE(world.Logged("session ended"));
  world.Do(*caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyEsp(now, out); });
  world.RunFor(absl::Seconds(40));
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
  world.Do(*caller, [](absl::Time now, Client& c, LoadOut& out) { c.Close(now, out); });
  world.RunFor(absl::Seconds(36));
  ExpectEmpty(world);
}

// A client that has nothing to send: its HELLO or echo reply brings the tunnel.
TEST_P(Roaming, FollowsAnIdleClientWhenItSpeaks) {
  Move(1);
  world.RunFor(absl::Seconds(100));
  EXPECT_TRUE(world.Logged("goes on from another place")) << Why(world, *caller);
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
}

INSTANTIATE_TEST_SUITE_P(Shards, Roaming,
                         testing::Combine(testing::Values(1, 2, 4), testing::Bool()));

// UDP encapsulation takes eight octets of each packet.
TEST(RoamingBehindANat, LowersTheMtu) {
  World world({.configure = [](conf::Model& model) { model.interfaces[0].mtu = 1292; }});
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller)) << Why(world, caller);
  const auto mtu = [&] {
    const auto* tunnel = world.shard(0).peers().FindTunnel(caller.client().server_tunnel());
    return tunnel == nullptr ? 0 : tunnel->sessions.front()->mtu;
  };
  const int before = mtu();
  world.RunFor(absl::Seconds(3));
  world.Move(caller, "10.0.0.2", &world.AddNat("203.0.113.99"));
  world.Settle();
  for (uint16_t n = 1; n <= 5; ++n) Pings(world, caller, n);
  EXPECT_TRUE(world.Logged("goes on from another place")) << Why(world, caller);
  EXPECT_EQ(mtu(), before - 16);  // a block of the cipher
}

// The NAT forgot the client's port, and its next phase 1 comes from another: no exact place.
TEST_P(Moving, APhaseOneFromAnotherPortBringsTheTunnelByPassword) {
  World world(Options());
  Caller& caller = world.Add({.address = "192.168.1.2", .nat = &world.AddNat("203.0.113.99")});
  ASSERT_TRUE(world.LogIn(caller)) << Why(world, caller);
  world.RunFor(absl::Seconds(3));
  world.ForgetNats();
  RekeyPhaseOne(world, caller);
  world.RunFor(absl::Seconds(3));
  for (uint16_t n = 1; n <= 10 && !world.Logged("goes on from another place"); ++n)
    Pings(world, caller, n);
  EXPECT_TRUE(Pings(world, caller)) << Why(world, caller);
  EXPECT_TRUE(caller.is_up());
}

// ---- Keepalives of our own --------------------------------------------------------------------

// RFC 3948 section 4: behind a router of our own somebody has to speak, and the client may not.
TEST_P(Moving, ANatInFrontOfUsIsKeptAlive) {
  WorldOptions options = Options();
  options.public_address = *stack::Ip4::Parse("198.51.100.7");
  options.configure = [](conf::Model& model) {
    model.ike.dpd = absl::ZeroDuration();
    model.ppp.echo = absl::ZeroDuration();
  };
  World world(options);
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller, absl::Seconds(5))) << Why(world, caller);
  EXPECT_TRUE(world.Logged("we are behind a NAT"));
  world.RunFor(absl::Seconds(10));
  const uint64_t before = caller.drops[Drop::kNatKeepalive];
  world.RunFor(absl::Seconds(50));
  EXPECT_GE(caller.drops[Drop::kNatKeepalive], before + 2);
  EXPECT_LE(caller.drops[Drop::kNatKeepalive], before + 3);
}

TEST_P(Moving, WithoutOneNothingIsKeptAlive) {
  World world(Options());
  Caller& caller = world.Add({.address = "192.168.1.2", .nat = &world.AddNat("203.0.113.99")});
  ASSERT_TRUE(world.LogIn(caller));
  world.RunFor(absl::Minutes(2));
  EXPECT_EQ(caller.drops[Drop::kNatKeepalive], 0U);
}

INSTANTIATE_TEST_SUITE_P(Shards, Moving, testing::Values(1, 2, 4));

}  // namespace
}  // namespace test
