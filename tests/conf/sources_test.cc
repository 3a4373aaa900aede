// Secrets that stand elsewhere: in files, in the environment, in files of pppd's.
#include "conf/sources.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "conf/load.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conf/sample.h"
#include "tests/support/folder.h"

namespace conf {
namespace {

using stack::Ip4;
using test::FakeSources;
using test::kGood;
using test::Replaced;
using test::Report;
using testing::HasSubstr;
using testing::Not;

// kGood with its one line about the key replaced.
std::string WithPsk(const std::string& line) {
  return Replaced("psk = \"a long enough one\"", line);
}

TEST(Sources, PskFromAFile) {
  FakeSources sources;
  for (const char* text :
       {"file secret", "file secret\n", "file secret\r\n", "file secret\nmore\n"}) {
    sources.files["/run/psk"] = text;
    const Loaded loaded = Load(WithPsk("psk_file = \"/run/psk\""), "f", sources);
    EXPECT_EQ(loaded.Text(), "");
    EXPECT_EQ(loaded.model.ike.psk.Reveal(), "file secret");
  }
}

TEST(Sources, RelativePathsBeginWhereTheConfigurationIs) {
  FakeSources sources;
  sources.files["/etc/adit/secrets/psk"] = "file secret";
  const Loaded loaded = Load(WithPsk("psk_file = \"secrets/psk\""), "/etc/adit/adit.toml", sources);
  EXPECT_EQ(loaded.Text(), "");
  EXPECT_EQ(loaded.model.ike.psk.Reveal(), "file secret");
}

TEST(Sources, PskFromTheEnvironment) {
  FakeSources sources;
  sources.variables["ADIT_PSK"] = "from the environment";
  const Loaded loaded = Load(WithPsk("psk_env = \"ADIT_PSK\""), "f", sources);
  EXPECT_EQ(loaded.Text(), "");
  EXPECT_EQ(loaded.model.ike.psk.Reveal(), "from the environment");
}

TEST(Sources, EachPskHasItsOwn) {
  FakeSources sources;
  sources.files["a"] = "the key of a site\n";
  sources.variables["B"] = "the key of another";
  const Loaded loaded = Load(WithPsk("[[psk]]\nremote = \"198.51.100.7\"\npsk_file = \"a\"\n"
                                     "[[psk]]\nremote = \"198.51.100.0/24\"\npsk_env = \"B\"\n"
                                     "[[psk]]\nremote = \"192.0.2.0/24\"\npsk = \"here itself\"\n"),
                             "f", sources);
  EXPECT_EQ(loaded.Text(), "");  // nobody else may come, so that [ike] needs none
  ASSERT_EQ(loaded.model.psks.size(), 3u);
  EXPECT_EQ(loaded.model.psks[0].remote.Text(), "198.51.100.7/32");
  EXPECT_EQ(loaded.model.psks[0].key.Reveal(), "the key of a site");
  EXPECT_EQ(loaded.model.psks[1].key.Reveal(), "the key of another");
  EXPECT_EQ(loaded.model.psks[2].key.Reveal(), "here itself");
}

TEST(Sources, WhatCannotBeBroughtIsOneError) {
  FakeSources sources;
  sources.files = {{"empty", "\nsecond line\n"}, {"long", std::string(300, 'x')}};
  sources.variables = {{"EMPTY", ""}, {"LONG", std::string(257, 'x')}};
  const struct {
    const char* line;
    const char* issue;
  } cases[] = {
      {"psk_file = \"none\"",
       "f:14:1: ike.psk_file: \"none\" cannot be read: No such file or directory\n"},
      {"psk_file = \"empty\"", "f:14:1: ike.psk_file: the first line of \"empty\" is empty\n"},
      {"psk_file = \"long\"",
       "f:14:1: ike.psk_file: the first line of \"long\" has more than 256 characters\n"},
      {"psk_env = \"NONE\"", "f:14:1: ike.psk_env: NONE is not set in the environment\n"},
      {"psk_env = \"EMPTY\"", "f:14:1: ike.psk_env: EMPTY is empty\n"},
      {"psk_env = \"LONG\"", "f:14:1: ike.psk_env: LONG has more than 256 characters\n"},
  };
  for (const auto& c : cases) EXPECT_EQ(Report(WithPsk(c.line), sources), c.issue);
}

TEST(Sources, APskOf256CharactersFits) {
  FakeSources sources;
  sources.files["f256"] = std::string(256, 'x') + "\r\n";
  EXPECT_EQ(Report(WithPsk("psk_file = \"f256\""), sources), "");
}

TEST(Sources, AFileThatOthersMayReadIsWarnedOf) {
  FakeSources sources;
  sources.files["psk"] = "file secret";
  sources.mode = 0640;
  EXPECT_EQ(
      Report(WithPsk("psk_file = \"psk\""), sources),
      "f:14:1: warning: ike.psk_file: \"psk\" has mode 0640: others than its owner may get at "
      "the secret\n");
  sources.mode = 0400;
  EXPECT_EQ(Report(WithPsk("psk_file = \"psk\""), sources), "");
}

TEST(Sources, UsersOfAFileComeBehindTheConfigurations) {
  FakeSources sources;
  sources.files["/etc/ppp/chap-secrets"] = "bob * builder 10.99.0.20\n";
  sources.files["more"] = "carol * c\nbob * another\nalice * another\n";
  const Loaded loaded =
      Load(kGood + "[auth]\nchap_secrets = [\"/etc/ppp/chap-secrets\", \"more\"]\n", "f", sources);
  EXPECT_EQ(loaded.Text(),
            "more:2:1: warning: \"bob\" is there already: this line is left out\n"
            "more:3:1: warning: \"alice\" is there already: this line is left out\n");
  ASSERT_EQ(loaded.model.users.size(), 3u);
  EXPECT_EQ(loaded.model.users[0].password.Reveal(), "wonderland");
  EXPECT_EQ(loaded.model.users[1].name, "bob");
  EXPECT_EQ(loaded.model.users[1].password.Reveal(), "builder");
  EXPECT_EQ(loaded.model.users[1].address, Ip4::Parse("10.99.0.20"));
  EXPECT_EQ(loaded.model.users[2].name, "carol");
}

TEST(Sources, AFileOfUsersAloneIsEnough) {
  FakeSources sources;
  sources.files["s"] = "bob * builder\n";
  const std::string text = Replaced("[[user]]\nname = \"alice\"\npassword = \"wonderland\"\n",
                                    "[auth]\nchap_secrets = [\"s\"]\n");
  EXPECT_EQ(Report(text, sources), "");
  sources.files["s"] = "# nobody yet\n";
  EXPECT_EQ(Report(text, sources), "f:1:1: warning: user: none is given: nobody can log in\n");
  sources.files.clear();
  EXPECT_EQ(Report(text, sources),
            "f:11:1: auth.chap_secrets: \"s\" cannot be read: No such file or directory\n");
}

TEST(Sources, ChecksAcrossKeysPointIntoTheFileOfUsers) {
  FakeSources sources;
  sources.files["s"] = "bob * builder 10.99.0.20\n\ncarol * c 10.99.0.20\ndave * d 10.99.0.1\n";
  EXPECT_EQ(Report(kGood + "[auth]\nchap_secrets = [\"s\"]\n", sources),
            "s:3:1: address: 10.99.0.20 is another user's already\n"
            "s:4:1: address: 10.99.0.1 is the pool's gateway\n"
            "s:4:1: warning: address: 10.99.0.1 is in no pool\n");
}

TEST(Sources, AFileOfUsersIsBounded) {
  FakeSources sources;
  sources.files["s"] = std::string(kMaxText + 1, '\n');
  EXPECT_EQ(Report(kGood + "[auth]\nchap_secrets = [\"s\"]\n", sources),
            "f:16:1: auth.chap_secrets: \"s\" is larger than 1 MiB\n");
}

TEST(Sources, NoIssueTellsASecret) {
  FakeSources sources;
  sources.files["psk"] = "horse" + std::string(300, 'x');
  sources.variables["PSK"] = "horse" + std::string(300, 'x');
  for (const char* line : {"psk_file = \"psk\"", "psk_env = \"PSK\""}) {
    EXPECT_NE(Report(WithPsk(line), sources), "");
    EXPECT_THAT(Report(WithPsk(line), sources), Not(HasSubstr("horse")));
  }
}

// ---- The host's own files and environment ----

class HostFiles : public testing::Test {
 protected:
  std::filesystem::path Write(const char* name, const std::string& text, unsigned mode) {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path) << text;
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
    return path;
  }

