#include "stack/link/neighbors.h"

#include <algorithm>

#include "stack/wire/ethernet.h"

namespace stack::link {
namespace {

bool IsUnicast(Ip4 ip) { return !ip.IsZero() && !ip.IsMulticast() && !ip.IsLimitedBroadcast(); }

bool IsStation(Mac mac) { return mac != Mac{} && !mac.IsMulticast(); }

}  // namespace

bool Neighbors::AddAddress(absl::Time now, const Prefix& address, Out& out) {
  Own* own = MakeOwn(address, out);
  if (own == nullptr) return false;
  own->announce_again = now + kAnnounceInterval;
  due_.insert({own->announce_again, address.address});
  Announce(own->address.address, out);
  return true;
}

bool Neighbors::BorrowAddress(const Prefix& address, Out& out) {
  Own* own = MakeOwn(address, out);
  if (own == nullptr) return false;
  own->borrowed = true;
  return true;
}

// A new one, or the one there is as if it were new; nullptr if there are too many.
Neighbors::Own* Neighbors::MakeOwn(const Prefix& address, Out& out) {
  if (!IsUnicast(address.address)) return nullptr;
  Own* own = OwnAt(address.address);
  if (own == nullptr) {
    if (own_.size() >= options_.max_addresses) return nullptr;
    Forget(address.address, out);
    own = &own_.emplace_back();
    own->defended = absl::InfinitePast();
  } else {
    due_.erase({own->announce_again, address.address});
  }
  own->address = address;
  own->borrowed = false;
  own->announce_again = absl::InfiniteFuture();
  return own;
}

void Neighbors::RemoveAddress(Ip4 ip) {
  const Own* own = OwnAt(ip);
  if (own == nullptr) return;
  due_.erase({own->announce_again, ip});
  own_.erase(own_.begin() + (own - own_.data()));
}

bool Neighbors::AddProxied(Ip4 ip, Out& out) {
  if (!IsUnicast(ip) || IsOwn(ip) || proxied_.size() >= options_.max_proxied) return false;
  Forget(ip, out);
  if (proxied_.insert(ip).second) Announce(ip, out);
  return true;
}

void Neighbors::Resolve(absl::Time now, Ip4 ip, Out& out) {
  if (const auto found = entries_.find(ip); found != entries_.end()) {
    Entry& entry = found->second;
    const bool known = entry.state != Entry::State::kAsking;
    if (known) by_asked_.erase({entry.asked, ip});
    entry.asked = now;
    if (!known) return;
    by_asked_.insert({now, ip});
    return out.Tell(Resolved{ip, entry.mac});
  }
  const bool possible =
      IsUnicast(ip) && !IsOwn(ip) && !proxied_.contains(ip) && SourceFor(ip) != nullptr;
  if (!possible || asking_ >= options_.max_asking) return out.Tell(Failed{ip});
  Entry& entry = entries_[ip];
  entry.asked = now;
  ++asking_;
  Ask(now, ip, entry, out);
}

void Neighbors::OnPacket(absl::Time now, const In& packet, Out& out) {
  const Result<wire::Arp, Drop> arp = wire::Arp::Parse(packet);
  if (!arp) return out.Tell(arp.error());
  if (!IsStation(arp->sender_mac)) return out.Tell(Drop::kArpMalformed);
  if (arp->sender_mac == options_.mac) return out.Tell(Drop::kSwallowed);  // a loop in the wiring
  if (Own* own = OwnAt(arp->sender_ip)) return Defend(now, *own, arp->sender_mac, out);
  Learn(now, *arp, out);
  if (arp->operation != wire::ArpOperation::kRequest || !AnswersFor(*arp)) return;
  Send({.operation = wire::ArpOperation::kReply,
        .sender_mac = options_.mac,
        .sender_ip = arp->target_ip,
        .target_mac = arp->sender_mac,
        .target_ip = arp->sender_ip},
       arp->sender_mac, out);
}

// Not to one who announces the address as its own; to one who only probes whether it is free (RFC
// 5227 section 2.1.1), yes.
bool Neighbors::AnswersFor(const wire::Arp& request) const {
  if (const Own* own = OwnAt(request.target_ip)) return !own->borrowed;
  return proxied_.contains(request.target_ip) && request.sender_ip != request.target_ip;
}

// Takes the sender's address into an entry that exists; none is made for a stranger.
void Neighbors::Learn(absl::Time now, const wire::Arp& arp, Out& out) {
  const auto found = entries_.find(arp.sender_ip);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  const bool asked = entry.state == Entry::State::kAsking;
  const bool changed = asked || entry.mac != arp.sender_mac;
  // The first of two different answers wins: a forger has to be quicker than the station he plays.
  if (!asked && changed && now - entry.confirmed < kMinChange) return;
  if (asked) {
    if (by_asked_.size() >= options_.max_known) EvictOldest(out);
    by_asked_.insert({entry.asked, arp.sender_ip});
    --asking_;
  }
  entry.state = Entry::State::kKnown;
  entry.mac = arp.sender_mac;
  entry.confirmed = now;
  entry.tries = 0;
  Wait(arp.sender_ip, entry, now + kReachable);
  if (changed) out.Tell(Resolved{arp.sender_ip, entry.mac});
}

// RFC 5227 2.4 (c): a router cannot give its address up, so it defends it, but not into an endless
// duel.
void Neighbors::Defend(absl::Time now, Own& own, Mac rival, Out& out) {
  if (own.borrowed || now - own.defended < kDefendInterval) return;
  own.defended = now;
  Announce(own.address.address, out);
  out.Tell(Conflict{own.address.address, rival});
}

void Neighbors::OnDeadline(absl::Time now, Out& out) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const Ip4 ip = due_.begin()->second;
    due_.erase(due_.begin());
    if (Own* own = OwnAt(ip)) {
      own->announce_again = absl::InfiniteFuture();
      Announce(own->address.address, out);
    } else if (const auto found = entries_.find(ip); found != entries_.end()) {
      OnEntryDue(now, ip, found->second, out);
    }
  }
}

