#include "gateway/load/pinger.h"

#include <utility>

namespace gateway::load {
namespace {

constexpr uint16_t kIdentifier = 0xad17;

}  // namespace

void Pinger::Begin(absl::Time now) {
  counts_ = {};
  sent_at_.fill(absl::InfiniteFuture());
  next_at_ = interval_ > absl::ZeroDuration() ? now : absl::InfiniteFuture();
}

void Pinger::OnDeadline(absl::Time now, const std::function<absl::Time()>& clock, Fleet& fleet,
                        stack::PacketPool& pool) {
  if (now < next_at_) return;
  next_at_ = std::max(next_at_ + interval_, now);  // none are made up for
  if (!fleet.IsUp(client_)) return;
  const Up& up = fleet.UpOf(client_);
  const stack::Ip4 target = target_.IsZero() ? up.gateway : target_;
  const uint16_t sequence = ++sequence_;
  if (!fleet.Send(now, client_, MakeEcho(pool, up.address, target, kIdentifier, sequence), {})) {
    return;
  }
  fleet.FlushSends();
  sent_at_[sequence % kKept] = clock ? clock() : now;
  ++counts_.sent;
}

bool Pinger::IsWaiting(absl::Time now) const {
  const absl::Time sent_at = sent_at_[sequence_ % kKept];
  return counts_.sent > counts_.received && sent_at != absl::InfiniteFuture() &&
         now - sent_at < kMoment;
}

void Pinger::OnReply(absl::Time now, uint32_t client, const Segment& reply) {
  if (client != client_ || reply.payload.size() < 4) return;
  if (stack::Load16(reply.payload.data()) != kIdentifier) return;
  absl::Time& sent_at = sent_at_[stack::Load16(&reply.payload[2]) % kKept];
  if (sent_at == absl::InfiniteFuture()) return;
  counts_.times.Add(static_cast<uint64_t>(absl::ToInt64Nanoseconds(now - sent_at)));
  ++counts_.received;
  sent_at = absl::InfiniteFuture();
}

}  // namespace gateway::load
