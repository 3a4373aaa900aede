// Users in a whole gateway: how they prove who they are, which addresses they get, what becomes of
// a second login, and new credentials while clients are on line.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using gateway::load::DownReason;
using gateway::load::Milestone;
using stack::ppp::AuthProtocol;
using stack::ppp::AuthProtocols;
using ConfProtocol = conf::Auth::Protocol;

std::string Why(const World& world, const Caller& caller) {
  return caller.Story() + " / " + world.Drops() +
         (caller.down ? " / " + std::string(NameOf(caller.down->reason)) + " " + caller.down->text
                      : "") +
         (world.log.empty() ? "" : " / " + world.log.back());
}

bool Pings(World& world, Caller& caller) {
  world.host_echoes = true;
  caller.received.clear();
  world.Send(caller, EchoPacket(caller.up->address, kHost, 77, 1, Pattern(56)));
  world.RunFor(absl::Milliseconds(200));
  return caller.received.size() == 1;
}

Caller::Options From(int user, const std::string& address) {
  return {.user = user, .address = address};
}

Caller::Options Speaking(const AuthProtocols& protocols) {
  return {.change = [protocols](auto& client) { client.ppp.authentication = protocols; }};
}

WorldOptions With(uint8_t shards, std::function<void(conf::Model&)> configure) {
  WorldOptions options;
  options.shards = shards;
  options.configure = std::move(configure);
  return options;
}

void ExpectEmptyAfterAll(World& world) {
  world.deaf = true;
  world.RunFor(absl::Minutes(5));
  std::string why;
  EXPECT_TRUE(world.IsEmpty(&why)) << why;
}

// ---- Authentication ---------------------------------------------------------------------------

struct Allowed : testing::TestWithParam<AuthProtocol> {};

TEST_P(Allowed, IsEnoughToLogIn) {
  World world(With(1, [](conf::Model& model) {
    model.auth.protocols = {ConfProtocol::kMsChapV2, ConfProtocol::kChapMd5, ConfProtocol::kPap};
  }));
  Caller& caller = world.Add(Speaking({GetParam()}));
  ASSERT_TRUE(world.LogIn(caller, absl::Seconds(3))) << Why(world, caller);
  EXPECT_TRUE(Pings(world, caller));
  Caller::Options wrong = Speaking({GetParam()});
  wrong.address = "203.0.113.11";
  wrong.password = "wrong";
  Caller& other = world.Add(wrong);
  EXPECT_FALSE(world.LogIn(other, absl::Minutes(1)));
  EXPECT_TRUE(world.Logged("login failed: wrong password"));
}

INSTANTIATE_TEST_SUITE_P(Protocols, Allowed,
                         testing::Values(AuthProtocol::kMsChapV2, AuthProtocol::kChapMd5,
                                         AuthProtocol::kPap),
                         [](const auto& param) {
                           std::string name(NameOf(param.param));
                           std::erase(name, '-');
                           return name;
                         });

TEST(Users, WithoutASharedProtocolTheLogNamesBothSides) {
  World world;
  Caller& caller = world.Add(Speaking({AuthProtocol::kPap}));
  EXPECT_FALSE(world.LogIn(caller, absl::Minutes(1)));
  EXPECT_TRUE(
      world.Logged("PPP ended: no authentication protocol in common: the client wants PAP; "
                   "allowed here: MS-CHAPv2"))
      << Why(world, caller);
}

// ---- Addresses --------------------------------------------------------------------------------

