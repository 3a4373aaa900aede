// The subscriber's half against scripts of servers that misbehave; the good ones are in
// recorded_test.cc and pair_test.cc.
#include "stack/ppp/client_link.h"

#include "tests/stack/ppp/script.h"

namespace stack::ppp {
namespace {

using ::test::AckOf;
using ::test::Control;
using ::test::IpcpPacket;
using ::test::LcpPacket;
using ::test::Lines;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;
using wire::PppProtocol;

struct WithRng {
  ::test::FixedRng rng{8};
};

struct Client : WithRng, ::test::Script<ClientLink, ClientOptions> {
  Client() : Script(ClientOptions{"alice", 1400, {}}, rng) {}

  Lines OpenLcp(const std::string& server_options = "0305c22381050611223344") {
    Start();
    In(AckOf(frames.at(0)));
    return In(LcpPacket(1, 1, server_options));
  }
  Lines Chap(uint8_t code, const std::string& data) {
    return In(Control(PppProtocol::kChap, code, 7, data));
  }
  Lines Respond(const Response& response = wire::MsChapV2Response{}) {
    return link.OnResponse(now, ticket, response, out), Drain();
  }
  Lines Checked(bool genuine) { return link.OnSuccessChecked(now, ticket, genuine, out), Drain(); }
};

const std::string kChallenge = "10000102030405060708090a0b0c0d0e0f" + ToHex(AsBytes("lns"));

TEST(ClientLink, NaksOtherAuthenticationWithMsChapV2) {
  Client client;
  client.Start();
  for (const char* other : {"0304c023", "0305c22305", "0304c227"}) {
    EXPECT_THAT(client.In(LcpPacket(1, 1, other)), ElementsAre("LCP Configure-Nak 1 0305c22381"))
        << other;
  }
}

TEST(ClientLink, WithoutAuthenticationIpcpBeginsAtOnce) {
  Client client;
  EXPECT_THAT(client.OpenLcp("050611223344"),
              ElementsAre("LCP Configure-Ack 1 050611223344", "step lcp_opened",
                          "IPCP Configure-Request 1 030600000000 810600000000 830600000000"));
  EXPECT_THAT(client.Chap(1, kChallenge), ElementsAre("drop ppp_discarded"));
}

TEST(ClientLink, SameChallengeAgainGetsTheSameAnswerAndANewOneANewQuestion) {
  Client client;
  client.OpenLcp();
  EXPECT_THAT(client.Chap(1, kChallenge), ElementsAre("step challenged", "NeedResponse lns"));
  EXPECT_THAT(client.Chap(1, kChallenge), IsEmpty());
  EXPECT_THAT(client.Respond(), ElementsAre(StartsWith("CHAP Response 7 31")));
  EXPECT_THAT(client.Chap(1, kChallenge), ElementsAre(StartsWith("CHAP Response 7 31")));
  EXPECT_THAT(client.Chap(1, "10ff0102030405060708090a0b0c0d0e0f"),
              ElementsAre("step challenged", "NeedResponse "));
}

TEST(ClientLink, AnswerIsRepeatedUntilThereIsAResult) {
  Client client;
  client.OpenLcp();
  client.Chap(1, kChallenge);
  client.Respond();
  EXPECT_THAT(client.At(absl::Seconds(3)), ElementsAre(StartsWith("CHAP Response 7 ")));
  client.Chap(3, ToHex(AsBytes(::test::kGoodResponse)));
  EXPECT_THAT(client.At(absl::Seconds(9)), IsEmpty());
}

TEST(ClientLink, FailureEndsTheLinkWithItsCode) {
  Client client;
  client.OpenLcp();
  client.Chap(1, kChallenge);
  EXPECT_THAT(client.Chap(4, ToHex(AsBytes("E=691 R=0"))),
              ElementsAre("drop ppp_discarded"));  // of no answer of ours
  client.Respond();
  EXPECT_THAT(client.Chap(4, ToHex(AsBytes("E=647 R=0 C=00 V=3 M=no"))),
              ElementsAre("step auth_failed 647", StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(client.In(LcpPacket(6, 2, "")), ElementsAre("Down auth_failed"));
}

TEST(ClientLink, AServerThatDoesNotKnowThePasswordIsLeft) {
  Client client;
  client.OpenLcp();
  client.Chap(1, kChallenge);
  client.Respond();
  EXPECT_THAT(client.Chap(3, ToHex(AsBytes(::test::kGoodResponse + " M=hello"))),
              ElementsAre("NeedCheckSuccess " + ::test::kGoodResponse));
  EXPECT_THAT(client.In(IpcpPacket(1, 1, "03060a630001")), ElementsAre("drop ppp_not_open"));
  EXPECT_THAT(client.Checked(false),
              ElementsAre("step auth_failed", StartsWith("LCP Terminate-Request")));
}

TEST(ClientLink, RejectedNameServersAreNotAskedForAgainButAnAddressIsNeeded) {
  Client client;
  client.OpenLcp("050611223344");
  EXPECT_THAT(client.In(IpcpPacket(4, 1, "810600000000830600000000")),
              ElementsAre("IPCP Configure-Request 2 030600000000"));
  EXPECT_THAT(client.In(IpcpPacket(4, 2, "030600000000")),
              ElementsAre(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(client.In(LcpPacket(6, 2, "")), ElementsAre("Down ipcp_failed"));
}

TEST(ClientLink, ZeroIsNoAddress) {
  Client client;
  client.OpenLcp("050611223344");
  client.In(IpcpPacket(1, 1, "03060a630001"));
  EXPECT_THAT(client.In(IpcpPacket(2, 1, "030600000000810600000000830600000000")),
              ElementsAre(StartsWith("LCP Terminate-Request")));
}

TEST(ClientLink, EndlessNaksAreNotFollowedEndlessly) {
  Client client;
  client.OpenLcp("050611223344");
  Lines lines;
  uint8_t id = 1;
  for (; id < 100; ++id) {
    lines = client.In(
        IpcpPacket(3, id, "0306010203" + ToHex(AsBytes(std::string(1, static_cast<char>(id))))));
    if (lines.at(0).starts_with("LCP")) break;
  }
  EXPECT_EQ(id, 11);
  EXPECT_THAT(lines, ElementsAre(StartsWith("LCP Terminate-Request")));
}

TEST(ErrorOf, FindsTheCode) {
  EXPECT_EQ(ErrorOf("E=691 R=1 C=..."), 691);
  EXPECT_EQ(ErrorOf("E=99999999999999"), 9999);
  EXPECT_EQ(ErrorOf("R=1"), 0);
  EXPECT_EQ(ErrorOf("E="), 0);
  EXPECT_EQ(ErrorOf(""), 0);
}

}  // namespace
}  // namespace stack::ppp