void Neighbors::OnEntryDue(absl::Time now, Ip4 ip, Entry& entry, Out& out) {
  const bool known = entry.state == Entry::State::kKnown;
  const bool over = known ? now - entry.asked >= kIdle : entry.tries >= kTries;
  if (over || SourceFor(ip) == nullptr) return Forget(ip, out);
  if (known) entry.state = Entry::State::kRefreshing;
  Ask(now, ip, entry, out);
}

// A refresh asks the station itself, and everybody only at last: it may have got another interface.
void Neighbors::Ask(absl::Time now, Ip4 ip, Entry& entry, Out& out) {
  ++entry.tries;
  Wait(ip, entry, now + kRetry);
  const bool unicast = entry.state == Entry::State::kRefreshing && entry.tries < kTries;
  Send({.operation = wire::ArpOperation::kRequest,
        .sender_mac = options_.mac,
        .sender_ip = SourceFor(ip)->address.address,
        .target_mac = {},
        .target_ip = ip},
       unicast ? entry.mac : Mac::Broadcast(), out);
}

void Neighbors::Announce(Ip4 ip, Out& out) {
  Send({.operation = wire::ArpOperation::kRequest,
        .sender_mac = options_.mac,
        .sender_ip = ip,
        .target_mac = {},
        .target_ip = ip},
       Mac::Broadcast(), out);
}

void Neighbors::Send(const wire::Arp& arp, Mac to, Out& out) {
  constexpr size_t kFrame = wire::Ethernet::kSize + wire::Arp::kSize;
  PacketBuf* frame = out.Frame(kFrame);
  if (frame == nullptr) return;
  const ByteSpan bytes = frame->Append(kFrame);
  wire::WriteEthernet(bytes, to, options_.mac, wire::EtherType::kArp);
  arp.Write(bytes.subspan(wire::Ethernet::kSize));
}

void Neighbors::Forget(Ip4 ip, Out& out) {
  const auto found = entries_.find(ip);
  if (found == entries_.end()) return;
  const Entry& entry = found->second;
  due_.erase({entry.deadline, ip});
  by_asked_.erase({entry.asked, ip});
  if (entry.state == Entry::State::kAsking) --asking_;
  entries_.erase(found);
  out.Tell(Failed{ip});
}

void Neighbors::EvictOldest(Out& out) {
  if (!by_asked_.empty()) Forget(by_asked_.begin()->second, out);
}

void Neighbors::Wait(Ip4 ip, Entry& entry, absl::Time until) {
  due_.erase({entry.deadline, ip});
  entry.deadline = until;
  due_.insert({until, ip});
}

const Neighbors::Own* Neighbors::OwnAt(Ip4 ip) const {
  const auto found = std::find_if(own_.begin(), own_.end(),
                                  [ip](const Own& own) { return own.address.address == ip; });
  return found == own_.end() ? nullptr : &*found;
}

// Our address that a station finds plausible: the one on its own subnet, else the first.
const Neighbors::Own* Neighbors::SourceFor(Ip4 target) const {
  const auto found = std::find_if(
      own_.begin(), own_.end(), [target](const Own& own) { return own.address.Contains(target); });
  if (found != own_.end()) return &*found;
  return own_.empty() ? nullptr : own_.data();
}

}  // namespace stack::link
