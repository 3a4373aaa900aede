// The IPv4 header put on, and packets cut to the MTU of the way on: RFC 791 section 3.2, RFC 6864.
#pragma once

#include <vector>

#include "stack/base/packet_buf.h"
#include "stack/wire/ip4.h"

namespace stack::ip {

// Puts a header without options in front of `payload`. kTooBig, and nothing done, if the packet
// would pass 65535 octets or there is no headroom. A packet that may be fragmented on its way
// (dont_fragment false) needs an id that its source, destination and protocol have not used of
// late.
[[nodiscard]] Drop Push(PacketBuf& payload, const wire::Ip4Fields& fields);

// Puts `packet` at the end of `out`, cut into fragments of at most `mtu` octets each if it is
// larger. It may itself be a fragment, and may carry options: those with the copied bit go into
// every fragment. Fragments stand in fresh slots of `pool` with full headroom. On failure `out` and
// `packet` are as before: kTooBig if Don't Fragment is set (answer Fragmentation Needed) or `mtu`
// has no room for 8 octets of payload, kPoolDry. Precondition: `packet` passed In() or was made by
// Push().
[[nodiscard]] Drop Fragment(PacketBuf&& packet, size_t mtu, PacketPool& pool,
                            std::vector<PacketBuf>& out);

}  // namespace stack::ip
