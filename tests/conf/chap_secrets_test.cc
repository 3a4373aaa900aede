// Files of pppd's: how lines are split, and what becomes of each column.
#include "conf/chap_secrets.h"

#include <string>

#include "conf/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace conf {
namespace {

using stack::Ip4;
using testing::HasSubstr;
using testing::Not;

ChapSecrets Read(std::string_view text) { return ReadChapSecrets(text, "s", kMaxUsers); }
std::string Report(std::string_view text) { return TextOf(Read(text).issues, "f"); }

// The password of the only user of a line.
std::string PasswordOf(const std::string& written) {
  const ChapSecrets read = Read("bob * " + written + "\n");
  EXPECT_EQ(TextOf(read.issues, "f"), "") << written;
  return read.users.size() == 1 ? std::string(read.users[0].password.Reveal()) : "(no user)";
}

TEST(ChapSecrets, ALineIsAUser) {
  const ChapSecrets read = Read(
      "# Secrets for authentication using CHAP\n"
      "# client\tserver\tsecret\t\t\tIP addresses\n"
      "\n"
      "alice\t*\twonderland\t10.99.0.20   # her desk\n"
      "  bob l2tpd builder *\r\n"
      "\"carol d\" * 'o''k'\n"
      "dave * secret");
  EXPECT_EQ(TextOf(read.issues, "f"), "");
  ASSERT_EQ(read.users.size(), 4u);
  EXPECT_EQ(read.users[0].name, "alice");
  EXPECT_EQ(read.users[0].password.Reveal(), "wonderland");
  EXPECT_EQ(read.users[0].address, Ip4::Parse("10.99.0.20"));
  EXPECT_EQ(read.users[1].name, "bob");
  EXPECT_EQ(read.users[1].password.Reveal(), "builder");
  EXPECT_FALSE(read.users[1].address);
  EXPECT_EQ(read.users[2].name, "carol d");
  EXPECT_EQ(read.users[2].password.Reveal(), "ok");
  EXPECT_EQ(read.users[3].password.Reveal(), "secret");
  EXPECT_EQ(read.lines, (std::vector<uint32_t>{4, 5, 6, 7}));
}

TEST(ChapSecrets, QuotesAndEscapes) {
  EXPECT_EQ(PasswordOf(R"("two words")"), "two words");
  EXPECT_EQ(PasswordOf(R"('it is "so"')"), "it is \"so\"");
  EXPECT_EQ(PasswordOf(R"("it's")"), "it's");
  EXPECT_EQ(PasswordOf(R"(one"two three"four)"), "onetwo threefour");
  EXPECT_EQ(PasswordOf(R"(a\ b\"c\\d\#e)"), "a b\"c\\d#e");
  EXPECT_EQ(PasswordOf(R"("a#b" # not this)"), "a#b");
  EXPECT_EQ(PasswordOf("ab#cd"), "ab");  // as pppd: a comment needs no blank before it
  EXPECT_EQ(PasswordOf(R"(a\sb\tc\nd)"), "a b\tc\nd");
  EXPECT_EQ(PasswordOf(R"(\101\x42\7z\x)"), std::string("AB\7z\0", 5));
  EXPECT_EQ(PasswordOf(R"(\1011)"), "A1");
}

TEST(ChapSecrets, ABackslashJoinsLines) {
  const ChapSecrets read = Read("alice * \\\n  won\\\nder \\\n 10.0.0.1\nbob * b\n");
  EXPECT_EQ(TextOf(read.issues, "f"), "");
  ASSERT_EQ(read.users.size(), 2u);
  EXPECT_EQ(read.users[0].password.Reveal(), "wonder");
  EXPECT_EQ(read.users[0].address, Ip4::Parse("10.0.0.1"));
  EXPECT_EQ(read.lines, (std::vector<uint32_t>{1, 5}));
}

TEST(ChapSecrets, WhatIsRefused) {
  EXPECT_EQ(Report("\nalice *\n"), "s:2:1: needs a client, a server and a secret at least\n");
  EXPECT_EQ(Report("alice * \"open\nbob * b\n"), "s:1:1: a quote is not closed on its line\n");
  EXPECT_EQ(Report("alice * @/etc/secret\n"),
            "s:1:1: the secret of \"alice\" is in a file of its own, which is not read: put it "
            "into this one\n");
  EXPECT_EQ(Report("alice * \"\"\n"),
            "s:1:1: the secret of \"alice\" must have 1..256 characters\n");
  EXPECT_EQ(Report("alice * " + std::string(257, 'x')),
            "s:1:1: the secret of \"alice\" must have 1..256 characters\n");
  EXPECT_EQ(Report("\"\" * x\n"), "s:1:1: the client must have 1..253 characters\n");
  EXPECT_EQ(Report("a\\nb * x\n"), "s:1:1: the client has a control character in it\n");
  EXPECT_EQ(Report("alice * " + std::string(1024, 'x')),
            "s:1:1: a word has more than 1023 characters\n");
  EXPECT_EQ(Report("a * x" +
                   [] {
                     std::string words;
                     for (int i = 0; i < 70; ++i) words += " *";
                     return words;
                   }()),
            "s:1:1: has more than 64 words\n");
}

TEST(ChapSecrets, ARefusedLineDoesNotHideTheNext) {
  const ChapSecrets read = Read("alice *\nbob * b\n* * x\ncarol * 'c\ndave * d\n");
  ASSERT_EQ(read.users.size(), 2u);
  EXPECT_EQ(read.users[0].name, "bob");
  EXPECT_EQ(read.users[1].name, "dave");
  EXPECT_EQ(read.lines, (std::vector<uint32_t>{2, 5}));
}

TEST(ChapSecrets, WhatHasNoMeaningHereIsWarnedOf) {
  EXPECT_EQ(Report("* * x\n"),
            "s:1:1: warning: a secret for any client at all is left out: users have names here\n");
  EXPECT_EQ(Report("alice * x -\n"),
            "s:1:1: warning: \"alice\" is left out: \"-\" allows it no address\n");
  EXPECT_TRUE(Read("alice * x -\n").users.empty());
  for (const char* address :
       {"10.0.0.0/24", "!10.0.0.1", "host.example", "224.0.0.1", "10.0.0.1+"}) {
    const ChapSecrets read = Read("alice * x " + std::string(address));
    EXPECT_EQ(TextOf(read.issues, "f"),
              "s:1:1: warning: word 4 is not looked at: only one plain address of \"alice\" counts "
              "(and a secret with a space in it needs quotes)\n");
    ASSERT_EQ(read.users.size(), 1u);
    EXPECT_FALSE(read.users[0].address);
  }
  const ChapSecrets options = Read("alice * x 10.0.0.1 -- mru 1400\n");
  EXPECT_EQ(TextOf(options.issues, "f"),
            "s:1:1: warning: what follows \"--\" is an option of pppd's and not looked at\n");
  EXPECT_EQ(options.users[0].address, Ip4::Parse("10.0.0.1"));
}

TEST(ChapSecrets, TheFirstOfSeveralAddressesCounts) {
  const ChapSecrets read = Read("alice * x 10.0.0.1 10.0.0.2\n");
  EXPECT_EQ(read.users[0].address, Ip4::Parse("10.0.0.1"));
  EXPECT_THAT(TextOf(read.issues, "f"), HasSubstr("warning: word 5 is not looked at"));
}

TEST(ChapSecrets, NoIssueTellsASecret) {
  for (const char* line : {"alice * correct horse", "alice horse", "alice * @horse",
                           "alice * \"horse", "* * horse", "alice * horse -"}) {
    EXPECT_NE(Report(line), "");
    EXPECT_THAT(Report(line), Not(HasSubstr("horse")));
  }
}

TEST(ChapSecrets, UsersAreBounded) {
  const ChapSecrets read = ReadChapSecrets("a * x\nb * x\nc * x\nd * x\n", "s", 2);
  EXPECT_EQ(read.users.size(), 2u);
  EXPECT_EQ(TextOf(read.issues, "f"), "s:3:1: more than 65536 users in all\n");
}

TEST(ChapSecrets, NothingIsNoUser) {
  EXPECT_TRUE(Read("").users.empty());
  EXPECT_TRUE(Read("\\").users.empty());
  EXPECT_EQ(Report("# only this"), "");
}

}  // namespace
}  // namespace conf
