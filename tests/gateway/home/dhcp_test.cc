// Home and the lease of an interface: from the first DISCOVER to what the shards are told, with a
// server made of libtins on the other end of the wire.
#include <tins/tins.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/home/home.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "stack/wire/arp.h"
#include "tests/support/frames.h"
#include "tests/support/rng.h"
#include "tests/support/world/world.h"

namespace gateway::home {
namespace {

using stack::Bytes;
using stack::ByteView;
using ::testing::HasSubstr;
using Type = Tins::DHCP::Flags;

const stack::Mac kOther = *stack::Mac::Parse("02:00:00:00:00:99");
constexpr uint8_t kLink = 0;

struct Offer {
  std::string address = "192.0.2.50", router = "192.0.2.254";
  uint32_t lease = 3600;
  uint16_t mtu = 1400;
  std::string routes = "180a3205c00002fc";  // 10.50.5.0/24 via 192.0.2.252, and no default route
};

class HomeDhcpTest : public testing::Test {
 protected:
  HomeDhcpTest() {
    conf::Model model = test::DefaultModel();
    model.interfaces.resize(1);
    model.interfaces[0].dhcp = true;
    model.interfaces[0].address.reset();
    model.pools[0].dns_of_lease = true;
    settings_ = *shard::Translate(model, {{}}, 1, rng_);
    writer_ = std::make_unique<io::LogWriter>(io::LogOptions{
        .sink = [this](std::string_view line) { log_ += std::string(line) + "\n"; }});
    home_ = *Home::Create(settings_, pool_, rng_, writer_->NewLog());
    home_->Start(now_, outcome_);
  }

  // What went onto the wire since the last call: "DISCOVER", "REQUEST", "probe 192.0.2.50",
  // "claim 192.0.2.50".
  std::string Sent() {
    std::string text;
    for (const auto& out : outcome_.frames) {
      const ByteView bytes = out.frame.bytes();
      Tins::EthernetII frame(stack::AsU8(bytes), static_cast<uint32_t>(bytes.size()));
      text += text.empty() ? "" : " ";
      if (const auto* arp = frame.find_pdu<Tins::ARP>()) {
        const bool probe = arp->sender_ip_addr() == "0.0.0.0";
        text += (probe ? "probe " : "claim ") + arp->target_ip_addr().to_string();
        continue;
      }
      const auto& ip = frame.rfind_pdu<Tins::IP>();
      source_ = ip.src_addr().to_string();
      const auto dhcp = frame.rfind_pdu<Tins::RawPDU>().to<Tins::DHCP>();
      xid_ = dhcp.xid();
      static const char* kNames[] = {"?",       "DISCOVER", "OFFER", "REQUEST",
                                     "DECLINE", "ACK",      "NAK",   "RELEASE"};
      text += kNames[dhcp.type()];
    }
    outcome_.frames.clear();
    return text;
  }
  void Serve(Type type, const Offer& offer = {}) {
    Tins::DHCP dhcp;
    dhcp.opcode(Tins::BootP::BOOTREPLY);
    dhcp.htype(1);
    dhcp.hlen(6);
    dhcp.xid(xid_);
    dhcp.chaddr(Tins::HWAddress<6>(settings_.interfaces[0].mac.octets.data()));
    dhcp.type(type);
    dhcp.server_identifier("192.0.2.2");
    if (type != Tins::DHCP::NAK) {
      dhcp.yiaddr(offer.address);
      dhcp.lease_time(offer.lease);
      dhcp.subnet_mask("255.255.255.0");
      if (!offer.router.empty()) dhcp.routers({offer.router});
      dhcp.domain_name_servers({"192.0.2.7"});
      const uint8_t mtu[2] = {static_cast<uint8_t>(offer.mtu >> 8),
                              static_cast<uint8_t>(offer.mtu & 0xff)};
      dhcp.add_option(Tins::DHCP::option(26, 2, mtu));
      const Bytes routes = stack::FromHex(offer.routes);
      if (!routes.empty()) {
        dhcp.add_option(Tins::DHCP::option(121, routes.size(), stack::AsU8(ByteView(routes))));
      }
    }
    dhcp.end();
    const auto raw = dhcp.serialize();
    home_->OnDhcp(now_, kLink, stack::AsBytes(raw.data(), raw.size()), outcome_);
  }
  void Arp(const stack::wire::Arp& arp) {
    Bytes bytes(stack::wire::Arp::kSize);
    arp.Write(bytes);
    home_->OnArp(now_, kLink, bytes, outcome_);
  }
  void RunTo(absl::Time end) {
    while (home_->NextDeadline() <= end) {
      now_ = std::max(now_, home_->NextDeadline());
      home_->OnDeadline(now_, outcome_);
    }
    now_ = end;
  }
  void RunFor(absl::Duration time) { RunTo(now_ + time); }
  void GetLease(const Offer& offer = {}) {
    EXPECT_EQ(Sent(), "DISCOVER");
    Serve(Tins::DHCP::OFFER, offer);
    EXPECT_EQ(Sent(), "REQUEST");
    Serve(Tins::DHCP::ACK, offer);
    RunFor(absl::Seconds(1));
  }
  // What all shards were told about the interface since the last call.
  std::vector<shard::InterfaceAddress> Told() {
    std::vector<shard::InterfaceAddress> told;
    for (const auto& mail : outcome_.mail) {
      const auto* change = std::get_if<shard::InterfaceAddress>(&mail.message);
      if (change == nullptr) continue;
      EXPECT_FALSE(mail.shard.has_value());
      told.push_back(*change);
    }
    outcome_.mail.clear();
    return told;
  }
  std::string Log() {
    writer_->Drain();
    return log_;
  }

