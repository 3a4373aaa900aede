// Facts about the machine's network interfaces, read once at start. No right is needed for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/io/kernel_use.h"
#include "stack/base/address.h"

namespace gateway::io {

struct NicFacts {
  std::string name;
  int index = 0;
  stack::Mac mac;
  uint32_t mtu = 0;                      // bytes of IP packet
  bool up = false;                       // set up by the administrator
  bool running = false;                  // and has a carrier
  bool ethernet = false;                 // frames are Ethernet: false for tunnels and the like
  std::vector<stack::Prefix> addresses;  // IPv4 addresses the kernel itself holds there
  std::vector<HostAddress> hosts;        // the same and the IPv6 ones, without prefix
  std::optional<DefaultRoute> route;     // the kernel's default route by it
};

// NotFound, with the names there are, if there is no such interface.
absl::StatusOr<NicFacts> ReadNic(const std::string& name);

// Names of all interfaces, in the kernel's order.
std::vector<std::string> NicNames();

// A MAC for adit on the interface: locally administered (02:...), always the same for the same
// interface, different for different ones.
stack::Mac DerivedMac(const stack::Mac& interface_mac, const std::string& interface_name);

// Whether the kernel itself forwards IPv4. With the interface's own MAC that would forward packets
// a second time, so the program warns.
bool KernelForwards();

}  // namespace gateway::io
