// The LNS half under virtual time, against scripts of the clients it must live with.
#include "stack/l2tp/tunnel_lns.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/stack/l2tp/recorded.h"
#include "tests/stack/l2tp/script.h"

namespace stack::l2tp {
namespace {

using test::Control;
using test::Lines;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using Lns = test::Rig<TunnelLns>;
namespace recorded = test::recorded;

enum : uint16_t {
  kSccrq = 1,
  kSccrp,
  kScccn,
  kStopCcn,
  kHello = 6,
  kOcrq,
  kIcrq = 10,
  kIcrp,
  kIccn,
  kCdn = 14,
  kWen,
};
enum : uint16_t {
  kResult = 1,
  kVersion,
  kFraming,
  kBearer,
  kTieBreaker,
  kFirmware,
  kHost,
  kVendor,
  kTunnel,
  kRws,
  kChallenge,
  kSession = 14,
  kSerial,
  kTxSpeed = 24,
  kFramingType = 19,
  kSequencing = 39,
};

// A minimal client with tunnel 7 and session 9; own tunnel id here is 256.
Control Sccrq(std::string_view host = "client") {
  return Control(kSccrq, 0, 0)
      .Avp16(kVersion, 0x100)
      .Avp32(kFraming, 3)
      .Text(kHost, host)
      .Avp16(kTunnel, 7);
}
Control Scccn() { return Control(kScccn, 1, 1).To(256); }
Control Icrq(uint16_t ns = 2, uint16_t session = 9) {
  return Control(kIcrq, ns, 1).To(256).Avp16(kSession, session).Avp32(kSerial, 1);
}
Control Iccn(uint16_t ns = 3, uint16_t session = 0x5001) {
  return Control(kIccn, ns, 2).To(256, session).Avp32(kTxSpeed, 1000000).Avp32(kFramingType, 3);
}

void OpenTunnel(Lns& lns) {
  lns.In(Sccrq());
  ASSERT_THAT(lns.In(Scccn()), Contains("TunnelUp 256-7 client "));
}
void OpenCall(Lns& lns) {
  OpenTunnel(lns);
  lns.In(Icrq());
  ASSERT_THAT(lns.In(Iccn()), Contains("CallUp 20481-9 serial1"));
}

TEST(TunnelLns, ALoginStepByStep) {
  Lns lns;
  EXPECT_THAT(lns.In(Sccrq()), ElementsAre("got SCCRQ", "sent SCCRP", "SCCRP 7/0 ns0 nr1"));
  EXPECT_THAT(lns.In(Scccn()),
              ElementsAre("got SCCCN", "ZLB 7/0 ns1 nr2", "TunnelUp 256-7 client "));
  EXPECT_THAT(lns.In(Icrq()), ElementsAre("got ICRQ", "sent ICRP", "ICRP 7/9 ns1 nr3"));
  EXPECT_THAT(lns.In(Iccn()), ElementsAre("got ICCN", "ZLB 7/0 ns2 nr4", "CallUp 20481-9 serial1"));
  EXPECT_EQ(lns.tunnel.calls(), 1U);
}

TEST(TunnelLns, AnswersTheRecordedClientAsTheRecordedServerDid) {
  Lns lns({}, 0xc383);
  lns.rng.next_ = 0x92af;
  const auto frames = [&](const char* hex) {
    const Bytes message = FromHex(hex);
    lns.tunnel.OnPacket(lns.now, message, lns.out);
    std::vector<std::string> found;
    for (auto& item : lns.out.items()) {
      if (auto* frame = std::get_if<0>(&item)) {
        found.push_back(ToHex(std::as_const(frame->buf).bytes()));
      }
    }
    lns.out.Clear();
    return found;
  };
  const auto sccrp = frames(recorded::kSccrq);  // ours has fewer AVPs; the octets are spelled out
  EXPECT_THAT(sccrp, ElementsAre("c8020040cf53000000000001"
                                 "8008000000000002"
                                 "8008000000020100"
                                 "800a0000000300000003"
                                 "800a0000000761646974"
                                 "800800000009c383"
                                 "80080000000a0004"));
  EXPECT_THAT(frames(recorded::kScccn), ElementsAre(recorded::kZlbOfScccn));
  EXPECT_THAT(frames(recorded::kIcrq), ElementsAre(recorded::kIcrp));
  EXPECT_THAT(frames(recorded::kIccn), ElementsAre("c802000ccf53000000020004"));
  EXPECT_THAT(frames(recorded::kCdn), ElementsAre("c802000ccf53000000020005"));
  EXPECT_THAT(frames(recorded::kStopCcn), ElementsAre("c802000ccf53000000020006"));
}

TEST(TunnelLns, TellsHowTheRecordedClientLeft) {
  Lns lns({}, 0xc383);
  lns.rng.next_ = 0x92af;
  for (const char* hex : {recorded::kSccrq, recorded::kScccn, recorded::kIcrq, recorded::kIccn}) {
    lns.InHex(hex);
  }
  EXPECT_THAT(lns.InHex(recorded::kCdn),
              ElementsAre("got CDN", "ZLB 53075/0 ns2 nr5", "CallDown 37551 peer_hung_up 1/0"));
  EXPECT_THAT(lns.InHex(recorded::kStopCcn),
              ElementsAre("got StopCCN", "ZLB 53075/0 ns2 nr6", "TunnelDown peer_stopped 1/0"));
}

// --- starting

TEST(TunnelLns, SccrqRepeatedEverySecondGetsSccrpAgain) {
  Lns lns;
  lns.In(Sccrq());
  lns.Until(0.5);
  EXPECT_THAT(lns.In(Sccrq()), ElementsAre("drop l2tp_duplicate", "SCCRP 7/0 ns0 nr1"));
  EXPECT_THAT(lns.In(Sccrq()), ElementsAre("drop l2tp_duplicate", "SCCRP 7/0 ns0 nr1"));
  EXPECT_THAT(lns.In(Scccn()), Contains("TunnelUp 256-7 client "));
}

TEST(TunnelLns, IsIdleUntilASccrqAndNeverAnswersHelloForTunnelZero) {
  Lns lns;
  EXPECT_THAT(lns.In(Control(kHello, 0, 0)), ElementsAre("drop unknown_tunnel"));
  EXPECT_THAT(lns.In(Scccn()), ElementsAre("drop unknown_tunnel"));
  EXPECT_THAT(lns.In(Control::Zlb(0, 0)), ElementsAre("drop unknown_tunnel"));
  EXPECT_THAT(lns.In(Sccrq()), Contains("SCCRP 7/0 ns0 nr1"));
}

TEST(TunnelLns, IdentifiesOnlySccrqsForTunnelZero) {
  const Control sccrq = Sccrq("box");
  const auto id = TunnelLns::Identify(sccrq.bytes());
  ASSERT_TRUE(id);
  EXPECT_EQ(id->assigned.value, 7);
  EXPECT_EQ(id->host_name, "box");
  EXPECT_FALSE(TunnelLns::Identify(Control(kHello, 0, 0).bytes()));
  EXPECT_FALSE(TunnelLns::Identify(Sccrq().To(256).bytes()));
  EXPECT_FALSE(TunnelLns::Identify(Control(kSccrq, 0, 0).Text(kHost, "x").bytes()));
  EXPECT_FALSE(TunnelLns::Identify(Control(kSccrq, 0, 0).Avp16(kTunnel, 0).bytes()));
  EXPECT_FALSE(TunnelLns::Identify(Control(kSccrq, 1, 0).Avp16(kTunnel, 7).bytes()));
  EXPECT_FALSE(TunnelLns::Identify({}));
}

TEST(TunnelLns, ToldApartARepetitionAndAFreshStart) {
  Lns lns;
  const Control first = Sccrq(), other = Sccrq("another");
  const SccrqIdentity same = *TunnelLns::Identify(first.bytes());
  const SccrqIdentity fresh = *TunnelLns::Identify(other.bytes());
  EXPECT_FALSE(lns.tunnel.IsRepetition(lns.now, same));  // nobody's tunnel yet
  lns.In(Sccrq());
  EXPECT_TRUE(lns.tunnel.IsRepetition(lns.now, same));
  EXPECT_FALSE(lns.tunnel.IsRepetition(lns.now, fresh));
  lns.In(Scccn());
  EXPECT_TRUE(lns.tunnel.IsRepetition(lns.now, same));  // overtaken on its way
  EXPECT_THAT(lns.In(Sccrq()), ElementsAre("drop l2tp_duplicate", "ZLB 7/0 ns1 nr2"));
  lns.In(Icrq());
  lns.In(Iccn());
  lns.Until(3);
  EXPECT_FALSE(lns.tunnel.IsRepetition(lns.now, same));  // the client has started afresh
  lns.tunnel.Abandon(lns.now, lns.out);
  EXPECT_THAT(test::Drain(lns.out),
              ElementsAre("CallDown 20481 replaced 0/0", "TunnelDown replaced 0/0", "Gone"));
  EXPECT_EQ(lns.tunnel.NextDeadline(), absl::InfiniteFuture());
}

TEST(TunnelLns, HostNamesAsClientsSendThem) {
  const auto told = [](std::string_view host) {
    Lns lns;
    lns.In(Sccrq(host));
    return lns.In(Scccn()).back();
  };
  EXPECT_EQ(told(std::string_view("macbook\0", 8)), "TunnelUp 256-7 macbook ");  // Apple
  EXPECT_EQ(told(std::string_view("\0", 1)), "TunnelUp 256-7  ");                // Apple, unnamed
  EXPECT_EQ(told(""), "TunnelUp 256-7  ");                                       // Windows 2000
  EXPECT_EQ(told("anonymous"), "TunnelUp 256-7 anonymous ");                     // Android
  EXPECT_EQ(told("a\nb\xff"), "TunnelUp 256-7 a?b? ");
  EXPECT_EQ(told(std::string(900, 'x')), "TunnelUp 256-7 " + std::string(64, 'x') + " ");
}

TEST(TunnelLns, RefusesAnotherProtocolVersionNamingItsOwn) {
  Lns lns;
  const Control sccrq = Control(kSccrq, 0, 0).Avp16(kVersion, 0x200).Avp16(kTunnel, 7);
  EXPECT_THAT(lns.In(sccrq), ElementsAre("got SCCRQ", "sent StopCCN", "StopCCN=5/256 7/0 ns0 nr1",
                                         "TunnelDown refused 5/256"));
  // Until it is acknowledged, the same SCCRQ is a repetition and brings StopCCN again.
  EXPECT_TRUE(lns.tunnel.IsRepetition(lns.now, *TunnelLns::Identify(sccrq.bytes())));
  EXPECT_THAT(lns.In(sccrq), ElementsAre("drop l2tp_duplicate", "StopCCN=5/256 7/0 ns0 nr1"));
  EXPECT_THAT(lns.In(Control::Zlb(1, 1).To(256)), ElementsAre("Gone"));
}

TEST(TunnelLns, AChallengeIsRefusedSinceNoSecretIsShared) {  // Android with an L2TP secret
  Lns lns;
  EXPECT_THAT(lns.In(Sccrq().Avp(kChallenge, Bytes(32))), Contains("StopCCN=4/0 7/0 ns0 nr1"));
}

TEST(TunnelLns, ATieBreakerChangesNothing) {
  Lns lns;
  EXPECT_THAT(lns.In(Sccrq().Avp(kTieBreaker, Bytes(8), 0)), Contains("SCCRP 7/0 ns0 nr1"));
}

TEST(TunnelLns, MicrosoftsSccrqAndIcrq) {
  Lns lns;
  lns.In(Control(kSccrq, 0, 0)
             .Avp16(kVersion, 0x100)
             .Avp32(kFraming, 1)
             .Avp32(kBearer, 0)
             .Avp16(kFirmware, 0x0a00, false)
             .Text(kHost, "WIN10")
             .Text(kVendor, "Microsoft", false)
             .Avp16(kTunnel, 7)
             .Avp16(kRws, 8));
  EXPECT_THAT(lns.In(Scccn()), Contains("TunnelUp 256-7 WIN10 Microsoft"));
  EXPECT_THAT(lns.In(Icrq().Avp(1, Bytes(16, std::byte{0x5a}), 0, 311)),
              ElementsAre("got ICRQ", "sent ICRP", "ICRP 7/9 ns1 nr3"));
}

// --- acknowledgements, windows

TEST(TunnelLns, AndroidWithAWindowOfOneSeesAZlbBeforeAnythingElse) {
  Lns lns;
  lns.In(Control(kSccrq, 0, 0)
             .Avp16(kVersion, 0x100)
             .Text(kHost, "anonymous")
             .Avp32(kFraming, 3)
             .Avp16(kTunnel, 7)
             .Avp16(kRws, 1));
  EXPECT_EQ(lns.In(Scccn())[1], "ZLB 7/0 ns1 nr2");
  lns.In(Icrq());
  EXPECT_THAT(lns.In(Iccn()), ElementsAre("got ICCN", "ZLB 7/0 ns2 nr4", "CallUp 20481-9 serial1"));
  // Repetitions, every two seconds until the ZLB gets through, bring it again and nothing else.
  EXPECT_THAT(lns.In(Iccn()), ElementsAre("drop l2tp_duplicate", "ZLB 7/0 ns2 nr4"));
  // Two messages, of which the window lets one go.
  lns.tunnel.HangUp(lns.now, {0x5001}, Code(CdnResult::kAdministrative), lns.out);
  lns.tunnel.Close(lns.now, Code(StopCcnResult::kShuttingDown), lns.out);
  EXPECT_THAT(test::Drain(lns.out),
              ElementsAre("sent CDN", "CDN=3/0 7/9 ns2 nr4", "CallDown 20481 hung_up 3/0",
                          "sent StopCCN", "TunnelDown hung_up 6/0"));
  EXPECT_THAT(lns.In(Control::Zlb(4, 3).To(256)), ElementsAre("StopCCN=6/0 7/0 ns3 nr4"));
  EXPECT_THAT(lns.In(Control::Zlb(4, 4).To(256)), ElementsAre("Gone"));
}

TEST(TunnelLns, NoHelloBeforeIccnAndOneAfterAMinuteOfSilence) {
  TunnelOptions options;
  options.no_call_limit = absl::Seconds(1000);
  Lns lns(options);
  OpenTunnel(lns);
  EXPECT_THAT(lns.Until(300), IsEmpty());
  lns.In(Icrq());
  lns.In(Iccn());
  EXPECT_THAT(lns.Until(359.9), IsEmpty());
  EXPECT_THAT(lns.Until(360), ElementsAre("@360 HELLO 7/0 ns2 nr4"));
  EXPECT_THAT(lns.In(Control::Zlb(4, 3).To(256)), IsEmpty());
  EXPECT_THAT(lns.Until(419), IsEmpty());
  lns.tunnel.OnLifeSign(lns.now);  // data at 419
  EXPECT_THAT(lns.Until(478.9), IsEmpty());
  EXPECT_THAT(lns.Until(479), ElementsAre("@479 HELLO 7/0 ns3 nr4"));
}

TEST(TunnelLns, ASilentPeerIsGivenUpAfterBackoff) {
  Lns lns;
  OpenCall(lns);
  EXPECT_THAT(
      lns.Until(200),
      ElementsAre("@60 HELLO 7/0 ns2 nr4", "@61 HELLO 7/0 ns2 nr4", "@63 HELLO 7/0 ns2 nr4",
                  "@67 HELLO 7/0 ns2 nr4", "@75 HELLO 7/0 ns2 nr4", "@83 HELLO 7/0 ns2 nr4",
                  "@91 CallDown 20481 silent 0/0", "@91 TunnelDown silent 0/0", "@91 Gone"));
}

TEST(TunnelLns, DataKeepsAPeerAliveThatMissesHellos) {  // Android 9 while dozing
  Lns lns;
  OpenCall(lns);
  lns.Until(85);
  lns.tunnel.OnLifeSign(lns.now);
  EXPECT_THAT(lns.Until(144), Not(Contains("@91 Gone")));
  EXPECT_THAT(lns.In(Control::Zlb(4, 3).To(256)), IsEmpty());
  EXPECT_FALSE(lns.tunnel.IsGone());
}

TEST(TunnelLns, HelloIsAcknowledged) {
  Lns lns;
  OpenCall(lns);
  EXPECT_THAT(lns.In(Control(kHello, 4, 2).To(256)), ElementsAre("ZLB 7/0 ns2 nr5"));
  EXPECT_THAT(lns.In(Control(kHello, 4, 2).To(256)),
              ElementsAre("drop l2tp_duplicate", "ZLB 7/0 ns2 nr5"));
}

TEST(TunnelLns, MessagesOutOfOrderAreSorted) {
  Lns lns;
  lns.In(Sccrq());
  EXPECT_THAT(lns.In(Icrq()), IsEmpty());  // kept
  EXPECT_THAT(lns.In(Scccn()), ElementsAre("got SCCCN", "ZLB 7/0 ns1 nr2", "TunnelUp 256-7 client ",
                                           "got ICRQ", "sent ICRP", "ICRP 7/9 ns1 nr3"));
}

// --- calls

TEST(TunnelLns, SequencingRequiredIsPassedOn) {
  Lns lns;
  OpenTunnel(lns);
  lns.In(Icrq());
  EXPECT_THAT(lns.In(Iccn().Avp(kSequencing, {})), Contains("CallUp 20481-9 serial1 sequenced"));
}

TEST(TunnelLns, FurtherCallsAreTakenUpToTheBoundAndThenRefused) {
  TunnelOptions options;
  options.max_calls = 2;
  Lns lns(options);
  OpenCall(lns);
  EXPECT_THAT(lns.In(Icrq(4, 10)), Contains("ICRP 7/10 ns2 nr5"));
  EXPECT_THAT(lns.In(Icrq(5, 11)), Contains("CDN=4/0 7/11 ns3 nr6"));
  EXPECT_EQ(lns.tunnel.calls(), 2U);
}

TEST(TunnelLns, OutgoingCallsAreRefusedWithoutHarmToTheFirst) {
  Lns lns;
  OpenCall(lns);
  EXPECT_THAT(lns.In(Control(kOcrq, 4, 2).To(256).Avp16(kSession, 9)),
              ElementsAre("sent CDN", "CDN=5/0 7/9 ns2 nr5"));
  EXPECT_EQ(lns.tunnel.calls(), 1U);
}

TEST(TunnelLns, ACallThatIsNotConnectedIsGivenUpAndLeavesTheTunnel) {
  Lns lns;
  OpenTunnel(lns);
  lns.In(Icrq());
  lns.In(Control::Zlb(3, 2).To(256));
  EXPECT_THAT(lns.Until(30), ElementsAre("@30 sent CDN", "@30 CDN=10/0 7/9 ns2 nr3"));
  EXPECT_THAT(lns.In(Iccn()), ElementsAre("got ICCN", "ZLB 7/0 ns3 nr4"));  // too late
}

TEST(TunnelLns, ATunnelWithoutCallsIsClosed) {
  Lns lns;
  OpenTunnel(lns);
  EXPECT_THAT(lns.Until(60), ElementsAre("@60 sent StopCCN", "@60 StopCCN=1/0 7/0 ns1 nr2",
                                         "@60 TunnelDown timed_out 1/0"));
}

TEST(TunnelLns, ASecondIccnCostsTheCall) {
  Lns lns;
  OpenCall(lns);
  EXPECT_THAT(lns.In(Iccn(4)), ElementsAre("got ICCN", "sent CDN", "CDN=3/0 7/9 ns2 nr5",
                                           "CallDown 20481 protocol_error 3/0"));
}

TEST(TunnelLns, IcrqBeforeScccnIsAStateError) {
  Lns lns;
  lns.In(Sccrq());
  EXPECT_THAT(lns.In(Icrq(1)), Contains("TunnelDown protocol_error 7/0"));
}

// --- attributes

TEST(TunnelLns, UnknownMandatoryAvpCostsTheCallOrTheTunnel) {
  Lns lns;
  OpenCall(lns);
  EXPECT_THAT(lns.In(Icrq(4, 10).Avp16(99, 1)),
              ElementsAre("got ICRQ", "sent CDN", "CDN=2/8 7/10 ns2 nr5"));
  EXPECT_EQ(lns.tunnel.calls(), 1U);
  EXPECT_THAT(lns.In(Control(kHello, 5, 2).To(256).Avp(kResult, Bytes(1)).Avp16(99, 1)),
              Contains("TunnelDown protocol_error 2/2"));  // a Result Code is at least two octets
}

TEST(TunnelLns, UnknownMessagesAreIgnoredUnlessMandatory) {
  Lns lns;
  OpenCall(lns);
  EXPECT_THAT(lns.In(Control::Zlb(4, 2).To(256).Avp16(0, 77, false)),
              ElementsAre("ZLB 7/0 ns2 nr5"));
  EXPECT_THAT(lns.In(Control::Zlb(5, 2).To(256).Avp16(0, 77)),
              Contains("TunnelDown protocol_error 2/8"));
}

TEST(TunnelLns, BrokenFramingIsDroppedAndNotAcknowledged) {
  Lns lns;
  OpenCall(lns);
  Bytes bytes = ToBytes(Control(kHello, 4, 2).To(256).bytes());
  for (const unsigned length : {0U, 5U, 7U, 1023U}) {
    Store16(bytes.data() + 12, static_cast<uint16_t>(0x8000U | length));
    EXPECT_THAT(lns.In(bytes), ElementsAre("drop l2tp_malformed")) << length;
  }
  EXPECT_THAT(lns.In(Control(kHello, 4, 2).To(256)), ElementsAre("ZLB 7/0 ns2 nr5"));
}

TEST(TunnelLns, TrailingOctetsAreTolerated) {
  Lns lns;
  Bytes bytes = ToBytes(Sccrq().bytes());
  bytes.resize(bytes.size() + 6);
  EXPECT_THAT(lns.In(bytes), Contains("SCCRP 7/0 ns0 nr1"));
}

// --- the end

TEST(TunnelLns, AppleLeavesWithSwappedResultCodes) {
  Lns lns;
  OpenCall(lns);
  const Bytes cdn = FromHex("0300deadbeefdead"), stop = FromHex("0100deadbeefdead");
  EXPECT_THAT(lns.In(Control(kCdn, 4, 2).To(256, 0x5001).Avp(kResult, cdn).Avp16(kSession, 9)),
              ElementsAre("got CDN", "ZLB 7/0 ns2 nr5", "CallDown 20481 peer_hung_up 3/0"));
  EXPECT_THAT(lns.In(Control(kStopCcn, 5, 2).To(256).Avp(kResult, stop).Avp16(kTunnel, 7)),
              ElementsAre("got StopCCN", "ZLB 7/0 ns2 nr6", "TunnelDown peer_stopped 1/0"));
}

TEST(TunnelLns, MikroTikLeavesWithTheShortResultCode) {
  Lns lns;
  OpenCall(lns);
  EXPECT_THAT(lns.In(Control(kCdn, 4, 2).To(256, 0x5001).Avp16(kResult, 3).Avp16(kSession, 9)),
              Contains("CallDown 20481 peer_hung_up 3/0"));
}

TEST(TunnelLns, CdnMayNameTheCallByThePeersOwnId) {
  Lns lns;
  OpenCall(lns);
  EXPECT_THAT(lns.In(Control(kCdn, 4, 2).To(256).Avp16(kResult, 1).Avp16(kSession, 9)),
              Contains("CallDown 20481 peer_hung_up 1/0"));
}

TEST(TunnelLns, StopCcnIsAcknowledgedForAFullRetransmissionInterval) {
  Lns lns;
  OpenCall(lns);
  const Control stop = Control(kStopCcn, 4, 2).To(256).Avp16(kTunnel, 7).Avp16(kResult, 6);
  EXPECT_THAT(lns.In(stop),
              ElementsAre("got StopCCN", "ZLB 7/0 ns2 nr5", "CallDown 20481 peer_stopped 6/0",
                          "TunnelDown peer_stopped 6/0"));
  lns.Until(15);
  EXPECT_THAT(lns.In(stop), ElementsAre("drop l2tp_duplicate", "ZLB 7/0 ns2 nr5"));
  EXPECT_THAT(lns.Until(30.9), IsEmpty());
  EXPECT_THAT(lns.Until(31), ElementsAre("@31 Gone"));
  EXPECT_THAT(lns.In(stop), ElementsAre("drop unknown_tunnel"));
}

TEST(TunnelLns, CloseIsResentAndEndsAtLastWithoutAnAnswer) {
  Lns lns;
  OpenCall(lns);
  lns.tunnel.Close(lns.now, Code(StopCcnResult::kShuttingDown), lns.out);
  EXPECT_THAT(test::Drain(lns.out),
              ElementsAre("sent StopCCN", "StopCCN=6/0 7/0 ns2 nr4", "CallDown 20481 hung_up 6/0",
                          "TunnelDown hung_up 6/0"));
  const Lines lines = lns.Until(100);
  EXPECT_THAT(lines, Contains("@1 StopCCN=6/0 7/0 ns2 nr4"));
  EXPECT_EQ(lines.back(), "@31 Gone");
}

TEST(TunnelLns, CloseOvertakesWhatTheWindowHeldBack) {
  Lns lns;
  lns.In(Sccrq().Avp16(kRws, 1));
  lns.In(Scccn());
  lns.In(Icrq(2, 9));
  EXPECT_THAT(lns.In(Icrq(3, 10)), ElementsAre("got ICRQ", "sent ICRP", "ZLB 7/0 ns2 nr4"));
  lns.tunnel.Close(lns.now, Code(StopCcnResult::kClear), lns.out);
  test::Drain(lns.out);
  EXPECT_THAT(lns.In(Control::Zlb(4, 2).To(256)), ElementsAre("StopCCN=1/0 7/0 ns2 nr4"));
}

TEST(TunnelLns, BothStopAtOnce) {
  Lns lns;
  OpenCall(lns);
  lns.tunnel.Close(lns.now, Code(StopCcnResult::kClear), lns.out);
  test::Drain(lns.out);
  EXPECT_THAT(lns.In(Control(kStopCcn, 4, 2).To(256).Avp16(kTunnel, 7).Avp16(kResult, 1)),
              ElementsAre("got StopCCN", "ZLB 7/0 ns3 nr5"));
  EXPECT_THAT(lns.Until(100), ElementsAre("@31 Gone"));
}

TEST(TunnelLns, APeerThatAsksAndNeverAcknowledgesMeetsABound) {
  Lns lns;
  OpenTunnel(lns);
  int dropped = 0;
  for (uint16_t ns = 2; ns < 200; ++ns) {
    const Lines lines = lns.In(Control(kOcrq, ns, 1).To(256).Avp16(kSession, 50));
    if (lines == Lines{"drop l2tp_out_of_window"}) ++dropped;
  }
  EXPECT_GT(dropped, 150);
  EXPECT_THAT(lns.In(Control::Zlb(2, 2).To(256)), Not(IsEmpty()));  // it goes on from there
}

TEST(TunnelLns, ADryPoolIsALostFrame) {
  Lns lns;
  std::vector<PacketBuf> hold;
  while (PacketBuf buf = lns.pool.Get()) hold.push_back(std::move(buf));
  EXPECT_THAT(lns.In(Sccrq()), ElementsAre("got SCCRQ", "sent SCCRP"));
  hold.clear();
  EXPECT_THAT(lns.Until(1), ElementsAre("@1 SCCRP 7/0 ns0 nr1"));
}

}  // namespace
}  // namespace stack::l2tp
