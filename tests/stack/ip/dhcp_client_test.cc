// The DHCP client under virtual time, against a server made of libtins.
#include "stack/ip/dhcp_client.h"

#include <gtest/gtest.h>
#include <tins/tins.h>

#include <memory>
#include <string>

#include "tests/support/frames.h"
#include "tests/support/rng.h"

namespace stack::ip {
namespace {

const Mac kMac = *Mac::Parse("02:00:00:00:00:0a");
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
using Type = Tins::DHCP::Flags;

// What the server puts into its answers.
struct Answer {
  std::string yiaddr = "192.0.2.50", server = "192.0.2.2", mask = "255.255.255.0",
              router = "192.0.2.254";
  uint32_t lease = 3600, t1 = 0, t2 = 0;
  uint16_t mtu = 0;
  std::string routes = "";  // option 121, in hexadecimal
  bool has_routes = false;  // also if they are empty
  Mac to = kMac;
  uint32_t xid_delta = 0;
};

class DhcpClientTest : public testing::Test {
 protected:
  // All said and told since the last call: "DISCOVER>all", "REQUEST>192.0.2.2", "up:192.0.2.50/24",
  // "check:192.0.2.50", "lost:1", or the name of a drop. The last message sent is kept in `sent_`.
  std::string Said() {
    std::string text;
    for (auto& item : out_.items()) {
      if (!text.empty()) text += " ";
      std::visit(Overloaded{[&](const DhcpClient::Out::Frame_& frame) { text += Frame(frame); },
                            [&](const DhcpClient::Event& event) { text += Told(event); }},
                 item);
    }
    out_.Clear();
    return text;
  }
  void Tick(absl::Duration d) { TickTo(now_ + d); }
  void TickTo(absl::Time t) {
    now_ = t;
    client_.OnDeadline(now_, out_);
  }
  void TickToNext() { TickTo(client_.NextDeadline()); }
  void Serve(Type type, const Answer& answer = {}) {
    const Bytes bytes = Build(type, answer);
    client_.OnPacket(now_, bytes, out_);
  }
  Bytes Build(Type type, const Answer& answer) const {
    Tins::DHCP dhcp;
    dhcp.opcode(Tins::BootP::BOOTREPLY);
    dhcp.htype(1);
    dhcp.hlen(6);
    dhcp.xid(sent_->xid() + answer.xid_delta);
    dhcp.yiaddr(answer.yiaddr);
    dhcp.chaddr(Tins::HWAddress<6>(answer.to.octets.data()));
    dhcp.type(type);
    dhcp.server_identifier(answer.server);
    if (type != Tins::DHCP::NAK) {
      dhcp.lease_time(answer.lease);
      if (!answer.mask.empty()) dhcp.subnet_mask(answer.mask);
      dhcp.routers({answer.router});
      dhcp.domain_name_servers({"9.9.9.9", "0.0.0.0", "1.1.1.1"});
      if (answer.t1 != 0) dhcp.renewal_time(answer.t1);
      if (answer.t2 != 0) dhcp.rebind_time(answer.t2);
      const uint8_t mtu[2] = {static_cast<uint8_t>(answer.mtu >> 8),
                              static_cast<uint8_t>(answer.mtu)};
      if (answer.has_routes || !answer.routes.empty()) {
        const Bytes routes = FromHex(answer.routes);
        dhcp.add_option(Tins::DHCP::option(121, routes.size(), AsU8(ByteView(routes))));
      }
      if (answer.mtu != 0) dhcp.add_option(Tins::DHCP::option(26, 2, mtu));
    }
    dhcp.end();
    const auto raw = dhcp.serialize();
    return ToBytes(AsBytes(raw.data(), raw.size()));
  }
  void Bound(const Answer& answer = {}) {
    client_.Start(now_, out_);
    Said();
    Serve(Tins::DHCP::OFFER, answer);
    Said();
    Serve(Tins::DHCP::ACK, answer);
    Said();
    Checked(false);
    Said();
  }
  void Checked(bool taken) { client_.OnChecked(now_, ticket_, taken, out_); }

