#include "gateway/shard/cutter.h"

#include <algorithm>
#include <cstring>

namespace gateway::shard {
namespace {

using stack::ByteSpan;
using stack::ByteView;
using stack::Load16;
using stack::Load32;
using stack::Store16;
using stack::Store32;

constexpr size_t kIpLength = 2, kIpId = 4, kIpProtocol = 9, kIpChecksum = 10, kIpSource = 12,
                 kIpDestination = 16;
constexpr size_t kTcpSequence = 4, kTcpOffset = 12, kTcpChecksum = 16;
constexpr size_t kUdpLength = 4, kUdpChecksum = 6, kUdpHeader = 8;
constexpr uint8_t kPsh = 0x08, kTcp = 6;

Cutter::Plan PlanFor(ByteView head, const Train& train) {
  const size_t transport = (static_cast<size_t>(head[0]) & 15U) * 4;
  const bool tcp = head[kIpProtocol] == std::byte{kTcp};
  const size_t header =
      tcp ? (static_cast<size_t>(head[transport + kTcpOffset]) >> 4) * 4 : kUdpHeader;
  return {.network = 0,
          .transport = transport,
          .headers = transport + header,
          .tcp = tcp,
          .segment = train.segment,
          .first_only = 0,
          .last_only = train.push ? kPsh : uint8_t{0}};
}

}  // namespace

Cutter::Cutter(ByteView frame, const Plan& plan) : plan_(plan) {
  payload_ = frame.subspan(plan.headers);
  count_ = std::max<size_t>(1, (payload_.size() + plan.segment - 1) / plan.segment);
  Prepare(frame.first(plan.headers));
}

Cutter::Cutter(ByteView head, const Train& train) : plan_(PlanFor(head, train)) {
  payload_ = train.payload;
  first_ = next_ = 1;
  count_ = 1 + train.count();
  Prepare(head.first(plan_.headers));
  // The head gave this one away to the last.
  if (train.push) offset_and_flags_ = static_cast<uint16_t>(offset_and_flags_ | kPsh);
}

void Cutter::Prepare(ByteView headers) {
  std::memcpy(headers_.data(), headers.data(), headers.size());
  const ByteSpan ip = ByteSpan(headers_).subspan(plan_.network);
  const ByteSpan transport = ByteSpan(headers_).subspan(plan_.transport);
  id_ = Load16(&ip[kIpId]);
  Store16(&ip[kIpLength], 0);
  Store16(&ip[kIpId], 0);
  Store16(&ip[kIpChecksum], 0);
  ip_sum_ = stack::SumOf(ip.first(plan_.transport - plan_.network));
  if (plan_.tcp) {
    sequence_ = Load32(&transport[kTcpSequence]);
    offset_and_flags_ = Load16(&transport[kTcpOffset]);
    Store32(&transport[kTcpSequence], 0);
    Store16(&transport[kTcpOffset], 0);
    Store16(&transport[kTcpChecksum], 0);
  } else {
    Store16(&transport[kUdpLength], 0);
    Store16(&transport[kUdpChecksum], 0);
  }
  transport_sum_ = stack::SumOf(transport.first(plan_.headers - plan_.transport)) +
                   stack::PseudoHeaderSum({Load32(&ip[kIpSource])}, {Load32(&ip[kIpDestination])},
                                          static_cast<uint8_t>(ip[kIpProtocol]), 0);
}

stack::PacketBuf Cutter::Next(stack::PacketPool& pool) {
  const size_t index = next_++;
  const size_t offset = (index - first_) * plan_.segment;
  const size_t size = std::min(plan_.segment, payload_.size() - offset);
  stack::PacketBuf buf = pool.Get(plan_.headers + size);
  if (!buf) return buf;
  buf.Assign(ByteView(headers_).first(plan_.headers));
  buf.Assign(payload_.subspan(offset, size));
  FixIp(buf.bytes(), index);
  if (plan_.tcp) {
    FixTcp(buf.bytes(), index);
  } else {
    FixUdp(buf.bytes());
  }
  return buf;
}

Train Cutter::Rest() const {
  if (left() == 0) return {};
  return {.payload = payload_.subspan((next_ - first_) * plan_.segment),
          .segment = static_cast<uint16_t>(plan_.segment),
          .push = plan_.tcp && (offset_and_flags_ & kPsh) != 0};
}

void Cutter::FixIp(ByteSpan packet, size_t index) const {
  const ByteSpan ip = packet.subspan(plan_.network);
  const auto id = static_cast<uint16_t>(id_ + index);
  Store16(&ip[kIpLength], static_cast<uint16_t>(ip.size()));
  Store16(&ip[kIpId], id);
  Store16(&ip[kIpChecksum], stack::Finish(ip_sum_ + ip.size() + id));
}

void Cutter::FixTcp(ByteSpan packet, size_t index) const {
  const ByteSpan tcp = packet.subspan(plan_.transport);
  const auto sequence = static_cast<uint32_t>(sequence_ + index * plan_.segment);
  unsigned flags = offset_and_flags_;
  if (index != 0) flags &= ~unsigned{plan_.first_only};
  if (index + 1 != count_) flags &= ~unsigned{plan_.last_only};
  Store32(&tcp[kTcpSequence], sequence);
  Store16(&tcp[kTcpOffset], static_cast<uint16_t>(flags));
  const stack::Sum sum = transport_sum_ + tcp.size() + (sequence >> 16) + (sequence & 0xffff) +
                         flags + stack::SumOf(packet.subspan(plan_.headers));
  Store16(&tcp[kTcpChecksum], stack::Finish(sum));
}

void Cutter::FixUdp(ByteSpan packet) const {
  const ByteSpan udp = packet.subspan(plan_.transport);
  Store16(&udp[kUdpLength], static_cast<uint16_t>(udp.size()));
  // The length is in the pseudo-header, too.
  const stack::Sum sum =
      transport_sum_ + 2 * udp.size() + stack::SumOf(packet.subspan(plan_.headers));
  Store16(&udp[kUdpChecksum], stack::FinishUdp(sum));
}

}  // namespace gateway::shard
