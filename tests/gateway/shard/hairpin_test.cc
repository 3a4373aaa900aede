// The addresses that NAT has to give.
#include <set>

#include "tests/gateway/shard/forwarding.h"

namespace test {
namespace {

constexpr stack::Ip4 kFirst{kWan.value + 9};  // 198.18.0.10 and the next two

struct NatAddresses : Forwarding, testing::WithParamInterface<int> {
  NatAddresses()
      : Forwarding({.shards = static_cast<uint8_t>(GetParam()), .configure = [](auto& model) {
                      for (uint32_t i = 0; i < 3; ++i) {
                        model.interfaces[kWanSide].nat_addresses.push_back({kFirst.value + i});
                      }
                    }}) {}
};

TEST_P(NatAddresses, AClientKeepsOneOfThem) {
  std::vector<Caller*> callers{a, b};
  for (int user = 3; user <= 9; ++user) {
    callers.push_back(&world.Add({.user = user, .address = "203.0.113.2" + std::to_string(user)}));
    ASSERT_TRUE(world.LogIn(*callers.back()));
  }
  std::set<stack::Ip4> all;
  for (Caller* caller : callers) {
    std::set<stack::Ip4> of_client;
    for (uint16_t port = 5000; port < 5004; ++port) {
      const Endpoint outside = OpenFlow(*caller, port);
      of_client.insert(outside.ip);
      caller->received.clear();
      Arrive(UdpPacket(kDns, outside, Pattern(10)));
      ASSERT_EQ(caller->received.size(), 1U) << world.Drops();
      EXPECT_EQ(caller->received[0],
                UdpPacket(kDns, {caller->up->address, port}, Pattern(10), {.ttl = 63}));
    }
    EXPECT_EQ(of_client.size(), 1U);
    all.merge(of_client);
  }
  EXPECT_GE(all.size(), 2U) << "clients spread over them";
  for (const stack::Ip4 ip : all) EXPECT_TRUE(kFirst <= ip && ip.value < kFirst.value + 3);
}

TEST_P(NatAddresses, TheyAreAnnouncedAndAnswered) {
  const auto at_start = world.arp;
  for (uint32_t i = 0; i < 3; ++i) {
    const stack::Ip4 ip{kFirst.value + i};
    const auto announced = [ip](const auto& said) {
      return said.first == kWanSide && said.second.sender_ip == ip && said.second.target_ip == ip;
    };
    EXPECT_TRUE(std::any_of(at_start.begin(), at_start.end(), announced)) << ip.Text();
    world.arp.clear();
    world.AskArp(kWanSide, kRouter, ip);
    world.Settle();
    ASSERT_EQ(world.arp.size(), 1U);
    EXPECT_EQ(world.arp[0].second.operation, stack::wire::ArpOperation::kReply);
    EXPECT_EQ(world.arp[0].second.sender_ip, ip);
    world.internet.clear();
    Arrive(EchoPacket(kHost, ip, 7, 1, Pattern(40)));
    ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
    EXPECT_EQ(IcmpOf(world.internet[0]).type(), Tins::ICMP::ECHO_REPLY);
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, NatAddresses, testing::Values(1, 2, 4));

}  // namespace
}  // namespace test