  PacketPool pool_{16, 0};
  DhcpClient::Out out_{pool_};
  test::FixedRng rng_{7};
  DhcpClient client_{{.mac = kMac, .host_name = "adit"}, rng_};
  absl::Time now_ = kStart;
  std::unique_ptr<Tins::DHCP> sent_;
  Lease lease_;
  uint32_t ticket_ = 0;  // of the last question

 private:
  std::string Frame(const DhcpClient::Out::Frame_& frame) {
    static const char* kNames[] = {"?",       "DISCOVER", "OFFER", "REQUEST",
                                   "DECLINE", "ACK",      "NAK",   "RELEASE"};
    const ByteView bytes = frame.buf.bytes();
    EXPECT_GE(bytes.size(), 300U);
    sent_ = std::make_unique<Tins::DHCP>(AsU8(bytes), static_cast<uint32_t>(bytes.size()));
    EXPECT_EQ(sent_->opcode(), Tins::BootP::BOOTREQUEST);
    EXPECT_EQ(Tins::HWAddress<6>(sent_->chaddr()).to_string(), kMac.Text());
    EXPECT_EQ(frame.address.port, 67);
    const Ip4 to = frame.address.ip;
    return std::string(kNames[sent_->type()]) + ">" + (to.IsLimitedBroadcast() ? "all" : to.Text());
  }
  std::string Told(const DhcpClient::Event& event) {
    return std::visit(Overloaded{[this](const LeaseUp& up) {
                                   lease_ = up.lease;
                                   return "up:" + up.lease.address.Text();
                                 },
                                 [this](const NeedCheck& need) {
                                   ticket_ = need.ticket;
                                   return "check:" + need.ip.Text();
                                 },
                                 [](const LeaseLost& lost) {
                                   return "lost:" + std::to_string(static_cast<int>(lost.why));
                                 },
                                 [](const Drop& drop) { return std::string(NameOf(drop)); }},
                      event);
  }
};

TEST_F(DhcpClientTest, GetsALease) {
  EXPECT_EQ(client_.state(), "STOPPED");
  client_.Start(now_, out_);
  EXPECT_EQ(Said(), "DISCOVER>all");
  EXPECT_EQ(client_.state(), "SELECTING");
  EXPECT_EQ(sent_->padding(), 0x8000);  // answer to all: we have no address
  EXPECT_EQ(sent_->hostname(), "adit");
  const auto* wanted = sent_->search_option(Tins::DHCP::DHCP_PARAMETER_REQUEST_LIST);
  ASSERT_NE(wanted, nullptr);
  EXPECT_EQ(ToHex(AsBytes(wanted->data_ptr(), wanted->data_size())),
            "01790306"
            "1a33363a3b");
  const uint32_t xid = sent_->xid();

  Tick(absl::Seconds(1));
  Serve(Tins::DHCP::OFFER);
  EXPECT_EQ(Said(), "REQUEST>all");
  EXPECT_EQ(client_.state(), "REQUESTING");
  EXPECT_EQ(sent_->xid(), xid);
  EXPECT_EQ(sent_->requested_ip().to_string(), "192.0.2.50");
  EXPECT_EQ(sent_->server_identifier().to_string(), "192.0.2.2");
  EXPECT_EQ(sent_->ciaddr().to_string(), "0.0.0.0");

  Serve(Tins::DHCP::ACK, {.mtu = 1400});
  EXPECT_EQ(Said(), "check:192.0.2.50");
  EXPECT_EQ(client_.state(), "CHECKING");
  Tick(absl::Seconds(1));
  Checked(false);
  EXPECT_EQ(Said(), "up:192.0.2.50/24");
  EXPECT_EQ(client_.state(), "BOUND");
  EXPECT_EQ(lease_.gateway, test::Ip("192.0.2.254"));
  EXPECT_EQ(lease_.dns, (std::vector<Ip4>{test::Ip("9.9.9.9"), test::Ip("1.1.1.1")}));
  EXPECT_EQ(lease_.mtu, 1400);
  EXPECT_EQ(lease_.time, absl::Hours(1));
  EXPECT_EQ(lease_.server, test::Ip("192.0.2.2"));
}

TEST_F(DhcpClientTest, AsksAgainFourEightSixteenSecondsLaterMoreOrLess) {
  client_.Start(now_, out_);
  EXPECT_EQ(Said(), "DISCOVER>all");
  for (const int seconds : {4, 8, 16, 32, 64, 64, 64}) {
    const absl::Duration wait = client_.NextDeadline() - now_;
    EXPECT_GE(wait, absl::Seconds(seconds - 1));
    EXPECT_LE(wait, absl::Seconds(seconds + 1));
    EXPECT_NE(wait, absl::Seconds(seconds));  // the jitter
    Tick(wait - absl::Nanoseconds(1));
    EXPECT_EQ(Said(), "");
    Tick(absl::Nanoseconds(1));
    EXPECT_EQ(Said(), "DISCOVER>all");
  }
  EXPECT_GT(sent_->secs(), 100);
}

TEST_F(DhcpClientTest, AServerThatFallsSilentAfterItsOfferIsGivenUp) {
  client_.Start(now_, out_);
  Said();
  const uint32_t xid = sent_->xid();
  Serve(Tins::DHCP::OFFER);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Said(), "REQUEST>all") << i;
    TickToNext();
  }
  EXPECT_EQ(Said(), "DISCOVER>all");
  EXPECT_NE(sent_->xid(), xid);
}

