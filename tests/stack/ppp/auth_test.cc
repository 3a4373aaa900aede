// PAP and CHAP-MD5, and how LCP gets to them: both halves against scripts. MS-CHAPv2 is in
// lns_link_test.cc and client_link_test.cc.
#include "stack/ppp/auth.h"

#include "tests/stack/ppp/script.h"

namespace stack::ppp {
namespace {

using ::test::AckOf;
using ::test::Control;
using ::test::IpcpPacket;
using ::test::LcpPacket;
using ::test::Lines;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;
using wire::PppProtocol;

constexpr auto kMsChapV2 = AuthProtocol::kMsChapV2;
constexpr auto kChapMd5 = AuthProtocol::kChapMd5;
constexpr auto kPap = AuthProtocol::kPap;

// Name "alice", password "pwd".
const std::string kRequest = "05616c69636503707764";

struct WithRng {
  ::test::FixedRng rng{9};
};

struct Lns : WithRng, ::test::Script<LnsLink, LnsOptions> {
  explicit Lns(const AuthProtocols& allowed)
      : Script(LnsOptions{.timing = {}, .authentication = allowed}, rng) {}

  Lines OpenLcp() {
    Start();
    In(AckOf(frames.at(0)));
    return In(LcpPacket(1, 1, "050611223344"));
  }
  Lines Nak(uint8_t id, const std::string& option) { return In(LcpPacket(3, id, option)); }
  Lines Pap(uint8_t id, const std::string& data = kRequest) {
    return In(Control(PppProtocol::kPap, 1, id, data));
  }
  Lines Verified(const Verdict& verdict) {
    return link.OnVerified(now, ticket, verdict, out), Drain();
  }
  Lines Address(const Admission& admission) {
    return link.OnAddress(now, ticket, admission, out), Drain();
  }
  static inline const Assignment kAssignment = {
      *Ip4::Parse("10.99.0.10"), *Ip4::Parse("10.99.0.1"), {*Ip4::Parse("9.9.9.9")}};
};

struct Client : WithRng, ::test::Script<ClientLink, ClientOptions> {
  explicit Client(const AuthProtocols& spoken)
      : Script(ClientOptions{"alice", 1400, {}, spoken}, rng) {}