  test::Folder folder_;
};

TEST_F(HostFiles, AreFoundBesideTheConfiguration) {
  Write("psk", "from beside\n", 0600);
  Write("chap-secrets", "bob * builder\n", 0600);
  const auto path =
      Write("adit.toml",
            WithPsk("psk_file = \"psk\"") + "[auth]\nchap_secrets = [\"chap-secrets\"]\n", 0644);
  const Loaded loaded = LoadFile(path.string());
  EXPECT_EQ(loaded.Text(), "");
  EXPECT_EQ(loaded.model.ike.psk.Reveal(), "from beside");
  ASSERT_EQ(loaded.model.users.size(), 2u);
  EXPECT_EQ(loaded.model.users[1].name, "bob");
}

TEST_F(HostFiles, TellTheirMode) {
  const HostSources host;
  const auto file = host.ReadFile(Write("psk", "0123456789", 0644).string(), 4);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->text.Reveal(), "0123");
  EXPECT_EQ(file->mode, 0644u);
}

TEST_F(HostFiles, MustBeFiles) {
  const HostSources host;
  EXPECT_EQ(host.ReadFile(folder_.path().string(), 9).status().message(), "it is no regular file");
  EXPECT_EQ(host.ReadFile("/dev/null", 9).status().message(), "it is no regular file");
  EXPECT_EQ(host.ReadFile((folder_ / "none").string(), 9).status().message(),
            "No such file or directory");
}

TEST_F(HostFiles, EnvironmentIsTheProcesss) {
  const HostSources host;
  setenv("ADIT_TEST_PSK", "value", 1);
  EXPECT_EQ(host.Variable("ADIT_TEST_PSK")->Reveal(), "value");
  unsetenv("ADIT_TEST_PSK");
  EXPECT_FALSE(host.Variable("ADIT_TEST_PSK"));
}

}  // namespace
}  // namespace conf
