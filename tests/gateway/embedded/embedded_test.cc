// The gateway that makes up its own configuration.
#include <map>
#include <set>
#include <string>

#include "gateway/embedded/instructions.h"
#include "gateway/embedded/kept.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/rng.h"

namespace gateway::embedded {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

stack::Prefix Net(const std::string& text) { return *stack::Prefix::Parse(text); }
stack::Ip4 Ip(const char* text) { return *stack::Ip4::Parse(text); }

TEST(ReadableSecret, HasItsBitsAndNoLookAlikes) {
  test::FixedRng rng(3);
  std::set<std::string> all;
  std::map<char, int> letters;
  for (int i = 0; i < 1000; ++i) {
    const conf::SecretText secret = ReadableSecret(rng, 4);
    const std::string text(secret.Reveal());
    EXPECT_THAT(text, MatchesRegex("[a-km-np-z2-9]{5}(-[a-km-np-z2-9]{5}){3}"));
    EXPECT_TRUE(all.insert(text).second);
    for (const char c : text) ++letters[c];
  }
  letters.erase('-');
  EXPECT_EQ(letters.size(), 32U);  // 20 of 32 letters, each as likely: 100 bits
  for (const auto& [letter, count] : letters) EXPECT_NEAR(count, 20000 / 32, 130) << letter;
}

TEST(FreePool, KeepsOffEveryNetworkInUse) {
  EXPECT_EQ(FreePool({}), Net("10.99.0.0/24"));
  EXPECT_EQ(FreePool({Net("192.168.1.0/24")}), Net("10.99.0.0/24"));
  EXPECT_EQ(FreePool({Net("10.99.0.128/25")}), Net("10.199.71.0/24"));
  const auto pool = FreePool({Net("10.0.0.0/8"), Net("172.29.83.9/32")});
  ASSERT_TRUE(pool);
  EXPECT_FALSE(pool->Overlaps(Net("10.0.0.0/8")));
  EXPECT_EQ(FreePool({Net("10.0.0.0/8"), Net("172.16.0.0/12"), Net("192.168.0.0/16")}),
            std::nullopt);
}

TEST(Pool, LeavesTheFirstAddressToAdit) {
  const conf::Pool pool = PoolIn(Net("10.99.0.0/24"));
  EXPECT_EQ(pool.gateway, Ip("10.99.0.1"));
  EXPECT_EQ(pool.first, Ip("10.99.0.2"));
  EXPECT_EQ(pool.last, Ip("10.99.0.254"));
  EXPECT_TRUE(Overlaps(pool, Net("10.99.0.254/32")));
  EXPECT_TRUE(Overlaps(pool, Net("10.99.0.1/32")));
  EXPECT_TRUE(Overlaps(pool, Net("10.0.0.0/8")));
  EXPECT_FALSE(Overlaps(pool, Net("10.99.1.0/24")));
  EXPECT_FALSE(Overlaps(pool, Net("10.98.0.0/16")));
}

TEST(Kept, ComesBackAsItWent) {
  test::FixedRng rng(5);
  Kept kept = MakeKept(rng, Net("10.99.0.0/24"));
  conf::User& second = kept.users.emplace_back();
  second.name = "bo\"b";
  second.password = conf::SecretText("a\\b\"c");
  second.address = Ip("10.99.0.9");
  const auto back = ParseKept(TextOf(kept), "state.toml");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->psk, kept.psk);
  EXPECT_GE(back->psk.size(), 20U);
  ASSERT_EQ(back->users.size(), 2U);
  EXPECT_EQ(back->users[0].name, "adit");
  EXPECT_EQ(back->users[0].password, kept.users[0].password);
  EXPECT_EQ(back->users[1].name, "bo\"b");
  EXPECT_EQ(back->users[1].password.Reveal(), "a\\b\"c");
  EXPECT_EQ(back->users[1].address, Ip("10.99.0.9"));
  EXPECT_EQ(back->pool.first, kept.pool.first);
  EXPECT_EQ(back->pool.last, kept.pool.last);
  EXPECT_EQ(back->pool.gateway, kept.pool.gateway);
}

TEST(Kept, SaysWhatIsWrongWithTheFile) {
  const auto why = [](const char* text) {
    return std::string(ParseKept(text, "state.toml").status().message());
  };
  EXPECT_THAT(why("[ike]\npsk = 5\n"), HasSubstr("state.toml:2:"));
  EXPECT_THAT(why("[ike\n"), HasSubstr("state.toml:1:"));
  EXPECT_THAT(why(""), HasSubstr("state.toml lacks"));
  EXPECT_THAT(why("[ike]\npsk = \"long enough\"\n"), HasSubstr("state.toml lacks"));
}

TEST(Instructions, HaveALineForEachKindOfClient) {
  const Access access{Ip("203.0.113.7"), "THE-KEY", "the-user", "THE-PASSWORD"};
  const std::string page = Instructions(access);
  for (const char* kind : {"Windows", "macOS, iOS", "Android", "Linux"}) {
    const size_t at = page.find(kind);
    ASSERT_NE(at, std::string::npos) << kind;
    const std::string line = page.substr(at, page.find('\n', at) - at);
    for (const char* word : {"203.0.113.7", "THE-KEY", "the-user", "THE-PASSWORD"}) {
      EXPECT_THAT(line, HasSubstr(word)) << kind;
    }
  }
  EXPECT_THAT(page, Not(HasSubstr("$")));
  EXPECT_THAT(page, Not(HasSubstr("private address")));
}

TEST(Instructions, MentionARouterInFrontOfAPrivateAddress) {
  for (const char* server : {"10.1.2.3", "172.31.0.1", "192.168.1.2", "100.64.0.1"}) {
    EXPECT_THAT(Instructions({Ip(server), "k", "u", "p"}), HasSubstr("UDP 500 and UDP 4500"));
  }
  EXPECT_THAT(Instructions({Ip("172.32.0.1"), "k", "u", "p"}), Not(HasSubstr("UDP 500")));
}

}  // namespace
}  // namespace gateway::embedded