  test::FixedRng rng_{9};
  stack::PacketPool pool_{64, 0};
  shard::Settings settings_;
  std::string log_;
  std::unique_ptr<io::LogWriter> writer_;
  Outcome outcome_;
  std::unique_ptr<Home> home_;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  uint32_t xid_ = 0;
  std::string source_;
};

TEST_F(HomeDhcpTest, ALeaseIsCheckedAndThenTold) {
  EXPECT_EQ(Sent(), "DISCOVER");
  EXPECT_EQ(source_, "0.0.0.0");
  Serve(Tins::DHCP::OFFER);
  EXPECT_EQ(Sent(), "REQUEST");
  Serve(Tins::DHCP::ACK);
  EXPECT_TRUE(Told().empty());
  RunFor(absl::Milliseconds(999));
  EXPECT_EQ(Sent(), "probe 192.0.2.50 probe 192.0.2.50 probe 192.0.2.50");
  EXPECT_TRUE(Told().empty());
  RunFor(absl::Milliseconds(1));
  EXPECT_EQ(Sent(), "claim 192.0.2.50");
  const auto told = Told();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].address, stack::Prefix::Parse("192.0.2.50/24"));
  EXPECT_EQ(told[0].gateway, std::nullopt);  // option 121 came without a default route
  EXPECT_EQ(told[0].mtu, 1400);
  ASSERT_EQ(told[0].routes.size(), 1U);
  EXPECT_EQ(told[0].routes[0].prefix.Text(), "10.50.5.0/24");
  ASSERT_EQ(outcome_.leases.size(), 1U);
  EXPECT_EQ(outcome_.leases[0].lease.dns, std::vector{test::Ip("192.0.2.7")});
}

TEST_F(HomeDhcpTest, AnAddressInUseIsDeclined) {
  EXPECT_EQ(Sent(), "DISCOVER");
  Serve(Tins::DHCP::OFFER);
  Sent();
  Serve(Tins::DHCP::ACK);
  Sent();
  Arp({stack::wire::ArpOperation::kReply, kOther, test::Ip("192.0.2.50"), {}, {}});
  EXPECT_EQ(Sent(), "DECLINE");
  EXPECT_EQ(source_, "0.0.0.0");
  EXPECT_TRUE(Told().empty());
  EXPECT_THAT(Log(), HasSubstr("in use"));
  EXPECT_THAT(Log(), HasSubstr("02:00:00:00:00:99"));
  RunFor(absl::Seconds(12));
  EXPECT_EQ(Sent(), "DISCOVER");
}

TEST_F(HomeDhcpTest, ARefusedRenewalTakesTheAddressAwayFromAll) {
  GetLease();
  Told();
  Sent();
  RunFor(absl::Minutes(30));
  EXPECT_THAT(Sent(), HasSubstr("REQUEST"));
  EXPECT_EQ(source_, "192.0.2.50");
  Serve(Tins::DHCP::NAK);
  const auto told = Told();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].address, std::nullopt);
  EXPECT_THAT(Log(), HasSubstr("reason=refused"));
  // Nobody is answered for it any more.
  Sent();
  Arp({stack::wire::ArpOperation::kRequest,
       kOther,
       test::Ip("192.0.2.1"),
       {},
       test::Ip("192.0.2.50")});
  EXPECT_EQ(Sent(), "");
  // The next lease has another address.
  RunFor(absl::Seconds(5));
  GetLease({.address = "192.0.2.60"});
  ASSERT_EQ(Told().back().address, stack::Prefix::Parse("192.0.2.60/24"));
}

TEST_F(HomeDhcpTest, ALeaseThatNobodyRenewsEnds) {
  GetLease({.lease = 120});
  Told();
  RunFor(absl::Seconds(119));
  const auto told = Told();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].address, std::nullopt);
  EXPECT_THAT(Log(), HasSubstr("reason=expired"));
}

TEST_F(HomeDhcpTest, ARenewalThatChangesTheRouterKeepsTheAddress) {
  GetLease({.routes = ""});
  EXPECT_EQ(Told().back().gateway, test::Ip("192.0.2.254"));
  RunFor(absl::Minutes(30));
  Sent();
  Serve(Tins::DHCP::ACK, {.router = "192.0.2.253", .routes = ""});
  const auto told = Told();
  ASSERT_EQ(told.size(), 1U);  // and not first that it is gone
  EXPECT_EQ(told[0].address, stack::Prefix::Parse("192.0.2.50/24"));
  EXPECT_EQ(told[0].gateway, test::Ip("192.0.2.253"));
}

TEST_F(HomeDhcpTest, ClientsGetTheNameServersOfTheLease) {
  const auto dns = [this] {
    outcome_.Clear();
    home_->On(
        now_,
        shard::NeedAddress{.ticket = 1, .user = "u1", .grants = {}, .from = {}, .identity = {}},
        outcome_);
    return std::get<shard::AddressGranted>(outcome_.mail.back().message).dns[0];
  };
  EXPECT_EQ(Sent(), "DISCOVER");
  EXPECT_EQ(dns(), test::Ip("9.9.9.9"));  // the pool's own, as long as there is no lease
  Serve(Tins::DHCP::OFFER);
  Sent();
  Serve(Tins::DHCP::ACK);
  RunFor(absl::Seconds(1));
  EXPECT_EQ(dns(), test::Ip("192.0.2.7"));
}

}  // namespace
}  // namespace gateway::home
