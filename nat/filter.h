// What a client may send where: first the noise every client makes, then the operator's rules.
#pragma once

#include <cstdint>
#include <vector>

#include "nat/flow.h"
#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"

namespace nat {

// Client -> internet, before the router: kSwallowed for limited broadcast, any multicast (SSDP,
// mDNS, LLMNR, IGMP) and NetBIOS to a network's broadcast address; they die here without ICMP
// errors or NAT state. The DHCPINFORM that clients broadcast must have been taken out before. kNone
// for all else; kTruncated for what is shorter than an IPv4 header.
stack::Drop SwallowNoise(stack::ByteView packet);

struct Rule {
  enum class Action : uint8_t { kAllow, kDeny };
  Action action = Action::kDeny;
  stack::Prefix source{}, destination{};       // the default, 0.0.0.0/0, is everybody
  uint8_t protocol = 0;                        // 0: any
  uint16_t first_port = 0, last_port = 65535;  // destination port of TCP and UDP, both included
};

class Filter {
 public:
  Filter() = default;  // allows everything
  // At most kMaxRules are kept.
  explicit Filter(std::vector<Rule> rules);

  // The first rule that fits decides; if none does the packet may pass. kFiltered, or kNone. A rule
  // with a port range fits only packets that have ports. kTruncated for what is shorter than its
  // IPv4 header.
  stack::Drop Check(stack::ByteView packet) const;
  size_t size() const { return rules_.size(); }

  static constexpr size_t kMaxRules = 1024;

 private:
  std::vector<Rule> rules_;
};

}  // namespace nat
