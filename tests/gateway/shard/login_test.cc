// Whole logins, from the first IKE message to IPv4, and how sessions end: the product's client
// against its gateway, over a wire that may lose, double and reorder.
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/gateway/shard/asking.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using gateway::load::Client;
using gateway::load::DownReason;
using gateway::load::Milestone;
using LoadOut = gateway::load::Out;
using stack::Drop;

constexpr char kWholeLogin[] = "phase1_up esp_up tunnel_up call_up lcp_up authenticated ip_up";

class LoginOn : public testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(LoginOn, ComesUpAndCarriesPings) {
  const auto [shards, natted] = GetParam();
  WorldOptions options;
  options.shards = static_cast<uint8_t>(shards);
  World world(options);
  NatBox& nat = world.AddNat("203.0.113.99");
  for (int user = 1; user <= 4; ++user) {
    Caller::Options who;
    who.user = user;
    who.address = natted ? "192.168.1.2" : "203.0.113.1" + std::to_string(user);
    if (natted) who.nat = &nat;
    Caller& caller = world.Add(who);
    ASSERT_TRUE(world.LogIn(caller, absl::Seconds(2))) << Why(world, caller);
    EXPECT_EQ(caller.Story(), kWholeLogin);
    EXPECT_EQ(caller.up->gateway, kInside);
    EXPECT_EQ(caller.up->dns[0].Text(), "9.9.9.9");
    EXPECT_EQ(caller.up->mtu, 1400);
    EXPECT_TRUE(Pings(world, caller)) << Why(world, caller);
  }
  EXPECT_EQ(world.misdirected, 0U);
  // QM3 and the first ESP packet come in one batch here, and ESP is opened first: it proves as
  // much.
  EXPECT_EQ(world.Drops(), "ike_exchange=4 ");
}

INSTANTIATE_TEST_SUITE_P(Shards, LoginOn,
                         testing::Combine(testing::Values(1, 2, 4), testing::Bool()));

class LoginOver : public testing::TestWithParam<uint64_t> {};

TEST_P(LoginOver, AWireThatLosesDoublesAndReorders) {
  WorldOptions options;
  options.shards = 2;
  options.seed = GetParam();
  options.loss_percent = 20;
  options.duplicate_percent = 10;
  options.most_delay = absl::Milliseconds(80);
  World world(options);
  Caller::Options who;
  NatBox& nat = world.AddNat("203.0.113.99");
  if (options.seed % 2 == 0) who = {.address = "192.168.1.2", .nat = &nat};
  Caller& caller = world.Add(who);
  ASSERT_TRUE(world.LogIn(caller, absl::Seconds(120))) << Why(world, caller);
  world.SetLoss(0);
  world.RunFor(absl::Seconds(10));
  EXPECT_TRUE(caller.is_up()) << Why(world, caller);
  world.Do(caller, [](absl::Time now, Client& client, LoadOut& out) { client.Close(now, out); });
  ASSERT_TRUE(world.RunUntil([&] { return caller.is_down(); }, absl::Seconds(60)));
  EXPECT_EQ(caller.down->reason, DownReason::kClosed);
  world.RunFor(absl::Minutes(3));
  ExpectEmpty(world);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LoginOver, testing::Range(uint64_t{1}, uint64_t{9}));

// ---- Logins that fail -------------------------------------------------------------------------

// Waits until the login has failed and all of it is forgotten.
void ExpectFailure(World& world, Caller& caller, DownReason reason, const std::string& log) {
  EXPECT_FALSE(world.LogIn(caller, absl::Minutes(5)));
  ASSERT_TRUE(caller.down.has_value()) << Why(world, caller);
  EXPECT_EQ(caller.down->reason, reason) << Why(world, caller);
  EXPECT_TRUE(world.Logged(log)) << Why(world, caller);
  world.RunFor(absl::Minutes(3));
  ExpectEmpty(world);
}