TEST_F(DhcpClientTest, RenewsAtT1WithItsServer) {
  Bound();
  const absl::Duration t1 = client_.NextDeadline() - now_;
  EXPECT_LE(t1, absl::Seconds(1800));
  EXPECT_GE(t1, absl::Seconds(1800 - 36));
  TickToNext();
  EXPECT_EQ(Said(), "REQUEST>192.0.2.2");
  EXPECT_EQ(client_.state(), "RENEWING");
  EXPECT_EQ(sent_->ciaddr().to_string(), "192.0.2.50");
  EXPECT_EQ(sent_->padding(), 0);
  EXPECT_EQ(sent_->search_option(Tins::DHCP::DHCP_REQUESTED_ADDRESS), nullptr);
  EXPECT_EQ(sent_->search_option(Tins::DHCP::DHCP_SERVER_IDENTIFIER), nullptr);
  Serve(Tins::DHCP::ACK);
  EXPECT_EQ(Said(), "");  // nothing new
  EXPECT_EQ(client_.state(), "BOUND");
  EXPECT_GE(client_.NextDeadline() - now_, absl::Seconds(1764));
}

TEST_F(DhcpClientTest, TellsWhenARenewalChangesSomething) {
  Bound();
  TickToNext();
  Said();
  Serve(Tins::DHCP::ACK, {.router = "192.0.2.253"});
  EXPECT_EQ(Said(), "up:192.0.2.50/24");
  EXPECT_EQ(lease_.gateway, test::Ip("192.0.2.253"));
}

