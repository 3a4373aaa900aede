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

namespace ppp = stack::ppp;
using ppp::AuthProtocol;

LocalUsers Users(const std::vector<LocalUser>& users,
                 const ppp::AuthProtocols& allowed = {AuthProtocol::kMsChapV2}) {
  test::FixedRng rng;
  auto created = LocalUsers::Create(users, allowed, rng);
  EXPECT_TRUE(created.ok()) << created.status();
  return *std::move(created);
}

std::string Complaint(const std::vector<LocalUser>& users) {
  test::FixedRng rng;
  return std::string(LocalUsers::Create(users, {AuthProtocol::kMsChapV2}, rng).status().message());
}

// The login of RFC 2759 section 9.2.
Question RfcLogin(const std::string& name) {
  ppp::MsChapV2Proof proof;
  proof.challenge = Array<16>(FromHex("5B5D7C7D7B3F2F3E3C2C602132262628"));
  proof.response.peer_challenge = Array<16>(FromHex("21402324255E262A28295F2B3A337C7E"));
  proof.response.nt_response =
      Array<24>(FromHex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF"));
  return {name, proof};
}

Question PapLogin(const std::string& name, const std::string& password) {
  return {name, ppp::PapProof{ppp::Password(stack::AsBytes(password))}};
}

TEST(LocalUsers, TheLoginOfRfc2759) {
  const LocalUsers users =
      Users({{"User", "clientPass", {Ip4::Parse("10.0.0.7"), 3, Logins::kRefuse}}});
  for (const char* name : {"User", "BIGCO\\User"}) {
    const Answer answer = users.Verify(RfcLogin(name));
    ASSERT_TRUE(answer.accepted()) << name;
    EXPECT_EQ(answer.user, "User");
    EXPECT_EQ(answer.authenticator_response, "S=407A5589115FD0D6209F510FE9C04566932CDA56");
    EXPECT_EQ(answer.grants.address, Ip4::Parse("10.0.0.7"));
    EXPECT_EQ(answer.grants.pool, 3);
    EXPECT_EQ(answer.grants.logins, Logins::kRefuse);
  }
}

// What pppd answered, and what pppd made of it.
TEST(LocalUsers, TheLoginsOfRecordedSessions) {
  const LocalUsers users = Users({{"alice", "wonderland"}});
  const auto sessions = test::RecordedSessions();
  ASSERT_FALSE(sessions.empty());
  for (const test::Recorded& session : sessions) {
    const Bytes challenge = session.Find('<', PppProtocol::kChap, 1);
    const Bytes response = session.Find('>', PppProtocol::kChap, 2);
    const Bytes success = session.Find('<', PppProtocol::kChap, 3);
    ppp::MsChapV2Proof proof;
    proof.challenge = Array<16>(ByteView(challenge).subspan(9, 16));
    proof.response.peer_challenge = Array<16>(ByteView(response).subspan(9, 16));
    proof.response.nt_response = Array<24>(ByteView(response).subspan(33, 24));
    const Answer answer = users.Verify({"alice", proof});
    ASSERT_TRUE(answer.accepted()) << session.name;
    EXPECT_EQ(answer.authenticator_response, stack::AsText(ByteView(success).subspan(8, 42)))
        << session.name;
    proof.response.nt_response[23] ^= std::byte{1};
    EXPECT_EQ(users.Verify({"alice", proof}).refusal, Refusal::kWrongPassword) << session.name;
  }
}

TEST(LocalUsers, RefusalsAreToldApartAndSayNothing) {
  const LocalUsers users =
      Users({{"User", "clientpass"}, {"other", "clientPass", {Ip4::Parse("10.0.0.7")}}});
  const Answer wrong = users.Verify(RfcLogin("User"));
  EXPECT_EQ(wrong.refusal, Refusal::kWrongPassword);
  const Answer unknown = users.Verify(RfcLogin("user"));
  EXPECT_EQ(unknown.refusal, Refusal::kUnknownUser);
  for (const Answer& answer : {wrong, unknown}) {
    EXPECT_FALSE(answer.accepted());
    EXPECT_TRUE(answer.authenticator_response.empty());
    EXPECT_FALSE(answer.grants.address.has_value());
  }
  // The right password of somebody else is wrong: the name is hashed, too.
  EXPECT_EQ(users.Verify(RfcLogin("other")).refusal, Refusal::kWrongPassword);
  EXPECT_EQ(NameOf(wrong.refusal), "wrong_password");
  EXPECT_EQ(NameOf(unknown.refusal), "unknown_user");
}

TEST(LocalUsers, AnEmptyOrStrangeNameIsUnknown) {
  const LocalUsers users = Users({{"User", "clientPass"}});
  for (const std::string& name :
       {std::string(), std::string("\\"), std::string("User\\"), std::string(255, '\0')}) {
    EXPECT_EQ(users.Verify(RfcLogin(name)).refusal, Refusal::kUnknownUser);
  }
}

// Even whoever guesses the hash that unknown names are checked against does not get in.
TEST(LocalUsers, NobodyIsNotAUser) {
  test::FixedRng rng(5), same(5);
  const auto users = LocalUsers::Create({}, {AuthProtocol::kMsChapV2}, rng);
  ASSERT_TRUE(users.ok());
  crypto::Secret nobody(16);
  same.Fill(nobody.span());
  Question question = RfcLogin("ghost");
  auto& proof = std::get<ppp::MsChapV2Proof>(question.proof);
  proof.response.nt_response = crypto::GenerateNtResponse(
      {proof.challenge, proof.response.peer_challenge, question.name}, nobody);
  EXPECT_EQ(users->Verify(question).refusal, Refusal::kUnknownUser);
}

// PAP needs no password in the clear: what comes is hashed.
TEST(LocalUsers, Pap) {
  const LocalUsers users = Users({{"alice", "w\xc3\xb6rter"}});
  const Answer answer = users.Verify(PapLogin("CORP\\alice", "w\xc3\xb6rter"));
  EXPECT_TRUE(answer.accepted());
  EXPECT_EQ(answer.user, "alice");
  EXPECT_EQ(answer.authenticator_response, "");
  for (const char* wrong : {"", "w\xc3\xb6rte", "w\xc3\xb6rters", "w\xf6rter", "W\xc3\xb6rter"}) {
    EXPECT_EQ(users.Verify(PapLogin("alice", wrong)).refusal, Refusal::kWrongPassword) << wrong;
  }
  EXPECT_EQ(users.Verify(PapLogin("bob", "w\xc3\xb6rter")).refusal, Refusal::kUnknownUser);
}

// The hashes are md5sum's, of id, password and challenge: 07, "secret", 16 octets from 00 to 0f.
TEST(LocalUsers, ChapMd5) {
  ppp::ChapMd5Proof proof{7, Array<16>(FromHex("000102030405060708090a0b0c0d0e0f")),
                          Array<16>(FromHex("821643665b430359e52ac524d29c8f95"))};
  const std::vector<LocalUser> list = {{"alice", "secret"}};
  const LocalUsers users = Users(list, {AuthProtocol::kMsChapV2, AuthProtocol::kChapMd5});
  EXPECT_TRUE(users.Verify({"alice", proof}).accepted());
  EXPECT_EQ(users.Verify({"bob", proof}).refusal, Refusal::kUnknownUser);
  // Where CHAP-MD5 is not allowed the password was not kept, and nobody passes.
  EXPECT_EQ(Users(list).Verify({"alice", proof}).refusal, Refusal::kNoPassword);
  ++proof.id;
  EXPECT_EQ(users.Verify({"alice", proof}).refusal, Refusal::kWrongPassword);
}

TEST(LocalUsers, WhatCannotBeConfigured) {
  const auto address = Ip4::Parse("10.0.0.7");
  EXPECT_EQ(Complaint({{"", "x", {}}}), "a user name must have 1 to 255 octets");
  EXPECT_EQ(Complaint({{std::string(256, 'a'), "x", {}}}), "a user name must have 1 to 255 octets");
  EXPECT_EQ(Complaint({{"a\\b", "x", {}}}), "user a\\b: a name holds no backslash");
  EXPECT_EQ(Complaint({{"a", "x", {}}, {"a", "y", {}}}), "user a is there twice");
  EXPECT_EQ(Complaint({{"a", "x", {address}}, {"b", "y", {address}}}),
            "user b: 10.0.0.7 belongs to a");
  EXPECT_TRUE(Complaint({{"a", "\xff\xfe", {}}}).starts_with("user a: the password is not usable"));
  EXPECT_EQ(Complaint({{"a", "x", {address}}, {"b", "y", {}}}), "");
}

}  // namespace
}  // namespace gateway::auth
