// Which packets to a shared address are adit's, and that the table says the same in its own words.
#include "gateway/presence/share.h"

#include <tins/tins.h>

#include <initializer_list>
#include <string>

#include "gateway/presence/ruleset.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gateway::presence {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Share kBoth{true, 2000, 2999}, kServes{true}, kNats{false, 2000, 2999};

bool Ours(const Share& share, Tins::IP packet) {
  packet.dst_addr("192.0.2.5");
  packet.src_addr("198.51.100.1");
  const auto bytes = packet.serialize();
  return IsOurs(share, stack::AsBytes(bytes.data(), bytes.size()));
}
bool Udp(const Share& share, uint16_t port) {
  return Ours(share, Tins::IP() / Tins::UDP(port, 2000));
}
bool Tcp(const Share& share, uint16_t port) {
  return Ours(share, Tins::IP() / Tins::TCP(port, 2000));
}
bool Icmp(const Share& share, Tins::ICMP::Flags type) {
  return Ours(share, Tins::IP() / Tins::ICMP(type));
}
bool Protocol(const Share& share, uint8_t protocol) {
  Tins::IP ip = Tins::IP() / Tins::RawPDU("12345678");
  ip.protocol(protocol);
  return Ours(share, ip);
}

TEST(Share, TakesWhatClientsDialInBy) {
  for (const uint16_t port : std::initializer_list<uint16_t>{500, 1701, 4500}) {
    EXPECT_TRUE(Udp(kBoth, port) && Udp(kServes, port)) << port;
    EXPECT_FALSE(Udp(kNats, port)) << port;
    EXPECT_FALSE(Tcp(kBoth, port)) << port;
  }
  EXPECT_TRUE(Protocol(kServes, 50));
  EXPECT_FALSE(Protocol(kNats, 50));
}

TEST(Share, TakesThePortsOfTheNat) {
  for (const uint16_t port : std::initializer_list<uint16_t>{2000, 2999}) {
    EXPECT_TRUE(Udp(kNats, port) && Tcp(kNats, port)) << port;
    EXPECT_FALSE(Udp(kServes, port) || Tcp(kServes, port)) << port;
  }
  for (const uint16_t port : std::initializer_list<uint16_t>{22, 53, 68, 1999, 3000, 40000}) {
    EXPECT_FALSE(Udp(kBoth, port) || Tcp(kBoth, port)) << port;
  }
}

TEST(Share, LeavesPingToTheKernelAndLooksAtAnswers) {
  EXPECT_FALSE(Icmp(kBoth, Tins::ICMP::ECHO_REQUEST));
  EXPECT_FALSE(Icmp(kBoth, Tins::ICMP::TIMESTAMP_REQUEST));
  EXPECT_TRUE(Icmp(kNats, Tins::ICMP::ECHO_REPLY));
  EXPECT_TRUE(Icmp(kNats, Tins::ICMP::DEST_UNREACHABLE));
  EXPECT_TRUE(Icmp(kServes, Tins::ICMP::DEST_UNREACHABLE));
  EXPECT_FALSE(Icmp({}, Tins::ICMP::DEST_UNREACHABLE));
  EXPECT_FALSE(Icmp(kServes, Tins::ICMP::ECHO_REPLY));
}

TEST(Share, LeavesOtherProtocolsAndStumpsToTheKernel) {
  EXPECT_FALSE(Protocol(kBoth, 47));
  EXPECT_FALSE(Protocol(kBoth, 132));
  Tins::IP stump = Tins::IP("192.0.2.5", "198.51.100.1") / Tins::RawPDU("123");
  stump.protocol(17);
  EXPECT_FALSE(Ours(kBoth, stump));
}

InterfacePlan PlanFor(conf::Presence presence, const Share& share) {
  InterfacePlan plan;
  plan.name = "eth0";
  plan.index = 7;
  plan.presence = presence;
  plan.address = stack::Prefix::Parse("192.0.2.5/24");
  plan.share = share;
  return plan;
}

TEST(Ruleset, HidesTheSharedPartAndClients) {
  const std::string text =
      Ruleset(PlanFor(conf::Presence::kShare, kBoth),
              {{*stack::Ip4::Parse("10.99.0.2"), *stack::Ip4::Parse("10.99.0.9")}});
  EXPECT_EQ(text,
            "table netdev adit-7 {\n"
            "  flags owner;\n"
            "  chain ours {\n"
            "    ip protocol 50 drop\n"
            "    udp dport { 500, 1701, 4500 } drop\n"
            "    tcp dport 2000-2999 drop\n"
            "    udp dport 2000-2999 drop\n"
            "  }\n"
            "  chain ingress {\n"
            "    type filter hook ingress device \"eth0\" priority 0; policy accept;\n"
            "    ip daddr 192.0.2.5 goto ours\n"
            "    ip daddr 10.99.0.2-10.99.0.9 drop\n"
            "  }\n"
            "}\n");
}

TEST(Ruleset, TakesNoMoreThanTheInterfaceDoes) {
  EXPECT_THAT(Ruleset(PlanFor(conf::Presence::kShare, kServes), {}), Not(HasSubstr("tcp")));
  const std::string nats = Ruleset(PlanFor(conf::Presence::kShare, kNats), {});
  EXPECT_THAT(nats, Not(HasSubstr("500")));
  EXPECT_THAT(nats, Not(HasSubstr("protocol 50")));
}

TEST(Ruleset, TheTrialTakesNothing) {
  EXPECT_EQ(TrialRuleset(77),
            "table netdev adit-trial-77 {\n"
            "  flags owner;\n"
            "  chain ingress {\n"
            "    type filter hook ingress device \"lo\" priority 0; policy accept;\n"
            "  }\n"
            "}\n");
}

TEST(Ruleset, AdoptedEverythingVanishes) {
  const std::string text = Ruleset(PlanFor(conf::Presence::kAdopt, {}), {});
  EXPECT_THAT(text, HasSubstr("policy drop;"));
  EXPECT_THAT(text, Not(HasSubstr("accept")));
}

}  // namespace
}  // namespace gateway::presence
