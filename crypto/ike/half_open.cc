#include "crypto/ike/half_open.h"

#include <algorithm>

namespace crypto::ike {
namespace {

// An empty bucket is full again after this time; what was earned is forgotten as fast.
constexpr absl::Duration kRefillTime = absl::Seconds(60);

}  // namespace

// Multiply-shift under a secret odd factor.
uint16_t HalfOpen::IndexOf(stack::Ip4 remote, bool known) const {
  static_assert(kBuckets == 1 << 10);
  const uint64_t prefix = stack::Prefix{remote, 24}.network().value;
  const uint64_t key = known ? uint64_t{1} << 32 | remote.value : prefix;
  return static_cast<uint16_t>(key * factor_ >> 54);
}

void HalfOpen::Refill(Bucket& bucket, absl::Time now, const Limits& limits) {
  const double back =
      static_cast<double>(limits.max_per_prefix) * absl::FDivDuration(now - bucket.at, kRefillTime);
  bucket.lost =
      bucket.lost > 0 ? std::max(0.0, bucket.lost - back) : std::min(0.0, bucket.lost + back);
  bucket.at = now;
}

HalfOpen::Answer HalfOpen::Ask(absl::Time now, stack::Ip4 remote, bool known,
                               const Limits& limits) {
  Bucket& bucket = buckets_[IndexOf(remote, known)];
  Refill(bucket, now, limits);
  const double used = static_cast<double>(bucket.out) + bucket.lost;
  if (used + 1 > static_cast<double>(limits.max_per_prefix)) {
    if (bucket.unproven.empty()) return {};
    return {true, bucket.unproven.front()};
  }
  if (size_ < limits.max) return {true, std::nullopt};
  if (unproven_.empty()) return {};
  return {true, unproven_.front()};
}

HalfOpen::Place HalfOpen::Enter(stack::Ip4 remote, bool known, uint64_t cookie) {
  Place place{.bucket = IndexOf(remote, known), .unproven = true, .in_all = {}, .in_bucket = {}};
  Bucket& bucket = buckets_[place.bucket];
  place.in_all = unproven_.insert(unproven_.end(), cookie);
  place.in_bucket = bucket.unproven.insert(bucket.unproven.end(), cookie);
  ++bucket.out;
  ++size_;
  return place;
}

void HalfOpen::Prove(Place& place) {
  if (!place.unproven) return;
  place.unproven = false;
  unproven_.erase(place.in_all);
  buckets_[place.bucket].unproven.erase(place.in_bucket);
}

void HalfOpen::Leave(Place& place, End end, const Limits& limits) {
  Bucket& bucket = buckets_[place.bucket];
  // The source of an unproven one may be forged: its failure is nobody's.
  if (end == End::kFailure && !place.unproven) bucket.lost += 1;
  if (end == End::kSuccess) {
    bucket.lost = std::max(bucket.lost - 1, -static_cast<double>(limits.max_per_prefix));
  }
  Prove(place);
  --bucket.out;
  --size_;
}

}  // namespace crypto::ike