TEST(FailedLogin, WrongPreSharedKey) {
  World world;
  Caller& caller = world.Add({.psk = "another"});
  ExpectFailure(world, caller, DownReason::kPhaseOneFailed, "wrong pre-shared key suspected");
}

TEST(FailedLogin, NothingInCommon) {
  World world(
      {.configure = [](conf::Model& model) { model.ike.profile = conf::Ike::Profile::kModern; }});
  Caller& caller = world.Add({.change = [](auto& client) {
    for (auto& suite : client.ipsec.ike.phase_one) {
      suite.cipher = crypto::ike::IkeCipher::kTripleDesCbc;
      suite.key_bits = 0;
    }
  }});
  ExpectFailure(world, caller, DownReason::kPhaseOneFailed, "no common proposal");
  EXPECT_TRUE(world.Logged("3DES"));
}

TEST(FailedLogin, WrongPassword) {
  World world;
  Caller& caller = world.Add({.password = "wrong"});
  ExpectFailure(world, caller, DownReason::kLinkFailed, "login failed: wrong password");
  EXPECT_EQ(caller.down->text, "auth_failed");
}

TEST(FailedLogin, UnknownUser) {
  World world;
  Caller& caller = world.Add({.change = [](auto& client) { client.ppp.name = "nobody"; }});
  ExpectFailure(world, caller, DownReason::kLinkFailed, "login failed: unknown user");
}

TEST(FailedLogin, NoAddressLeft) {
  WorldOptions options;
  options.configure = [](conf::Model& model) { model.pools[0].last = model.pools[0].first; };
  World world(options);
  Caller& first = world.Add({});
  ASSERT_TRUE(world.LogIn(first)) << Why(world, first);
  Caller& second = world.Add({.user = 2, .address = "203.0.113.11"});
  EXPECT_FALSE(world.LogIn(second, absl::Minutes(2)));
  EXPECT_TRUE(world.Logged("login failed: no address left"));
  EXPECT_TRUE(Pings(world, first));
  // Its address is free when the first one leaves.
  world.Do(first, [](absl::Time now, Client& client, LoadOut& out) { client.Close(now, out); });
  world.RunFor(absl::Minutes(3));
  ExpectEmpty(world);
  Caller& third = world.Add({.user = 3, .address = "203.0.113.12"});
  EXPECT_TRUE(world.LogIn(third)) << Why(world, third);
}

TEST(FailedLogin, ACrewThatIsBusyOnlyDelays) {
  World world;
  Caller& caller = world.Add({});
  world.crew_is_busy = true;
  world.Dial(caller);
  world.RunFor(absl::Seconds(3));
  EXPECT_FALSE(caller.Saw(Milestone::kPhaseOneUp));
  world.crew_is_busy = false;
  EXPECT_TRUE(world.RunUntil([&] { return caller.is_up(); }, absl::Seconds(20)))
      << Why(world, caller);
}

// ---- Sessions that go on ----------------------------------------------------------------------

struct Rekeying : testing::TestWithParam<bool> {
  World world{{.shards = 2}};
  Caller* caller = nullptr;
  void SetUp() override {
    NatBox& nat = world.AddNat("203.0.113.99");
    Caller::Options who;
    if (GetParam()) {
      who.address = "192.168.1.2";
      who.nat = &nat;
    }
    who.change = [](gateway::load::ClientOptions& client) {
      client.ipsec.rekey_esp = absl::Minutes(50);
      client.ipsec.rekey_phase_one = absl::Minutes(450);
    };
    caller = &world.Add(who);
    ASSERT_TRUE(world.LogIn(*caller)) << Why(world, *caller);
  }
  size_t Sas() { return world.shard(0).tables().sad.size() + world.shard(1).tables().sad.size(); }
};

