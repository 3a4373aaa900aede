// Our stations on one Ethernet: a range of addresses behind one MAC, and the way to the next hop.
// ARP only (RFC 826): asks for the hop until it answers, answers for all of our addresses.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "gateway/load/outlet.h"
#include "stack/base/address.h"
#include "stack/base/packet_buf.h"

namespace gateway::load {

class Lan {
 public:
  struct Options {
    stack::Mac mac;
    stack::Ip4 first, last;         // ours
    std::optional<stack::Ip4> hop;  // whom to ask for
  };

  // `pool` and `outlet` outlive the object.
  Lan(const Options& options, stack::PacketPool& pool, Outlet& outlet)
      : options_(options), pool_(pool), outlet_(outlet) {}

  bool IsOurs(stack::Ip4 ip) const { return options_.first <= ip && ip <= options_.last; }
  // The hop's MAC; nothing before it has answered.
  const std::optional<stack::Mac>& hop() const { return hop_; }

  void OnArp(stack::ByteView payload);
  void OnDeadline(absl::Time now);  // asks, if it is time
  absl::Time NextDeadline() const { return ask_at_; }

  // Puts the Ethernet header in front of an IPv4 packet. False if there is no headroom.
  [[nodiscard]] bool Push(stack::PacketBuf& packet, const stack::Mac& to) const;

 private:
  void SendArp(bool is_reply, const stack::Mac& to, stack::Ip4 sender, stack::Ip4 target);

  const Options options_;
  stack::PacketPool& pool_;
  Outlet& outlet_;
  std::optional<stack::Mac> hop_;
  absl::Time ask_at_ = absl::InfinitePast();
};

}  // namespace gateway::load
