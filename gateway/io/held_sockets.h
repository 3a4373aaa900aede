// Sockets that are held only so that the kernel does not answer for their ports and protocols: what
// can be done without CAP_NET_ADMIN against its ICMP unreachables and TCP resets. They hear and
// say nothing; the frames themselves come by the packet ring.
//
//   UDP port      a bound socket with a filter that takes nothing
//   protocol 50   a raw socket with the same filter (CAP_NET_RAW)
//   TCP port      a listener that takes only segments with TTL 255 (IP_MINTTL), which none has that
//                 passed a router; a filter would need more rights. So a station on the same link
//                 that sends with TTL 255 does get an answer of the kernel's.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gateway/io/fd.h"
#include "stack/base/address.h"

namespace gateway::io {

// All of one address of the kernel's. Ports below ip_unprivileged_port_start need
// CAP_NET_BIND_SERVICE. An error says which port or protocol, why, and what to do about it.
class HeldSockets {
 public:
  explicit HeldSockets(stack::Ip4 address) : address_(address) {}

  absl::Status HoldUdp(uint16_t port);
  absl::Status HoldTcp(uint16_t port);
  absl::Status HoldEsp();

  size_t size() const { return sockets_.size(); }

 private:
  absl::Status Bind(const Fd& fd, const char* protocol, uint16_t port) const;

  stack::Ip4 address_;
  std::vector<Fd> sockets_;
};

}  // namespace gateway::io
