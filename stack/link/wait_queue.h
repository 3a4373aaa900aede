// Packets that wait for the MAC address of their next hop: one queue a shard and interface.
//
// On a miss in the shard's replica of the neighbours, Park() the packet and, for kFirst, ask home.
// On Resolved, Take() and send them; on Failed, Take() and drop them as kUnresolved. Everything is
// bounded: packets per hop, hops, and the time to wait, should the answer get lost between the
// shards.
#pragma once

#include <array>
#include <list>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "stack/base/address.h"
#include "stack/base/packet_buf.h"

namespace stack::link {

enum class Parked : uint8_t {
  kFirst,   // taken; the first for this hop: ask for it
  kBehind,  // taken; it has been asked for
  kFull,    // not taken: the packet is still the caller's (kNeighborQueueFull)
};

class WaitQueue {
 public:
  static constexpr size_t kPerHop = 3;  // RFC 1122 2.3.2.2: at least one
  static constexpr size_t kHops = 256;
  // Longer than Neighbors tries for.
  static constexpr absl::Duration kPatience = absl::Seconds(4);

  // The packets of one hop, in the order they came.
  class Waiting {
   public:
    std::span<PacketBuf> packets() { return {packets_.data(), count_}; }

   private:
    friend class WaitQueue;
    std::array<PacketBuf, kPerHop> packets_;
    size_t count_ = 0;
  };

  // Moves from `packet` only if it is taken.
  Parked Park(absl::Time now, Ip4 hop, PacketBuf&& packet);
  // All that wait for `hop`; none if nothing does.
  Waiting Take(Ip4 hop);
  // What has waited for too long, to be dropped as kUnresolved.
  std::vector<PacketBuf> Expire(absl::Time now);
  // When Expire has something to do.
  absl::Time NextDeadline() const {
    return order_.empty() ? absl::InfiniteFuture() : order_.front().since + kPatience;
  }
  size_t hops() const { return hops_.size(); }

 private:
  struct Place {
    absl::Time since;
    Ip4 hop;
  };
  struct Hop {
    std::list<Place>::iterator place;
    Waiting waiting;
  };

  absl::flat_hash_map<Ip4, Hop> hops_;
  std::list<Place> order_;  // of arrival; one place for each hop
};

}  // namespace stack::link
