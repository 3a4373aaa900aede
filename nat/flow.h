// A flow: one conversation as five numbers, and where they stand in a packet.
//
// ICMP echo has no ports; its identifier (RFC 5508 section 3.1) takes the place of the port at the
// end that asks, the other end's port is 0. FindTransport() is the only place in nat/ that reads a
// packet's headers from nothing: everything behind it works on offsets that were checked there
// once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace nat {

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolIgmp = 2;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;

// TCP flags, the low octet of RFC 9293 section 3.1.
inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpRst = 0x04;
inline constexpr uint8_t kTcpAck = 0x10;

// The three protocols NAT44 translates; an index into per-protocol tables.
enum class Kind : uint8_t { kTcp, kUdp, kIcmp };
inline constexpr size_t kKinds = 3;

struct Flow {
  Kind kind = Kind::kUdp;
  stack::Endpoint source, destination;

  Flow Reply() const { return {kind, destination, source}; }

  auto operator<=>(const Flow&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const Flow& f) {
    const uint64_t ips = uint64_t{f.source.ip.value} << 32 | f.destination.ip.value;
    const uint64_t ports = uint64_t{f.source.port} << 32 | uint64_t{f.destination.port} << 16 |
                           static_cast<uint64_t>(f.kind);
    return H::combine(std::move(h), ips, ports);
  }
};

// What a packet turned out to be, with its checked offsets.
struct Transport {
  enum class Role : uint8_t {
    kData,         // TCP or UDP
    kEchoRequest,  // ICMP type 8: the source's port is the identifier
    kEchoReply,    // ICMP type 0: the destination's port is the identifier
    kIcmpError,    // ICMP type 3, 11 or 12: the flow holds addresses only
  };
  Flow flow;
  Role role = Role::kData;
  uint8_t tcp_flags = 0;  // 0 unless TCP
  uint16_t at = 0;        // offset of the transport header = length of the IPv4 header
  uint16_t end = 0;       // IPv4 total length; bytes behind it are not the packet's
};

// Precondition: none, any bytes may come. kNatMalformed for what is no whole IPv4 packet or has a
// transport header that is cut off or contradicts itself, kNatProtocol for what NAT44 cannot
// translate (other protocols, other ICMP types). Checksums are not looked at.
stack::Result<Transport, stack::Drop> FindTransport(stack::ByteView packet);

// IPv4 header offsets (RFC 791 section 3.1).
inline constexpr size_t kIpTtl = 8;
inline constexpr size_t kIpProtocol = 9;
inline constexpr size_t kIpChecksum = 10;
inline constexpr size_t kIpSource = 12;
inline constexpr size_t kIpDestination = 16;
inline constexpr size_t kIpHeader = 20;

}  // namespace nat
