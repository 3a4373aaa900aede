// Which part of an address shared with the kernel is adit's: IKE, L2TP and ESP where clients dial
// in, and the NAT's ports. All the rest stays the kernel's: its services, its own connections,
// ping.
//
// The one definition has three users: shards leave alone what is the kernel's (IsOurs, in
// shard/intake.cc), and the kernel is kept from answering what is ours by an nftables table
// (ruleset.h) or by sockets (io/held_sockets.h).
#pragma once

#include <array>
#include <cstdint>

#include "stack/base/bytes.h"

namespace gateway::presence {

struct Share {
  bool serve = false;                    // clients dial in here
  uint16_t nat_first = 0, nat_last = 0;  // both included; last 0: no NAT here

  bool HasNat() const { return nat_last != 0; }
  bool IsNatPort(uint16_t port) const { return HasNat() && nat_first <= port && port <= nat_last; }
};

// IKE, L2TP (to be counted and dropped: RFC 3193 wants it inside ESP) and NAT-T.
inline constexpr std::array<uint16_t, 3> kServedPorts = {500, 1701, 4500};

// `packet` is a whole IPv4 packet to the shared address, its header valid. Echo requests are the
// kernel's; echo replies and ICMP errors are looked at by both, since neither answers them.
bool IsOurs(const Share& share, stack::ByteView packet);

}  // namespace gateway::presence
