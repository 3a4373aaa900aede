// What the keys of [ike], [[psk]] and [limits] come to: as IKE's options, and in logins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "conf/model.h"
#include "gateway/shard/settings.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using crypto::Group;
using crypto::ike::NatDEcho;
using gateway::load::Milestone;

crypto::ike::Options OptionsOf(const conf::Model& model, uint8_t shards = 1) {
  FixedRng rng(1);
  const std::vector<gateway::shard::InterfaceFacts> facts(model.interfaces.size());
  return gateway::shard::Translate(model, facts, shards, rng)->ike;
}

TEST(IkeSettings, ProfileAndItsOverrides) {
  conf::Model model = DefaultModel();
  model.ike.modp1024 = std::nullopt;
  EXPECT_EQ(OptionsOf(model).phase_one, crypto::ike::PhaseOnePolicy::Compat());
  EXPECT_THAT(
      OptionsOf(model).phase_one.groups,
      testing::ElementsAre(Group::kModp2048, Group::kEcp256, Group::kEcp384, Group::kModp3072,
                           Group::kModp4096, Group::kModp1536, Group::kModp1024));
  model.ike.modp1024 = false;
  EXPECT_THAT(OptionsOf(model).phase_one.groups, testing::Not(testing::Contains(Group::kModp1024)));
  model.ike.profile = conf::Ike::Profile::kModern;
  model.ike.modp1024 = std::nullopt;
  EXPECT_EQ(OptionsOf(model).phase_one, crypto::ike::PhaseOnePolicy::Modern());
  EXPECT_THAT(OptionsOf(model).esp.auths,
              testing::Not(testing::Contains(crypto::ike::EspAuth::kHmacSha1)));
  model.ike.modp1024 = true;
  model.ike.md5 = true;
  EXPECT_EQ(OptionsOf(model).phase_one.groups.back(), Group::kModp1024);
  EXPECT_EQ(OptionsOf(model).phase_one.hashes.back(), crypto::ike::IkeHash::kMd5);
}

TEST(IkeSettings, NatDpdAndLimits) {
  conf::Model model = DefaultModel();
  EXPECT_EQ(OptionsOf(model).nat_d_echo, NatDEcho::kAuto);
  EXPECT_TRUE(OptionsOf(model).dpd);
  EXPECT_EQ(OptionsOf(model).max_half_open, 4096u);
  EXPECT_EQ(OptionsOf(model).max_half_open_per_prefix, 64u);
  model.ike.nat_d_echo = conf::Ike::Echo::kNever;
  model.ike.public_address = kServe;
  model.ike.force_encapsulation = true;
  model.ike.dpd = absl::ZeroDuration();
  model.limits.half_open = 100;
  model.limits.half_open_per_prefix = 20;
  const auto options = OptionsOf(model, 4);
  EXPECT_EQ(options.nat_d_echo, NatDEcho::kNever);
  EXPECT_EQ(options.public_address, kServe);
  EXPECT_TRUE(options.force_udp_encapsulation);
  EXPECT_FALSE(options.dpd);
  EXPECT_EQ(options.max_half_open, 25u);
  EXPECT_EQ(options.max_half_open_per_prefix, 16u);  // never less
}

TEST(IkeSettings, AKeyForEachPrefix) {
  World world({.configure = [](conf::Model& model) {
    model.ike.psk = conf::SecretText();
    model.psks.push_back({*stack::Prefix::Parse("203.0.113.0/28"), conf::SecretText("few")});
    model.psks.push_back({*stack::Prefix::Parse("203.0.113.10/32"), conf::SecretText("one")});
  }});
  EXPECT_TRUE(world.LogIn(world.Add({.user = 1, .address = "203.0.113.10", .psk = "one"})));
  EXPECT_TRUE(world.LogIn(world.Add({.user = 2, .address = "203.0.113.11", .psk = "few"})));
  EXPECT_FALSE(world.LogIn(world.Add({.user = 3, .address = "203.0.113.77", .psk = "few"}),
                           absl::Seconds(5)));
  EXPECT_TRUE(world.Logged("no pre-shared key is configured for this address"));
  EXPECT_TRUE(world.Logged("203.0.113.77"));
}

TEST(IkeSettings, AWeakGroupIsServedAndNamed) {
  World world;
  const auto android = [](gateway::load::ClientOptions& client) {
    for (auto& suite : client.ipsec.ike.phase_one) suite.group = Group::kModp1024;
  };
  EXPECT_TRUE(world.LogIn(world.Add({.user = 1})));
  EXPECT_FALSE(world.Logged("is weak"));
  Caller& weak = world.Add({.user = 2, .address = "203.0.113.11", .change = android});
  EXPECT_TRUE(world.LogIn(weak));
  EXPECT_TRUE(world.Logged("login of 203.0.113.11: DH group 2 (MODP-1024) is weak"));
}

TEST(IkeSettings, ForcedEncapsulation) {
  World world({.configure = [](conf::Model& model) { model.ike.force_encapsulation = true; }});
  bool bare_esp = false;
  world.on_outer = [&](const stack::Bytes& packet) { bare_esp |= packet[9] == std::byte{50}; };
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller));
  EXPECT_FALSE(bare_esp);
  EXPECT_TRUE(world.Logged("UDP encapsulation forced"));
}

}  // namespace
}  // namespace test
