#include "gateway/load/inner.h"

#include <utility>

#include "stack/base/checksum.h"
#include "stack/wire/udp.h"

namespace gateway::load {
namespace {

using stack::ByteSpan;
using stack::PacketBuf;
using stack::wire::IpProtocol;

constexpr size_t kEthernet = 14, kIpHeader = 20, kUdpHeader = 8, kTcpHeader = 20;
constexpr size_t kUdpChecksum = 6, kTcpChecksum = 16;
constexpr uint8_t kEchoRequest = 8, kEchoReply = 0;
constexpr size_t kEchoSize = 64;  // as ping sends, with 36 octets of nothing
// The SYN and the hello have the numbers before it.
constexpr uint32_t kFirstTcpNumber = 1 + Mark::kMinSize;

void WriteTcp(ByteSpan header, const Flow& flow, uint32_t number, uint8_t flags) {
  stack::Writer w(header);
  w.U16(flow.from.port);
  w.U16(flow.to.port);
  w.U32(number);
  w.U32((flags & tcp_flags::kAck) != 0 ? 1 : 0);
  w.U8(kTcpHeader / 4 << 4);
  w.U8(flags);
  w.U16(0xffff);
  w.U32(0);
}

uint32_t TcpNumberOf(const Mark& mark, size_t payload) {
  if (mark.kind == Mark::Kind::kHello) return 1;
  return kFirstTcpNumber + mark.sequence * static_cast<uint32_t>(payload);
}

// Headers in front of `payload` octets that are there already.
void WriteHeaders(ByteSpan packet, const Flow& flow, uint16_t id, uint32_t tcp_number,
                  uint8_t flags) {
  stack::wire::Ip4Fields fields;
  fields.source = flow.from.ip;
  fields.destination = flow.to.ip;
  fields.protocol = flow.tcp ? IpProtocol::kTcp : IpProtocol::kUdp;
  fields.id = id;
  fields.dont_fragment = true;
  stack::wire::WriteIp4(packet, fields, packet.size() - kIpHeader);
  const ByteSpan transport = packet.subspan(kIpHeader);
  if (flow.tcp) {
    WriteTcp(transport, flow, tcp_number, flags);
  } else {
    stack::wire::WriteUdp(transport, flow.from.port, flow.to.port, transport.size() - kUdpHeader);
  }
}

stack::Sum PseudoSum(const Flow& flow, size_t length) {
  return stack::PseudoHeaderSum(flow.from.ip, flow.to.ip, flow.tcp ? 6 : 17,
                                static_cast<uint16_t>(length));
}

void FillChecksum(ByteSpan packet, const Flow& flow) {
  const ByteSpan transport = packet.subspan(kIpHeader);
  if (!flow.tcp) return stack::wire::FillUdpChecksum(transport, flow.from.ip, flow.to.ip);
  stack::Store16(&transport[kTcpChecksum],
                 stack::Finish(stack::SumOf(transport) + PseudoSum(flow, transport.size())));
}

PacketBuf Sized(stack::PacketPool& pool, size_t size) {
  PacketBuf packet = pool.Get(size);
  if (packet) packet.Append(size);
  return packet;
}

}  // namespace

PacketBuf MakePacket(stack::PacketPool& pool, const Flow& flow, size_t size, const Mark& mark) {
  PacketBuf packet = Sized(pool, size);
  if (!packet) return packet;
  const size_t headers = HeadersOf(flow.tcp);
  mark.Write(packet.bytes().subspan(headers));
  WriteHeaders(packet.bytes(), flow, static_cast<uint16_t>(mark.sequence),
               TcpNumberOf(mark, size - headers), tcp_flags::kAck);
  FillChecksum(packet.bytes(), flow);
  return packet;
}

PacketBuf MakeHandshake(stack::PacketPool& pool, const Flow& flow, uint8_t flags) {
  PacketBuf packet = Sized(pool, kTcpHeaders);
  if (!packet) return packet;
  WriteHeaders(packet.bytes(), flow, 0, 0, flags);
  FillChecksum(packet.bytes(), flow);
  return packet;
}

PacketBuf MakeSuperframe(stack::PacketPool& pool, const Flow& flow, size_t size, const Mark& first,
                         size_t count, io::VnetHdr& vnet) {
  const size_t headers = HeadersOf(flow.tcp), payload = size - headers;
  PacketBuf packet = Sized(pool, headers + count * payload);
  if (!packet) return packet;
  Mark mark = first;
  for (size_t i = 0; i < count; ++i, ++mark.sequence) {
    mark.Write(packet.bytes().subspan(headers + i * payload, payload));
  }
  WriteHeaders(packet.bytes(), flow, static_cast<uint16_t>(first.sequence),
               TcpNumberOf(first, payload), tcp_flags::kAck);
  const size_t checksum = flow.tcp ? kTcpChecksum : kUdpChecksum;
  const ByteSpan transport = packet.bytes().subspan(kIpHeader);
  stack::Store16(&transport[checksum], stack::Fold(PseudoSum(flow, transport.size())));
  vnet = {io::VnetHdr::kNeedsChecksum,
          flow.tcp ? io::VnetHdr::kGsoTcp4 : io::VnetHdr::kGsoUdp4,
          static_cast<uint16_t>(kEthernet + headers),
          static_cast<uint16_t>(payload),
          static_cast<uint16_t>(kEthernet + kIpHeader),
          static_cast<uint16_t>(checksum)};
  return packet;
}

PacketBuf MakeEcho(stack::PacketPool& pool, stack::Ip4 from, stack::Ip4 to, uint16_t id,
                   uint16_t sequence) {
  PacketBuf packet = Sized(pool, kEchoSize);
  if (!packet) return packet;
  const ByteSpan bytes = packet.bytes();
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  stack::wire::Ip4Fields fields;
  fields.source = from;
  fields.destination = to;
  fields.protocol = IpProtocol::kIcmp;
  fields.id = sequence;
  stack::wire::WriteIp4(bytes, fields, kEchoSize - kIpHeader);
  const ByteSpan icmp = bytes.subspan(kIpHeader);
  icmp[0] = std::byte{kEchoRequest};
  stack::Store16(&icmp[4], id);
  stack::Store16(&icmp[6], sequence);
  stack::Store16(&icmp[2], stack::Finish(stack::SumOf(icmp)));
  return packet;
}

std::optional<Segment> ReadSegment(const stack::wire::Ip4Packet& packet) {
  if (packet.is_fragment()) return {};
  Segment segment;
  segment.protocol = packet.protocol();
  segment.from.ip = packet.source();
  segment.to.ip = packet.destination();
  segment.transport = packet.payload();
  const stack::ByteView bytes = segment.transport;
  size_t header = kUdpHeader;
  if (bytes.size() < header) return {};
  if (segment.protocol == IpProtocol::kIcmp) {
    segment.flags = static_cast<uint8_t>(bytes[0]);
    if (segment.flags != kEchoRequest && segment.flags != kEchoReply) return {};
    segment.payload = bytes.subspan(4);
    return segment;
  }
  if (segment.protocol == IpProtocol::kTcp) {
    if (bytes.size() < kTcpHeader) return {};
    header = static_cast<size_t>(bytes[12] >> 4) * 4;
    if (header < kTcpHeader || header > bytes.size()) return {};
    segment.flags = static_cast<uint8_t>(bytes[13]);
  } else if (segment.protocol != IpProtocol::kUdp) {
    return {};
  }
  segment.from.port = stack::Load16(bytes.data());
  segment.to.port = stack::Load16(&bytes[2]);
  segment.payload = bytes.subspan(header);
  return segment;
}

bool ChecksumHolds(const Segment& segment) {
  const bool udp = segment.protocol == IpProtocol::kUdp;
  if (udp && stack::Load16(&segment.transport[kUdpChecksum]) == 0) return true;
  const stack::Sum pseudo = stack::PseudoHeaderSum(segment.from.ip, segment.to.ip, udp ? 17 : 6,
                                                   static_cast<uint16_t>(segment.transport.size()));
  return stack::Finish(stack::SumOf(segment.transport) + pseudo) == 0;
}

}  // namespace gateway::load
