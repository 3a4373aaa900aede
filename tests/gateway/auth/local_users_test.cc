#include "gateway/auth/local_users.h"

#include <algorithm>

#include "crypto/prim/mschap.h"
#include "gtest/gtest.h"
#include "tests/stack/ppp/recorded.h"
#include "tests/support/rng.h"

namespace gateway::auth {
namespace {

using stack::Bytes;
using stack::ByteView;
using stack::FromHex;
using stack::Ip4;
using stack::wire::PppProtocol;

template <size_t n>
std::array<std::byte, n> Array(ByteView bytes) {
  std::array<std::byte, n> array;
  std::copy_n(bytes.begin(), n, array.begin());
  return array;
}

LocalUsers Users(const std::vector<LocalUser>& users) {
  test::FixedRng rng;
  auto created = LocalUsers::Create(users, rng);
  EXPECT_TRUE(created.ok()) << created.status();
  return *std::move(created);
}

std::string Complaint(const std::vector<LocalUser>& users) {
  test::FixedRng rng;
  return std::string(LocalUsers::Create(users, rng).status().message());
}

// The login of RFC 2759 section 9.2.
Question RfcLogin(const std::string& name) {
  Question question;
  question.name = name;
  question.authenticator_challenge = Array<16>(FromHex("5B5D7C7D7B3F2F3E3C2C602132262628"));
  question.peer_challenge = Array<16>(FromHex("21402324255E262A28295F2B3A337C7E"));
  question.nt_response = Array<24>(FromHex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF"));
  return question;
}

TEST(LocalUsers, TheLoginOfRfc2759) {
  const LocalUsers users = Users({{"User", "clientPass", Ip4::Parse("10.0.0.7")}});
  for (const char* name : {"User", "BIGCO\\User"}) {
    const Answer answer = users.Verify(RfcLogin(name));
    ASSERT_TRUE(answer.accepted()) << name;
    EXPECT_EQ(answer.user, "User");
    EXPECT_EQ(answer.authenticator_response, "S=407A5589115FD0D6209F510FE9C04566932CDA56");
    EXPECT_EQ(answer.address, Ip4::Parse("10.0.0.7"));
  }
}

// What pppd answered, and what pppd made of it.
TEST(LocalUsers, TheLoginsOfRecordedSessions) {
  const LocalUsers users = Users({{"alice", "wonderland", std::nullopt}});
  const auto sessions = test::RecordedSessions();
  ASSERT_FALSE(sessions.empty());
  for (const test::Recorded& session : sessions) {
    const Bytes challenge = session.Find('<', PppProtocol::kChap, 1);
    const Bytes response = session.Find('>', PppProtocol::kChap, 2);
    const Bytes success = session.Find('<', PppProtocol::kChap, 3);
    Question question;
    question.name = "alice";
    question.authenticator_challenge = Array<16>(ByteView(challenge).subspan(9, 16));
    question.peer_challenge = Array<16>(ByteView(response).subspan(9, 16));
    question.nt_response = Array<24>(ByteView(response).subspan(33, 24));
    const Answer answer = users.Verify(question);
    ASSERT_TRUE(answer.accepted()) << session.name;
    EXPECT_EQ(answer.authenticator_response, stack::AsText(ByteView(success).subspan(8, 42)))
        << session.name;
    question.nt_response[23] ^= std::byte{1};
    EXPECT_EQ(users.Verify(question).refusal, Refusal::kWrongPassword) << session.name;
  }
}

TEST(LocalUsers, RefusalsAreToldApartAndSayNothing) {
  const LocalUsers users = Users(
      {{"User", "clientpass", std::nullopt}, {"other", "clientPass", Ip4::Parse("10.0.0.7")}});
  const Answer wrong = users.Verify(RfcLogin("User"));
  EXPECT_EQ(wrong.refusal, Refusal::kWrongPassword);
  const Answer unknown = users.Verify(RfcLogin("user"));
  EXPECT_EQ(unknown.refusal, Refusal::kUnknownUser);
  for (const Answer& answer : {wrong, unknown}) {
    EXPECT_FALSE(answer.accepted());
    EXPECT_TRUE(answer.authenticator_response.empty());
    EXPECT_FALSE(answer.address.has_value());
  }
  // The right password of somebody else is wrong: the name is hashed, too.
  EXPECT_EQ(users.Verify(RfcLogin("other")).refusal, Refusal::kWrongPassword);
  EXPECT_EQ(NameOf(wrong.refusal), "wrong_password");
  EXPECT_EQ(NameOf(unknown.refusal), "unknown_user");
}

TEST(LocalUsers, AnEmptyOrStrangeNameIsUnknown) {
  const LocalUsers users = Users({{"User", "clientPass", std::nullopt}});
  for (const std::string& name :
       {std::string(), std::string("\\"), std::string("User\\"), std::string(255, '\0')}) {
    EXPECT_EQ(users.Verify(RfcLogin(name)).refusal, Refusal::kUnknownUser);
  }
}

// Even whoever guesses the hash that unknown names are checked against does not get in.
TEST(LocalUsers, NobodyIsNotAUser) {
  test::FixedRng rng(5), same(5);
  const auto users = LocalUsers::Create({}, rng);
  ASSERT_TRUE(users.ok());
  crypto::Secret nobody(16);
  same.Fill(nobody.span());
  Question question = RfcLogin("ghost");
  question.nt_response = crypto::GenerateNtResponse(
      {question.authenticator_challenge, question.peer_challenge, question.name}, nobody);
  EXPECT_EQ(users->Verify(question).refusal, Refusal::kUnknownUser);
}

TEST(LocalUsers, WhatCannotBeConfigured) {
  const auto address = Ip4::Parse("10.0.0.7");
  EXPECT_EQ(Complaint({{"", "x", {}}}), "a user name must have 1 to 255 octets");
  EXPECT_EQ(Complaint({{std::string(256, 'a'), "x", {}}}), "a user name must have 1 to 255 octets");
  EXPECT_EQ(Complaint({{"a\\b", "x", {}}}), "user a\\b: a name holds no backslash");
  EXPECT_EQ(Complaint({{"a", "x", {}}, {"a", "y", {}}}), "user a is there twice");
  EXPECT_EQ(Complaint({{"a", "x", address}, {"b", "y", address}}), "user b: 10.0.0.7 belongs to a");
  EXPECT_TRUE(Complaint({{"a", "\xff\xfe", {}}}).starts_with("user a: the password is not usable"));
  EXPECT_EQ(Complaint({{"a", "x", address}, {"b", "y", {}}}), "");
}

}  // namespace
}  // namespace gateway::auth
