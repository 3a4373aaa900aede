// The ARP machine of one interface: RFC 826, with the address defence of RFC 5227 sections 2.3
// and 2.4.
//
// It lives on the home shard and holds no packets. Each shard keeps a replica of what Resolved and
// Failed told it, parks packets for unknown hops in a WaitQueue (wait_queue.h), and asks with
// Resolve().
//
//   unknown --Resolve--> asking --answer--> known --60 s--> refreshing --answer--> known
//                          |                                    |
//                     3 s silence: Failed                  3 s silence: Failed
//
// A stranger's ARP packet never creates an entry: only an answer to a question of ours does, and an
// entry that exists follows its station's address when that changes, at most once a second.
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "stack/base/machine.h"
#include "stack/wire/arp.h"

namespace stack::link {

// `ip` is at `mac`. Told to whoever asked, when it becomes known, and again whenever `mac` changed.
struct Resolved {
  Ip4 ip;
  Mac mac;
};
// `ip` is not, or no longer, known: it does not answer, nobody asked for it in a long time, or
// there is no room. Whoever holds it forgets it, and drops the packets that wait for it as
// kUnresolved.
struct Failed {
  Ip4 ip;
};
// Another station uses our address `ip`; it has been defended. At most one per address in 10 s.
struct Conflict {
  Ip4 ip;
  Mac mac;
};

class Neighbors {
 public:
  using In = ByteView;  // an ARP packet: what follows the Ethernet header
  using Event = std::variant<Resolved, Failed, Conflict, Drop>;
  using Out = Outbox<Event>;  // its frames are whole Ethernet frames

  struct Options {
    Mac mac;                    // ours
    size_t max_known = 4096;    // entries that have an answer
    size_t max_asking = 256;    // entries that wait for their first one
    size_t max_addresses = 64;  // of ours
    size_t max_proxied = 1U << 20;
  };

  explicit Neighbors(const Options& options) : options_(options) {}

  // `address` (with its on-link prefix) is ours from now on: it is announced twice, 2 s apart,
  // answered for and defended. False if there are too many. Adding it again announces it again.
  bool AddAddress(absl::Time now, const Prefix& address, Out& out);
  // `address` is another's on this very station (the kernel's, with the same MAC), who answers for
  // it and defends it: ours only to ask from. False if there are too many.
  bool BorrowAddress(const Prefix& address, Out& out);
  void RemoveAddress(Ip4 ip);
  bool IsOwn(Ip4 ip) const { return OwnAt(ip) != nullptr; }

  // Proxy ARP (RFC 1027): a host that is reached through us. It is answered for from now on, and
  // announced, so that who knew it elsewhere learns its new place. Another station that claims the
  // address is left alone: it may be the host itself, come home. False if there are too many.
  bool AddProxied(Ip4 ip, Out& out);
  void RemoveProxied(Ip4 ip) { proxied_.erase(ip); }

  // Asks for the MAC address of a station on this link. If it is known, Resolved follows at once;
  // if it cannot be (no address of ours yet, no unicast address, our own, no room), Failed does;
  // else one of them does within 3 s, and asking again meanwhile sends nothing. A shard that goes
  // on using a neighbour asks again at least every kIdle / 2, so that home keeps it.
  void Resolve(absl::Time now, Ip4 ip, Out& out);

  void OnPacket(absl::Time now, const In& packet, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const {
    return due_.empty() ? absl::InfiniteFuture() : due_.begin()->first;
  }
  size_t size() const { return entries_.size(); }

  static constexpr absl::Duration kRetry = absl::Seconds(1);
  static constexpr int kTries = 3;
  static constexpr absl::Duration kReachable =
      absl::Seconds(60);  // RFC 1122 2.3.2.1: about a minute
  static constexpr absl::Duration kIdle = absl::Minutes(10);
  static constexpr absl::Duration kMinChange = absl::Seconds(1);
  static constexpr absl::Duration kAnnounceInterval = absl::Seconds(2);  // RFC 5227 1.1
  static constexpr absl::Duration kDefendInterval = absl::Seconds(10);   // RFC 5227 1.1

 private:
  struct Entry {
    enum class State : uint8_t { kAsking, kKnown, kRefreshing };
    State state = State::kAsking;
    int tries = 0;  // questions sent since the last answer
    Mac mac;
    absl::Time asked;      // by Resolve
    absl::Time confirmed;  // by an answer
    absl::Time deadline;   // its place in due_
  };
  struct Own {
    Prefix address;
    bool borrowed = false;
    absl::Time announce_again;  // its place in due_; InfiniteFuture when done, or borrowed
    absl::Time defended;
  };
  using Entries = absl::flat_hash_map<Ip4, Entry>;

  Own* MakeOwn(const Prefix& address, Out& out);
  const Own* OwnAt(Ip4 ip) const;
  Own* OwnAt(Ip4 ip) { return const_cast<Own*>(std::as_const(*this).OwnAt(ip)); }
  const Own* SourceFor(Ip4 target) const;
  void Learn(absl::Time now, const wire::Arp& arp, Out& out);
  void Defend(absl::Time now, Own& own, Mac rival, Out& out);
  void Announce(Ip4 ip, Out& out);
  bool AnswersFor(const wire::Arp& request) const;
  void Ask(absl::Time now, Ip4 ip, Entry& entry, Out& out);
  void OnEntryDue(absl::Time now, Ip4 ip, Entry& entry, Out& out);
  void Forget(Ip4 ip, Out& out);
  void EvictOldest(Out& out);
  void Wait(Ip4 ip, Entry& entry, absl::Time until);
  void Send(const wire::Arp& arp, Mac to, Out& out);

  const Options options_;
  std::vector<Own> own_;
  absl::flat_hash_set<Ip4> proxied_;
  Entries entries_;
  size_t asking_ = 0;                              // entries in kAsking
  std::set<std::pair<absl::Time, Ip4>> due_;       // every entry, and every announcement to repeat
  std::set<std::pair<absl::Time, Ip4>> by_asked_;  // known entries, least recently asked for first
};
static_assert(Machine<Neighbors>);

}  // namespace stack::link
