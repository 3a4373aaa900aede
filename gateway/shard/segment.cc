#include "gateway/shard/segment.h"

#include <algorithm>

#include "stack/base/checksum.h"

namespace gateway::shard {
namespace {

using stack::ByteSpan;
using stack::ByteView;
using stack::Drop;
using stack::Load16;
using stack::Store16;

constexpr uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr uint8_t kGsoTcp4 = 1, kGsoUdp4 = 5, kGsoEcn = 0x80;

constexpr size_t kEthernet = 14;
constexpr size_t kIpFragment = kEthernet + 6, kIpProtocol = kEthernet + 9;
constexpr size_t kTcpOffset = 12, kTcpFlags = 13;
constexpr uint8_t kFin = 0x01, kPsh = 0x08, kAck = 0x10, kEce = 0x40, kCwr = 0x80;
constexpr uint8_t kTcp = 6, kUdp = 17;

uint8_t At(ByteView b, size_t i) { return static_cast<uint8_t>(b[i]); }

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
  const size_t transport = kEthernet + ip_header;
  if (frame_.size() < transport + (protocol == kTcp ? 20U : 8U)) return;
  const size_t header =
      protocol == kTcp ? static_cast<size_t>(At(frame_, transport + kTcpOffset) >> 4) * 4 : 8;
  if ((protocol == kTcp && header < 20) || frame_.size() < transport + header) return;
  if (segment_size < kMinSegmentSize) return;
  const size_t payload = frame_.size() - transport - header;
  count_ = std::max<size_t>(1, (payload + segment_size - 1) / segment_size);
  if (count_ > kMaxSegments) return;
  // FIN and PSH belong to the last octet; CWR is said once (RFC 3168 section 6.1.2).
  cutter_ = Cutter(frame_, {.network = kEthernet,
                            .transport = transport,
                            .headers = transport + header,
                            .tcp = protocol == kTcp,
                            .segment = segment_size,
                            .first_only = kCwr,
                            .last_only = kFin | kPsh});
  uniform_ = protocol == kUdp || (At(frame_, transport + kTcpFlags) & ~(kPsh | kEce)) == kAck;
  superframe_ = true;
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
  return superframe_ ? cutter_.Next(pool) : CopyWhole(pool);
}

}  // namespace gateway::shard