TEST_F(DhcpClientTest, RebindsAtT2AndLosesTheLeaseAtItsEnd) {
  Bound({.lease = 1000, .t1 = 400, .t2 = 800});
  std::string said;
  absl::Time rebound, lost;
  while (lost == absl::Time{}) {
    TickToNext();
    const std::string now_said = Said();
    if (now_said == "REQUEST>all" && rebound == absl::Time{}) rebound = now_;
    if (now_said.starts_with("lost")) lost = now_;
    said += now_said + "\n";
  }
  // 400 (less some jitter), then after half of what is left to 800, but at least a minute; the same
  // to 1000.
  EXPECT_EQ(said,
            "REQUEST>192.0.2.2\nREQUEST>192.0.2.2\nREQUEST>192.0.2.2\nREQUEST>192.0.2.2\n"
            "REQUEST>all\nREQUEST>all\nREQUEST>all\nlost:0 DISCOVER>all\n");
  EXPECT_EQ(rebound, kStart + absl::Seconds(800));
  EXPECT_EQ(lost, kStart + absl::Seconds(1000));
  EXPECT_EQ(sent_->padding(), 0x8000);
}

TEST_F(DhcpClientTest, AnotherServerMayTakeTheLeaseOverWhileRebinding) {
  Bound({.lease = 1000, .t1 = 400, .t2 = 800});
  TickTo(kStart + absl::Seconds(800));
  EXPECT_EQ(Said(), "REQUEST>all");  // T1 was slept through
  EXPECT_EQ(client_.state(), "REBINDING");
  EXPECT_GT(client_.NextDeadline(), now_);  // and is not due any more
  Serve(Tins::DHCP::ACK, {.server = "192.0.2.3"});
  EXPECT_EQ(Said(), "up:192.0.2.50/24");
  EXPECT_EQ(lease_.server, test::Ip("192.0.2.3"));
}

TEST_F(DhcpClientTest, TheLeaseRunsFromTheQuestionNotFromTheAnswer) {
  client_.Start(now_, out_);
  Said();
  Serve(Tins::DHCP::OFFER, {.lease = 100});
  Said();
  now_ += absl::Seconds(2);
  Serve(Tins::DHCP::ACK, {.lease = 100});
  Said();
  Checked(false);
  while (client_.state() != "SELECTING") TickToNext();
  EXPECT_EQ(now_, kStart + absl::Seconds(100));
}

