#include "stack/ip/reassembly.h"

#include <algorithm>
#include <utility>

namespace stack::ip {
namespace {

using wire::Ip4Packet;

constexpr size_t kSmallRoom = kSmallSlot - kHeadroom - kTailroom;

constexpr size_t kMaxLate = 8;

// What a buffer with `room` octets takes from the pool.
size_t SlotFor(size_t room) { return room <= kSmallRoom ? kSmallSlot : kLargeSlot; }

size_t SlotOf(const PacketBuf& buf) {
  return buf ? buf.headroom() + buf.size() + buf.tailroom() : 0;
}

// RFC 791: all fragments but the last carry a multiple of 8 octets, and none may reach past the end
// of the largest packet ("ping of death").
bool IsMalformed(const Ip4Packet& fragment) {
  const size_t size = fragment.payload().size();
  if (size == 0 || (fragment.more_fragments() && size % 8 != 0)) return true;
  return Ip4Packet::kMinHeader + fragment.fragment_offset() + size > Ip4Packet::kMaxSize;
}

}  // namespace

Reassembly::Reassembly(const Limits& limits, PacketPool& pool, DropCounters& drops)
    : limits_(limits),
      pool_(pool),
      drops_(drops),
      assemblies_(std::max<size_t>(1, limits.datagrams)) {}

PacketBuf Reassembly::Add(absl::Time now, PacketBuf fragment) {
  Expire(now);
  const Result<Ip4Packet, Drop> packet = Ip4Packet::Parse(fragment.bytes());
  if (packet && !packet->is_fragment()) return fragment;
  if (!packet || IsMalformed(*packet)) {
    Count(packet ? Drop::kFragmentMalformed : packet.error(), 1);
    return {};
  }
  const Key key{packet->source(), packet->destination(), packet->id(), packet->protocol()};
  Assembly* found = Find(key);
  Assembly& assembly = found != nullptr ? *found : Open(now, key);
  if (assembly.dead != Drop::kNone) {
    Count(assembly.dead, 1);
    return {};
  }
  if (const Drop why = Insert(assembly, *packet); why != Drop::kNone) {
    Count(why, 1);
    Poison(assembly, why);
    return {};
  }
  if (!assembly.has_last || assembly.received != assembly.size) return {};
  return Finish(assembly);
}

// Finds the fragment's place among the ranges and copies it there. Work: linear in the ranges.
Drop Reassembly::Insert(Assembly& a, const Ip4Packet& fragment) {
  const ByteView payload = fragment.payload();
  const auto begin = static_cast<uint32_t>(fragment.fragment_offset());
  const Range range{begin, begin + static_cast<uint32_t>(payload.size())};
  size_t at = a.count;  // from the back: fragments mostly come in order
  while (at > 0 && a.ranges[at - 1].begin >= range.begin) --at;
  if (at < a.count && a.ranges[at].begin == range.begin && a.ranges[at].end == range.end) {
    const ByteSpan kept = a.buf.bytes().subspan(Ip4Packet::kMaxHeader + begin, payload.size());
    const bool same = std::equal(payload.begin(), payload.end(), kept.begin());
    return same ? Drop::kNone : Drop::kFragmentOverlap;
  }
  if (at > 0 && a.ranges[at - 1].end > range.begin) return Drop::kFragmentOverlap;
  if (at < a.count && a.ranges[at].begin < range.end) return Drop::kFragmentOverlap;
  const bool last = !fragment.more_fragments();
  const bool contradicts =
      last ? a.has_last || a.size > range.end : a.has_last && range.end > a.size;
  if (contradicts) return Drop::kFragmentOverlap;
  if (a.count == kMaxFragments) return Drop::kFragmentLimit;
  if (const Drop drop = Grow(a, range.end); drop != Drop::kNone) return drop;

  std::copy_backward(a.ranges.begin() + at, a.ranges.begin() + a.count,
                     a.ranges.begin() + a.count + 1);
  a.ranges[at] = range;
  ++a.count;
  a.received += range.end - range.begin;
  a.size = std::max(a.size, range.end);
  a.has_last |= last;
  std::copy(payload.begin(), payload.end(), a.buf.bytes().begin() + Ip4Packet::kMaxHeader + begin);
  if (begin == 0) {
    a.header_size = fragment.header_size();
    std::copy(fragment.header().begin(), fragment.header().end(), a.header.begin());
  }
  return Drop::kNone;
}

// Makes the buffer reach to `end` octets of payload, in a larger slot if it must.
Drop Reassembly::Grow(Assembly& a, size_t end) {
  const size_t wanted = Ip4Packet::kMaxHeader + end;
  if (a.buf && wanted <= a.buf.size()) return Drop::kNone;
  const size_t held = SlotOf(a.buf), slot = SlotFor(wanted);
  if (slot > held) {
    while (bytes_ - held + slot > limits_.bytes) {
      Assembly* victim = Victim(&a);
      if (victim == nullptr) return Drop::kFragmentLimit;
      Close(*victim, Drop::kFragmentLimit);
    }
    PacketBuf larger = pool_.Get(wanted);
    if (!larger) return Drop::kPoolDry;
    larger.Assign(std::as_const(a.buf).bytes());
    GiveBack(a);
    a.buf = std::move(larger);
    bytes_ += slot;
  }
  a.buf.Append(wanted - a.buf.size());
  return Drop::kNone;
}

PacketBuf Reassembly::Finish(Assembly& a) {
  if (a.header_size + a.size > Ip4Packet::kMaxSize) {
    Close(a, Drop::kFragmentMalformed);
    return {};
  }
  bytes_ -= SlotOf(a.buf);
  PacketBuf whole = std::move(a.buf);
  whole.Pull(Ip4Packet::kMaxHeader);
  const ByteSpan header = whole.Push(a.header_size);
  std::copy_n(a.header.begin(), a.header_size, header.begin());
  Store16(header.data() + 2, static_cast<uint16_t>(whole.size()));
  Store16(header.data() + 6, 0);
  wire::FillIp4Checksum(header);
  a.count = 0;  // they live on
  Close(a, Drop::kNone);
  return whole;
}

void Reassembly::Expire(absl::Time now) {
  if (used_ == 0) return;
  for (Assembly& a : assemblies_) {
    if (!a.used || a.deadline > now) continue;
    KeepFirst(a);
    Close(a, Drop::kFragmentTimeout);
  }
}

// As it came: its header and what it carried.
void Reassembly::KeepFirst(const Assembly& a) {
  if (a.header_size == 0 || a.count == 0 || late_.size() >= kMaxLate) return;
  const size_t size = a.ranges[0].end;
  PacketBuf first = pool_.Get(a.header_size + size);
  if (!first) return;
  first.Assign(ByteView(a.header).first(a.header_size));
  first.Assign(a.buf.bytes().subspan(Ip4Packet::kMaxHeader, size));
  late_.push_back(std::move(first));
}

absl::Time Reassembly::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const Assembly& a : assemblies_) {
    if (a.used) next = std::min(next, a.deadline);
  }
  return next;
}

