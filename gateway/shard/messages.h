// What threads of the gateway tell each other: shards and home, control thread and crew. Values,
// moved through mailboxes (mailbox.h); a packet that goes along says with PacketMeta where it
// enters the reader's stages.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "gateway/crew/crew.h"
#include "gateway/shard/mailbox.h"
#include "stack/base/address.h"

namespace gateway::shard {

// ---- shard -> home (shard 0), who owns what there is one of ----

struct NeedNeighbor {  // who has `ip` on this interface? NeighborKnown or NeighborLost follows
  uint8_t interface = 0;
  stack::Ip4 ip;
};
struct NeedAddress {  // an address for a client; AddressGranted follows
  uint8_t shard = 0;
  uint64_t ticket = 0;
  std::string user;
  std::optional<stack::Ip4> fixed;  // the user's own address, if he has one
};
struct ReturnAddress {
  stack::Ip4 ip;
};
// The directory: which shard has a peer at this outer endpoint. A first IKE message from there goes
// to it.
struct PeerAt {
  stack::Endpoint remote;
  uint8_t shard = 0;
};
struct PeerLeft {
  stack::Endpoint remote;
  uint8_t shard = 0;
};

// ---- home -> shards ----

struct NeighborKnown {
  uint8_t interface = 0;
  stack::Ip4 ip;
  stack::Mac mac;
};
struct NeighborLost {  // it does not answer: what waits for it dies
  uint8_t interface = 0;
  stack::Ip4 ip;
};
struct AddressGranted {
  uint64_t ticket = 0;
  std::optional<stack::Ip4> ip;  // none: the pools are empty, or the fixed address is in use
  uint8_t pool = 0;              // index of the pool whose gateway and name servers go with it
};
// An interface got an address (by DHCP), another one, or lost it.
struct InterfaceAddress {
  uint8_t interface = 0;
  std::optional<stack::Prefix> address;
  std::optional<stack::Ip4> gateway;
};
// A client lives on another shard than its address says (no address of its own shard was left):
// packets for it are sent on. Told to the shard the address belongs to.
struct ClientElsewhere {
  stack::Ip4 ip;
  std::optional<uint8_t> shard;  // none: not any more
};

// ---- control thread -> shards ----

struct Report {};  // write counters and sessions to the log
struct Drain {
};  // end all sessions in order, take no new ones; Shard::drained() says when it is done

using Control = std::variant<NeedNeighbor, NeedAddress, ReturnAddress, PeerAt, PeerLeft,
                             NeighborKnown, NeighborLost, AddressGranted, InterfaceAddress,
                             ClientElsewhere, Report, Drain, crew::Answer>;

// Where a packet from another shard goes on.
enum class Entry : uint8_t {
  kFrame,   // an Ethernet frame that arrived on the wrong shard
  kWhole,   // an IPv4 packet put together from fragments
  kIke,     // a first IKE message, without marker
  kRouted,  // an IPv4 packet for a client, through with the router
};

struct PacketMeta {
  Entry entry = Entry::kFrame;
  uint8_t interface = 0;
  stack::Endpoint from, to;  // kIke
};

using Box = Mailbox<PacketMeta, Control>;

}  // namespace gateway::shard
