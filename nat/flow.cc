#include "nat/flow.h"

namespace nat {
namespace {

using stack::ByteView;
using stack::Drop;
using stack::Load16;
using stack::Load32;

constexpr uint16_t kFragmentBits = 0x3fff;  // More Fragments and the offset, RFC 791 section 3.1
constexpr size_t kUdpHeader = 8;
constexpr size_t kTcpHeader = 20;
constexpr size_t kIcmpHeader = 8;

Drop FindTcp(ByteView header, Transport& found) {
  if (header.size() < kTcpHeader) return Drop::kNatMalformed;
  const size_t length = (static_cast<size_t>(header[12]) >> 4) * 4;
  if (length < kTcpHeader || length > header.size()) return Drop::kNatMalformed;
  found.flow.kind = Kind::kTcp;
  found.flow.source.port = Load16(&header[0]);
  found.flow.destination.port = Load16(&header[2]);
  found.tcp_flags = static_cast<uint8_t>(header[13]);
  return Drop::kNone;
}

Drop FindUdp(ByteView header, Transport& found) {
  if (header.size() < kUdpHeader) return Drop::kNatMalformed;
  const size_t length = Load16(&header[4]);
  if (length < kUdpHeader || length > header.size()) return Drop::kNatMalformed;
  found.flow.kind = Kind::kUdp;
  found.flow.source.port = Load16(&header[0]);
  found.flow.destination.port = Load16(&header[2]);
  return Drop::kNone;
}

Drop FindIcmp(ByteView header, Transport& found) {
  if (header.size() < kIcmpHeader) return Drop::kNatMalformed;
  found.flow.kind = Kind::kIcmp;
  switch (static_cast<uint8_t>(header[0])) {
    case 8:
      found.role = Transport::Role::kEchoRequest;
      found.flow.source.port = Load16(&header[4]);
      return Drop::kNone;
    case 0:
      found.role = Transport::Role::kEchoReply;
      found.flow.destination.port = Load16(&header[4]);
      return Drop::kNone;
    case 3:   // Destination Unreachable
    case 11:  // Time Exceeded
    case 12:  // Parameter Problem
      found.role = Transport::Role::kIcmpError;
      return Drop::kNone;
    default:
      return Drop::kNatProtocol;
  }
}

}  // namespace

stack::Result<Transport, Drop> FindTransport(ByteView packet) {
  if (packet.size() < kIpHeader) return Drop::kNatMalformed;
  const auto version_ihl = static_cast<uint8_t>(packet[0]);
  const size_t header_length = (version_ihl & 0x0fU) * size_t{4};
  const size_t total = Load16(&packet[2]);
  if (version_ihl >> 4 != 4 || header_length < kIpHeader) return Drop::kNatMalformed;
  if (total < header_length || total > packet.size()) return Drop::kNatMalformed;
  if ((Load16(&packet[6]) & kFragmentBits) != 0) return Drop::kNatMalformed;

  Transport found;
  found.at = static_cast<uint16_t>(header_length);
  found.end = static_cast<uint16_t>(total);
  found.flow.source.ip.value = Load32(&packet[kIpSource]);
  found.flow.destination.ip.value = Load32(&packet[kIpDestination]);
  const ByteView header = packet.subspan(header_length, total - header_length);
  Drop drop = Drop::kNatProtocol;
  switch (static_cast<uint8_t>(packet[kIpProtocol])) {
    case kProtocolTcp:
      drop = FindTcp(header, found);
      break;
    case kProtocolUdp:
      drop = FindUdp(header, found);
      break;
    case kProtocolIcmp:
      drop = FindIcmp(header, found);
      break;
    default:
      break;
  }
  if (drop != Drop::kNone) return drop;
  return found;
}

}  // namespace nat
