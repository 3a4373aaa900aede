// How adit is to live on each interface beside the host's kernel: what the configuration asks for
// and what the machine is, brought together. A pure function; presence.h reads the facts and
// carries the plan out.
//
//   own     a MAC and an IP address of its own, of which the kernel knows nothing. CAP_NET_RAW is
//           enough.
//   share   the kernel's MAC and address; IKE, ESP, L2TP and the NAT's ports on it are adit's
//           (share.h), all the rest stays the kernel's.
//   adopt   the kernel's MAC and address, all of it: whatever arrives on the interface, the kernel
//           hears nothing.
//
// An address is never taken from the kernel's interface: when adit ends, however it ends, the host
// is as it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "conf/model.h"
#include "gateway/io/kernel_use.h"
#include "gateway/io/nic.h"
#include "gateway/presence/share.h"
#include "stack/base/address.h"

namespace gateway::presence {

struct Facts {
  std::vector<io::NicFacts> nics;  // of the configuration's interfaces, in their order
  io::KernelUse kernel;
  std::string no_tables;       // why nftables tables cannot be made; empty: they can
  uint64_t open_files = 1024;  // that the program may have open
  uint8_t shards = 1;          // each needs a block of the NAT's ports
};

// What keeps the kernel from answering what is adit's.
enum class Silence : uint8_t {
  kNothing,  // its own MAC
  kTable,    // an nftables table
  kSockets,  // sockets held for each port: where no table can be made
};

struct InterfacePlan {
  std::string name;
  int index = 0;
  conf::Presence presence = conf::Presence::kOwn;  // never kAuto
  Silence silence = Silence::kNothing;
  stack::Mac mac;
  bool dhcp = false;
  std::optional<stack::Prefix> address;  // the kernel's; own: as configured
  std::optional<stack::Ip4> gateway;     // default route; of all interfaces one has it
  Share share;                           // kShare: what of the address is adit's
  std::string reason;                    // why so, for the log
  std::vector<std::string> warnings;
};

struct Plan {
  std::vector<InterfacePlan> interfaces;  // in the configuration's order
  // NAT ports beside the kernel's, if an address with NAT is shared; else nat_last is 0.
  uint16_t nat_first = 0, nat_last = 0;
};

// Whether adit is to live on the kernel's address there: as the configuration says, or with kAuto
// where the kernel has an address and the configuration gives no other.
bool IsBesideKernel(const conf::Interface& interface, const io::NicFacts& nic);

// The model was validated. Errors are for people and say what to do: FailedPrecondition where the
// machine does not fit what is asked for, InvalidArgument where the configuration contradicts
// itself now that the facts are known.
absl::StatusOr<Plan> MakePlan(const conf::Model& model, const Facts& facts);

// The NAT's ports where nothing is said: the largest part of 1024..65535 that the kernel's own
// ports and its services on these addresses leave, in whole blocks of 64; if sockets must be held
// for them, the last few of it. nullopt if that is less than a block for each shard.
std::optional<io::PortSpan> FreePorts(const Facts& facts, const std::vector<stack::Ip4>& addresses,
                                      bool by_sockets);

std::string_view NameOf(conf::Presence presence);  // "own", "share", "adopt", "auto"

}  // namespace gateway::presence