TEST_P(Rekeying, OfEspKeepsTheSession) {
  for (uint16_t round = 1; round <= 3; ++round) {
    world.Do(*caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyEsp(now, out); });
    world.Settle();
    EXPECT_TRUE(Pings(world, *caller, round)) << Why(world, *caller);
    world.RunFor(absl::Seconds(20));
  }
  EXPECT_EQ(caller->Story(), std::string(kWholeLogin) + " esp_rekeyed esp_rekeyed esp_rekeyed");
  world.RunFor(absl::Seconds(60));
  EXPECT_EQ(Sas(), 1U);
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
}

TEST_P(Rekeying, OfPhaseOneKeepsTheSession) {
  for (uint16_t round = 1; round <= 3; ++round) {
    world.Do(*caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyPhaseOne(now, out); });
    world.Settle();
    EXPECT_TRUE(Pings(world, *caller, round)) << Why(world, *caller);
    world.RunFor(absl::Seconds(20));
  }
  EXPECT_EQ(caller->Story(),
            std::string(kWholeLogin) + " phase1_rekeyed phase1_rekeyed phase1_rekeyed");
  world.RunFor(absl::Seconds(60));
  EXPECT_EQ(Sas(), 1U);
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
}

// Nothing but the keepalives of all layers and the client's rekeying, for a day.
TEST_P(Rekeying, IdleSessionsLiveOn) {
  world.RunFor(absl::Hours(24));
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
  EXPECT_FALSE(world.Logged("session ended"));
}

INSTANTIATE_TEST_SUITE_P(Nat, Rekeying, testing::Bool());

// ---- Hard limits ------------------------------------------------------------------------------

// A client that agreed on a limit and never renews what came to it.
struct HardLimit : testing::Test {
  World world;
  Caller* caller = nullptr;
  void LogInWith(const crypto::ike::Lifetime& lifetime) {
    caller = &world.Add({.change = [&lifetime](gateway::load::ClientOptions& client) {
      for (auto& suite : client.ipsec.ike.esp) suite.lifetime = lifetime;
    }});
    ASSERT_TRUE(world.LogIn(*caller)) << Why(world, *caller);
  }
  void SendKilobytes(size_t kilobytes) {
    const stack::Bytes packet = UdpPacket({caller->up->address, 5000}, {kHost, 7}, Pattern(996));
    for (size_t i = 0; i < kilobytes; ++i) {
      world.Send(*caller, packet);
      world.RunFor(absl::Milliseconds(1));
    }
    world.Settle();
  }
  // DELETE at once, and nothing left when the inbound half has lingered.
  void ExpectEnd() {
    EXPECT_TRUE(caller->Saw(Milestone::kEspDeleted)) << Why(world, *caller);
    EXPECT_TRUE(world.Logged("ESP SA came to its hard limit"));
    world.RunFor(absl::Seconds(32));
    EXPECT_EQ(world.shard(0).tables().sad.size(), 0U);
    world.RunFor(absl::Minutes(2));
    ExpectEmpty(world);
  }
};

TEST_F(HardLimit, OfOctetsUpstream) {
  LogInWith({3600, 100});
  SendKilobytes(100);
  EXPECT_FALSE(caller->Saw(Milestone::kEspDeleted)) << Why(world, *caller);  // the margin
  EXPECT_EQ(world.Dropped(Drop::kSaExpired), 0U);
  SendKilobytes(20);
  EXPECT_GT(world.Dropped(Drop::kSaExpired), 0U);
  ExpectEnd();
}

TEST_F(HardLimit, OfOctetsDownstream) {
  LogInWith({3600, 100});
  SendKilobytes(1);
  ASSERT_EQ(world.internet.size(), 1U);
  const stack::Endpoint outside{kWan, stack::Load16(&world.internet[0][20])};
  const stack::Bytes packet = UdpPacket({kHost, 7}, outside, Pattern(996));
  for (size_t i = 0; i < 120; ++i) {
    world.FromInternet(packet);
    world.RunFor(absl::Milliseconds(1));
  }
  world.Settle();
  EXPECT_GT(caller->received.size(), 100U);
  EXPECT_GT(world.Dropped(Drop::kSaExpired), 0U);
  ExpectEnd();
}

