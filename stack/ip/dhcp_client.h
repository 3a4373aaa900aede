// The DHCP client of one interface: RFC 2131 sections 3.1, 4.1 and 4.4, with the state names of its
// figure 5.
//
//   Init --discover--> Selecting --first offer--> Requesting --ACK--> Bound --T1--> Renewing
//   --T2--> Rebinding
//    ^                                            NAK, silence|         NAK, DECLINE, lease over |
//    +--------------------------------------------------------+----------------------------------+
//
// In goes the payload of each UDP datagram to port 68; out come payloads for port 67 of the server
// or of all. Their source address is the one last told with LeaseUp, 0.0.0.0 before it and after
// LeaseLost: frames and events stand in the Outbox in the order that makes this true. Without an
// address we ask for answers to all stations.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"
#include "stack/wire/dhcp4.h"

namespace stack::ip {

struct Lease {
  Prefix address;        // ours, with the length of the subnet mask
  Ip4 gateway;           // zero if none was given; may lie outside the prefix
  std::vector<Ip4> dns;  // at most 4
  uint16_t mtu = 0;      // octets; 0 if none was given
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

class DhcpClient {
 public:
  using In = ByteView;
  using Event = std::variant<LeaseUp, LeaseLost, Drop>;
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
  struct Held {  // what Bound, Renewing and Rebinding have in common
    Lease lease;
    absl::Time rebind, end;
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
  void Bind(const wire::Dhcp4& ack, Lease lease, absl::Time since, Out& out);
  void Lose(LeaseLost::Why why, Out& out);
  void StartAgainAt(absl::Time when);
  bool IsForUs(const wire::Dhcp4& message) const;
  const Held* held() const;
  absl::Duration Backoff(int sent);
  absl::Duration Jitter(absl::Duration below);
  wire::Dhcp4Fields Fields(uint32_t xid, uint16_t secs) const;
  void PutIdentity(wire::Dhcp4Writer& to) const;
  void PutWishes(wire::Dhcp4Writer& to) const;

  const Options options_;
  Rng& rng_;
  std::variant<Stopped, Init, Selecting, Requesting, Bound, Renewing, Rebinding> state_;
  Deadlines<Timer, 4> timers_;
};
static_assert(Machine<DhcpClient>);

}  // namespace stack::ip
