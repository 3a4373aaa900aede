// An interface loses its address, or gets another one, while clients are on line.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using gateway::shard::InterfaceAddress;
using stack::Bytes;
using stack::Endpoint;
using stack::Load32;

constexpr Endpoint kDns{kHost, 53};

struct AddressChange : testing::TestWithParam<int> {
  // The default route comes as by DHCP: a configured one would stand in the way of the lease's.
  AddressChange()
      : world({.shards = static_cast<uint8_t>(GetParam()), .configure = [](conf::Model& model) {
                 model.interfaces[kWanSide].gateway.reset();
               }}) {
    world.Tell(InterfaceAddress{kWanSide, stack::Prefix{kWan, 24}, kRouter, {}, 0});
    a = &world.Add({});
    b = &world.Add({.user = 2, .address = "192.168.1.2", .nat = &world.AddNat("203.0.113.99")});
    for (Caller* caller : {a, b}) EXPECT_TRUE(world.LogIn(*caller)) << world.Drops();
  }
  void Ask(Caller& caller, uint16_t port) {
    world.Send(caller, UdpPacket({caller.up->address, port}, kDns, Pattern(8)));
    world.Settle();
  }
  stack::Ip4 LastSource() const { return {Load32(&world.internet.back()[12])}; }

  World world;
  Caller* a = nullptr;
  Caller* b = nullptr;
};
INSTANTIATE_TEST_SUITE_P(, AddressChange, testing::Values(1, 3));

// Whoever dialled the address hears of it at once, and nothing of him stays.
TEST_P(AddressChange, WithoutTheAddressTheyDialledSessionsEnd) {
  Ask(*a, 1000);
  world.Tell(InterfaceAddress{kServeSide, std::nullopt, std::nullopt, {}, 0});
  EXPECT_TRUE(world.RunUntil([this] { return a->is_down() && b->is_down(); }, absl::Seconds(5)));
  EXPECT_TRUE(world.Logged("reason=address_lost"));
  world.RunFor(absl::Minutes(10));  // the flow of a's question ends
  for (uint8_t i = 0; i < world.shards(); ++i) {
    EXPECT_TRUE(world.shard(i).peers().empty());
    EXPECT_EQ(world.shard(i).tables().sad.size(), 0U);
    EXPECT_EQ(world.shard(i).tables().translator.mappings(), 0U);
  }
}

// The side that leads to the internet may change: sessions go on, flows of the old address are
// over.
TEST_P(AddressChange, BehindAnotherOuterAddressSessionsGoOn) {
  Ask(*a, 1000);
  EXPECT_EQ(LastSource(), kWan);
  world.internet.clear();
  const stack::Prefix fresh{{kWan.value + 5}, 24};
  world.Tell(InterfaceAddress{kWanSide, fresh, kRouter, {}, 0});
  world.Settle();
  EXPECT_TRUE(a->is_up() && b->is_up());
  Ask(*a, 1000);
  ASSERT_EQ(world.internet.size(), 1U);
  EXPECT_EQ(LastSource(), fresh.address);
}

TEST_P(AddressChange, TheMtuAndRoutesOfALeaseCount) {
  const stack::Prefix same{kWan, 24};
  const stack::Prefix behind = *stack::Prefix::Parse("192.0.2.0/24");
  world.Tell(InterfaceAddress{kWanSide, same, std::nullopt, {{behind, kRouter}}, 1000});
  world.Settle();
  EXPECT_TRUE(a->is_up());
  Ask(*a, 1000);  // by the route of the lease: there is no default route
  EXPECT_EQ(world.internet.size(), 1U);
  for (uint8_t i = 0; i < world.shards(); ++i) {
    EXPECT_EQ(world.shard(i).tables().egress.mtu(kWanSide), 1000);
  }
  world.Tell(InterfaceAddress{kWanSide, same, std::nullopt, {}, 9000});
  world.Settle();
  Ask(*a, 1001);
  EXPECT_EQ(world.internet.size(), 1U);  // no way any more
  for (uint8_t i = 0; i < world.shards(); ++i) {
    EXPECT_EQ(world.shard(i).tables().egress.mtu(kWanSide), 1500);  // not more than the interface's
  }
}

}  // namespace
}  // namespace test
