#include "gateway/io/nic.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/netns.h"

namespace gateway::io {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Nic, FactsOfTheLoopback) {
  const auto nic = ReadNic("lo");
  ASSERT_TRUE(nic.ok()) << nic.status();
  EXPECT_FALSE(nic->ethernet);
  EXPECT_GT(nic->index, 0);
  EXPECT_THAT(NicNames(), Contains("lo"));
}

TEST(Nic, FactsOfAnInterface) {
  ADIT_NEED_ROOT();
  test::InOwnThread([] {
    test::Namespaces net;
    net.Run("ip link set g0 down; ip link set g0 mtu 1400 address 02:11:22:33:44:55");
    EXPECT_FALSE(ReadNic("g0")->up);
    net.Run("ip link set g0 up; ip addr add 10.9.0.1/24 dev g0; ip addr add 192.0.2.9/32 dev g0");
    const auto nic = ReadNic("g0");
    ASSERT_TRUE(nic.ok());
    EXPECT_TRUE(nic->up && nic->running && nic->ethernet);
    EXPECT_EQ(nic->mtu, 1400U);
    EXPECT_EQ(nic->mac.Text(), "02:11:22:33:44:55");
    EXPECT_THAT(nic->addresses, ElementsAre(*stack::Prefix::Parse("10.9.0.1/24"),
                                            *stack::Prefix::Parse("192.0.2.9/32")));
    EXPECT_THAT(NicNames(), ElementsAre("lo", "g0"));
    EXPECT_FALSE(KernelForwards());
    net.Run("sysctl -qw net.ipv4.ip_forward=1");
    EXPECT_TRUE(KernelForwards());
  });
}

TEST(Nic, UnknownNamesAreToldWithThoseThereAre) {
  for (const char* name : {"eth77", "", "a-name-that-is-too-long-for-an-interface"}) {
    const auto status = ReadNic(name).status();
    EXPECT_TRUE(absl::IsNotFound(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr("there are: lo"));
  }
}

TEST(Nic, DerivedMacIsLocalAndStable) {
  const stack::Mac mac{{0x00, 0x16, 0x3e, 1, 2, 3}}, other{{0x00, 0x16, 0x3e, 1, 2, 4}};
  const stack::Mac derived = DerivedMac(mac, "eth0");
  EXPECT_EQ(derived, DerivedMac(mac, "eth0"));
  EXPECT_NE(derived, DerivedMac(mac, "eth1"));
  EXPECT_NE(derived, DerivedMac(other, "eth0"));
  EXPECT_EQ(derived.octets[0], 0x02);
  EXPECT_EQ(derived.Text(), "02:ea:01:6b:de:81") << "pinned: neighbours remember it over restarts";
}

}  // namespace
}  // namespace gateway::io
