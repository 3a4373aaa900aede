#include "conf/diff.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace conf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

User MakeUser(const std::string& name, const std::string& password) {
  User user;
  user.name = name;
  user.password = SecretText(password);
  return user;
}

// One of each table; secrets do not copy, so it is made anew each time.
Model Make() {
  Model model;
  model.interfaces.resize(2);
  model.interfaces[0].name = "eth0";
  model.interfaces[1].name = "eth1";
  model.routes.resize(1);
  model.pools.resize(1);
  model.users.push_back(MakeUser("alice", "wonderland"));
  model.users.push_back(MakeUser("bob", "builder"));
  model.psks.resize(1);
  model.psks[0].key = SecretText("office");
  model.ike.psk = SecretText("everybody");
  return model;
}

Changes Change(const std::function<void(Model&)>& change) {
  Model changed = Make();
  change(changed);
  return Diff(Make(), changed);
}

std::vector<std::string> AtOnce(const std::function<void(Model&)>& change) {
  const Changes changes = Change(change);
  EXPECT_THAT(changes.at_restart, IsEmpty());
  return changes.at_once;
}

std::vector<std::string> AtRestart(const std::function<void(Model&)>& change) {
  const Changes changes = Change(change);
  EXPECT_THAT(changes.at_once, IsEmpty());
  return changes.at_restart;
}

TEST(Diff, TheSameIsNothing) {
  EXPECT_THAT(AtOnce([](Model&) {}), IsEmpty());
  EXPECT_EQ(ListOf({}), "nothing");
  EXPECT_EQ(ListOf({"a", "b"}), "a, b");
}

TEST(Diff, UsersOneByOne) {
  EXPECT_THAT(AtOnce([](Model& m) {
                m.users[0].password = SecretText("glass");
                m.users[1].name = "carol";
              }),
              ElementsAre("user carol added", "user alice changed", "user bob removed"));
  EXPECT_THAT(AtOnce([](Model& m) { m.users[1].address = stack::Ip4{1}; }),
              ElementsAre("user bob changed"));
  EXPECT_THAT(AtOnce([](Model& m) { m.users[1].pool = "staff"; }), ElementsAre("user bob changed"));
  EXPECT_THAT(AtOnce([](Model& m) { m.users[1].logins = Logins::kRefuse; }),
              ElementsAre("user bob changed"));
  EXPECT_THAT(AtOnce([](Model& m) { std::swap(m.users[0], m.users[1]); }), IsEmpty());
}

TEST(Diff, ManyUsersAreCounted) {
  EXPECT_THAT(AtOnce([](Model& m) {
                for (int i = 0; i < 6; ++i) m.users.push_back(MakeUser(std::to_string(i), "x"));
              }),
              ElementsAre("6 users added"));
}

TEST(Diff, KeysAuthAndLogAtOnce) {
  EXPECT_THAT(AtOnce([](Model& m) { m.ike.psk = SecretText("nobody"); }), ElementsAre("ike.psk"));
  EXPECT_THAT(AtOnce([](Model& m) { m.psks[0].key = SecretText("home"); }),
              ElementsAre("psk[0].psk"));
  EXPECT_THAT(AtOnce([](Model& m) { m.psks.clear(); }), ElementsAre("psk"));
  EXPECT_THAT(AtOnce([](Model& m) { m.auth.protocols = {Auth::Protocol::kPap}; }),
              ElementsAre("auth.protocols"));
  EXPECT_THAT(AtOnce([](Model& m) { m.auth.logins = Logins::kReplace; }),
              ElementsAre("auth.logins"));
  EXPECT_THAT(AtOnce([](Model& m) {
                m.log.level = Log::Level::kDebug;
                m.log.json = true;
              }),
              ElementsAre("log.level", "log.json"));
}

TEST(Diff, TheRestAtARestart) {
  EXPECT_THAT(
      AtRestart([](Model& m) {
        m.shards = 3;
        m.interfaces[1].mtu = 1400;
        m.interfaces[1].io = FrameIo::kXdp;
        m.routes.clear();
        m.pools[0].first = m.pools[0].last = stack::Ip4{7};
        m.ike.dpd = absl::Seconds(1);
        m.l2tp.hello = absl::Seconds(1);
        m.ppp.mru = 1280;
        m.nat.first_port = 2000;
        m.nat.last_port = 3000;
        m.nat.quota = 64;
        m.esp.linger = absl::Seconds(1);
        m.crypto.engine = Crypto::Engine::kBotan;
        m.io.superframes = false;
        m.io.ring_slots = m.io.large_ring_slots = 64;
        m.io.busy_poll = absl::ZeroDuration();
        m.io.cpus = m.io.crew_cpus = {1};
        m.limits.sessions = 5;
      }),
      ElementsAre("shards", "interface[1].mtu", "interface[1].io", "route", "pool[0].range",
                  "ike.dpd", "l2tp.hello", "ppp.mru", "nat.ports", "nat.quota", "esp.linger",
                  "crypto.engine", "io.superframes", "io.ring_slots", "io.large_ring_slots",
                  "io.busy_poll", "io.cpus", "io.crew_cpus", "limits.sessions"));
}

TEST(Diff, NoSecretIsEverSaid) {
  const Changes changes = Change([](Model& m) {
    m.ike.psk = SecretText("hunter2");
    m.users[0].password = SecretText("hunter2");
    m.psks[0].key = SecretText("hunter2");
  });
  EXPECT_EQ(ListOf(changes.at_once).find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace conf
