// What the host around us already uses: networks, and name servers. Read once at start, without any
// right; where /proc or a file is missing (an empty root), there is less to know.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stack/base/address.h"

namespace gateway::io {

// The networks of the kernel's own addresses and of its IPv4 routes, without loopback and without
// the default route. Host bits are cleared; a network may be there twice.
std::vector<stack::Prefix> HostNetworks();

// The host's IPv4 name servers that others can reach, too: at most two.
std::vector<stack::Ip4> HostNameServers();

// The parts that read text, for tests: /proc/net/route, and the files of resolv.conf(5).
std::vector<stack::Prefix> RoutesIn(std::string_view proc_net_route);
std::vector<stack::Ip4> NameServersIn(std::string_view resolv_conf);

}  // namespace gateway::io
