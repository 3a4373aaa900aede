// Whether an address is free on a link before it is used: the probe of RFC 5227 section 2.1.1, as
// RFC 2131 section 4.4.1 asks it of a DHCP client.
//
//   Start: probe --0.3 s--> probe --0.3 s--> probe --0.4 s of silence--> AddressFree
//            \------------ somebody has it, or probes for it too: AddressTaken
//
// It reads the ARP packets that the machine of the interface (neighbors.h) reads too.
#pragma once

#include <cstdint>
#include <variant>

#include "absl/time/time.h"
#include "stack/base/machine.h"
#include "stack/wire/arp.h"

namespace stack::link {

struct AddressFree {  // nobody answered
  Ip4 ip;
};
struct AddressTaken {
  Ip4 ip;
  Mac mac;  // whose it is
};

class AddressCheck {
 public:
  using In = ByteView;  // an ARP packet: what follows the Ethernet header
  using Event = std::variant<AddressFree, AddressTaken, Drop>;
  using Out = Outbox<Event>;  // its frames are whole Ethernet frames

  explicit AddressCheck(Mac mac) : mac_(mac) {}  // ours

  // Asks for `ip`; one of the two events follows within a second. A check under way is forgotten.
  void Start(absl::Time now, Ip4 ip, Out& out);

  void OnPacket(absl::Time now, const In& packet, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const { return next_; }
  bool busy() const { return !ip_.IsZero(); }

  // RFC 5227 takes 5 to 7 s for hosts that draw an address by lot. Ours comes from a server that
  // keeps account of them, and users wait for it.
  static constexpr int kProbes = 3;
  static constexpr absl::Duration kInterval = absl::Milliseconds(300);
  static constexpr absl::Duration kSilence = absl::Milliseconds(400);

 private:
  void Probe(absl::Time now, Out& out);
  void End() { ip_ = {}, next_ = absl::InfiniteFuture(); }

  const Mac mac_;
  Ip4 ip_;  // zero: nothing to do
  int sent_ = 0;
  absl::Time next_ = absl::InfiniteFuture();
};
static_assert(Machine<AddressCheck>);

}  // namespace stack::link