Reassembly::Assembly* Reassembly::Find(const Key& key) {
  const auto found = std::find_if(assemblies_.begin(), assemblies_.end(),
                                  [&key](const Assembly& a) { return a.used && a.key == key; });
  return found == assemblies_.end() ? nullptr : &*found;
}

Reassembly::Assembly& Reassembly::Open(absl::Time now, const Key& key) {
  if (CountOf(key.source) >= std::max<size_t>(1, limits_.per_source)) {
    Close(*Oldest(key.source, nullptr), Drop::kFragmentLimit);
  }
  if (used_ == assemblies_.size()) Close(*Victim(nullptr), Drop::kFragmentLimit);
  Assembly& a = *std::find_if(assemblies_.begin(), assemblies_.end(),
                              [](const Assembly& each) { return !each.used; });
  a.used = true;
  a.key = key;
  a.deadline = now + limits_.timeout;
  ++used_;
  return a;
}

size_t Reassembly::CountOf(Ip4 source) const {
  return static_cast<size_t>(
      std::count_if(assemblies_.begin(), assemblies_.end(),
                    [source](const Assembly& a) { return a.used && a.key.source == source; }));
}

Reassembly::Assembly* Reassembly::Oldest(Ip4 source, const Assembly* except) {
  Assembly* oldest = nullptr;
  for (Assembly& a : assemblies_) {
    if (!a.used || &a == except || a.key.source != source) continue;
    if (oldest == nullptr || a.deadline < oldest->deadline) oldest = &a;
  }
  return oldest;
}

// Who has most pays; among equals, the oldest datagram of all.
Reassembly::Assembly* Reassembly::Victim(const Assembly* except) {
  Assembly* victim = nullptr;
  size_t most = 0;
  for (Assembly& a : assemblies_) {
    if (!a.used || &a == except) continue;
    const size_t count = CountOf(a.key.source);
    const bool worse = count > most || (count == most && a.deadline < victim->deadline);
    if (!worse) continue;
    victim = &a;
    most = count;
  }
  return victim;
}

void Reassembly::Count(Drop why, size_t fragments) {
  drops_.count[static_cast<size_t>(why)] += fragments;
}

void Reassembly::Close(Assembly& a, Drop why) {
  Count(why, a.count);
  GiveBack(a);
  a.used = a.has_last = false;
  a.dead = Drop::kNone;
  a.size = a.received = 0;
  a.count = a.header_size = 0;
  --used_;
}

// The datagram is lost, but its place is kept, so that its other fragments are not taken for a new
// one.
void Reassembly::Poison(Assembly& a, Drop why) {
  Count(why, a.count);
  GiveBack(a);
  a.count = 0;
  a.dead = why;
}

void Reassembly::GiveBack(Assembly& a) {
  bytes_ -= SlotOf(a.buf);
  a.buf.Release();
}

}  // namespace stack::ip
