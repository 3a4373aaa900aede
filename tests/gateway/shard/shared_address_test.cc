// A gateway on addresses it shares with the kernel: it works like any other, and has nothing to say
// to what is the kernel's.
#include <tins/tins.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::Load16;
using stack::Load32;

constexpr uint16_t kFirst = 20000, kLast = 20255;

class SharedAddressTest : public testing::TestWithParam<uint8_t> {
 protected:
  static WorldOptions Options() {
    WorldOptions options;
    options.shards = GetParam();
    options.facts = [](std::vector<gateway::shard::InterfaceFacts>& facts) {
      for (auto& each : facts) {
        each.shared = true;
        each.nat_first = kFirst;
        each.nat_last = kLast;
      }
    };
    return options;
  }
  void FromHost(Tins::IP packet) {
    packet.src_addr(kHost.Text());
    packet.dst_addr(kWan.Text());
    packet.ttl(60);
    const auto bytes = packet.serialize();
    world_.FromInternet(stack::AsBytes(bytes.data(), bytes.size()));
    world_.Settle();
  }

  World world_{Options()};
};
INSTANTIATE_TEST_SUITE_P(Shards, SharedAddressTest, testing::Values(1, 2));

TEST_P(SharedAddressTest, ClientsAreServedOnTheNarrowedPorts) {
  Caller& caller = world_.Add({});
  ASSERT_TRUE(world_.LogIn(caller)) << world_.Drops();
  world_.host_echoes = true;
  const Bytes question = test::UdpPacket({caller.up->address, 5000}, {kHost, 53},
                                         stack::AsBytes(std::string_view("who?")));
  world_.Send(caller, question);
  world_.Settle();
  ASSERT_EQ(world_.internet.size(), 1U) << world_.Drops();
  const uint16_t port = Load16(&world_.internet[0][20]);
  EXPECT_GE(port, kFirst);
  EXPECT_LE(port, kLast);
  EXPECT_EQ(caller.received.size(), 1U) << world_.Drops();
}

TEST_P(SharedAddressTest, WhatIsTheKernelsGetsNoAnswer) {
  FromHost(Tins::IP() / Tins::ICMP(Tins::ICMP::ECHO_REQUEST));
  FromHost(Tins::IP() / Tins::TCP(22, 40000));
  FromHost(Tins::IP() / Tins::UDP(33434, 40000) / Tins::RawPDU("traceroute"));
  FromHost(Tins::IP() / Tins::UDP(500, 500) / Tins::RawPDU("for the other side only"));
  EXPECT_EQ(world_.Dropped(Drop::kKernels), 4U) << world_.Drops();
  EXPECT_TRUE(world_.internet.empty());
}

TEST_P(SharedAddressTest, APortOfTheNatIsOurs) {
  FromHost(Tins::IP() / Tins::UDP(kFirst, 40000) / Tins::RawPDU("nobody has it"));
  EXPECT_EQ(world_.Dropped(Drop::kNatNoMapping), 1U) << world_.Drops();
  EXPECT_EQ(world_.Dropped(Drop::kKernels), 0U);
}

}  // namespace
}  // namespace test
