// What threads of the gateway tell each other: shards and home, control thread and crew. Values,
// moved through mailboxes (mailbox.h); a packet that goes along says with PacketMeta where it
// enters the reader's stages.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gateway/auth/verifier.h"
#include "gateway/crew/crew.h"
#include "gateway/shard/mailbox.h"
#include "gateway/shard/relocation.h"
#include "stack/base/address.h"
#include "stack/wire/dhcp4.h"

namespace gateway::shard {

struct Credentials;

// ---- shard -> home (shard 0), who owns what there is one of ----

struct NeedNeighbor {  // who has `ip` on this interface? NeighborKnown or NeighborLost follows
  uint8_t interface = 0;
  stack::Ip4 ip;
};
// The interface takes no superframes of this kind: packets leave it one by one.
struct SuperframesRefused {
  uint8_t interface = 0;
  bool tcp = false;  // else UDP
};
// May this client come in, and with which address? AddressGranted follows, when others have made
// way.
struct NeedAddress {
  uint8_t shard = 0;
  uint64_t ticket = 0;
  std::string user;
  auth::Grants grants;
  // The machine he dials from: its outer address and what it calls itself in IKE.
  stack::Ip4 from;
  std::string identity;
};
// A session has ended, or makes way: its address is free.
struct ReturnAddress {
  stack::Ip4 ip;
};
struct StaysOn {  // answers MakeWay{only_if_dead}: the client lives
  stack::Ip4 ip;
};
// The directory: which shard has a peer that was reached at this outer endpoint, and has not been
// heard from another place since. A first IKE message from there goes to it.
struct PeerAt {
  stack::Endpoint remote;
  uint8_t shard = 0;
};
struct PeerLeft {
  stack::Endpoint remote;
  uint8_t shard = 0;
};
// Which shard has a peer where this phase 1 came from? PlaceFound follows.
struct FindPlace {
  uint8_t shard = 0;
  ike::PhaseOneId sa;
  stack::Endpoint remote;
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
  enum class Why : uint8_t { kGranted, kNoAddress, kLoggedIn, kFull };
  uint64_t ticket = 0;
  std::optional<stack::Ip4> ip = {};  // kGranted
  uint8_t pool = 0;                   // index of the pool whose gateway goes with it
  std::array<stack::Ip4, 2> dns{};
  // kNoAddress: the pools are empty, or the user's own address is in use. kLoggedIn: he is on line
  // and may be only once. kFull: as many sessions as the configuration allows.
  Why why = Why::kGranted;
};
// The user of this address logs in anew: his session ends, and ReturnAddress follows at once.
struct MakeWay {
  stack::Ip4 ip;
  bool only_if_dead = false;  // asks the client for a life sign first; StaysOn if it gives one
};
// An interface got an address (by DHCP), another one, or lost it.
struct InterfaceAddress {
  uint8_t interface = 0;
  std::optional<stack::Prefix> address;
  std::optional<stack::Ip4> gateway;
  std::vector<stack::wire::DhcpRoute> routes;  // networks behind other routers of the link
  uint16_t mtu = 0;                            // not larger than the interface's; 0: that
};
// A client lives on another shard than its address says (no address of its own shard was left):
// packets for it are sent on. Told to the shard the address belongs to.
struct ClientElsewhere {
  stack::Ip4 ip;
  std::optional<uint8_t> shard;  // none: not any more
};

struct PlaceFound {
  ike::PhaseOneId sa;
  std::optional<uint8_t> shard;  // none: nobody is there
};

// ---- shard -> shard ----

// What lives on another shard than its numbers say is moved there; the reader owns it now. Until
// MovedEnded comes for them the sender passes on what arrives for these numbers.
struct Moved {
  std::unique_ptr<Relocation> what;
};
struct MovedEnded {
  ike::PhaseOneId sa;  // 0: none
  esp::Spi spi;        // 0: none
};

// ---- shard -> all shards ----

// A router cannot pass on our outer packets to this peer: ICMP Fragmentation Needed (RFC 1191),
// from anybody.
struct PathTooBig {
  stack::Endpoint remote;  // of the peer; port 0: ESP without UDP
  uint32_t spi = 0;        // outbound, if the port is 0
  uint16_t mtu = 0;        // of the outer path
};

// ---- control thread -> shards ----

struct Report {};        // write counters and sessions to the log
struct NewCredentials {  // for logins from now on
  std::shared_ptr<const Credentials> credentials;
};
struct Drain {
};  // end all sessions in order, take no new ones; Shard::drained() says when it is done

using Control = std::variant<NeedNeighbor, SuperframesRefused, NeedAddress, ReturnAddress, StaysOn, PeerAt, PeerLeft,
                             FindPlace, NeighborKnown, NeighborLost, AddressGranted, MakeWay,
                             InterfaceAddress, ClientElsewhere, PlaceFound, Moved, MovedEnded,
                             PathTooBig, Report, NewCredentials, Drain, crew::Answer>;

// Where a packet from another shard goes on.
enum class Entry : uint8_t {
  kFrame,   // an Ethernet frame that arrived on the wrong shard
  kWhole,   // an IPv4 packet put together from fragments
  kIke,     // an IKE message, without marker
  kEsp,     // an ESP packet for an SA that moved here, from its SPI on; ports 0 for protocol 50
  kRouted,  // an IPv4 packet for a client, through with the router
  kTurned,  // one of a client to an address of NAT, its own source translated already
};

struct PacketMeta {
  Entry entry = Entry::kFrame;
  uint8_t interface = 0;
  stack::Endpoint from, to;  // kIke, kEsp
};

using Box = Mailbox<PacketMeta, Control>;

}  // namespace gateway::shard
