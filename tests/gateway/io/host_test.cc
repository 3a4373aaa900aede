#include "gateway/io/host.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/netns.h"

namespace gateway::io {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

stack::Prefix Net(const char* text) { return *stack::Prefix::Parse(text); }
stack::Ip4 Ip(const char* text) { return *stack::Ip4::Parse(text); }

TEST(Host, RoutesOfTheKernelsTable) {
  constexpr const char* kTable =
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
      "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
      "tun0\t0000000A\t01020304\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n"
      "short line\n"
      "eth0\tnothexno\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
  EXPECT_THAT(RoutesIn(kTable), ElementsAre(Net("192.168.2.0/24"), Net("10.0.0.0/8")));
  EXPECT_THAT(RoutesIn(""), IsEmpty());
}

TEST(Host, NameServersThatClientsCanReach) {
  EXPECT_THAT(NameServersIn("# made by hand\nnameserver 127.0.0.53\noptions edns0\n"
                            "nameserver\t192.0.2.1 \nnameserver fe80::1\nnameserver 192.0.2.2\n"
                            "nameserver 192.0.2.3"),
              ElementsAre(Ip("192.0.2.1"), Ip("192.0.2.2")));
  EXPECT_THAT(NameServersIn("nameserver"), IsEmpty());
  EXPECT_THAT(NameServersIn("#nameserver 192.0.2.1\nsearch example.org\n"), IsEmpty());
}

TEST(Host, NetworksInUse) {
  ADIT_NEED_ROOT();
  test::InOwnThread([] {
    test::Namespaces net;
    net.Run(
        "ip addr add 10.9.0.1/24 dev g0; ip route add 172.29.83.0/24 via 10.9.0.2;"
        "ip route add default via 10.9.0.2");
    const auto networks = HostNetworks();
    EXPECT_THAT(networks, Contains(Net("10.9.0.0/24")));
    EXPECT_THAT(networks, Contains(Net("172.29.83.0/24")));
    for (const stack::Prefix& network : networks) {
      EXPECT_NE(network.length, 0);
      EXPECT_THAT(network.address, Not(Ip("127.0.0.0")));
    }
  });
}

}  // namespace
}  // namespace gateway::io
