// Where a packet goes next: longest prefix match over everything we can reach, clients included.
//
// One hash table holds all prefixes; a set of the lengths in use says which ones to try, longest
// first. Clients are /32s, so a packet to a client is one probe, and one to the internet at most as
// many as there are different lengths.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "stack/base/address.h"

namespace nat {

// Opaque to nat: what `index` counts is the caller's business.
struct Hop {
  enum class Kind : uint8_t { kNone, kLocal, kPeer, kShard, kInterface };
  Kind kind = Kind::kNone;
  uint32_t index = 0;
  stack::Ip4 via;  // the next router; zero: the destination is on the link

  bool IsNone() const { return kind == Kind::kNone; }
  bool operator==(const Hop&) const = default;
};

class Router {
 public:
  // Host bits of `prefix` are ignored. A hop that was there is replaced.
  void Add(stack::Prefix prefix, Hop hop);
  // False if there was none.
  bool Remove(stack::Prefix prefix);
  // The hop of the longest prefix that holds `ip`; Kind::kNone without one. Remembers the last
  // answer, so a router is one thread's alone.
  Hop Lookup(stack::Ip4 ip) const {
    if (ip != last_ip_) {
      last_hop_ = Find(ip);
      last_ip_ = ip;
    }
    return last_hop_;
  }
  size_t size() const { return routes_.size(); }

 private:
  Hop Find(stack::Ip4 ip) const;
  // What has changed may be what is remembered: 0.0.0.0 is nobody's destination.
  void Forget() {
    last_ip_ = {};
    last_hop_ = Find({});
  }

  // A set bit n: prefixes of length 32 - n are there, so the lowest bit is the longest.
  static uint64_t KeyOf(stack::Ip4 network, uint32_t length) {
    return uint64_t{length} << 32 | network.value;
  }

  uint64_t lengths_ = 0;
  std::array<uint32_t, 33> count_{};  // by length
  absl::flat_hash_map<uint64_t, Hop> routes_;
  // Packets of a batch go the same way more often than not.
  mutable stack::Ip4 last_ip_;
  mutable Hop last_hop_;
};

}  // namespace nat
