// The gate every received IPv4 packet goes through, outer and inner alike: RFC 1122 section 3.2.1,
// RFC 1812 sections 5.2.2 and 5.3.7. What it lets pass has a sound header and possible addresses.
// Where the packet is to go, and whether this source may send it, is decided after it, in the
// shard.
#pragma once

#include "stack/base/packet_buf.h"
#include "stack/wire/ip4.h"

namespace stack::ip {

struct Ip4Arrival {
  wire::Ip4Packet packet;  // good until the bytes of the buffer move
  bool is_fragment =
      false;  // to be reassembled (reassembly.h) before anything looks at its payload
};

// Checks the packet in `buf` and cuts off what follows its total length. kTruncated, kBadVersion,
// kBadHeaderLength, kBadChecksum, kMartian.
Result<Ip4Arrival, Drop> In(PacketBuf& buf);

// True if no packet may travel between these addresses. Source 0.0.0.0 is a host that has no
// address yet and may only speak to all (RFC 1122 3.2.1.3); multicast and limited broadcast are
// possible destinations.
bool IsMartian(Ip4 source, Ip4 destination);

}  // namespace stack::ip