TEST(Users, APoolOfHisOwnWithItsGateway) {
  World world(With(2, [](conf::Model& model) {
    conf::Pool& staff = model.pools.emplace_back();
    staff.name = "staff";
    staff.first = *stack::Ip4::Parse("10.98.0.10");
    staff.last = *stack::Ip4::Parse("10.98.0.11");
    staff.gateway = *stack::Ip4::Parse("10.98.0.1");
    model.users[1].pool = "staff";
    model.users[2].pool = "staff";
    model.users[2].address = stack::Ip4::Parse("10.97.0.1");  // outside of all
  }));
  Caller& first = world.Add(From(1, "203.0.113.11"));
  Caller& staff = world.Add(From(2, "203.0.113.12"));
  Caller& boss = world.Add(From(3, "203.0.113.13"));
  for (Caller* caller : {&first, &staff, &boss}) {
    ASSERT_TRUE(world.LogIn(*caller)) << Why(world, *caller);
    EXPECT_TRUE(Pings(world, *caller)) << Why(world, *caller);
  }
  EXPECT_EQ(first.up->gateway, kInside);
  EXPECT_EQ(staff.up->gateway.Text(), "10.98.0.1");
  EXPECT_EQ(boss.up->address.Text(), "10.97.0.1");
  EXPECT_EQ(boss.up->gateway.Text(), "10.98.0.1");
}

// ---- A second login ---------------------------------------------------------------------------

class SecondLogin : public testing::TestWithParam<int> {
 protected:
  uint8_t shards() const { return static_cast<uint8_t>(GetParam()); }
  static void Replace(conf::Model& model) { model.auth.logins = conf::Logins::kReplace; }
  static void Refuse(conf::Model& model) { model.auth.logins = conf::Logins::kRefuse; }
};

TEST_P(SecondLogin, ReplacesTheFirstInOrderAndTakesItsAddress) {
  World world(With(shards(), Replace));
  // Until the two of them have been on different shards, where there are any.
  for (int i = 0; i < 4; ++i) {
    Caller& first = world.Add(From(1, "203.0.113.2" + std::to_string(i)));
    ASSERT_TRUE(world.LogIn(first)) << Why(world, first);
    Caller& second = world.Add(From(1, "203.0.113.3" + std::to_string(i)));
    ASSERT_TRUE(world.LogIn(second, absl::Seconds(2))) << Why(world, second);
    EXPECT_EQ(second.up->address, first.up->address);
    ASSERT_TRUE(world.RunUntil([&] { return first.is_down(); }, absl::Seconds(5)));
    EXPECT_EQ(first.down->reason, DownReason::kEndedByServer) << Why(world, first);
    EXPECT_TRUE(first.Saw(Milestone::kCallDown));
    EXPECT_TRUE(Pings(world, second)) << Why(world, second);
  }
  EXPECT_TRUE(world.Logged("PPP ended: replaced by a newer login"));
  ExpectEmptyAfterAll(world);
}

TEST_P(SecondLogin, OneOfManyThatComeTogetherStays) {
  World world(With(shards(), Replace));
  std::vector<Caller*> callers;
  for (int i = 0; i < 8; ++i) {
    callers.push_back(&world.Add(From(1, "203.0.113.2" + std::to_string(i))));
    world.Dial(*callers.back());
  }
  world.RunFor(absl::Seconds(30));
  int up = 0;
  for (Caller* caller : callers) {
    up += caller->is_up() ? 1 : 0;
    if (caller->is_up()) {
      EXPECT_TRUE(Pings(world, *caller));
    }
  }
  EXPECT_EQ(up, 1);
  ExpectEmptyAfterAll(world);
}

TEST_P(SecondLogin, IsRefusedWhileTheFirstLives) {
  World world(With(shards(), Refuse));
  Caller& first = world.Add(From(1, "203.0.113.20"));
  ASSERT_TRUE(world.LogIn(first));
  world.RunFor(absl::Seconds(10));
  Caller& second = world.Add(From(1, "203.0.113.30"));
  const absl::Time dialled = world.now();
  EXPECT_FALSE(world.LogIn(second));
  EXPECT_LT(world.now() - dialled, absl::Seconds(5));
  EXPECT_EQ(second.down->text, "auth_failed");
  EXPECT_TRUE(world.Logged("login failed: this user is logged in already"));
  EXPECT_TRUE(world.Logged("PPP auth failed"));
  EXPECT_TRUE(Pings(world, first));
  world.RunFor(absl::Minutes(2));
  EXPECT_TRUE(first.is_up());
  ExpectEmptyAfterAll(world);
}

