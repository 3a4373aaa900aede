// The nftables table that keeps from the kernel what is adit's on one interface. It hooks at the
// device's ingress, behind the taps through which adit receives and before the kernel's own stack.
#pragma once

#include <string>
#include <vector>

#include "gateway/presence/plan.h"
#include "stack/base/address.h"

namespace gateway::presence {

struct AddressSpan {
  stack::Ip4 first, last;  // both included
};

// In the language of nft(8), with the owner flag: the table goes with its maker. For a plan with
// Silence::kTable; `clients` are the addresses that packets may be routed to through us. Shared:
//
//   to the shared address   ESP, IKE, L2TP and the NAT's ports vanish; the rest passes
//   to a client's address   vanishes: a kernel that forwards would send it out a second time
//
// Later fragments of UDP name no port and pass: without their first one the kernel forgets them
// in silence (RFC 1122 section 3.3.2). Adopted: everything vanishes, ARP and IPv6 too.
std::string Ruleset(const InterfacePlan& plan, const std::vector<AddressSpan>& clients);

// A table of the same make that does nothing, to see whether one can be made: whether the right and
// the kernel are good for it. `process` keeps it from being mistaken for another's.
std::string TrialRuleset(int process);

}  // namespace gateway::presence
