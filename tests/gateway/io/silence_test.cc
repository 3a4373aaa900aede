// What keeps a real kernel from answering for what is adit's, seen from a neighbour. The neighbour
// asks with ordinary sockets: an answer of the kernel's, an ICMP unreachable or a TCP reset, is an
// error on them.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "gateway/io/fd.h"
#include "gateway/io/held_sockets.h"
#include "gateway/io/nft_table.h"
#include "gateway/io/rights.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/netns.h"

namespace gateway::io {
namespace {

using ::testing::HasSubstr;

constexpr stack::Ip4 kOurs{0x0a090001};  // 10.9.0.1, the kernel's on g0
constexpr int kSilence_ms = 200;
const char* const kHideUdp = R"(
table netdev adit-test {
  flags owner;
  chain ingress {
    type filter hook ingress device "g0" priority 0; policy accept;
    ip daddr 10.9.0.1 udp dport 500 drop
  }
})";

sockaddr_in At(stack::Ip4 ip, uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(ip.value);
  return at;
}

std::string OutputOf(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 256> line;
  while (fgets(line.data(), line.size(), pipe) != nullptr) text += line.data();
  pclose(pipe);
  return text;
}

// Has the kernel something to say? The pending error after a while, 0 for silence, -1 if something
// went wrong here.
int AnswerTo(int type, int protocol, uint16_t port) {
  const Fd fd(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  const sockaddr_in at = At(kOurs, port);
  const int connected = connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at);
  if (connected != 0 && errno != EINPROGRESS) return errno;
  if (type != SOCK_STREAM && send(fd.get(), "twelve bytes", 12, 0) != 12) return -1;
  usleep(kSilence_ms * 1000);
  int error = -1;
  socklen_t size = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

// Of this thread, as the kernel writes them.
std::string EffectiveRights() {
  std::ifstream file("/proc/thread-self/status");
  std::string word;
  while (file >> word && word != "CapEff:") {
  }
  file >> word;
  return word;
}

// Ours with a kernel address, and no limit on what it answers.
class Host {
 public:
  Host() {
    net_.Run(
        "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.ip_unprivileged_port_start=0; "
        "ip addr add 10.9.0.1/24 dev g0");
  }
  int Udp(uint16_t port) { return Ask(SOCK_DGRAM, 0, port); }
  int Tcp(uint16_t port) { return Ask(SOCK_STREAM, 0, port); }
  int Esp() { return Ask(SOCK_RAW, IPPROTO_ESP, 0); }
  test::Namespaces& net() { return net_; }

 private:
  int Ask(int type, int protocol, uint16_t port) {
    int answer = -1;
    net_.InPeer([&] { answer = AnswerTo(type, protocol, port); });
    return answer;
  }
  test::Namespaces net_;
};

// A tap for all protocols, as the packet ring is one. (One for IPv4 alone stands behind the hook.)
class Tap {
 public:
  // Datagrams to the port that have come since the last call.
  int TakeUdp(uint16_t port) const {
    std::array<std::byte, 2048> packet;
    int count = 0;
    sockaddr_ll from{};
    socklen_t size = sizeof from;
    while (recvfrom(fd_.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from),
                    &size) > 0) {
      const bool udp = from.sll_protocol == htons(ETH_P_IP) &&
                       from.sll_pkttype != PACKET_OUTGOING && packet[9] == std::byte{17};
      if (udp && stack::Load16(&packet[22]) == port) ++count;
    }
    return count;
  }

 private:
  Fd fd_{socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL))};
};

// ---- nftables ----

TEST(NftTables, HideFromTheKernelButNotFromTheTap) {
  ADIT_NEED_ROOT();
  if (!NftTables::IsSupported()) GTEST_SKIP() << "built without libnftables";
  test::InOwnThread([] {
    Host host;
    EXPECT_EQ(host.Udp(500), ECONNREFUSED);
    const std::string before = OutputOf("nft list ruleset");
    const Tap tap;
    {
      const auto table = NftTables::Make(kHideUdp);
      ASSERT_TRUE(table.ok()) << table.status();
      EXPECT_NE(OutputOf("nft list ruleset"), before);
      EXPECT_EQ(host.Udp(500), 0);
      EXPECT_EQ(tap.TakeUdp(500), 1);
      EXPECT_EQ(host.Udp(501), ECONNREFUSED);
    }
    EXPECT_EQ(OutputOf("nft list ruleset"), before);
    EXPECT_EQ(host.Udp(500), ECONNREFUSED);
  });
}

