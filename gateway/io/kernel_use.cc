#include "gateway/io/kernel_use.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gateway/io/netlink.h"
#include "gateway/io/nic.h"

namespace gateway::io {
namespace {

template <class T>
stack::ByteView BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

PortSpan ReadEphemeral() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  PortSpan span;
  return (file >> span.first >> span.last) ? span : KernelUse{}.ephemeral;
}

HostAddress AddressOf(uint8_t family, const uint32_t (&words)[4]) {
  HostAddress address{};
  if (family == AF_INET6) {
    std::memcpy(address.data(), words, sizeof words);
  } else if (words[0] != 0) {
    address = Mapped({ntohl(words[0])});
  }
  return address;
}

void ReadSockets(uint8_t family, uint8_t protocol, std::vector<KernelSocket>& sockets) {
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol;
  request.idiag_states = ~0U;
  // Where the kernel has no sock_diag nothing is found, and nothing can be warned of.
  (void)NetlinkDump(
      NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, BytesOf(request), [&](stack::ByteView body) {
        using Kind = KernelSocket::Kind;
        const auto found = NetlinkStruct<inet_diag_msg>(body);
        KernelSocket socket;
        socket.local = AddressOf(found.idiag_family, found.id.idiag_src);
        socket.remote = AddressOf(found.idiag_family, found.id.idiag_dst);
        socket.local_port = ntohs(found.id.idiag_sport);
        socket.remote_port = ntohs(found.id.idiag_dport);
        if (protocol == IPPROTO_TCP) {
          socket.kind = found.idiag_state == TCP_LISTEN ? Kind::kTcpListener : Kind::kTcpConnection;
          if (socket.kind == Kind::kTcpConnection && found.idiag_state != TCP_ESTABLISHED) return;
        }
        sockets.push_back(socket);
      });
}

}  // namespace

HostAddress Mapped(stack::Ip4 ip) {
  HostAddress address{};
  address[10] = address[11] = 0xff;
  stack::Store32(std::as_writable_bytes(std::span(address)).data() + 12, ip.value);
  return address;
}

std::string TextOf(const HostAddress& address, uint16_t port) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool mapped = std::equal(address.begin(), address.begin() + 12, Mapped({}).begin());
  if (mapped) {
    inet_ntop(AF_INET, address.data() + 12, text, sizeof text);
    return absl::StrCat(text, ":", port);
  }
  inet_ntop(AF_INET6, address.data(), text, sizeof text);
  return absl::StrCat("[", text, "]:", port);
}

KernelUse ReadKernelUse() {
  KernelUse use;
  use.forwards = KernelForwards();
  use.ephemeral = ReadEphemeral();
  for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    for (const uint8_t protocol : {uint8_t{IPPROTO_TCP}, uint8_t{IPPROTO_UDP}}) {
      ReadSockets(family, protocol, use.sockets);
    }
  }
  return use;
}

std::optional<DefaultRoute> ReadDefaultRoute(int interface_index) {
  rtmsg request{};
  request.rtm_family = AF_INET;
  std::optional<DefaultRoute> best;
  (void)NetlinkDump(NETLINK_ROUTE, RTM_GETROUTE, BytesOf(request), [&](stack::ByteView body) {
    const auto route = NetlinkStruct<rtmsg>(body);
    if (route.rtm_dst_len != 0 || route.rtm_type != RTN_UNICAST ||
        route.rtm_table != RT_TABLE_MAIN) {
      return;
    }
    int interface = 0;
    DefaultRoute found;
    const size_t start = std::min(body.size(), size_t{NLMSG_ALIGN(sizeof(rtmsg))});
    ForNetlinkAttributes(body.subspan(start), [&](uint16_t type, stack::ByteView value) {
      if (type == RTA_OIF) interface = NetlinkStruct<int>(value);
      if (type == RTA_PRIORITY) found.metric = NetlinkStruct<uint32_t>(value);
      if (type == RTA_GATEWAY) found.gateway = {ntohl(NetlinkStruct<uint32_t>(value))};
    });
    if (interface != interface_index || found.gateway.IsZero()) return;
    if (!best || found.metric < best->metric) best = found;
  });
  return best;
}

}  // namespace gateway::io