TEST_P(SecondLogin, IsNotRefusedForTheSakeOfTheDead) {
  World world(With(shards(), Refuse));
  NatBox& nat = world.AddNat("203.0.113.99");
  Caller& first = world.Add({.user = 1, .address = "192.168.1.2", .nat = &nat});
  ASSERT_TRUE(world.LogIn(first));
  world.RunFor(absl::Seconds(10));
  world.ForgetNats();  // nothing gets through to it any more
  Caller& second = world.Add(From(1, "203.0.113.30"));
  const absl::Time dialled = world.now();
  ASSERT_TRUE(world.LogIn(second, absl::Seconds(10))) << Why(world, second);
  EXPECT_GT(world.now() - dialled, absl::Seconds(4));
  EXPECT_EQ(second.up->address, first.up->address);
  EXPECT_TRUE(Pings(world, second)) << Why(world, second);
  ExpectEmptyAfterAll(world);
}

// It crashed, and dials again: from the same address, under the same identity.
TEST_P(SecondLogin, OfTheSameMachineIsNotRefused) {
  World world(With(shards(), Refuse));
  Caller& first = world.Add(From(1, "203.0.113.20"));
  ASSERT_TRUE(world.LogIn(first));
  world.RunFor(absl::Seconds(10));
  Caller& again = world.Add(From(1, "203.0.113.20"));  // gets all that is sent there from now on
  ASSERT_TRUE(world.LogIn(again, absl::Seconds(2))) << Why(world, again);
  EXPECT_EQ(again.up->address, first.up->address);
  EXPECT_TRUE(Pings(world, again));
  ExpectEmptyAfterAll(world);
}

TEST_P(SecondLogin, OfAUserWithAnAddressOfHisOwnReplacesTheFirst) {
  World world(With(shards(), [](conf::Model& model) {
    model.users[0].address = stack::Ip4::Parse("10.99.0.77");
  }));
  Caller& first = world.Add(From(1, "203.0.113.20"));
  ASSERT_TRUE(world.LogIn(first));
  Caller& second = world.Add(From(1, "203.0.113.30"));
  ASSERT_TRUE(world.LogIn(second, absl::Seconds(2))) << Why(world, second);
  EXPECT_EQ(second.up->address.Text(), "10.99.0.77");
  EXPECT_TRUE(Pings(world, second));
  world.RunFor(absl::Seconds(5));
  EXPECT_TRUE(first.is_down());
}

INSTANTIATE_TEST_SUITE_P(Shards, SecondLogin, testing::Values(1, 2, 4));

TEST(Users, TheGatewayIsFull) {
  World world(With(2, [](conf::Model& model) { model.limits.sessions = 1; }));
  Caller& first = world.Add(From(1, "203.0.113.20"));
  ASSERT_TRUE(world.LogIn(first));
  Caller& second = world.Add(From(2, "203.0.113.30"));
  EXPECT_FALSE(world.LogIn(second));
  EXPECT_TRUE(world.Logged("login failed: the gateway is full"));
  EXPECT_TRUE(Pings(world, first));
  world.Tell(gateway::shard::Report{});
  world.Settle();
  EXPECT_TRUE(world.Logged("turned_away_full=1"));
}

// ---- New credentials --------------------------------------------------------------------------

void Reload(World& world, const std::function<void(conf::Model&)>& change) {
  conf::Model model = DefaultModel();
  change(model);
  FixedRng rng;
  auto fresh = gateway::shard::TranslateCredentials(model, world.settings().PoolNames(), rng);
  ASSERT_TRUE(fresh.ok()) << fresh.status();
  world.Tell(gateway::shard::NewCredentials{*std::move(fresh)});
  world.Settle();
}

