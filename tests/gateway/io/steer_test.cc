// ShardOf by a table that says which number decides, and against the fanout program on frames of
// all kinds.
#include "gateway/io/steer.h"

#include <string>
#include <vector>

#include "gateway/io/fanout.h"
#include "gtest/gtest.h"
#include "tests/gateway/io/steering_frames.h"
#include "tests/support/cbpf.h"

namespace gateway::io {
namespace {

using test::steering::IpOptions;
using test::steering::kClient;
using test::steering::kStranger;
namespace frames = test::steering;

constexpr uint32_t kLimit = 1952;

uint32_t MemberOf(stack::ByteView frame, const SteeringRules& rules) {
  const auto program = BuildFanoutProgram(rules, kLimit);
  EXPECT_TRUE(program.ok()) << program.status();
  return program.ok() ? test::RunFanoutProgram(*program, frame) : 999;
}

struct Case {
  const char* what;
  stack::Bytes frame;
  uint8_t bucket;  // with 64 shards: shard = bucket mod 64
};

std::vector<Case> Cases() {
  const IpOptions options{.option_words = 3}, later{.fragment = 0x0010}, first{.fragment = 0x2000};
  const IpOptions dont{.fragment = 0x4000};
  return {
      {"ESP by the SPI's low octet", frames::Esp(0x01020315), 0x15},
      {"ESP behind IP options", frames::Esp(0x01020315, options), 0x15},
      {"ESP with don't-fragment", frames::Esp(0x01020315, dont), 0x15},
      {"first fragment of ESP", frames::Esp(0x01020315, first), 0},
      {"later fragment of ESP", frames::Esp(0x01020315, later), 0},
      {"ESP in UDP", frames::EspInUdp(0x01020316), 0x16},
      {"ESP in UDP behind IP options", frames::EspInUdp(0x01020316, options), 0x16},
      {"IKE with a responder cookie", frames::Ike(0xaabbccddeeff0017, false), 0x17},
      {"IKE behind the marker", frames::Ike(0xaabbccddeeff0018, true), 0x18},
      {"first message of IKE", frames::Ike(0, false), 0},
      {"first message of IKE on 4500", frames::Ike(0, true), 0},
      {"NAT keepalive", frames::Udp(4500, stack::FromHex("ff")), 0},
      {"TCP to a NAT port", frames::Tcp(1024 + 64 * 5 + 63), 16 + 5},
      {"UDP to a NAT port", frames::Udp(1024 + 64 * 6, {}), 16 + 6},
      {"TCP below the NAT ports", frames::Tcp(1023), 0},
      {"DHCP answer", frames::Udp(68, {}), 0},
      {"echo reply by its identifier", frames::Icmp(0, 64 * 7 + 1), 7},
      {"echo request to us", frames::Icmp(8, 64 * 7 + 1), 0},
      {"unreachable about our TCP", frames::IcmpError(3, frames::Sent(6, 2048)), 32},
      {"time exceeded about our UDP", frames::IcmpError(11, frames::Sent(17, 2112)), 33},
      {"unreachable about our echo", frames::IcmpError(3, frames::Sent(1, 64 * 9)), 9},
      {"error about our own IKE", frames::IcmpError(3, frames::Sent(17, 500)), 0},
      {"error quoting a later fragment",
       frames::IcmpError(3, frames::Sent(17, 2112, {.to = kStranger, .fragment = 7})), 0},
      {"error quoting IP options",
       frames::IcmpError(3, frames::Sent(17, 2112, {.to = kStranger, .option_words = 1})), 0},
      {"to a client, by the address", frames::Tcp(80, {.to = kClient}), 71 % 64},
      {"ESP to a client is only a packet", frames::Esp(3, {.to = kClient}), 71 % 64},
      {"fragment to a client", frames::Udp(80, {}, {.to = kClient, .fragment = 0x2001}), 71 % 64},
      {"to a client of the second range", frames::Tcp(80, {.to = {0x0a640011}}), 0x11},
      {"just outside it", frames::Tcp(80, {.to = {0x0a640021}}), 0},
      {"our address inside the clients' range", frames::Esp(0x19, {.to = {0x0a630001}}), 0x19},
      {"to a stranger", frames::Esp(0x19, {.to = kStranger}), 0},
      {"GRE to us", frames::Frame(47, stack::Bytes(20, std::byte{0xff})), 0},
  };
}

TEST(ShardOf, GoesByTheNumberWeHandedOut) {
  const SteeringRules rules = frames::Rules(64);
  for (const Case& c : Cases()) {
    EXPECT_EQ(ShardOf(c.frame, rules), c.bucket) << c.what;
    EXPECT_EQ(MemberOf(c.frame, rules), c.bucket * 2U) << c.what;
  }
}

TEST(ShardOf, BucketsAreDealtToTheShardsInTurn) {
  for (const uint8_t shards : std::vector<uint8_t>{1, 2, 3, 8, 64}) {
    const SteeringRules rules = frames::Rules(shards);
    for (uint32_t spi = 0x100; spi < 0x200; ++spi) {
      EXPECT_EQ(ShardOf(frames::Esp(spi), rules), (spi & 0xff) % shards);
    }
  }
}

TEST(ShardOf, OtherThanIpv4GoesHome) {
  const SteeringRules rules = frames::Rules(4);
  for (const uint16_t type : std::vector<uint16_t>{0x0806, 0x86dd, 0x8100, 0x0064}) {
    stack::Bytes frame = frames::Esp(0x11111111);
    stack::Store16(&frame[12], type);
    EXPECT_EQ(ShardOf(frame, rules), 0) << type;
    EXPECT_EQ(MemberOf(frame, rules), 0U) << type;
  }
}

TEST(ShardOf, WithoutNatPortsGoHome) {
  SteeringRules rules = frames::Rules(64);
  rules.nat_first = rules.nat_last = 0;
  for (const stack::Bytes& frame : {frames::Tcp(4097), frames::Icmp(0, 4097), frames::Udp(4097, {}),
                                    frames::IcmpError(3, frames::Sent(6, 4097))}) {
    EXPECT_EQ(ShardOf(frame, rules), 0);
    EXPECT_EQ(MemberOf(frame, rules), 0U);
  }
  EXPECT_EQ(ShardOf(frames::Esp(5), rules), 5);
}

TEST(Fanout, LongFramesGoToTheRingOfLargeSlots) {
  const SteeringRules rules = frames::Rules(8);
  const IpOptions client{.to = kClient};
  for (const size_t packet : {kLimit - 1, kLimit, kLimit + 1, uint32_t{65535}}) {
    const stack::Bytes frame = frames::Frame(6, stack::Bytes(packet - 20), client);
    EXPECT_EQ(MemberOf(frame, rules), 2U * 7 + (packet > kLimit ? 1 : 0)) << packet;
  }
  EXPECT_EQ(MemberOf(frames::Frame(6, stack::Bytes(3000), client), frames::Rules(1)), 1U);
}

// The property the whole sharding rests on. Every frame whole, cut anywhere, and damaged anywhere.
TEST(Fanout, AgreesWithShardOfOnEveryFrame) {
  test::FixedRng rng(20);
  std::vector<std::vector<BpfInstruction>> programs;
  std::vector<SteeringRules> rules;
  for (const uint8_t shards : std::vector<uint8_t>{1, 2, 3, 7, 64}) {
    rules.push_back(frames::Rules(shards));
    programs.push_back(*BuildFanoutProgram(rules.back(), kLimit));
  }
  size_t away = 0;
  for (int i = 0; i < 60000; ++i) {
    stack::Bytes frame = frames::RandomFrame(rng);
    if (rng.Below(3) == 0) frame.resize(rng.Below(frame.size() + 1));
    for (uint64_t edits = rng.Below(3); edits != 0 && !frame.empty(); --edits) {
      frame[rng.Below(std::min<size_t>(frame.size(), 80))] = static_cast<std::byte>(rng.Next());
    }
    const size_t which = rng.Below(rules.size());
    const uint8_t shard = ShardOf(frame, rules[which]);
    const bool large = frame.size() > 14 + kLimit;
    ASSERT_EQ(test::RunFanoutProgram(programs[which], frame), shard * 2U + (large ? 1 : 0))
        << "shards " << int{rules[which].shards} << " frame " << stack::ToHex(frame);
    away += shard != 0 ? 1 : 0;
  }
  EXPECT_GT(away, 10000U) << "most of the frames should have an owner, or this tests nothing";
}

TEST(Fanout, ManyAddressesFitAndTooManyAreRefused) {
  SteeringRules rules = frames::Rules(4);
  rules.own.clear();
  rules.clients.clear();
  for (uint32_t i = 0; i < 300; ++i) rules.own.push_back({0x0b000000 + i});
  for (uint32_t i = 0; i < 300; ++i)
    rules.clients.push_back({{0x0c000000 + 256 * i}, {0x0c0000ff + 256 * i}});
  EXPECT_EQ(MemberOf(frames::Esp(3, {.to = {0x0b00012b}}), rules), 6U);
  EXPECT_EQ(MemberOf(frames::Tcp(1, {.to = {0x0c012b03}}), rules), 6U);
  for (uint32_t i = 0; i < 2000; ++i) rules.own.push_back({0x0d000000 + i});
  EXPECT_TRUE(absl::IsInvalidArgument(BuildFanoutProgram(rules, kLimit).status()));
}

TEST(Fanout, RulesThatMakeNoSenseAreRefused) {
  EXPECT_FALSE(CheckRules(frames::Rules(0)).ok());
  EXPECT_FALSE(CheckRules(frames::Rules(65)).ok());
  SteeringRules rules = frames::Rules(2);
  rules.nat_first = 3000;
  rules.nat_last = 2000;
  EXPECT_FALSE(CheckRules(rules).ok());
  rules = frames::Rules(2);
  rules.clients = {{{2}, {1}}};
  EXPECT_FALSE(CheckRules(rules).ok());
}

}  // namespace
}  // namespace gateway::io
