// What a router says about our outer packets: ICMP Fragmentation Needed (RFC 792, RFC 1191 section
// 4) that quotes ESP, or UDP from one of our IKE ports.
//
// Nobody authenticates it, so it may only make packets smaller, to 576 octets at the least, and is
// forgotten after a while (Peers::OnPathTooBig). Outer packets are sent without Don't Fragment;
// this spares those the fragments whose network says that they would be.
#pragma once

#include <optional>

#include "gateway/shard/messages.h"
#include "stack/base/bytes.h"

namespace gateway::shard {

// `packet` is a whole IPv4 packet to one of our addresses. Nothing if it is anything else, is
// damaged, or quotes a packet from another address than the one it came to. A router older than RFC
// 1191 says no size: it is taken for 576.
std::optional<PathTooBig> ReadPathTooBig(stack::ByteView packet);

}  // namespace gateway::shard
