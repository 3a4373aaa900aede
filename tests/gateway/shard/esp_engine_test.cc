// Who computes for ESP: what the file asks for, and what this build and this CPU have.
#include "gateway/shard/esp_engine.h"

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using conf::Crypto;
using crypto::esp::EngineId;
using gateway::shard::ChooseEspEngine;

bool HasIpsecMb() { return crypto::esp::CheckEngine(EngineId::kIpsecMb).ok(); }

TEST(ChooseEspEngine, BotanIsAlwaysToBeHad) {
  EXPECT_EQ(ChooseEspEngine(Crypto::Engine::kBotan)->id, EngineId::kBotan);
}

TEST(ChooseEspEngine, TakesTheFastestThatThereIs) {
  const auto chosen = ChooseEspEngine(Crypto::Engine::kAuto);
  ASSERT_TRUE(chosen.ok());
  EXPECT_EQ(chosen->id, HasIpsecMb() ? EngineId::kIpsecMb : EngineId::kBotan);
  EXPECT_FALSE(chosen->why.empty());
}

TEST(ChooseEspEngine, SaysWhyItCannotBeTheOneAskedFor) {
  const auto chosen = ChooseEspEngine(Crypto::Engine::kIpsecMb);
  ASSERT_EQ(chosen.ok(), HasIpsecMb());
  if (!chosen.ok()) {
    EXPECT_TRUE(absl::StartsWith(chosen.status().message(), "[crypto] engine = \"ipsec-mb\": "))
        << chosen.status().message();
  }
}

TEST(EspEngine, EveryShardComputesAsConfigured) {
  for (const auto engine : {Crypto::Engine::kBotan, Crypto::Engine::kAuto}) {
    World world(
        {.shards = 2, .configure = [engine](conf::Model& model) { model.crypto.engine = engine; }});
    for (uint8_t i = 0; i < 2; ++i) {
      EXPECT_EQ(world.shard(i).tables().esp->id(), ChooseEspEngine(engine)->id);
    }
    Caller& caller = world.Add({});
    ASSERT_TRUE(world.LogIn(caller)) << caller.Story() << world.Drops();
    EXPECT_TRUE(world.settings().esp_engine.id == ChooseEspEngine(engine)->id);
  }
}

}  // namespace
}  // namespace test