TEST_F(HardLimit, OfTime) {
  LogInWith({60, std::nullopt});
  world.RunFor(absl::Seconds(60));
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);  // the margin
  world.RunFor(absl::Seconds(91));
  ExpectEnd();
}

TEST_F(HardLimit, IsNoneIfTheClientNamedNone) {
  LogInWith({0, 0});
  SendKilobytes(300);
  world.RunFor(absl::Hours(1));
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
}

// A new pair in time, and the session inside does not notice.
TEST_F(HardLimit, IsNothingToAClientThatRekeys) {
  LogInWith({3600, 100});
  for (int round = 0; round < 4; ++round) {
    SendKilobytes(90);
    world.Do(*caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyEsp(now, out); });
    world.Settle();
  }
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
  EXPECT_EQ(world.Dropped(Drop::kSaExpired), 0U);
  EXPECT_FALSE(world.Logged("hard limit"));
}

// Deleted, and the client makes a new pair at once: the same tunnel goes on in it.
TEST_F(HardLimit, ASessionOutlivesItsPair) {
  LogInWith({3600, 100});
  SendKilobytes(120);
  ASSERT_TRUE(caller->Saw(Milestone::kEspDeleted)) << Why(world, *caller);
  world.Do(*caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyEsp(now, out); });
  world.Settle();
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
  world.RunFor(absl::Minutes(2));
  EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
}

// The NAT gives other ports from one packet to the next: RFC 3947 section 7.
TEST(Moving, AClientKeepsItsSession) {
  World world({.shards = 2});
  Caller& caller = world.Add({.address = "192.168.1.2", .nat = &world.AddNat("203.0.113.99")});
  ASSERT_TRUE(world.LogIn(caller)) << Why(world, caller);
  world.RunFor(absl::Seconds(2));
  world.ForgetNats();
  EXPECT_TRUE(Pings(world, caller)) << Why(world, caller);
  EXPECT_TRUE(world.Logged("client moved here from 203.0.113.99"));
  world.Do(caller, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyEsp(now, out); });
  world.Settle();
  EXPECT_TRUE(caller.Saw(Milestone::kEspRekeyed));
  EXPECT_TRUE(Pings(world, caller)) << Why(world, caller);
}

// A computer that crashes and dials in anew, again and again, from the same place: nothing of what
// it left behind stands in its way.
TEST(Redialing, WorksWithoutAGoodbye) {
  World world({.shards = 2});
  for (int dial = 0; dial < 40; ++dial) {
    SCOPED_TRACE(dial);
    Caller& caller = world.Add({});
    ASSERT_TRUE(world.LogIn(caller, absl::Seconds(5))) << Why(world, caller) << world.log.back();
    ASSERT_TRUE(Pings(world, caller)) << Why(world, caller);
    world.Remove(caller);
  }
  world.RunFor(absl::Minutes(5));
  ExpectEmpty(world);
}

TEST(Redialing, WorksAfterAGoodbye) {
  World world({.shards = 2});
  for (int dial = 0; dial < 40; ++dial) {
    SCOPED_TRACE(dial);
    Caller& caller = world.Add({});
    ASSERT_TRUE(world.LogIn(caller, absl::Seconds(5))) << Why(world, caller) << world.log.back();
    world.Do(caller, [](absl::Time now, Client& client, LoadOut& out) { client.Close(now, out); });
    ASSERT_TRUE(world.RunUntil([&] { return caller.is_down(); }, absl::Seconds(5)));
    world.Remove(caller);
  }
}

