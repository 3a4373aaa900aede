// The DHCP client of one interface: RFC 2131 sections 3.1, 4.1 and 4.4, with the state names of its
// figure 5.
//
//   Init --> Selecting --offer--> Requesting --ACK--> Checking --free--> Bound
//    ^                             NAK, silence|    taken: DECLINE|        | T1
//    +-----------------------------------------+------------------+        Renewing --T2-->
//    Rebinding
//    +-------------------------------- NAK, conflict, lease over ----------+----------------+
//
// Checking is a question for whoever speaks ARP: the address may be in use in spite of the server.
// In goes the payload of each UDP datagram to port 68; out come payloads for port 67 of the server
// or of all. Their source address is the one last told with LeaseUp, 0.0.0.0 before it and after
// LeaseLost: frames and events stand in the Outbox in the order that makes this true. Without an
// address we ask for answers to all stations.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"
#include "stack/wire/dhcp4.h"

namespace stack::ip {

struct Lease {
  Prefix address;                       // ours, with the length of the subnet mask
  Ip4 gateway;                          // zero if none was given; may lie outside the prefix
  std::vector<wire::DhcpRoute> routes;  // besides the default route; at most 16
  std::vector<Ip4> dns;                 // at most 4
  uint16_t mtu = 0;                     // octets; 0 if none was given
  Ip4 server;
  absl::Duration time;  // from `now`; InfiniteDuration for ever
  bool operator==(const Lease&) const = default;
};
// The address may be used; told again when a renewal changed anything but `time`.
struct LeaseUp {
  Lease lease;
};
// The address must not be used any more; the client is looking for another one.
struct LeaseLost {
  enum class Why : uint8_t { kExpired, kRefused, kConflict, kReleased };
  Why why = Why::kExpired;
};
std::string_view NameOf(LeaseLost::Why why);

// Does anybody on the link have this address (RFC 2131 section 4.4.1)? OnChecked answers.
struct NeedCheck {
  uint32_t ticket = 0;
  Ip4 ip;
};

class DhcpClient {
 public:
  using In = ByteView;
  using Event = std::variant<LeaseUp, LeaseLost, NeedCheck, Drop>;
  using Out = Outbox<Event, Endpoint>;  // the endpoint says where to: all, or the server

  struct Options {
    Mac mac;
    std::string host_name;  // sent as option 12 unless empty; at most 63 octets of it
  };
  // `rng` outlives the machine.
  DhcpClient(const Options& options, Rng& rng) : options_(options), rng_(rng) {}

  void Start(absl::Time now, Out& out);    // inert unless stopped
  void Release(absl::Time now, Out& out);  // gives the lease back and stops
  // ARP found another station using the leased address: declines it and starts again after 10 s.
  void OnConflict(absl::Time now, Out& out);

  // Answers NeedCheck. A taken address is declined, and another one asked for after 10 s; without
  // an answer within 5 s it counts as free.
  void OnChecked(absl::Time now, uint32_t ticket, bool taken, Out& out);

  void OnPacket(absl::Time now, const In& payload, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const { return timers_.Next(); }

  std::string_view state() const;  // RFC 2131 figure 5, for people

 private:
  struct Stopped {};
  struct Init {};  // waiting to begin again
  struct Selecting {
    uint32_t xid;
    absl::Time since;
    int sent = 0;
  };
  struct Requesting {
    uint32_t xid;
    uint16_t secs;  // of the DISCOVER that was answered (RFC 2131 4.4.1)
    absl::Time since;
    Ip4 offered, server;
    int sent = 0;
  };
  struct Held {  // what Checking, Bound, Renewing and Rebinding have in common
    Lease lease;
    absl::Time renew, rebind, end;
  };
  struct Checking {
    Held held;  // ours, but not in use yet
    uint32_t ticket;
  };
  struct Bound {
    Held held;
  };
  struct Renewing {
    Held held;
    uint32_t xid;
    absl::Time since;
  };
  struct Rebinding {
    Held held;
    uint32_t xid;
    absl::Time since;
  };
  enum class Timer : uint8_t { kResend, kT1, kT2, kEnd };

  void Discover(absl::Time now, Out& out);
  void SendDiscover(absl::Time now, Selecting& state, Out& out);
  void SendRequest(absl::Time now, Requesting& state, Out& out);
  template <class State>
  void SendRenewal(absl::Time now, const State& state, absl::Time until, Ip4 to, Out& out);
  void SendFarewell(wire::DhcpType type, const Lease& lease, Ip4 to, Out& out);
  void OnResend(absl::Time now, Out& out);
  void OnRenewalTime(absl::Time now, Out& out);
  void OnRebindingTime(absl::Time now, Out& out);
  void OnOffer(absl::Time now, const wire::Dhcp4& offer, Out& out);
  void OnAck(absl::Time now, const wire::Dhcp4& ack, Out& out);
  void OnNak(absl::Time now, const wire::Dhcp4& nak, Out& out);
  Held HoldFrom(absl::Time since, const wire::Dhcp4& ack, Lease lease);
  void Check(absl::Time now, Held held, Out& out);
  void Bind(absl::Time now, Held fresh, Out& out);
  void Lose(LeaseLost::Why why, Out& out);
  void StartAgainAt(absl::Time when);
  bool IsForUs(const wire::Dhcp4& message) const;
  const Held* held() const;  // the address in use
  absl::Duration Backoff(int sent);
  absl::Duration Jitter(absl::Duration below);
  wire::Dhcp4Fields Fields(uint32_t xid, uint16_t secs) const;
  void PutIdentity(wire::Dhcp4Writer& to) const;
  void PutWishes(wire::Dhcp4Writer& to) const;

  const Options options_;
  Rng& rng_;
  uint32_t last_ticket_ = 0;
  std::variant<Stopped, Init, Selecting, Requesting, Checking, Bound, Renewing, Rebinding> state_;
  Deadlines<Timer, 4> timers_;
};
static_assert(Machine<DhcpClient>);

}  // namespace stack::ip
