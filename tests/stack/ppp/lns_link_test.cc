// The gateway's half against scripts of what clients really send.
#include "stack/ppp/lns_link.h"

#include "tests/stack/ppp/script.h"

namespace stack::ppp {
namespace {

using ::test::AckOf;
using ::test::Control;
using ::test::IpcpPacket;
using ::test::kGoodResponse;
using ::test::LcpPacket;
using ::test::Lines;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using wire::PppProtocol;

const std::string kMagic = "050611223344";

struct WithRng {  // a base, because the link is made from it
  ::test::FixedRng rng{7};
};

struct Lns : WithRng, ::test::Script<LnsLink, LnsOptions> {
  explicit Lns(const LnsOptions& options = {}) : Script(options, rng) {}

  // The client acknowledges the last request of ours, and has its own acknowledged.
  Lines OpenLcp(const std::string& client_options = kMagic) {
    Start();
    In(AckOf(frames.at(0)));
    const Lines lines = In(LcpPacket(1, 1, client_options));
    challenge_id = frames.size() < 2 ? uint8_t{0} : static_cast<uint8_t>(frames.at(1)[5]);
    return lines;
  }
  // Value 49: 16 octets a1, 8 zeros, 24 octets b2, flags; then the name.
  Bytes Response(const std::string& name) const {
    std::string data = "31";
    for (int i = 0; i < 16; ++i) data += "a1";
    data += "0000000000000000";
    for (int i = 0; i < 24; ++i) data += "b2";
    data += "00";
    return Control(PppProtocol::kChap, 2, challenge_id, data + ToHex(AsBytes(name)));
  }
  Lines Verified(const Verdict& verdict) {
    return link.OnVerified(now, ticket, verdict, out), Drain();
  }
  Lines Address(const Admission& admission) {
    return link.OnAddress(now, ticket, admission, out), Drain();
  }
  Lines Authenticate(const std::string& name = "alice") {
    In(Response(name));
    Verified(Accepted{kGoodResponse});
    return Address(kAssignment);
  }
  Lines BringUp() {
    OpenLcp();
    Authenticate();
    In(AckOf(frames.at(1)));
    return In(IpcpPacket(1, 1, "03060a63000a"));
  }

