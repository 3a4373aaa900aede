// What the kernel tells of itself: its sockets, its ports, its default route.
#include "gateway/io/kernel_use.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "gateway/io/fd.h"
#include "gateway/io/nic.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/netns.h"

namespace gateway::io {
namespace {

constexpr stack::Ip4 kOurs{0x0a090001};  // 10.9.0.1, the kernel's on g0

sockaddr_in At(stack::Ip4 ip, uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(ip.value);
  return at;
}

bool Has(const KernelUse& use, const KernelSocket& wanted) {
  return std::find(use.sockets.begin(), use.sockets.end(), wanted) != use.sockets.end();
}

Fd Listener(int family, const sockaddr* at, socklen_t size) {
  Fd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(fd.get(), at, size), 0);
  EXPECT_EQ(listen(fd.get(), 1), 0);
  return fd;
}

TEST(KernelUse, KnowsListenersAndConnections) {
  ADIT_NEED_ROOT();
  test::InOwnThread([] {
    test::Namespaces net;
    net.Run("ip addr add 10.9.0.1/24 dev g0");
    net.Run("sysctl -qw net.ipv4.ip_local_port_range='40000 40999' net.ipv4.ip_forward=1");
    // As most daemons listen: by IPv6, for both.
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(22);
    const Fd listener = Listener(AF_INET6, reinterpret_cast<const sockaddr*>(&any), sizeof any);
    Fd client(-1);
    net.InPeer([&] {
      client = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in from = At({0x0a090002}, 50122), to = At(kOurs, 22);
      EXPECT_EQ(bind(client.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
      EXPECT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    });
    const Fd accepted(accept(listener.get(), nullptr, nullptr));
    const Fd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_in at = At(kOurs, 4500);
    EXPECT_EQ(bind(udp.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);

    const KernelUse use = ReadKernelUse();
    using Kind = KernelSocket::Kind;
    EXPECT_TRUE(use.forwards);
    EXPECT_EQ(use.ephemeral, (PortSpan{40000, 40999}));
    EXPECT_EQ(use.sockets.size(), 3U);
    EXPECT_TRUE(Has(use, {Kind::kTcpListener, {}, {}, 22, 0}));
    EXPECT_TRUE(Has(use, {Kind::kTcpConnection, Mapped(kOurs), Mapped({0x0a090002}), 22, 50122}));
    EXPECT_TRUE(Has(use, {Kind::kUdp, Mapped(kOurs), {}, 4500, 0}));
    EXPECT_EQ(TextOf(Mapped(kOurs), 22), "10.9.0.1:22");
  });
}

TEST(KernelUse, FindsTheDefaultRouteOfAnInterface) {
  ADIT_NEED_ROOT();
  test::InOwnThread([] {
    test::Namespaces net;
    net.Run("ip addr add 10.9.0.1/24 dev g0");
    EXPECT_FALSE(ReadNic("g0")->route);
    net.Run(
        "ip route add default via 10.9.0.253 dev g0 metric 200;"
        "ip route add default via 10.9.0.254 dev g0 metric 100;"
        "ip route add default via 10.9.0.252 dev g0 table 7;"
        "ip route add 10.8.0.0/16 via 10.9.0.251");
    const auto nic = ReadNic("g0");
    EXPECT_EQ(nic->route, (DefaultRoute{{0x0a0900fe}, 100}));
    EXPECT_THAT(nic->hosts, testing::Contains(Mapped(kOurs)));
    EXPECT_FALSE(ReadNic("lo")->route);
  });
}

}  // namespace
}  // namespace gateway::io
