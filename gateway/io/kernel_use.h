// What the host's kernel itself does on the network: its default route, the ports its own
// connections and services use, who is connected to it. Read once at start, where adit lives beside
// the kernel on one address and must keep out of its way (presence/plan.h). No right is needed for
// it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stack/base/address.h"

namespace gateway::io {

// An IPv6 address in network order, or an IPv4 address as IPv6 writes it (::ffff:192.0.2.1): the
// kernel shows IPv4 connections of its IPv6 sockets so. All zero: any.
using HostAddress = std::array<uint8_t, 16>;
HostAddress Mapped(stack::Ip4 ip);
// "192.0.2.1:22" or "[2001:db8::1]:22".
std::string TextOf(const HostAddress& address, uint16_t port);

struct PortSpan {
  uint16_t first = 0, last = 0;  // both included
  bool operator==(const PortSpan&) const = default;
};

// A socket of the kernel's.
struct KernelSocket {
  enum class Kind : uint8_t { kTcpListener, kTcpConnection, kUdp };
  Kind kind = Kind::kUdp;
  HostAddress local{}, remote{};  // IPv4's "any" is all zero, too
  uint16_t local_port = 0, remote_port = 0;
  bool operator==(const KernelSocket&) const = default;
};

struct KernelUse {
  bool forwards = false;              // ip_forward: it routes for others
  PortSpan ephemeral{32768, 60999};   // of its own connections (ip_local_port_range)
  std::vector<KernelSocket> sockets;  // TCP listeners and connections, UDP; this namespace's
};
KernelUse ReadKernelUse();

struct DefaultRoute {
  stack::Ip4 gateway;   // the next router
  uint32_t metric = 0;  // of several routes the kernel takes that with the lowest
  bool operator==(const DefaultRoute&) const = default;
};

// The kernel's default route by the interface with this index: the best one of the main table. None
// also for a default route without a router.
std::optional<DefaultRoute> ReadDefaultRoute(int interface_index);

}  // namespace gateway::io