TEST(Reload, APasswordChangesForLoginsFromNowOn) {
  World world({.shards = 2});
  Caller& on_line = world.Add(From(1, "203.0.113.20"));
  ASSERT_TRUE(world.LogIn(on_line));
  Reload(world, [](conf::Model& model) { model.users[0].password = conf::SecretText("new"); });
  EXPECT_TRUE(Pings(world, on_line));
  Caller& old = world.Add(From(1, "203.0.113.21"));
  EXPECT_FALSE(world.LogIn(old));
  EXPECT_TRUE(world.Logged("login failed: wrong password"));
  Caller& fresh = world.Add({.user = 1, .address = "203.0.113.22", .password = "new"});
  EXPECT_TRUE(world.LogIn(fresh)) << Why(world, fresh);
  world.RunFor(absl::Minutes(3));
  EXPECT_TRUE(on_line.is_up());
}

TEST(Reload, AUserWhoIsGoneStaysOnLineButDoesNotComeBack) {
  World world({.shards = 2});
  Caller& on_line = world.Add(From(1, "203.0.113.20"));
  ASSERT_TRUE(world.LogIn(on_line));
  Reload(world, [](conf::Model& model) { model.users.erase(model.users.begin()); });
  EXPECT_TRUE(Pings(world, on_line));
  Caller& again = world.Add(From(1, "203.0.113.21"));
  EXPECT_FALSE(world.LogIn(again));
  EXPECT_TRUE(world.Logged("login failed: unknown user"));
  ExpectEmptyAfterAll(world);
}

TEST(Reload, APreSharedKeyChangesAndOldPhaseOnesGoOn) {
  World world({.shards = 2});
  Caller& on_line = world.Add(From(1, "203.0.113.20"));
  ASSERT_TRUE(world.LogIn(on_line));
  Caller& half_way = world.Add(From(2, "203.0.113.23"));
  world.crew_is_busy = true;  // holds it in the middle of main mode, before its key is needed
  world.Dial(half_way);
  world.RunFor(absl::Milliseconds(300));
  Reload(world, [](conf::Model& model) {
    model.ike.psk = conf::SecretText("another");
    conf::Psk& office = model.psks.emplace_back();
    office.remote = *stack::Prefix::Parse("203.0.113.32/28");
    office.key = conf::SecretText("office");
  });
  world.crew_is_busy = false;
  EXPECT_TRUE(world.RunUntil([&] { return half_way.is_up(); }, absl::Seconds(20)))
      << Why(world, half_way);
  EXPECT_TRUE(Pings(world, on_line));
  Caller& old = world.Add(From(3, "203.0.113.21"));
  EXPECT_FALSE(world.LogIn(old));
  Caller& fresh = world.Add({.user = 3, .address = "203.0.113.22", .psk = "another"});
  EXPECT_TRUE(world.LogIn(fresh)) << Why(world, fresh);
  Caller& office = world.Add({.user = 4, .address = "203.0.113.33", .psk = "office"});
  EXPECT_TRUE(world.LogIn(office)) << Why(world, office);
}

TEST(Reload, ProtocolsAndAddressesChange) {
  World world({.shards = 2});
  Caller& on_line = world.Add(From(1, "203.0.113.20"));
  ASSERT_TRUE(world.LogIn(on_line));
  Reload(world, [](conf::Model& model) {
    model.auth.protocols = {ConfProtocol::kPap};
    model.users[1].address = stack::Ip4::Parse("10.99.0.50");
  });
  Caller::Options who = Speaking({AuthProtocol::kMsChapV2, AuthProtocol::kPap});
  who.user = 2;
  Caller& fresh = world.Add(who);
  ASSERT_TRUE(world.LogIn(fresh)) << Why(world, fresh);
  EXPECT_EQ(fresh.up->address.Text(), "10.99.0.50");
  EXPECT_TRUE(Pings(world, fresh));
  EXPECT_TRUE(Pings(world, on_line));
}

TEST(Reload, APoolThatIsNotInUseTakesARestart) {
  conf::Model model = DefaultModel();
  model.users[0].pool = "new";
  FixedRng rng;
  const auto made = gateway::shard::TranslateCredentials(model, {"default"}, rng);
  EXPECT_EQ(made.status().message(),
            "user u1: there is no pool \"new\" in use; a new one takes a restart");
}

}  // namespace
}  // namespace test
