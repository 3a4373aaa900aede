// Frames and packets built by libtins, the second opinion of the tests: what it builds our views
// must read alike, and what we build it must read alike. Tests only: it allocates and throws.
#pragma once

#include <cstdint>
#include <string>

#include "stack/base/address.h"
#include "stack/base/bytes.h"

namespace test {

struct IpOptions {
  uint8_t ttl = 64, tos = 0;
  uint16_t id = 1;
  bool dont_fragment = false;
  uint16_t fragment_offset = 0;  // in units of 8 octets
  bool more_fragments = false;
};

// Whole IPv4 packets.
stack::Bytes UdpPacket(stack::Endpoint from, stack::Endpoint to, stack::ByteView payload,
                       const IpOptions& options = {});
stack::Bytes TcpPacket(stack::Endpoint from, stack::Endpoint to, uint8_t flags,
                       stack::ByteView payload, uint16_t mss = 0, const IpOptions& options = {});
stack::Bytes EchoPacket(stack::Ip4 from, stack::Ip4 to, uint16_t id, uint16_t sequence,
                        stack::ByteView payload, const IpOptions& options = {});
// Any IP payload, or a fragment of one.
stack::Bytes IpPacket(stack::Ip4 from, stack::Ip4 to, uint8_t protocol, stack::ByteView payload,
                      const IpOptions& options = {});

// Whole Ethernet frames, padded to 60 octets as on the wire.
stack::Bytes ArpFrame(bool reply, stack::Mac sender, stack::Ip4 sender_ip, stack::Mac target,
                      stack::Ip4 target_ip, stack::Mac to);
stack::Bytes EthernetFrame(stack::Mac to, stack::Mac from, uint16_t type, stack::ByteView payload);

// n octets that differ from each other: 0, 1, 2 ... from `first` on.
stack::Bytes Pattern(size_t n, uint8_t first = 0);
// "192.0.2.1" and "192.0.2.1:4500", for tests that read as scripts; throw std::invalid_argument.
stack::Ip4 Ip(const std::string& text);
stack::Endpoint At(const std::string& text);

}  // namespace test
