#include "gateway/shard/coalesce.h"

#include <algorithm>
#include <cstring>

#include "gateway/shard/segment.h"
#include "stack/base/checksum.h"

namespace gateway::shard {
namespace {

using stack::ByteSpan;
using stack::ByteView;
using stack::Load16;
using stack::Load32;
using stack::Store16;

// Offsets in an Ethernet frame without VLAN tag that carries IPv4 without options.
constexpr size_t kIp = 14, kIpLength = 16, kIpId = 18, kIpFragment = 20, kIpProtocol = 23,
                 kIpChecksum = 24, kIpSource = 26, kIpDestination = 30, kTransport = 34;
constexpr size_t kUdpLength = 38, kUdpChecksum = 40, kUdpPayload = 42;
constexpr size_t kTcpSequence = 38, kTcpAck = 42, kTcpOffset = 46, kTcpFlags = 47, kTcpWindow = 48,
                 kTcpChecksum = 50, kTcpUrgent = 52, kTcpOptions = 54;
constexpr uint8_t kPsh = 0x08, kAck = 0x10, kEce = 0x40;
constexpr uint8_t kTcp = 6, kUdp = 17;
constexpr uint16_t kDontFragment = 0x4000;
constexpr size_t kNone = static_cast<size_t>(-1);

uint8_t At(ByteView b, size_t i) { return static_cast<uint8_t>(b[i]); }
bool Same(ByteView a, ByteView b, size_t from, size_t to) {
  return std::memcmp(&a[from], &b[from], to - from) == 0;
}

// The kernel computes the checksums of what it cuts: a wrong one must not become right. Linux's own
// receive offload looks first, too.
bool ChecksumHolds(ByteView frame) {
  const stack::Sum sum =
      stack::SumOf(frame.subspan(kTransport)) +
      stack::PseudoHeaderSum({Load32(&frame[kIpSource])}, {Load32(&frame[kIpDestination])},
                             At(frame, kIpProtocol),
                             static_cast<uint16_t>(frame.size() - kTransport));
  return stack::Finish(sum) == 0;
}

}  // namespace

std::span<io::TxFrame> Coalescer::Merge(std::span<const Outgoing> frames, Kinds kinds) {
  frames_ = frames;
  kinds_ = kinds;
  run_count_ = open_count_ = pieces_used_ = headers_used_ = 0;
  for (size_t i = 0; i < frames.size(); ++i) Take(i);
  for (size_t i = 0; i < run_count_; ++i) Lay(runs_[i], tx_[i]);
  return {tx_.data(), run_count_};
}

void Coalescer::Take(size_t index) {
  const Shape shape = kinds_.tcp || kinds_.udp ? LookAt(frames_[index]) : Shape{};
  if (shape.kind == Kind::kLoose) CloseBetween(FrameAt(index));
  if (shape.kind != Kind::kTcp && shape.kind != Kind::kUdp) return Start(index, shape);
  const size_t slot = FindOpen(FrameAt(index));
  if (slot == kNone) return Start(index, shape);
  if (MayJoin(runs_[open_[slot]], index, shape)) return Join(slot, index, shape);
  Close(slot);
  Start(index, shape);
}

Coalescer::Shape Coalescer::LookAt(const Outgoing& out) {
  const ByteView frame = out.frame.bytes();
  if (frame.size() < kTransport || Load16(&frame[12]) != 0x0800) return {};
  if (At(frame, kIp) != 0x45 || (Load16(&frame[kIpFragment]) & ~kDontFragment) != 0) {
    return {.kind = Kind::kLoose};
  }
  if (Load16(&frame[kIpLength]) != frame.size() - kIp) return {.kind = Kind::kLoose};
  switch (At(frame, kIpProtocol)) {
    case kTcp:
      return LookAtTcp(frame);
    case kUdp:
      return LookAtUdp(frame, out.own_esp);
    default:
      return {};
  }
}

// Whatever changes the state of a connection goes alone, as it came.
Coalescer::Shape Coalescer::LookAtTcp(ByteView frame) {
  if (frame.size() < kTcpOptions) return {.kind = Kind::kLoose};
  const size_t headers = kTransport + static_cast<size_t>(At(frame, kTcpOffset) >> 4) * 4;
  if (headers < kTcpOptions || headers > frame.size()) return {.kind = Kind::kLoose};
  const uint8_t flags = At(frame, kTcpFlags);
  Shape shape{.kind = Kind::kTcp,
              .ends = (flags & kPsh) != 0,
              .headers = static_cast<uint16_t>(headers),
              .payload = static_cast<uint16_t>(frame.size() - headers),
              .sequence = Load32(&frame[kTcpSequence])};
  shape.may_merge = (flags & ~(kPsh | kEce)) == kAck && shape.payload > 0;
  return shape;
}

// A forwarded datagram without checksum would get one: that is its sender's choice.
Coalescer::Shape Coalescer::LookAtUdp(ByteView frame, bool own_esp) {
  if (frame.size() < kUdpPayload) return {.kind = Kind::kLoose};
  const bool whole = Load16(&frame[kUdpLength]) == frame.size() - kTransport;
  const bool has_checksum = Load16(&frame[kUdpChecksum]) != 0;
  Shape shape{.kind = Kind::kUdp,
              .headers = kUdpPayload,
              .payload = static_cast<uint16_t>(frame.size() - kUdpPayload)};
  shape.may_merge = whole && has_checksum != own_esp && shape.payload > 0;
  return shape;
}

size_t Coalescer::FindOpen(ByteView frame) const {
  for (size_t slot = open_count_; slot-- > 0;) {
    const ByteView first = FrameAt(runs_[open_[slot]].begin);
    if (Same(frame, first, kIpSource, kTcpSequence) && frame[kIpProtocol] == first[kIpProtocol]) {
      return slot;
    }
  }
  return kNone;
}

bool Coalescer::MayJoin(Run& run, size_t index, const Shape& shape) const {
  if (!shape.may_merge || !Joins(run, index, shape)) return false;
  if (frames_[index].own_esp) return true;
  if (!run.checked) run.checked = ChecksumHolds(FrameAt(run.begin));
  return run.checked && ChecksumHolds(FrameAt(index));
}

bool Coalescer::Joins(const Run& run, size_t index, const Shape& shape) const {
  const ByteView frame = FrameAt(index), first = FrameAt(run.begin);
  if (frames_[index].own_esp != frames_[run.begin].own_esp) return false;
  if (shape.payload > run.first.payload) return false;
  if (run.first.headers - kIp + run.payload + shape.payload > 65535) return false;
  // Link, type of service, don't fragment, time to live.
  if (!Same(frame, first, 0, kIpLength) || !Same(frame, first, kIpFragment, kIpProtocol)) {
    return false;
  }
  const bool any_id = frames_[index].own_esp || (Load16(&frame[kIpFragment]) & kDontFragment) != 0;
  const auto next_id = static_cast<uint16_t>(Load16(&first[kIpId]) + run.segments);
  if (!any_id && Load16(&frame[kIpId]) != next_id) return false;
  if (shape.kind == Kind::kUdp) return true;
  if (shape.sequence != static_cast<uint32_t>(run.first.sequence + run.payload)) return false;
  const bool same_flags = ((At(frame, kTcpFlags) ^ At(first, kTcpFlags)) & ~kPsh) == 0;
  return same_flags && Same(frame, first, kTcpAck, kTcpFlags) &&
         Same(frame, first, kTcpWindow, kTcpChecksum) &&
         Same(frame, first, kTcpUrgent, shape.headers);
}

void Coalescer::Start(size_t index, const Shape& shape) {
  const auto frame = static_cast<uint8_t>(index);
  runs_[run_count_] = {.first = shape, .begin = frame, .end = frame, .payload = shape.payload};
  const bool wanted = shape.kind == Kind::kTcp ? kinds_.tcp : kinds_.udp;
  // Whoever receives superframes as we do takes none of smaller pieces.
  if (shape.may_merge && wanted && !shape.ends && shape.payload >= kMinSegmentSize) {
    if (open_count_ == kMaxOpen) Close(0);
    open_[open_count_++] = static_cast<uint8_t>(run_count_);
  }
  ++run_count_;
}

void Coalescer::Join(size_t slot, size_t index, const Shape& shape) {
  Run& run = runs_[open_[slot]];
  next_[run.end] = static_cast<uint8_t>(index);
  run.end = static_cast<uint8_t>(index);
  run.payload += shape.payload;
  ++run.segments;
  const bool ends = shape.ends || shape.payload < run.first.payload;
  if (ends || run.segments == kMaxSegments) Close(slot);
}

void Coalescer::Close(size_t slot) {
  std::copy(open_.begin() + slot + 1, open_.begin() + open_count_, open_.begin() + slot);
  --open_count_;
}

void Coalescer::CloseBetween(ByteView frame) {
  for (size_t slot = open_count_; slot-- > 0;) {
    if (Same(frame, FrameAt(runs_[open_[slot]].begin), kIpSource, kTransport)) Close(slot);
  }
}

// One frame goes as it is; of several only the first one's headers are copied, and changed.
void Coalescer::Lay(const Run& run, io::TxFrame& tx) {
  if (run.segments == 1) {
    tx = {.bytes = FrameAt(run.begin), .more = {}, .vnet = {}};
    return;
  }
  const ByteSpan headers = ByteSpan(headers_[headers_used_++]).first(run.first.headers);
  WriteHeaders(run, headers);
  if (frames_[run.begin].own_esp) Store16(&headers[kIpId], ids_.Take(run.segments));
  Store16(&headers[kIpChecksum], 0);
  Store16(&headers[kIpChecksum], stack::Finish(stack::SumOf(headers.subspan(kIp, 20))));
  const size_t first_piece = pieces_used_;
  for (uint8_t at = run.begin, left = run.segments; left > 0; at = next_[at], --left) {
    pieces_[pieces_used_++] = FrameAt(at).subspan(run.first.headers);
  }
  const bool tcp = run.first.kind == Kind::kTcp;
  tx = {.bytes = headers,
        .more = std::span(pieces_).subspan(first_piece, run.segments),
        .vnet = {.flags = io::VnetHdr::kNeedsChecksum,
                 .gso_type = tcp ? io::VnetHdr::kGsoTcp4 : io::VnetHdr::kGsoUdp4,
                 .hdr_len = run.first.headers,
                 .gso_size = run.first.payload,
                 .csum_start = kTransport,
                 .csum_offset = tcp ? uint16_t{kTcpChecksum - kTransport}
                                    : uint16_t{kUdpChecksum - kTransport}}};
}

// The whole under the first one's headers, with the checksum left to the kernel: it wants the sum
// of the pseudo-header there.
void Coalescer::WriteHeaders(const Run& run, ByteSpan headers) const {
  const ByteView first = FrameAt(run.begin);
  std::memcpy(headers.data(), first.data(), headers.size());
  const size_t length = headers.size() - kIp + run.payload;
  const auto transport = static_cast<uint16_t>(length - (kTransport - kIp));
  Store16(&headers[kIpLength], static_cast<uint16_t>(length));
  const uint16_t pseudo = stack::Fold(stack::PseudoHeaderSum({Load32(&first[kIpSource])},
                                                             {Load32(&first[kIpDestination])},
                                                             At(first, kIpProtocol), transport));
  if (run.first.kind == Kind::kTcp) {
    headers[kTcpFlags] |= FrameAt(run.end)[kTcpFlags] & std::byte{kPsh};
    return Store16(&headers[kTcpChecksum], pseudo);
  }
  Store16(&headers[kUdpLength], transport);
  Store16(&headers[kUdpChecksum], pseudo);
}

std::span<io::TxFrame> Coalescer::Apart(size_t index) {
  const Run& run = runs_[index];
  uint8_t at = run.begin;
  for (size_t i = 0; i < run.segments; ++i, at = next_[at]) {
    apart_[i] = {.bytes = FrameAt(at), .more = {}, .vnet = {}};
  }
  return {apart_.data(), run.segments};
}

}  // namespace gateway::shard