  Lines OpenLcp(const std::string& server_options) {
    Start();
    In(AckOf(frames.at(0)));
    return In(LcpPacket(1, 1, server_options));
  }
  Lines Respond(const Response& response) {
    return link.OnResponse(now, ticket, response, out), Drain();
  }
};

// ---- What LCP demands -------------------------------------------------------------------------

TEST(AuthDemand, TheBestIsDemandedFirst) {
  EXPECT_THAT(Lns({kMsChapV2, kPap}).Start(),
              ElementsAre(StartsWith("LCP Configure-Request 1 01040578 0305c22381 05")));
  EXPECT_THAT(Lns({kChapMd5, kPap}).Start(),
              ElementsAre(StartsWith("LCP Configure-Request 1 01040578 0305c22305 05")));
  EXPECT_THAT(Lns({kPap}).Start(),
              ElementsAre(StartsWith("LCP Configure-Request 1 01040578 0304c023 05")));
}

TEST(AuthDemand, ANakLeadsToWhatIsAllowed) {
  Lns lns({kMsChapV2, kChapMd5, kPap});
  lns.Start();
  EXPECT_THAT(lns.Nak(1, "0304c023"),
              ElementsAre(StartsWith("LCP Configure-Request 2 01040578 0304c023 05")));
  lns.In(AckOf(lns.frames.at(0)));
  EXPECT_THAT(lns.In(LcpPacket(1, 1, "050611223344")), Contains("step lcp_opened"));
  EXPECT_THAT(lns.Pap(1), ElementsAre("NeedVerify alice alice"));
}

// EAP is wanted (Apple) or MS-CHAPv1: then what comes next on our list, and never the same again.
TEST(AuthDemand, ANakForSomethingElseLeadsToTheNextOfOurs) {
  Lns lns({kMsChapV2, kChapMd5, kPap});
  lns.Start();
  EXPECT_THAT(lns.Nak(1, "0304c227"),
              ElementsAre(StartsWith("LCP Configure-Request 2 01040578 0305c22305 05")));
  EXPECT_THAT(lns.Nak(2, "0305c22381"),  // refused a moment ago
              ElementsAre(StartsWith("LCP Configure-Request 3 01040578 0304c023 05")));
  EXPECT_THAT(lns.Nak(3, "0305c22380"),
              ElementsAre("LCP Terminate-Request 4 no authentication protocol in common"));
  EXPECT_THAT(lns.In(LcpPacket(6, 4, "")),
              ElementsAre("Down auth_refused: the client wants MS-CHAPv1; allowed here: "
                          "MS-CHAPv2, CHAP-MD5, PAP"));
}

TEST(AuthDemand, ARejectIsTheEndOfIt) {
  Lns lns({kMsChapV2, kPap});
  lns.Start();
  EXPECT_THAT(lns.In(LcpPacket(4, 1, "0305c22381")),
              ElementsAre(StartsWith("LCP Terminate-Request")));
}

TEST(AuthDemand, TheClientNaksWithItsBest) {
  Client client({kPap, kChapMd5});
  client.Start();
  EXPECT_THAT(client.In(LcpPacket(1, 1, "0305c22381")),
              ElementsAre("LCP Configure-Nak 1 0304c023"));
  EXPECT_THAT(client.In(LcpPacket(1, 2, "0305c22305")),
              ElementsAre("LCP Configure-Ack 2 0305c22305"));
}

TEST(AuthDemand, OptionsAndBack) {
  for (const AuthProtocol protocol : {kMsChapV2, kChapMd5, kPap}) {
    EXPECT_EQ(AuthProtocolOf(OptionOf(protocol)), protocol);
    EXPECT_EQ(TextOfOption(OptionOf(protocol)), NameOf(protocol));
  }
  EXPECT_EQ(AuthProtocolOf(FromHex("c02300")), std::nullopt);
  EXPECT_EQ(AuthProtocolOf({}), std::nullopt);
  EXPECT_EQ(TextOfOption(FromHex("c22306")), "CHAP algorithm 0x06");
  AuthProtocols twice = {kPap, kPap};
  twice.Add(kPap);
  EXPECT_EQ(twice.Text(), "PAP");
}

// ---- PAP --------------------------------------------------------------------------------------

TEST(Pap, LoginAtTheGateway) {
  Lns lns({kPap});
  EXPECT_THAT(lns.OpenLcp(), Contains("step lcp_opened"));
  EXPECT_THAT(lns.Pap(7), ElementsAre("NeedVerify alice alice"));
  EXPECT_EQ(AsText(std::get<PapProof>(lns.verify.proof).password.view()), "pwd");
  EXPECT_THAT(lns.Verified(Accepted{}), ElementsAre("step authenticated", "NeedAddress alice"));
  EXPECT_THAT(lns.Address(Lns::kAssignment),
              ElementsAre("PAP Ack 7 0e" + ToHex(AsBytes("Access granted")),
                          StartsWith("IPCP Configure-Request")));
}

// The client repeats itself until the answer gets through: under the same identifier or another,
// while the answer is looked for, after it, and when the link is up.
TEST(Pap, ARepeatedRequestGetsTheSameAnswer) {
  Lns lns({kPap});
  lns.OpenLcp();
  lns.Pap(7);
  const uint32_t asked = lns.ticket;
  EXPECT_THAT(lns.Pap(8), IsEmpty());
  EXPECT_EQ(lns.ticket, asked);
  lns.Verified(Accepted{});
  EXPECT_THAT(lns.Address(Lns::kAssignment), Contains(StartsWith("PAP Ack 8 ")));
  EXPECT_THAT(lns.Pap(9, "00" + std::string("00")), ElementsAre(StartsWith("PAP Ack 9 ")));
}

TEST(Pap, WrongPassword) {
  Lns lns({kPap});
  lns.OpenLcp();
  lns.Pap(7);
  EXPECT_THAT(lns.Verified(Refused{}),
              ElementsAre("PAP Nak 7 0d" + ToHex(AsBytes("Access denied")), "step auth_failed 691",
                          "LCP Terminate-Request 2 authentication failed"));
  EXPECT_THAT(lns.Pap(8), ElementsAre(StartsWith("PAP Nak 8 ")));  // the first one got lost
  EXPECT_THAT(lns.In(LcpPacket(6, 2, "")), ElementsAre("Down auth_failed"));
}

TEST(Pap, BrokenRequestsDie) {
  for (const char* bad : {"", "05", "05616c6963", "05616c696365", "05616c69636504707764", "ff"}) {
    Lns lns({kPap});
    lns.OpenLcp();
    EXPECT_THAT(lns.Pap(1, bad), ElementsAre("drop ppp_malformed")) << bad;
    EXPECT_THAT(lns.Pap(2), ElementsAre("NeedVerify alice alice"));
  }
  Lns lns({kPap});
  EXPECT_THAT(lns.OpenLcp(), Contains("step lcp_opened"));
  EXPECT_THAT(lns.In(Control(PppProtocol::kPap, 2, 1, "00")), ElementsAre("drop ppp_discarded"));
  const std::string longest = "ff" + ToHex(Bytes(255)) + "ff" + ToHex(Bytes(255));
  EXPECT_THAT(lns.Pap(1, longest), ElementsAre(StartsWith("NeedVerify")));
}

TEST(Pap, OnlyWhatWasAgreedOnCounts) {
  Lns lns({kMsChapV2, kPap});
  lns.OpenLcp();
  EXPECT_THAT(lns.Pap(1), ElementsAre("drop ppp_discarded"));
  Lns pap({kPap, kMsChapV2});
  pap.OpenLcp();
  EXPECT_THAT(pap.In(Control(PppProtocol::kChap, 2, 1, "31")), ElementsAre("drop ppp_discarded"));
  // Of a protocol that is not allowed at all, the client is told so.
  Lns without({kMsChapV2});
  without.OpenLcp();
  EXPECT_THAT(without.Pap(1), Contains(StartsWith("LCP Protocol-Reject")));
}

TEST(Pap, AClientThatSaysNothingIsGivenUp) {
  Lns lns({kPap});
  lns.OpenLcp();
  EXPECT_THAT(lns.At(absl::Seconds(29)), IsEmpty());
  EXPECT_THAT(lns.At(absl::Seconds(30)), Contains(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(lns.At(absl::Seconds(40)), Contains("Down auth_timeout"));
}

TEST(Pap, ClientHalf) {
  Client client({kPap});
  EXPECT_THAT(
      client.OpenLcp("0304c023050611223344"),
      ElementsAre("LCP Configure-Ack 1 0304c023 050611223344", "step lcp_opened", "NeedResponse "));
  EXPECT_EQ(client.challenge.protocol, kPap);
  EXPECT_THAT(client.Respond(Password(AsBytes("pwd"))), ElementsAre("PAP Request 1 " + kRequest));
  EXPECT_THAT(client.At(absl::Seconds(3)), ElementsAre("PAP Request 1 " + kRequest));
  EXPECT_THAT(client.In(Control(PppProtocol::kPap, 2, 2, "00")),
              ElementsAre("drop ppp_discarded"));  // of no request of ours
  EXPECT_THAT(client.In(Control(PppProtocol::kPap, 2, 1, "")),
              ElementsAre("step authenticated", StartsWith("IPCP Configure-Request")));
  EXPECT_THAT(client.At(absl::Seconds(5)), Contains(StartsWith("IPCP")));
}

TEST(Pap, ClientThatIsRefusedOrNotAnswered) {
  Client refused({kPap});
  refused.OpenLcp("0304c023050611223344");
  refused.Respond(Password(AsBytes("pwd")));
  EXPECT_THAT(refused.In(Control(PppProtocol::kPap, 3, 1, "026e6f")),
              ElementsAre("step auth_failed", StartsWith("LCP Terminate-Request")));
  Client alone({kPap});
  alone.OpenLcp("0304c023050611223344");
  alone.Respond(Password(AsBytes("pwd")));
  EXPECT_EQ(alone.At(absl::Minutes(1)).back(), "Down auth_timeout");
}

// ---- CHAP-MD5 ---------------------------------------------------------------------------------

TEST(ChapMd5, LoginAtTheGateway) {
  Lns lns({kChapMd5});
  EXPECT_THAT(lns.OpenLcp(), Contains(StartsWith("CHAP Challenge 1 10")));
  const std::string response = "10" + std::string(32, 'c') + ToHex(AsBytes("CORP\\alice"));
  EXPECT_THAT(lns.In(Control(PppProtocol::kChap, 2, 1, "31" + std::string(98, 'c'))),
              ElementsAre("drop ppp_malformed"));  // an answer of MS-CHAPv2
  EXPECT_THAT(lns.In(Control(PppProtocol::kChap, 2, 1, response)),
              ElementsAre("NeedVerify CORP\\alice alice"));
  const auto& proof = std::get<ChapMd5Proof>(lns.verify.proof);
  EXPECT_EQ(proof.id, 1);
  EXPECT_EQ(ToHex(proof.response), std::string(32, 'c'));
  lns.Verified(Accepted{});
  EXPECT_THAT(lns.Address(Lns::kAssignment), Contains("CHAP Success 1 Access granted"));
  EXPECT_THAT(lns.In(Control(PppProtocol::kChap, 2, 1, response)),
              ElementsAre("CHAP Success 1 Access granted"));
}

TEST(ChapMd5, WrongPassword) {
  Lns lns({kChapMd5});
  lns.OpenLcp();
  lns.In(Control(PppProtocol::kChap, 2, 1, "10" + std::string(32, 'c') + "61"));
  EXPECT_THAT(lns.Verified(Refused{}),
              ElementsAre("CHAP Failure 1 Access denied", "step auth_failed 691",
                          StartsWith("LCP Terminate-Request")));
}

// Other servers' challenges have other lengths (RFC 1994 section 4.1).
TEST(ChapMd5, ClientHalf) {
  Client client({kMsChapV2, kChapMd5});
  client.OpenLcp("0305c22305050611223344");
  EXPECT_THAT(client.In(Control(PppProtocol::kChap, 1, 9, "03aabbcc6c6e73")),
              ElementsAre("step challenged", "NeedResponse lns"));
  EXPECT_EQ(client.challenge.id, 9);
  EXPECT_EQ(ToHex(client.challenge.challenge), "aabbcc");
  ChapMd5Response response;
  response.fill(std::byte{0xdd});
  EXPECT_THAT(client.Respond(response),
              ElementsAre("CHAP Response 9 10" + std::string(32, 'd') + ToHex(AsBytes("alice"))));
  EXPECT_THAT(client.In(Control(PppProtocol::kChap, 3, 9, "")),
              ElementsAre("step authenticated", StartsWith("IPCP Configure-Request")));
}

}  // namespace
}  // namespace stack::ppp