TEST_F(DhcpClientTest, AnEndlessLeaseNeedsNoTimer) {
  Bound({.lease = 0xffffffff});
  EXPECT_EQ(client_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(DhcpClientTest, NonsensicalT1AndT2AreReplaced) {
  Bound({.lease = 1000, .t1 = 900, .t2 = 100});
  EXPECT_GE(client_.NextDeadline(), kStart + absl::Seconds(490));
  EXPECT_LE(client_.NextDeadline(), kStart + absl::Seconds(500));
}

TEST_F(DhcpClientTest, ANakStartsOverAfterAWhile) {
  client_.Start(now_, out_);
  Said();
  Serve(Tins::DHCP::OFFER);
  Said();
  Serve(Tins::DHCP::NAK, {.server = "192.0.2.9"});
  EXPECT_EQ(Said(), "dhcp_ignored");  // not the server asked
  Serve(Tins::DHCP::NAK);
  EXPECT_EQ(Said(), "");
  EXPECT_EQ(client_.state(), "INIT");
  EXPECT_GE(client_.NextDeadline() - now_, absl::Seconds(2));
  TickToNext();
  EXPECT_EQ(Said(), "DISCOVER>all");
}

TEST_F(DhcpClientTest, ANakWhileRenewingTakesTheAddressAway) {
  Bound();
  Serve(Tins::DHCP::NAK);
  EXPECT_EQ(Said(), "dhcp_ignored");  // nobody asked
  TickToNext();
  Said();
  Serve(Tins::DHCP::NAK);
  EXPECT_EQ(Said(), "lost:1");
  TickToNext();
  EXPECT_EQ(Said(), "DISCOVER>all");
}

TEST_F(DhcpClientTest, AnAddressThatIsInUseIsDeclined) {
  client_.Start(now_, out_);
  Said();
  Serve(Tins::DHCP::OFFER);
  Said();
  Serve(Tins::DHCP::ACK);
  Said();
  ticket_ += 1;
  Checked(true);  // an answer to another question
  EXPECT_EQ(Said(), "");
  ticket_ -= 1;
  Checked(true);
  EXPECT_EQ(Said(), "DECLINE>all");
  EXPECT_EQ(sent_->requested_ip().to_string(), "192.0.2.50");
  EXPECT_EQ(sent_->server_identifier().to_string(), "192.0.2.2");
  EXPECT_GE(client_.NextDeadline() - now_, absl::Seconds(10));  // RFC 2131 section 3.1 (5)
  Checked(false);                                               // too late
  EXPECT_EQ(Said(), "");
  TickToNext();
  EXPECT_EQ(Said(), "DISCOVER>all");
}

TEST_F(DhcpClientTest, WithoutAnAnswerTheAddressCountsAsFree) {
  client_.Start(now_, out_);
  Said();
  Serve(Tins::DHCP::OFFER, {.t1 = 2, .t2 = 3});
  Said();
  Serve(Tins::DHCP::ACK, {.t1 = 2, .t2 = 3});
  EXPECT_EQ(Said(), "check:192.0.2.50");
  Tick(absl::Seconds(5) - absl::Nanoseconds(1));
  EXPECT_EQ(Said(), "");
  Tick(absl::Nanoseconds(1));
  EXPECT_EQ(Said(), "up:192.0.2.50/24");
  EXPECT_GT(client_.NextDeadline(), now_);  // though T1 and T2 are over
}

TEST_F(DhcpClientTest, ALeaseThatIsOverBeforeItCouldBeUsedIsAskedForAgain) {
  client_.Start(now_, out_);
  Said();
  Serve(Tins::DHCP::OFFER, {.lease = 10});
  Said();
  now_ += absl::Seconds(9);
  Serve(Tins::DHCP::ACK, {.lease = 10});
  Said();
  now_ += absl::Seconds(1);
  Checked(false);
  EXPECT_EQ(Said(), "DISCOVER>all");
}

// RFC 3442: a default route, a network behind another router, one on the link itself, and one whose
// host bits are to be cleared; the router option does not count any more.
TEST_F(DhcpClientTest, ClasslessRoutesReplaceTheRouter) {
  Answer answer;
  answer.routes =
      "00c00002fd"
      "0a0ac0"
      "c00002fc"
      "18c63364"
      "00000000"
      "1fc6336505"
      "c00002fc"
      "04e0"
      "c00002fc";
  Bound(answer);
  EXPECT_EQ(lease_.gateway, test::Ip("192.0.2.253"));
  const auto route = [](const char* prefix, const char* via) {
    return wire::DhcpRoute{*Prefix::Parse(prefix), test::Ip(via)};
  };
  EXPECT_EQ(lease_.routes, (std::vector<wire::DhcpRoute>{route("10.192.0.0/10", "192.0.2.252"),
                                                         route("198.51.100.0/24", "0.0.0.0"),
                                                         route("198.51.101.4/31", "192.0.2.252")}));
}

TEST_F(DhcpClientTest, DamagedClasslessRoutesLeaveTheRouter) {
  for (const char* routes : {"21c0000200c00002fd", "18c00002c00002", ""}) {
    SCOPED_TRACE(routes);
    Answer answer;
    answer.routes = routes;
    answer.has_routes = true;
    client_.Release(now_, out_);
    Said();
    Bound(answer);
    EXPECT_EQ(lease_.gateway, *routes == '\0' ? Ip4{} : test::Ip("192.0.2.254"));
    EXPECT_TRUE(lease_.routes.empty());
  }
}

TEST_F(DhcpClientTest, AConflictIsDeclined) {
  client_.OnConflict(now_, out_);
  EXPECT_EQ(Said(), "");  // nothing to decline
  Bound();
  client_.OnConflict(now_, out_);
  EXPECT_EQ(Said(), "lost:2 DECLINE>all");  // in this order: DECLINE goes out with source 0
  EXPECT_EQ(sent_->requested_ip().to_string(), "192.0.2.50");
  EXPECT_EQ(sent_->server_identifier().to_string(), "192.0.2.2");
  EXPECT_EQ(sent_->ciaddr().to_string(), "0.0.0.0");
  EXPECT_GE(client_.NextDeadline() - now_, absl::Seconds(10));
  TickToNext();
  EXPECT_EQ(Said(), "DISCOVER>all");
}

TEST_F(DhcpClientTest, ReleaseGivesTheLeaseBackAndStops) {
  Bound();
  client_.Release(now_, out_);
  EXPECT_EQ(Said(),
            "RELEASE>192.0.2.2 lost:3");  // in this order: RELEASE goes out with the address
  EXPECT_EQ(sent_->ciaddr().to_string(), "192.0.2.50");
  EXPECT_EQ(client_.state(), "STOPPED");
  EXPECT_EQ(client_.NextDeadline(), absl::InfiniteFuture());
  client_.Release(now_, out_);
  EXPECT_EQ(Said(), "");
  client_.Start(now_, out_);
  client_.Start(now_, out_);
  EXPECT_EQ(Said(), "DISCOVER>all");
}

TEST_F(DhcpClientTest, OffersOfNoUseAreIgnored) {
  client_.Start(now_, out_);
  Said();
  const Answer useless[] = {{.yiaddr = "0.0.0.0"},
                            {.yiaddr = "224.0.0.1"},
                            {.yiaddr = "127.0.0.1"},
                            {.server = "0.0.0.0"},
                            {.mask = ""},
                            {.mask = "255.0.255.0"},
                            {.mask = "0.0.0.0"},
                            {.lease = 9},
                            {.to = Mac::Broadcast()},
                            {.xid_delta = 1}};
  for (const Answer& answer : useless) {
    Serve(Tins::DHCP::OFFER, answer);
    EXPECT_EQ(Said(), "dhcp_ignored");
    EXPECT_EQ(client_.state(), "SELECTING");
  }
  Serve(Tins::DHCP::ACK);
  EXPECT_EQ(Said(), "dhcp_ignored");
  Serve(Tins::DHCP::NAK);
  EXPECT_EQ(Said(), "dhcp_ignored");
  Serve(Tins::DHCP::DISCOVER);
  EXPECT_EQ(Said(), "dhcp_ignored");
  client_.OnPacket(now_, Bytes(100), out_);
  EXPECT_EQ(Said(), "truncated");
  client_.OnPacket(now_, Bytes(300), out_);
  EXPECT_EQ(Said(), "dhcp_malformed");
  Serve(Tins::DHCP::OFFER);
  EXPECT_EQ(Said(), "REQUEST>all");
  Serve(Tins::DHCP::ACK, {.yiaddr = "192.0.2.51"});  // not what was offered
  EXPECT_EQ(Said(), "dhcp_ignored");
  Serve(Tins::DHCP::ACK, {.server = "192.0.2.9"});
  EXPECT_EQ(Said(), "dhcp_ignored");
  Serve(Tins::DHCP::OFFER);  // one is enough
  EXPECT_EQ(Said(), "dhcp_ignored");
}

TEST_F(DhcpClientTest, AnAbsurdMtuOrGatewayIsLeftOut) {
  Bound({.router = "0.0.0.0", .mtu = 68});
  EXPECT_EQ(lease_.mtu, 0);
  EXPECT_EQ(lease_.gateway, Ip4{});
}

TEST_F(DhcpClientTest, EarlyDeadlinesAreHarmless) {
  Bound();
  const absl::Time next = client_.NextDeadline();
  for (int i = 1; i < 10; ++i) TickTo(kStart + (next - kStart) * i / 10);
  EXPECT_EQ(Said(), "");
  EXPECT_EQ(client_.NextDeadline(), next);
}

}  // namespace
}  // namespace stack::ip
