// Who may begin a login: the places of half-open phase 1s, which strangers can take.
//
// Two limits. In all there are `max` places; if they are taken, the oldest login whose peer has not
// shown that it is where it says (by MM3) makes room. And each /24 has a bucket of tokens. A login
// takes one. A success gives it back and another one on top, so an office of a thousand clients
// behind one NAT comes in as fast as its logins succeed. One that got as far as costing us a key
// agreement and then failed gives nothing back; time does, slowly. With an empty bucket the oldest
// unproven login of the same prefix makes room: what somebody forges in a neighbour's name stands
// in nobody's way for long.
//
// An address with an established phase 1 (`known`) has a bucket of its own, so that a client's
// renewal does not depend on his neighbours. Memory and time are constant: the buckets are a table
// of fixed size under a secret hash; prefixes that collide share one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>

#include "absl/time/time.h"
#include "stack/base/address.h"

namespace crypto::ike {

class HalfOpen {
 public:
  struct Limits {
    size_t max;
    size_t max_per_prefix;  // tokens of a full bucket, at least 1
  };
  enum class End : uint8_t { kSuccess, kFailure, kCrowdedOut };
  // Where a login stands: held by it, and given back with Leave.
  struct Place {
    uint16_t bucket = 0;
    bool unproven = false;
    std::list<uint64_t>::iterator in_all, in_bucket;  // while unproven
  };

  // `secret` is random: nobody shall find out which prefixes collide.
  explicit HalfOpen(uint64_t secret) : factor_(secret | 1) {}
  HalfOpen(const HalfOpen&) = delete;
  HalfOpen& operator=(const HalfOpen&) = delete;

  // Whether a login from `remote` may begin. If somebody has to go for it, his cookie is in
  // `victim`: he is to Leave(kCrowdedOut) before the other may Enter.
  struct Answer {
    bool welcome = false;
    std::optional<uint64_t> victim;
  };
  Answer Ask(absl::Time now, stack::Ip4 remote, bool known, const Limits& limits);
  Place Enter(stack::Ip4 remote, bool known, uint64_t cookie);
  // The peer is where it says: nobody takes its place any more.
  void Prove(Place& place);
  void Leave(Place& place, End end, const Limits& limits);

  size_t size() const { return size_; }

 private:
  struct Bucket {
    size_t out = 0;   // tokens of logins under way
    double lost = 0;  // tokens that did not come back; below 0: earned by successes
    absl::Time at = absl::InfinitePast();  // when `lost` was right
    std::list<uint64_t> unproven;          // oldest first
  };
  static constexpr size_t kBuckets = 1024;

  uint16_t IndexOf(stack::Ip4 remote, bool known) const;
  static void Refill(Bucket& bucket, absl::Time now, const Limits& limits);

  const uint64_t factor_;
  size_t size_ = 0;
  std::list<uint64_t> unproven_;  // oldest first
  std::array<Bucket, kBuckets> buckets_;
};

}  // namespace crypto::ike