// Windows and home routers: many clients look the same but for the port their NAT gives them.
TEST(TwoClients, BehindOneNatWithTheSameAddressBothWork) {
  World world({.shards = 2});
  NatBox& nat = world.AddNat("203.0.113.99");
  Caller& a = world.Add({.user = 1, .address = "192.168.1.2", .nat = &nat});
  Caller& b = world.Add({.user = 2, .address = "192.168.1.2", .nat = &nat});
  world.Dial(a);
  world.Dial(b);
  ASSERT_TRUE(world.RunUntil([&] { return a.is_up() && b.is_up(); }, absl::Seconds(5)))
      << Why(world, a) << " // " << Why(world, b);
  EXPECT_NE(a.up->address, b.up->address);
  EXPECT_TRUE(Pings(world, a, 1));
  EXPECT_TRUE(Pings(world, b, 2));
  // One leaves, the other stays.
  world.Do(a, [](absl::Time now, Client& client, LoadOut& out) { client.Close(now, out); });
  world.RunFor(absl::Seconds(60));
  EXPECT_TRUE(Pings(world, b, 3)) << Why(world, b);
}

// ---- The end ----------------------------------------------------------------------------------

TEST(End, ByTheClientInOrder) {
  World world({.shards = 2});
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller));
  EXPECT_TRUE(Pings(world, caller));
  world.Do(caller, [](absl::Time now, Client& client, LoadOut& out) { client.Close(now, out); });
  ASSERT_TRUE(world.RunUntil([&] { return caller.is_down(); }, absl::Seconds(5)));
  EXPECT_EQ(caller.Story(), std::string(kWholeLogin) + " link_down call_down tunnel_down");
  world.RunFor(absl::Seconds(60));
  ExpectEmpty(world);
}

// A client that says DELETE and nothing else (Apple does so when it is switched off).
TEST(End, ByDeleteAlone) {
  World world;
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller));
  world.Do(caller,
           [](absl::Time now, Client& client, LoadOut& out) { client.CloseIpsec(now, out); });
  world.RunFor(absl::Minutes(3));
  ExpectEmpty(world);
}

// A client that falls silent is found out by dead peer detection.
TEST(End, BySilence) {
  World world;
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller));
  world.deaf = true;
  world.RunFor(absl::Minutes(5));
  ExpectEmpty(world);
}

// LCP Terminate, CDN, StopCCN, DELETE of ESP, DELETE of ISAKMP: what a client needs to show that
// the server, and not the network, ended the session.
TEST(End, DrainingTellsEveryClientInOrder) {
  World world({.shards = 2});
  NatBox& nat = world.AddNat("203.0.113.99");
  std::vector<Caller*> callers;
  for (int user = 1; user <= 6; ++user) {
    Caller::Options who;
    who.user = user;
    who.address = user % 2 == 0 ? "192.168.1.2" : "203.0.113.1" + std::to_string(user);
    if (user % 2 == 0) who.nat = &nat;
    callers.push_back(&world.Add(who));
    ASSERT_TRUE(world.LogIn(*callers.back())) << Why(world, *callers.back());
  }
  world.Tell(gateway::shard::Drain{});
  const auto drained = [&] { return world.shard(0).drained() && world.shard(1).drained(); };
  EXPECT_TRUE(world.RunUntil(drained, absl::Seconds(1)));
  world.Settle();
  for (Caller* caller : callers) {
    EXPECT_EQ(caller->Story(), std::string(kWholeLogin) +
                                   " link_down call_down tunnel_down esp_deleted phase1_deleted");
    ASSERT_TRUE(caller->is_down());
    EXPECT_EQ(caller->down->reason, DownReason::kEndedByServer);
  }
  ExpectEmpty(world);
  // Nobody comes in any more.
  Caller& late = world.Add({.address = "203.0.113.77"});
  EXPECT_FALSE(world.LogIn(late, absl::Minutes(2)));
}

TEST(End, DrainingDoesNotWaitForTheSilent) {
  World world;
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller));
  world.deaf = true;
  world.Tell(gateway::shard::Drain{});
  EXPECT_TRUE(world.RunUntil([&] { return world.shard(0).drained(); }, absl::Seconds(6)));
  ExpectEmpty(world);
}

}  // namespace
}  // namespace test
