// The IPv4 packets of the test traffic, as they are inside the tunnel and beyond the gateway: UDP
// datagrams, TCP segments of a flow that never waits for an answer, echo requests.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/io/port.h"
#include "gateway/load/mark.h"
#include "stack/base/address.h"
#include "stack/base/packet_buf.h"
#include "stack/wire/ip4.h"

namespace gateway::load {

inline constexpr size_t kUdpHeaders = 28, kTcpHeaders = 40;
constexpr size_t HeadersOf(bool tcp) { return tcp ? kTcpHeaders : kUdpHeaders; }

// One direction of one flow.
struct Flow {
  stack::Endpoint from, to;
  bool tcp = false;
};

namespace tcp_flags {
inline constexpr uint8_t kSyn = 0x02, kPsh = 0x08, kAck = 0x10;
}

// A packet of `size` octets that carries `mark`; a buffer without slot if the pool is dry. A TCP
// segment has the sequence number that follows from the mark's.
stack::PacketBuf MakePacket(stack::PacketPool& pool, const Flow& flow, size_t size,
                            const Mark& mark);
// A TCP segment with nothing in it but what the flags say.
stack::PacketBuf MakeHandshake(stack::PacketPool& pool, const Flow& flow, uint8_t flags);
// `count` such packets, numbered on from `first`, as one superframe: the packet it begins as, for
// an Ethernet header of 14 octets, and in `vnet` what makes it one.
stack::PacketBuf MakeSuperframe(stack::PacketPool& pool, const Flow& flow, size_t size,
                                const Mark& first, size_t count, io::VnetHdr& vnet);
stack::PacketBuf MakeEcho(stack::PacketPool& pool, stack::Ip4 from, stack::Ip4 to, uint16_t id,
                          uint16_t sequence);

// What a received packet says, if it is whole and UDP, TCP or an echo message.
struct Segment {
  stack::wire::IpProtocol protocol = stack::wire::IpProtocol::kUdp;
  stack::Endpoint from, to;   // ports 0 for ICMP
  uint8_t flags = 0;          // of TCP; the type of ICMP
  stack::ByteView transport;  // header and payload
  stack::ByteView payload;    // of ICMP: identifier, sequence number and what follows
};
std::optional<Segment> ReadSegment(const stack::wire::Ip4Packet& packet);
// Whether the transport checksum is right. Also true for UDP without one.
bool ChecksumHolds(const Segment& segment);

}  // namespace gateway::load
