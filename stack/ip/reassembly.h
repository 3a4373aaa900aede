// Reassembly of IPv4 fragments: RFC 791 section 3.2, RFC 815; bounded in every direction.
//
// Each datagram under way has one buffer into which its fragments are copied (a small slot while it
// fits, then a large one), so that many tiny fragments cost no more memory than a few large ones,
// and a sorted list of the ranges that came. Fragments that overlap kill the datagram and whatever
// of it still comes (the rule of RFC 5722, here for IPv4 too); an exact duplicate is tolerated.
// When there is no room, a datagram makes it: the oldest of the same source, if that has more than
// its share, else the oldest of the source that has most, so that nobody starves others.
//
// Every death is counted in the DropCounters given: a fragment's own reason once for itself, and
// the reason of a datagram once for each fragment it had kept.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "stack/base/drop.h"
#include "stack/base/packet_buf.h"
#include "stack/wire/ip4.h"

namespace stack::ip {

class Reassembly {
 public:
  static constexpr size_t kMaxFragments = 64;  // of one datagram

  struct Limits {
    size_t datagrams = 64;
    size_t per_source = 16;      // datagrams
    size_t bytes = 1024 * 1024;  // of buffers, counted by slot
    absl::Duration timeout =
        absl::Seconds(15);  // RFC 1122 3.3.2 wants 60 or more; nobody's stack waits
  };

  // `pool` and `drops` outlive the object.
  Reassembly(const Limits& limits, PacketPool& pool, DropCounters& drops);

  // Takes a fragment that passed In(). Gives the whole datagram when this was the last piece that
  // was missing, with the header of its first fragment made whole, and full headroom; else a buffer
  // without slot.
  PacketBuf Add(absl::Time now, PacketBuf fragment);
  // Gives up datagrams whose time is over (kFragmentTimeout).
  void Expire(absl::Time now);
  // The first fragments of datagrams that were given up since, a few at most: their sources are
  // told by Time Exceeded (RFC 1122 section 3.3.2).
  std::vector<PacketBuf> TakeLate() { return std::exchange(late_, {}); }
  absl::Time NextDeadline() const;

  size_t datagrams() const { return used_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Key {
    Ip4 source, destination;
    uint16_t id = 0;
    wire::IpProtocol protocol = wire::IpProtocol::kUdp;
    bool operator==(const Key&) const = default;
  };
  struct Range {  // octets of payload
    uint32_t begin = 0, end = 0;
  };
  struct Assembly {
    bool used = false;
    bool has_last = false;
    Drop dead = Drop::kNone;  // why it swallows the rest of its fragments until its time is over
    Key key;
    absl::Time deadline;
    uint32_t size = 0;      // of the payload; so far, or for good once has_last
    uint32_t received = 0;  // octets, without duplicates
    size_t count = 0;
    std::array<Range, kMaxFragments> ranges;  // sorted, disjoint
    size_t header_size = 0;                   // 0: the first fragment has not come
    std::array<std::byte, wire::Ip4Packet::kMaxHeader> header;
    PacketBuf buf;  // kMaxHeader octets of room, then the payload
  };

  Assembly* Find(const Key& key);
  Assembly& Open(absl::Time now, const Key& key);
  Assembly* Oldest(Ip4 source, const Assembly* except);
  Assembly* Victim(const Assembly* except);
  size_t CountOf(Ip4 source) const;
  void Count(Drop why, size_t fragments);
  void Close(Assembly& assembly, Drop why);
  void Poison(Assembly& assembly, Drop why);
  Drop Insert(Assembly& assembly, const wire::Ip4Packet& fragment);
  Drop Grow(Assembly& assembly, size_t end);
  void GiveBack(Assembly& assembly);
  void KeepFirst(const Assembly& assembly);
  PacketBuf Finish(Assembly& assembly);

  const Limits limits_;
  PacketPool& pool_;
  DropCounters& drops_;
  std::vector<Assembly> assemblies_;  // limits.datagrams places, allocated once
  std::vector<PacketBuf> late_;
  size_t used_ = 0;
  size_t bytes_ = 0;
};

}  // namespace stack::ip