TEST(NftTables, AreKeptAndGivenBackWithoutRights) {
  ADIT_NEED_ROOT();
  if (!NftTables::IsSupported()) GTEST_SKIP() << "built without libnftables";
  test::InOwnThread([] {
    Host host;
    EXPECT_TRUE(MayAdministerNetwork());
    {
      const auto table = NftTables::Make(kHideUdp);
      ASSERT_TRUE(table.ok()) << table.status();
      ASSERT_TRUE(KeepOnlyRawFrames().ok());
      EXPECT_FALSE(MayAdministerNetwork());
      EXPECT_EQ(EffectiveRights(), "0000000000002000");  // CAP_NET_RAW, alone
      const auto another = NftTables::Make(kHideUdp);
      EXPECT_EQ(another.status().code(), absl::StatusCode::kPermissionDenied) << another.status();
      EXPECT_TRUE(Fd(socket(AF_PACKET, SOCK_RAW, 0)));
    }
  });
}

TEST(NftTables, AnErrorIsALine) {
  ADIT_NEED_ROOT();
  if (!NftTables::IsSupported()) GTEST_SKIP() << "built without libnftables";
  test::InOwnThread([] {
    Host host;
    const auto table = NftTables::Make("table netdev x { no such thing }");
    ASSERT_FALSE(table.ok());
    EXPECT_THAT(std::string(table.status().message()), HasSubstr("syntax error"));
    EXPECT_EQ(table.status().message().find('\n'), std::string::npos);
  });
}

// ---- held sockets ----

TEST(HeldSockets, KeepTheKernelSilentWithRawFramesAlone) {
  ADIT_NEED_ROOT();
  test::InOwnThread([] {
    Host host;
    EXPECT_EQ(host.Udp(500), ECONNREFUSED);
    EXPECT_EQ(host.Tcp(30000), ECONNREFUSED);
    EXPECT_EQ(host.Esp(), ENOPROTOOPT);
    // A thread's rights end with it; the sockets do not.
    HeldSockets held(kOurs);
    std::thread([&] {
      ASSERT_TRUE(KeepOnlyRawFrames().ok());
      EXPECT_EQ(held.HoldUdp(500), absl::OkStatus());
      EXPECT_EQ(held.HoldTcp(30000), absl::OkStatus());
      EXPECT_EQ(held.HoldEsp(), absl::OkStatus());
    }).join();
    EXPECT_EQ(held.size(), 3U);
    EXPECT_EQ(host.Udp(500), 0);
    EXPECT_EQ(host.Tcp(30000), 0);
    EXPECT_EQ(host.Esp(), 0);
    EXPECT_EQ(host.Udp(501), ECONNREFUSED);
    EXPECT_EQ(host.Tcp(30001), ECONNREFUSED);
    held = HeldSockets(kOurs);
    EXPECT_EQ(host.Udp(500), ECONNREFUSED);
    EXPECT_EQ(host.Tcp(30000), ECONNREFUSED);
  });
}

TEST(HeldSockets, SayWhatIsMissing) {
  ADIT_NEED_ROOT();
  test::InOwnThread([] {
    Host host;
    HeldSockets held(kOurs), other(kOurs);
    EXPECT_TRUE(held.HoldUdp(500).ok());
    EXPECT_THAT(std::string(other.HoldUdp(500).message()),
                HasSubstr("cannot hold UDP port 500: Address already in use (a program"));
    host.net().Run("sysctl -qw net.ipv4.ip_unprivileged_port_start=1024");
    ASSERT_TRUE(KeepOnlyRawFrames().ok());
    EXPECT_THAT(std::string(other.HoldUdp(501).message()), HasSubstr("CAP_NET_BIND_SERVICE"));
  });
}

}  // namespace
}  // namespace gateway::io