  static inline const Assignment kAssignment = {*Ip4::Parse("10.99.0.10"),
                                                *Ip4::Parse("10.99.0.1"),
                                                {*Ip4::Parse("10.99.0.1"), *Ip4::Parse("9.9.9.9")}};
  uint8_t challenge_id = 0;
};

TEST(LnsLink, LoginFromTheFirstFrameToTheLast) {
  Lns lns;
  EXPECT_THAT(lns.Start(),
              ElementsAre(StartsWith("LCP Configure-Request 1 01040578 0305c22381 0506")));
  EXPECT_THAT(lns.In(AckOf(lns.frames.at(0))), IsEmpty());
  EXPECT_THAT(
      lns.In(LcpPacket(1, 1, "010404f6" + kMagic)),
      ElementsAre("LCP Configure-Ack 1 010404f6 " + kMagic, "step lcp_opened",
                  AllOf(StartsWith("CHAP Challenge 1 10"), HasSubstr(ToHex(AsBytes("adit")))),
                  "step challenged"));
  lns.challenge_id = 1;
  EXPECT_THAT(lns.In(lns.Response("CORP\\alice")), ElementsAre("NeedVerify CORP\\alice alice"));
  EXPECT_EQ(ToHex(std::get<MsChapV2Proof>(lns.verify.proof).response.peer_challenge),
            "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1");
  EXPECT_THAT(lns.Verified(Accepted{kGoodResponse}),
              ElementsAre("step authenticated", "NeedAddress alice"));
  EXPECT_THAT(lns.Address(Lns::kAssignment),
              ElementsAre("CHAP Success 1 " + kGoodResponse + " M=Access granted",
                          "IPCP Configure-Request 1 03060a630001"));
  EXPECT_THAT(lns.In(AckOf(lns.frames.at(1))), IsEmpty());
  EXPECT_THAT(lns.In(IpcpPacket(1, 1, "030600000000")),
              ElementsAre("IPCP Configure-Nak 1 03060a63000a"));
  EXPECT_THAT(lns.In(IpcpPacket(1, 2, "03060a63000a")),
              ElementsAre("IPCP Configure-Ack 2 03060a63000a", "step ipcp_opened",
                          "Up 10.99.0.10 10.99.0.1 mru 1270 alice"));
  EXPECT_THAT(lns.In(LcpPacket(5, 9, "")),
              ElementsAre("LCP Terminate-Ack 9", "Down peer_terminated"));
  EXPECT_EQ(lns.link.NextDeadline(), absl::InfiniteFuture());
  EXPECT_THAT(lns.In(LcpPacket(9, 1, "00000000")), ElementsAre("drop peer_gone"));
}

TEST(LnsLink, PacketsBeforeStartDie) {
  Lns lns;
  EXPECT_THAT(lns.In(LcpPacket(1, 1, kMagic)), ElementsAre("drop ppp_not_open"));
}

TEST(LnsLink, ConfigureRequestIsRepeatedWithTheSameIdThenGivenUp) {
  Lns lns;
  lns.Start();
  EXPECT_THAT(lns.At(absl::Milliseconds(999)), IsEmpty());
  EXPECT_THAT(lns.At(absl::Seconds(1)), ElementsAre(StartsWith("LCP Configure-Request 1 ")));
  EXPECT_THAT(lns.At(absl::Seconds(3)), ElementsAre(StartsWith("LCP Configure-Request 1 ")));
  EXPECT_THAT(lns.At(absl::Seconds(6)), ElementsAre(StartsWith("LCP Configure-Request 1 ")));
  const Lines rest = lns.At(absl::Minutes(5));
  EXPECT_THAT(rest, SizeIs(6 + 1));  // ten in all
  EXPECT_EQ(rest.back(), "Down no_answer");
}

// Apple: after everything it asked for was rejected, an empty request follows.
TEST(LnsLink, EmptyRequestIsAcknowledged) {
  Lns lns;
  lns.Start();
  EXPECT_THAT(lns.In(LcpPacket(1, 3, "")), ElementsAre("LCP Configure-Ack 3"));
}

// Windows: MRU 1400, magic, PFC, ACFC and callback; it repeats callback until a Reject with its id
// gets through.
TEST(LnsLink, WindowsCallbackIsRejectedEachTimeAnew) {
  Lns lns;
  lns.Start();
  const std::string request = "01040578" + kMagic + "070208020d0306";
  EXPECT_THAT(lns.In(LcpPacket(1, 0, request)), ElementsAre("LCP Configure-Reject 0 0d0306"));
  EXPECT_THAT(lns.In(LcpPacket(1, 1, request)), ElementsAre("LCP Configure-Reject 1 0d0306"));
  EXPECT_THAT(lns.In(LcpPacket(1, 2, "01040578" + kMagic + "07020802")),
              ElementsAre("LCP Configure-Ack 2 01040578 " + kMagic + " 0702 0802"));
}

TEST(LnsLink, WindowsIdentificationAndTimeRemainingAreSwallowed) {
  Lns lns;
  lns.OpenLcp();
  EXPECT_THAT(lns.In(LcpPacket(12, 3, "112233444d5352415356352e3230")),
              ElementsAre("drop ppp_discarded"));
  EXPECT_THAT(lns.In(LcpPacket(13, 4, "1122334400000000")), ElementsAre("drop ppp_discarded"));
  EXPECT_THAT(lns.In(LcpPacket(14, 5, "aabb")), ElementsAre("LCP Code-Reject 2 0e050006aabb"));
}

TEST(LnsLink, AllThatIsToBeRejectedGoesIntoOneReject) {
  Lns lns;
  lns.Start();
  // MRRU, short sequence numbers, endpoint discriminator, quality, authentication of us, and one
  // nobody knows.
  EXPECT_THAT(
      lns.In(LcpPacket(
          1, 1,
          "110405dc" + kMagic + "120213090300c0ffeec0ff" + "0404c025" + "0304c023" + "6303aa")),
      ElementsAre(
          "LCP Configure-Reject 1 110405dc 1202 13090300c0ffeec0ff 0404c025 0304c023 6303aa"));
}

TEST(LnsLink, MruIsObeyedAndNakedWhenAbsurd) {
  Lns lns;
  lns.Start();
  EXPECT_THAT(lns.In(LcpPacket(1, 1, "01040040")), ElementsAre("LCP Configure-Nak 1 01040080"));
  EXPECT_THAT(lns.In(LcpPacket(1, 2, "01040080")), ElementsAre("LCP Configure-Ack 2 01040080"));
}

TEST(LnsLink, AbsentMruIs1500) {
  Lns lns;
  EXPECT_THAT(lns.BringUp(), Contains("Up 10.99.0.10 10.99.0.1 mru 1500 alice"));
}

TEST(LnsLink, BrokenOptionsChangeNothing) {
  Lns lns;
  lns.Start();
  for (const char* bad : {"01", "0100", "0101", "0104ff", "01ff0578", "05061122334401"}) {
    EXPECT_THAT(lns.In(LcpPacket(1, 1, bad)), ElementsAre("drop ppp_malformed")) << bad;
  }
  EXPECT_THAT(lns.In("ff03c021010100ff"), ElementsAre("drop truncated"));
  EXPECT_THAT(lns.In("ff03c0210101"), ElementsAre("drop truncated"));
  EXPECT_THAT(lns.In("ff03c02101010003"), ElementsAre("drop ppp_malformed"));
}

TEST(LnsLink, AcksThatAreNotOursAreDiscarded) {
  Lns lns;
  lns.Start();
  const Bytes request = lns.frames.at(0);
  Bytes ack = AckOf(request);
  ack[5] = std::byte{77};
  EXPECT_THAT(lns.In(ack), ElementsAre("drop ppp_discarded"));
  ack = AckOf(request);
  ack.back() ^= std::byte{1};
  EXPECT_THAT(lns.In(ack), ElementsAre("drop ppp_discarded"));
  EXPECT_THAT(lns.In(LcpPacket(4, 1, "0304c023")), ElementsAre("drop ppp_discarded"));
}

// A second Ack of the same request is a duplicate, no crossed connection: our request stays
// acknowledged.
TEST(LnsLink, ARepeatedAckIsDiscarded) {
  Lns lns;
  lns.Start();
  const Bytes ack = AckOf(lns.frames.at(0));
  EXPECT_THAT(lns.In(ack), IsEmpty());
  EXPECT_THAT(lns.In(ack), ElementsAre("drop ppp_discarded"));
  EXPECT_THAT(lns.In(LcpPacket(1, 1, kMagic)), Contains("step lcp_opened"));
}

TEST(LnsLink, MruIsGivenUpOrLoweredWhenRefused) {
  Lns lns;
  lns.Start();
  EXPECT_THAT(lns.In(LcpPacket(3, 1, "01040500")),
              ElementsAre(StartsWith("LCP Configure-Request 2 01040500 03")));
  EXPECT_THAT(lns.In(LcpPacket(4, 2, "01040500")),
              ElementsAre(StartsWith("LCP Configure-Request 3 0305c22381 05")));
}

// CHAP-MD5 and PAP are not for the asking.
TEST(LnsLink, ClientThatRefusesMsChapV2IsTerminated) {
  const std::pair<const char*, const char*> kNaks[] = {{"0304c023", "PAP"},
                                                       {"0305c22305", "CHAP-MD5"},
                                                       {"0305c22380", "MS-CHAPv1"},
                                                       {"0304c227", "EAP"},
                                                       {"0304c0de", "protocol 0xc0de"},
                                                       {"030500c223", "protocol 0x00c2"},
                                                       {"0302", "something unreadable"}};
  for (const auto& [nak, name] : kNaks) {
    Lns lns;
    lns.Start();
    EXPECT_THAT(lns.In(LcpPacket(3, 1, nak)),
                ElementsAre("LCP Terminate-Request 2 no authentication protocol in common"))
        << nak;
    EXPECT_THAT(lns.In(LcpPacket(6, 2, "")),
                ElementsAre("Down auth_refused: the client wants " + std::string(name) +
                            "; allowed here: MS-CHAPv2"));
  }
  Lns lns;
  lns.Start();
  EXPECT_THAT(lns.In(LcpPacket(4, 1, "0305c22381")),
              ElementsAre(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(lns.At(absl::Seconds(1)), ElementsAre(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(lns.At(absl::Seconds(3)),
              ElementsAre("Down auth_refused: the client wants no authentication; allowed here: "
                          "MS-CHAPv2"));
}

TEST(LnsLink, OwnMagicNumberIsNakedAndAtLastALoop) {
  Lns lns;
  lns.Start();
  const Bytes echo = lns.frames.at(0);
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(lns.In(echo), ElementsAre(StartsWith("LCP Configure-Nak 1 0506"))) << i;
  }
  EXPECT_THAT(lns.In(echo), ElementsAre("LCP Terminate-Request 2 the line is looped back"));
  const Bytes terminate = lns.frames.at(0);
  EXPECT_THAT(lns.In(terminate), ElementsAre("LCP Terminate-Ack 2", "Down loopback"));
}

TEST(LnsLink, ALoopedLineIsFoundOut) {
  Lns lns;
  std::vector<Bytes> wire;
  Lines all;
  const auto keep = [&](const Lines& lines) {
    all.insert(all.end(), lines.begin(), lines.end());
    wire.insert(wire.end(), lns.frames.begin(), lns.frames.end());
  };
  keep(lns.Start());
  for (size_t i = 0; i < wire.size() && i < 200; ++i) keep(lns.In(Bytes(wire[i])));
  EXPECT_THAT(all, Contains("Down loopback"));
}

TEST(LnsLink, WrongPassword) {
  Lns lns;
  lns.OpenLcp();
  lns.In(lns.Response("alice"));
  const Lines lines = lns.Verified(Refused{});
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[0],
              testing::MatchesRegex("CHAP Failure 1 E=691 R=0 C=[0-9A-F]+ V=3 M=Access denied"));
  EXPECT_EQ(lines[0].find(" V=3"), lines[0].find("C=") + 2 + 32);
  EXPECT_EQ(lines[1], "step auth_failed 691");
  EXPECT_EQ(lines[2], "LCP Terminate-Request 2 authentication failed");
  // The Failure got lost: the same answer has the same result, and is not judged again.
  EXPECT_THAT(lns.In(lns.Response("alice")), ElementsAre(lines[0]));
  EXPECT_THAT(lns.In(LcpPacket(6, 2, "")), ElementsAre("Down auth_failed"));
}

TEST(LnsLink, RepeatedResponseGetsTheSameSuccessAgain) {
  Lns lns;
  lns.BringUp();
  EXPECT_THAT(lns.In(lns.Response("alice")),
              ElementsAre("CHAP Success 1 " + kGoodResponse + " M=Access granted"));
  EXPECT_TRUE(lns.link.is_up());
}

TEST(LnsLink, OneVerificationAChallenge) {
  Lns lns;
  lns.OpenLcp();
  EXPECT_THAT(lns.In(lns.Response("alice")), SizeIs(1));
  const uint32_t ticket = lns.ticket;
  EXPECT_THAT(lns.In(lns.Response("mallory")), ElementsAre("drop ppp_discarded"));
  lns.ticket = ticket + 1;  // a ticket nobody gave out
  EXPECT_THAT(lns.Verified(Accepted{kGoodResponse}), IsEmpty());
  lns.ticket = ticket;
  EXPECT_THAT(lns.Verified(Accepted{kGoodResponse}), Contains("NeedAddress alice"));
  lns.ticket = ticket;
  EXPECT_THAT(lns.Verified(Refused{}), IsEmpty());
}

TEST(LnsLink, ASuccessInTheWrongFormIsNone) {
  for (const char* bad : {"", "S=", "S=0123456789abcdef0123456789abcdef01234567",
                          "0123456789ABCDEF0123456789ABCDEF01234567xx"}) {
    Lns lns;
    lns.OpenLcp();
    lns.In(lns.Response("alice"));
    EXPECT_THAT(lns.Verified(Accepted{bad}), Contains("step auth_failed 691")) << bad;
  }
}

TEST(LnsLink, ChapWithWrongSizesOrIds) {
  Lns lns;
  lns.OpenLcp();
  EXPECT_THAT(lns.In(Control(PppProtocol::kChap, 2, 1, "10000102030405060708090a0b0c0d0e0f61")),
              ElementsAre("drop ppp_malformed"));
  EXPECT_THAT(lns.In(Control(PppProtocol::kChap, 2, 1, "")), ElementsAre("drop ppp_malformed"));
  EXPECT_THAT(lns.In(lns.Response(std::string(256, 'x'))), ElementsAre("drop ppp_malformed"));
  EXPECT_THAT(lns.In(Control(PppProtocol::kChap, 1, 1, "1000")), ElementsAre("drop ppp_discarded"));
  EXPECT_THAT(lns.In(Control(PppProtocol::kChap, 7, 1, "1000")), ElementsAre("drop ppp_discarded"));
  Bytes other = lns.Response("alice");
  other[5] = std::byte{9};
  EXPECT_THAT(lns.In(other), ElementsAre("drop ppp_discarded"));
  EXPECT_THAT(lns.In(lns.Response(std::string(255, 'x'))), SizeIs(1));
}

TEST(LnsLink, ChallengeIsRepeatedThenGivenUp) {
  LnsOptions options;
  options.timing.echo_interval = absl::ZeroDuration();
  Lns lns(options);
  lns.OpenLcp();
  EXPECT_THAT(lns.At(absl::Seconds(3)), ElementsAre(StartsWith("CHAP Challenge 1 ")));
  const Lines rest = lns.At(absl::Minutes(2));
  EXPECT_EQ(
      std::count_if(rest.begin(), rest.end(), [](const auto& l) { return l.starts_with("CHAP"); }),
      8);
  EXPECT_EQ(rest.back(), "Down auth_timeout");
}

TEST(LnsLink, NoAddressLeft) {
  Lns lns;
  lns.OpenLcp();
  lns.In(lns.Response("alice"));
  lns.Verified(Accepted{kGoodResponse});
  EXPECT_THAT(lns.Address(NotAdmitted{}), ElementsAre("LCP Terminate-Request 2 no address left"));
  EXPECT_THAT(lns.In(LcpPacket(6, 2, "")), ElementsAre("Down no_address"));
}

TEST(LnsLink, TheGatewayIsFull) {
  Lns lns;
  lns.OpenLcp();
  lns.In(lns.Response("alice"));
  lns.Verified(Accepted{kGoodResponse});
  EXPECT_THAT(lns.Address(NotAdmitted{DownReason::kFull}),
              ElementsAre("LCP Terminate-Request 2 the gateway is full"));
  EXPECT_THAT(lns.In(LcpPacket(6, 2, "")), ElementsAre("Down full"));
}

// The proof was right, but that has not been said yet: now it is said that the account may not come
// in, and clients do not ask for another password.
TEST(LnsLink, AUserWhoIsLoggedInAlreadyFailsAuthentication) {
  Lns lns;
  lns.OpenLcp();
  lns.In(lns.Response("alice"));
  lns.Verified(Accepted{kGoodResponse});
  EXPECT_THAT(lns.Address(NotAdmitted{DownReason::kLoggedIn}),
              ElementsAre(StartsWith("CHAP Failure 1 E=649 R=0 C="), "step auth_failed 649",
                          "LCP Terminate-Request 2 this user is logged in already"));
  EXPECT_THAT(lns.In(lns.Response("alice")), ElementsAre(StartsWith("CHAP Failure 1 E=649")));
  EXPECT_THAT(lns.In(LcpPacket(6, 2, "")), ElementsAre("Down logged_in"));
}

TEST(LnsLink, IpcpBeforeAuthenticationIsDropped) {
  Lns lns;
  lns.OpenLcp();
  EXPECT_THAT(lns.In(IpcpPacket(1, 1, "030600000000")), ElementsAre("drop ppp_not_open"));
  lns.In(lns.Response("alice"));
  EXPECT_THAT(lns.In(IpcpPacket(1, 1, "030600000000")), ElementsAre("drop ppp_not_open"));
}

// After it, at once, though our own request is still open. Windows asks for WINS too and gets it
// rejected first.
TEST(LnsLink, WindowsIpcp) {
  Lns lns;
  lns.OpenLcp();
  lns.Authenticate();
  EXPECT_THAT(
      lns.In(IpcpPacket(1, 5, "030600000000810600000000820600000000830600000000840600000000")),
      ElementsAre("IPCP Configure-Reject 5 820600000000 840600000000"));
  EXPECT_THAT(lns.In(IpcpPacket(1, 6, "030600000000810600000000830600000000")),
              ElementsAre("IPCP Configure-Nak 6 03060a63000a 81060a630001 830609090909"));
  EXPECT_THAT(lns.In(IpcpPacket(1, 7, "03060a63000a81060a630001830609090909")),
              ElementsAre("IPCP Configure-Ack 7 03060a63000a 81060a630001 830609090909"));
}

TEST(LnsLink, VjCompressionAndUnknownIpcpOptionsAreRejected) {
  Lns lns;
  lns.OpenLcp();
  lns.Authenticate();
  EXPECT_THAT(lns.In(IpcpPacket(1, 1, "0206002d0f01030600000000010a0000000000000000")),
              ElementsAre("IPCP Configure-Reject 1 0206002d0f01 010a0000000000000000"));
}

TEST(LnsLink, NoDnsConfiguredMeansDnsRejected) {
  Lns lns;
  lns.OpenLcp();
  lns.In(lns.Response("alice"));
  lns.Verified(Accepted{kGoodResponse});
  lns.Address(Assignment{Lns::kAssignment.client, Lns::kAssignment.gateway, {}});
  EXPECT_THAT(lns.In(IpcpPacket(1, 1, "030600000000810600000000830600000000")),
              ElementsAre("IPCP Configure-Reject 1 810600000000 830600000000"));
}

TEST(LnsLink, AForeignAddressIsNakedFiveTimesThenTheLinkEnds) {
  Lns lns;
  lns.OpenLcp();
  lns.Authenticate();
  for (uint8_t id = 1; id <= 5; ++id) {
    EXPECT_THAT(lns.In(IpcpPacket(1, id, "0306c0a80001")),
                ElementsAre("IPCP Configure-Nak " + std::to_string(id) + " 03060a63000a"));
  }
  EXPECT_THAT(lns.In(IpcpPacket(1, 6, "0306c0a80001")),
              ElementsAre("IPCP Configure-Reject 6 0306c0a80001"));
  EXPECT_THAT(lns.In(IpcpPacket(1, 7, "")),
              ElementsAre("LCP Terminate-Request 2 no agreement on IPCP"));
}

TEST(LnsLink, ARequestWithoutAddressIsAskedForIt) {
  Lns lns;
  lns.OpenLcp();
  lns.Authenticate();
  EXPECT_THAT(lns.In(IpcpPacket(1, 1, "")), ElementsAre("IPCP Configure-Nak 1 03060a63000a"));
}

TEST(LnsLink, OwnAddressIsOfferedUnchangedThenNotAtAll) {
  Lns lns;
  lns.OpenLcp();
  lns.Authenticate();
  EXPECT_THAT(lns.In(IpcpPacket(3, 1, "030601020304")),
              ElementsAre("IPCP Configure-Request 2 03060a630001"));
  EXPECT_THAT(lns.In(IpcpPacket(3, 2, "030601020304")),
              ElementsAre("IPCP Configure-Request 3 03060a630001"));
  EXPECT_THAT(lns.In(IpcpPacket(3, 3, "030601020304")), ElementsAre("IPCP Configure-Request 4"));
}

TEST(LnsLink, UnknownProtocolsAreRejectedOnlyOnceLcpIsOpen) {
  Lns lns;
  lns.Start();
  const Bytes ccp = Control(PppProtocol::kCcp, 1, 1, "1206010000e1");
  EXPECT_THAT(lns.In(ccp), ElementsAre("drop ppp_not_open"));
  Lns open;
  open.OpenLcp();
  EXPECT_THAT(open.In(ccp), ElementsAre("LCP Protocol-Reject 2 80fd0101000a1206010000e1",
                                        "drop ppp_unknown_protocol"));
  for (const auto protocol :
       {PppProtocol::kIp6cp, PppProtocol::kAcscp, PppProtocol::kAcsp, PppProtocol::kPap,
        PppProtocol::kEap, PppProtocol::kIp6, PppProtocol::kBacp}) {
    EXPECT_THAT(open.In(Control(protocol, 1, 1, "")),
                ElementsAre(StartsWith("LCP Protocol-Reject"), "drop ppp_unknown_protocol"));
  }
  EXPECT_THAT(open.In(ccp), ElementsAre("drop rate_limited"));
  open.now += absl::Seconds(2);
  EXPECT_THAT(open.In(ccp),
              ElementsAre(StartsWith("LCP Protocol-Reject"), "drop ppp_unknown_protocol"));
}

TEST(LnsLink, RejectsFitIntoTheSmallestMru) {
  Lns lns;
  lns.OpenLcp();
  lns.In(Control(PppProtocol::kIp6, 1, 1, std::string(2 * 1400, 'a')));
  EXPECT_EQ(lns.frames.at(0).size(), 4U + wire::kPppMinMru);
  lns.In(LcpPacket(99, 1, std::string(2 * 1400, 'a')));
  EXPECT_EQ(lns.frames.at(0).size(), 4U + wire::kPppMinMru);
}

TEST(LnsLink, EchoIsAnsweredWithOwnMagicInOpenedOnly) {
  Lns lns;
  lns.Start();
  const std::string own = ToHex(ByteView(lns.frames.at(0)).last(4));
  EXPECT_THAT(lns.In(LcpPacket(9, 5, "11223344aabb")), ElementsAre("drop ppp_not_open"));
  Lns open;
  open.OpenLcp();
  EXPECT_THAT(open.In(LcpPacket(9, 5, "11223344aabb")),
              ElementsAre("LCP Echo-Reply 5 " + own + "aabb"));
  EXPECT_THAT(open.In(LcpPacket(9, 6, own)), ElementsAre("drop ppp_discarded"));
  EXPECT_THAT(open.In(LcpPacket(9, 7, "112233")), ElementsAre("drop ppp_malformed"));
  EXPECT_THAT(open.In(LcpPacket(11, 8, "11223344")), ElementsAre("drop ppp_discarded"));
}

TEST(LnsLink, SilenceIsProbedAndEndsTheLink) {
  Lns lns;
  lns.BringUp();
  EXPECT_THAT(lns.At(absl::Seconds(29)), IsEmpty());
  EXPECT_THAT(lns.At(absl::Seconds(30)), ElementsAre(StartsWith("LCP Echo-Request")));
  lns.At(absl::Seconds(45));
  lns.In(LcpPacket(10, 2, "11223344"));
  EXPECT_THAT(lns.At(absl::Seconds(74)), IsEmpty());
  EXPECT_THAT(lns.At(absl::Seconds(75)), SizeIs(1));
  EXPECT_THAT(lns.At(absl::Seconds(194)), SizeIs(3));
  EXPECT_THAT(lns.At(absl::Seconds(195)), ElementsAre("Down echo_timeout"));
}

TEST(LnsLink, DataIsALifeSign) {
  Lns lns;
  lns.BringUp();
  for (int i = 1; i <= 100; ++i) {
    EXPECT_THAT(lns.At(absl::Seconds(20) * i), IsEmpty());
    lns.link.OnLifeSign(lns.now);
  }
}

TEST(LnsLink, ProbeAsksAtOnce) {
  Lns lns;
  const auto probe = [&lns] { return lns.link.Probe(lns.out), lns.Drain(); };
  EXPECT_THAT(probe(), IsEmpty());
  lns.BringUp();
  EXPECT_THAT(probe(), ElementsAre(StartsWith("LCP Echo-Request")));
}

TEST(LnsLink, PeerWithoutEchoIsNotProbed) {
  Lns lns;
  lns.BringUp();
  lns.At(absl::Seconds(30));
  EXPECT_THAT(lns.In(LcpPacket(7, 1, "0902000800000000")), IsEmpty());
  EXPECT_EQ(lns.link.NextDeadline(), absl::InfiniteFuture());
}

TEST(LnsLink, TerminateAsksTwiceThenIsDown) {
  Lns lns;
  lns.BringUp();
  EXPECT_THAT(lns.Terminate(DownReason::kShutdown),
              ElementsAre("LCP Terminate-Request 2 the gateway is shutting down", "Suspended"));
  EXPECT_FALSE(lns.link.is_up());
  EXPECT_THAT(lns.Terminate(DownReason::kIdle), IsEmpty());  // the first reason counts
  EXPECT_THAT(lns.At(absl::Seconds(1)), ElementsAre(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(lns.At(absl::Minutes(1)), ElementsAre("Down shutdown"));
}

TEST(LnsLink, NothingIsSentOverACallThatIsGone) {
  Lns lns;
  lns.BringUp();
  EXPECT_THAT(lns.Terminate(DownReason::kLowerLayerDown), ElementsAre("Down lower_layer_down"));
  Lns early;
  EXPECT_THAT(early.Terminate(DownReason::kAdministrative), ElementsAre("Down administrative"));
  EXPECT_THAT(early.Start(), IsEmpty());
}

TEST(LnsLink, ProtocolRejectsOfWhatWeNeedEndTheLink) {
  Lns lns;
  lns.BringUp();
  EXPECT_THAT(lns.In(LcpPacket(8, 1, "80fd01020304")), IsEmpty());
  EXPECT_THAT(lns.In(LcpPacket(8, 1, "80")), ElementsAre("drop ppp_malformed"));
  EXPECT_THAT(lns.In(LcpPacket(8, 2, "80210101")),
              ElementsAre("LCP Terminate-Request 2 no agreement on IPCP", "Suspended"));
  Lns other;
  other.OpenLcp();
  EXPECT_THAT(other.In(LcpPacket(8, 2, "c2230101")),
              ElementsAre(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(other.In(LcpPacket(6, 2, "")),
              ElementsAre("Down auth_refused: allowed here: MS-CHAPv2"));
  Lns third;
  third.OpenLcp();
  EXPECT_THAT(third.In(LcpPacket(7, 2, "01010004")),
              ElementsAre(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(third.In(LcpPacket(6, 2, "")), ElementsAre("Down no_agreement"));
}

TEST(LnsLink, ANewNegotiationSuspendsAndBringsTheSameUserBack) {
  Lns lns;
  lns.BringUp();
  const Lines again = lns.In(LcpPacket(1, 40, kMagic));
  EXPECT_THAT(again, ElementsAre(StartsWith("LCP Configure-Request"),
                                 StartsWith("LCP Configure-Ack 40"), "Suspended"));
  EXPECT_THAT(lns.In(AckOf(lns.frames.at(0))),
              ElementsAre("step lcp_opened", StartsWith("CHAP Challenge 2 "), "step challenged"));
  EXPECT_THAT(lns.In(lns.Response("alice")),
              ElementsAre("drop ppp_discarded"));  // to the old challenge
  lns.challenge_id = 2;
  lns.In(lns.Response("alice"));
  EXPECT_THAT(lns.Verified(Accepted{kGoodResponse}),
              ElementsAre("step authenticated", StartsWith("CHAP Success 2 "),
                          StartsWith("IPCP Configure-Request")));
  lns.In(AckOf(lns.frames.at(1)));
  EXPECT_THAT(lns.In(IpcpPacket(1, 1, "03060a63000a")),
              Contains("Up 10.99.0.10 10.99.0.1 mru 1500 alice"));
}

TEST(LnsLink, ANewIpcpNegotiationSuspendsToo) {
  Lns lns;
  lns.BringUp();
  EXPECT_THAT(lns.In(IpcpPacket(1, 9, "03060a63000a")),
              ElementsAre("IPCP Configure-Request 2 03060a630001",
                          "IPCP Configure-Ack 9 03060a63000a", "Suspended"));
  EXPECT_THAT(lns.In(AckOf(lns.frames.at(0))),
              ElementsAre("step ipcp_opened", "Up 10.99.0.10 10.99.0.1 mru 1500 alice"));
}

TEST(LnsLink, AClientThatClosesIpcpIsTerminated) {
  Lns lns;
  lns.BringUp();
  EXPECT_THAT(lns.In(IpcpPacket(5, 9, "")), ElementsAre("IPCP Terminate-Ack 9", "Suspended"));
  EXPECT_THAT(lns.At(absl::Seconds(3)), ElementsAre(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(lns.At(absl::Seconds(10)), Contains("Down ipcp_failed"));
}

TEST(LnsLink, AnotherUserOnTheSameLinkIsRefused) {
  Lns lns;
  lns.BringUp();
  lns.In(LcpPacket(1, 40, kMagic));
  lns.In(AckOf(lns.frames.at(0)));
  lns.challenge_id = 2;
  lns.In(lns.Response("bob"));
  EXPECT_THAT(lns.Verified(Accepted{kGoodResponse}), Contains(StartsWith("LCP Terminate-Request")));
  EXPECT_THAT(lns.In(LcpPacket(6, 2, "")), ElementsAre("Down user_changed"));
}

TEST(LnsLink, AddressThatComesDuringANewNegotiationIsKept) {
  Lns lns;
  lns.OpenLcp();
  lns.In(lns.Response("alice"));
  lns.Verified(Accepted{kGoodResponse});
  lns.In(LcpPacket(1, 40, kMagic));
  const Bytes request = lns.frames.at(0);
  EXPECT_THAT(lns.Address(Lns::kAssignment), IsEmpty());
  lns.In(AckOf(request));
  lns.challenge_id = 2;
  lns.In(lns.Response("alice"));
  EXPECT_THAT(lns.Verified(Accepted{kGoodResponse}), Not(Contains("NeedAddress alice")));
}

TEST(LnsLink, ALoginThatNeverEndsIsEnded) {
  Lns lns;
  lns.OpenLcp();
  lns.In(lns.Response("alice"));  // the verifier never answers
  const Lines lines = lns.At(absl::Minutes(3));
  EXPECT_EQ(lines.back(), "Down login_timeout");
  EXPECT_EQ(lns.now - lns.kEpoch, absl::Minutes(3));
}

TEST(LnsLink, EveryFrameLostForWantOfBuffersIsSentAgain) {
  Lns lns;
  std::vector<PacketBuf> hoard;
  while (PacketBuf buf = lns.pool.Get()) hoard.push_back(std::move(buf));
  EXPECT_THAT(lns.Start(), IsEmpty());
  hoard.clear();
  EXPECT_THAT(lns.At(absl::Seconds(1)), SizeIs(1));
}

TEST(LnsLink, EveryReasonHasItsWords) {
  for (int reason = 0; reason <= static_cast<int>(DownReason::kLowerLayerDown); ++reason) {
    EXPECT_NE(NameOf(static_cast<DownReason>(reason)), "unknown");
    EXPECT_NE(TextOf(static_cast<DownReason>(reason)), "unknown");
  }
}

}  // namespace
}  // namespace stack::ppp
