#include "stack/wire/udp.h"

#include "stack/wire/ip4.h"

namespace stack::wire {
namespace {

Sum DatagramSum(ByteView datagram, Ip4 source, Ip4 destination) {
  return SumOf(datagram) + PseudoHeaderSum(source, destination,
                                           static_cast<uint8_t>(IpProtocol::kUdp),
                                           static_cast<uint16_t>(datagram.size()));
}

}  // namespace

Result<Udp, Drop> Udp::Parse(ByteView bytes) {
  if (bytes.size() < kSize) return Drop::kTruncated;
  const size_t length = Load16(bytes.data() + 4);
  if (length < kSize || length > bytes.size()) return Drop::kBadUdpLength;
  return Udp(bytes.first(length));
}

bool Udp::ChecksumHolds(Ip4 source, Ip4 destination) const {
  return !has_checksum() || Finish(DatagramSum(bytes_, source, destination)) == 0;
}

void WriteUdp(ByteSpan out, uint16_t source_port, uint16_t destination_port, size_t payload_size) {
  Writer to(out.first(Udp::kSize));
  to.U16(source_port);
  to.U16(destination_port);
  to.U16(static_cast<uint16_t>(Udp::kSize + payload_size));
  to.U16(0);
}

void FillUdpChecksum(ByteSpan datagram, Ip4 source, Ip4 destination) {
  std::byte* checksum = datagram.subspan(6, 2).data();
  Store16(checksum, 0);
  Store16(checksum, FinishUdp(DatagramSum(datagram, source, destination)));
}

}  // namespace stack::wire
