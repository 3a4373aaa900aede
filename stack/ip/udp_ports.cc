#include "stack/ip/udp_ports.h"

#include "stack/wire/ip4.h"

namespace stack::ip {

Result<UdpPorts, Drop> PullUdp(PacketBuf& buf, Ip4 source, Ip4 destination, UdpChecksum checksum) {
  const Result<wire::Udp, Drop> udp = wire::Udp::Parse(buf.bytes());
  if (!udp) return udp.error();
  if (checksum == UdpChecksum::kHonest && !udp->ChecksumHolds(source, destination)) {
    return Drop::kBadUdpChecksum;
  }
  const UdpPorts ports{udp->source_port(), udp->destination_port()};
  buf.Trim(buf.size() - udp->length());
  buf.Pull(wire::Udp::kSize);
  return ports;
}

Drop PushUdp(PacketBuf& payload, Endpoint from, Endpoint to, UdpChecksum checksum) {
  const size_t size = payload.size();
  if (size > wire::Ip4Packet::kMaxSize - wire::Udp::kSize) return Drop::kTooBig;
  const ByteSpan header = payload.Push(wire::Udp::kSize);
  if (header.empty()) return Drop::kTooBig;
  wire::WriteUdp(header, from.port, to.port, size);
  if (checksum == UdpChecksum::kHonest) wire::FillUdpChecksum(payload.bytes(), from.ip, to.ip);
  return Drop::kNone;
}

}  // namespace stack::ip
