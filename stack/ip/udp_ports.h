// UDP taken off and put on (RFC 768), between the IP layer and the services behind ports: IKE,
// L2TP, DHCP.
#pragma once

#include "stack/base/address.h"
#include "stack/base/packet_buf.h"
#include "stack/wire/udp.h"

namespace stack::ip {

enum class UdpChecksum : uint8_t {
  kHonest,  // verify what came unless it is zero; sum what goes
  kIgnore,  // do not look; send zero: ESP-in-UDP, and what came inside transport-mode ESP through a
            // NAT, whose checksum covers addresses that are gone (RFC 3948 sections 2.1 and 3.1.2)
};

struct UdpPorts {
  uint16_t source = 0, destination = 0;
};

// Takes the header off the datagram in `buf` (an IP payload) and cuts off what its length does not
// cover. kTruncated, kBadUdpLength, kBadUdpChecksum; then `buf` is as it was.
Result<UdpPorts, Drop> PullUdp(PacketBuf& buf, Ip4 source, Ip4 destination, UdpChecksum checksum);

// Puts a header in front of `payload`. kTooBig, and nothing done, beyond 65535 octets or without
// headroom.
[[nodiscard]] Drop PushUdp(PacketBuf& payload, Endpoint from, Endpoint to, UdpChecksum checksum);

}  // namespace stack::ip
