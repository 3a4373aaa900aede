// A configuration file read again, from its text to what the shards get and what the log says.
#include "gateway/reload.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/rng.h"

namespace gateway {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const std::string kFile = R"(
[[interface]]
name = "eth0"
address = "203.0.113.1/24"
gateway = "203.0.113.254"
serve = true
nat = true
[[pool]]
range = "10.99.0.10-10.99.0.250"
gateway = "10.99.0.1"
[[user]]
name = "alice"
password = "wonderland"
[ike]
psk = "of all clients"
)";

class ReloadTest : public testing::Test {
 protected:
  ReloadTest()
      : writer_({.sink = [this](std::string_view line) { lines.emplace_back(line); }}),
        started_(conf::Load(kFile, "adit.toml")) {
    EXPECT_TRUE(started_.ok()) << started_.Text();
    settings_ = *shard::Translate(started_.model, std::vector<shard::InterfaceFacts>(1), 1, rng_);
    reload.emplace(started_.model, settings_, rng_, writer_.NewLog());
  }

  std::shared_ptr<const shard::Credentials> Read(const std::string& text) {
    lines.clear();
    auto fresh = reload->Take(conf::Load(text, "adit.toml"));
    writer_.Drain();
    return fresh;
  }
  static std::string With(const std::string& more, std::string file = kFile) { return file + more; }
  static std::string Without(const std::string& text) {
    std::string file = kFile;
    return file.erase(file.find(text), text.size());
  }

  std::vector<std::string> lines;
  std::optional<Reload> reload;

 private:
  test::FixedRng rng_;
  io::LogWriter writer_;
  conf::Loaded started_;
  shard::Settings settings_;
};

TEST_F(ReloadTest, UsersAndKeysAreTakenOver) {
  const auto fresh =
      Read(Without("psk = \"of all clients\"\n") +
           "psk = \"another one\"\n[[user]]\nname = \"bob\"\npassword = \"builder\"\n");
  ASSERT_NE(fresh, nullptr);
  EXPECT_EQ(fresh->users.size(), 2U);
  EXPECT_EQ(stack::AsText(fresh->psks->Find({1})->view()), "another one");
  EXPECT_THAT(lines, Contains(HasSubstr("taken over: user bob added, ike.psk")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("restart"))));
  EXPECT_EQ(reload->newest().users.size(), 2U);
}

TEST_F(ReloadTest, WhatWaitsForARestartIsSaidEachTime) {
  for (const char* at_once : {"taken over: log.level", "taken over: nothing"}) {
    ASSERT_NE(Read(With("dpd = 7\n[log]\nlevel = \"debug\"\n")), nullptr);
    EXPECT_THAT(lines, Contains(HasSubstr(at_once)));
    EXPECT_THAT(lines, Contains(HasSubstr("only a restart takes it over: ike.dpd")));
    EXPECT_EQ(reload->newest().log.level, conf::Log::Level::kDebug);
  }
  ASSERT_NE(Read(kFile), nullptr);
  EXPECT_THAT(lines, Contains(HasSubstr("taken over: log.level")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("restart"))));
}

TEST_F(ReloadTest, AMistakeChangesNothingAndHasItsPlace) {
  EXPECT_EQ(Read(With("dpd = -7\n[[user]]\nname = \"bob\"\n")), nullptr);
  EXPECT_THAT(lines, Contains(HasSubstr("adit.toml:16:")));
  EXPECT_THAT(lines, Contains(HasSubstr("adit goes on as before")));
  EXPECT_EQ(reload->newest().users.size(), 1U);
  EXPECT_EQ(Read("[[["), nullptr);
}

TEST_F(ReloadTest, AFileThatCannotBeReadChangesNothing) {
  lines.clear();
  EXPECT_EQ(reload->Take(conf::LoadFile("/does/not/exist.toml")), nullptr);
  EXPECT_EQ(reload->newest().users.size(), 1U);
}

TEST_F(ReloadTest, AnAddressOutsideOfAllPoolsHasToWait) {
  const char kBob[] = "[[user]]\nname = \"bob\"\npassword = \"builder\"\naddress = \"10.99.";
  ASSERT_NE(Read(With(kBob + std::string("0.77\"\n"))), nullptr);
  EXPECT_THAT(lines, Not(Contains(HasSubstr("restart"))));
  ASSERT_NE(Read(With(kBob + std::string("1.77\"\n"))), nullptr);
  EXPECT_THAT(lines, Contains(HasSubstr("he can log in after a restart")));
}

}  // namespace
}  // namespace gateway
