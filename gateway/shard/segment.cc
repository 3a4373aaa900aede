#include "gateway/shard/segment.h"

#include <algorithm>

#include "stack/base/checksum.h"

namespace gateway::shard {
namespace {

using stack::ByteSpan;
using stack::ByteView;
using stack::Drop;
using stack::Load16;
using stack::Load32;
using stack::Store16;
using stack::Store32;

constexpr uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr uint8_t kGsoTcp4 = 1, kGsoUdp4 = 5, kGsoEcn = 0x80;

constexpr size_t kEthernet = 14;
constexpr size_t kIpLength = kEthernet + 2, kIpId = kEthernet + 4, kIpFragment = kEthernet + 6,
                 kIpProtocol = kEthernet + 9, kIpChecksum = kEthernet + 10,
                 kIpSource = kEthernet + 12, kIpDestination = kEthernet + 16;
constexpr size_t kTcpSequence = 4, kTcpOffset = 12, kTcpFlags = 13, kTcpChecksum = 16;
constexpr size_t kUdpLength = 4, kUdpChecksum = 6;
constexpr uint8_t kFin = 0x01, kPsh = 0x08, kCwr = 0x80;
constexpr uint8_t kTcp = 6, kUdp = 17;

uint8_t At(ByteView b, size_t i) { return static_cast<uint8_t>(b[i]); }

// The transport checksum over everything from `transport` on, with the field itself zeroed by the
// caller.
stack::Sum TransportSum(ByteView frame, size_t transport) {
  const auto length = static_cast<uint16_t>(frame.size() - transport);
  return stack::SumOf(frame.subspan(transport)) +
         stack::PseudoHeaderSum(stack::Ip4{Load32(&frame[kIpSource])},
                                stack::Ip4{Load32(&frame[kIpDestination])}, At(frame, kIpProtocol),
                                length);
}

}  // namespace

Segmenter::Segmenter(ByteView frame, const io::VnetHdr& offload) : frame_(frame), count_(1) {
  if ((offload.flags & kNeedsChecksum) != 0) {
    partial_checksum_ = true;
    checksum_start_ = offload.csum_start;
    checksum_offset_ = offload.csum_offset;
    if (checksum_start_ + checksum_offset_ + 2 > frame.size()) drop_ = Drop::kBadSuperframe;
  }
  const auto gso = static_cast<uint8_t>(offload.gso_type & ~kGsoEcn);
  if (gso != 0 && drop_ == Drop::kNone) LookAtSuperframe(gso, offload.gso_size);
  if (drop_ != Drop::kNone) count_ = 0;
}

void Segmenter::LookAtSuperframe(uint8_t gso_type, size_t segment_size) {
  drop_ = Drop::kBadSuperframe;
  if (gso_type != kGsoTcp4 && gso_type != kGsoUdp4) return;
  const uint8_t protocol = gso_type == kGsoTcp4 ? kTcp : kUdp;
  if (frame_.size() < kEthernet + 20 || Load16(&frame_[12]) != 0x0800) return;
  const size_t ip_header = (At(frame_, kEthernet) & 15U) * 4U;
  if (At(frame_, kEthernet) >> 4 != 4 || ip_header < 20 || At(frame_, kIpProtocol) != protocol)
    return;
  if ((Load16(&frame_[kIpFragment]) & 0x3fff) != 0) return;  // a superframe is never a fragment
  transport_ = kEthernet + ip_header;
  if (frame_.size() < transport_ + (protocol == kTcp ? 20U : 8U)) return;
  const size_t header =
      protocol == kTcp ? static_cast<size_t>(At(frame_, transport_ + kTcpOffset) >> 4) * 4 : 8;
  headers_ = transport_ + header;
  if ((protocol == kTcp && header < 20) || frame_.size() < headers_) return;
  const size_t payload = frame_.size() - headers_;
  if (segment_size < kMinSegmentSize) return;
  segment_size_ = segment_size;
  count_ = std::max<size_t>(1, (payload + segment_size - 1) / segment_size);
  if (count_ > kMaxSegments) return;
  kind_ = protocol == kTcp ? Kind::kTcp : Kind::kUdp;
  drop_ = Drop::kNone;
}

stack::PacketBuf Segmenter::CopyWhole(stack::PacketPool& pool) const {
  stack::PacketBuf buf = pool.Copy(frame_);
  if (!buf || !partial_checksum_) return buf;
  // The field holds the folded pseudo-header sum: summing it with the rest gives the checksum.
  const ByteSpan bytes = buf.bytes();
  const uint16_t checksum = stack::Finish(stack::SumOf(bytes.subspan(checksum_start_)));
  const bool udp = bytes.size() > kIpProtocol && At(bytes, kIpProtocol) == kUdp;
  Store16(&bytes[checksum_start_ + checksum_offset_],
          udp && checksum == 0 ? uint16_t{0xffff} : checksum);
  return buf;
}

stack::PacketBuf Segmenter::Next(stack::PacketPool& pool) {
  const size_t index = next_++;
  if (kind_ == Kind::kWhole) return CopyWhole(pool);
  const size_t offset = index * segment_size_;
  const size_t payload = std::min(segment_size_, frame_.size() - headers_ - offset);
  stack::PacketBuf buf = pool.Get(headers_ + payload);
  if (!buf) return buf;
  buf.Assign(frame_.first(headers_));
  buf.Assign(frame_.subspan(headers_ + offset, payload));
  FixIp(buf.bytes(), index);
  if (kind_ == Kind::kTcp) {
    FixTcp(buf.bytes(), offset, index + 1 == count_);
  } else {
    FixUdp(buf.bytes());
  }
  return buf;
}

void Segmenter::FixIp(ByteSpan frame, size_t index) const {
  Store16(&frame[kIpLength], static_cast<uint16_t>(frame.size() - kEthernet));
  Store16(&frame[kIpId], static_cast<uint16_t>(Load16(&frame_[kIpId]) + index));
  Store16(&frame[kIpChecksum], 0);
  Store16(&frame[kIpChecksum],
          stack::Finish(stack::SumOf(frame.subspan(kEthernet, transport_ - kEthernet))));
}

void Segmenter::FixTcp(ByteSpan frame, size_t offset, bool last) const {
  const ByteSpan tcp = frame.subspan(transport_);
  Store32(&tcp[kTcpSequence],
          static_cast<uint32_t>(Load32(&frame_[transport_ + kTcpSequence]) + offset));
  auto flags = static_cast<uint8_t>(tcp[kTcpFlags]);
  if (!last) flags = static_cast<uint8_t>(flags & ~(kFin | kPsh));  // these belong to the last byte
  if (offset != 0) flags = static_cast<uint8_t>(flags & ~kCwr);     // RFC 3168: once, on the first
  tcp[kTcpFlags] = std::byte{flags};
  Store16(&tcp[kTcpChecksum], 0);
  Store16(&tcp[kTcpChecksum], stack::Finish(TransportSum(frame, transport_)));
}

void Segmenter::FixUdp(ByteSpan frame) const {
  const ByteSpan udp = frame.subspan(transport_);
  Store16(&udp[kUdpLength], static_cast<uint16_t>(udp.size()));
  Store16(&udp[kUdpChecksum], 0);
  Store16(&udp[kUdpChecksum], stack::FinishUdp(TransportSum(frame, transport_)));
}

}  // namespace gateway::shard
