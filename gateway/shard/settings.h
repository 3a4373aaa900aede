// What the program is to do, in the machines' own words: conf's structs and the facts of the
// interfaces, translated once at start. Read-only afterwards and shared by all threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "conf/model.h"
#include "crypto/ike/options.h"
#include "gateway/auth/address_pool.h"
#include "gateway/io/steer.h"
#include "gateway/shard/credentials.h"
#include "gateway/shard/esp_engine.h"
#include "nat/nat.h"
#include "stack/base/address.h"
#include "stack/l2tp/control.h"
#include "stack/ppp/lns_link.h"

namespace gateway::shard {

struct InterfaceSettings {
  std::string name;
  stack::Mac mac;       // adit's own; the interface's where the address is the kernel's
  bool shared = false;  // MAC and address are the kernel's, too (presence/share.h)
  uint16_t mtu = 1500;
  bool serve = false;  // clients dial in here
  bool nat = false;    // clients' packets that leave here get this interface's address
  bool dhcp = false;
  std::optional<stack::Prefix> address;   // unset with dhcp, until a lease is there
  std::optional<stack::Ip4> gateway;      // default route; overrides the lease's
  std::vector<stack::Ip4> nat_addresses;  // to translate to; none: `address`
  bool proxy_arp = false;                 // answer ARP here for clients
};

struct RouteSettings {
  stack::Prefix prefix;
  uint8_t interface = 0;
  stack::Ip4 via;  // zero: on-link
};

struct PoolSettings {
  std::string name;
  auth::AddressRange range;
  stack::Ip4 gateway;
  std::array<stack::Ip4, 2> dns{};
  bool dns_of_lease = false;          // a DHCP lease's name servers come before `dns`
  std::vector<stack::Prefix> routes;  // for clients that ask which networks are behind us
  std::string domain;
};

struct Settings {
  uint8_t shards = 1;
  std::vector<InterfaceSettings> interfaces;
  std::vector<RouteSettings> routes;
  std::vector<PoolSettings> pools;
  // The start's; a reload makes new ones, which the shards hold themselves.
  std::shared_ptr<const Credentials> credentials;

  crypto::ike::Options ike;  // buckets and psks are filled in for each shard
  stack::l2tp::TunnelOptions l2tp;
  stack::ppp::LnsOptions ppp;
  nat::Options nat;               // ports.shard is filled in for each shard
  uint32_t max_sessions = 10000;  // on line at a time
  EspEngine esp_engine;           // who computes, on every shard
  uint32_t replay_window = 1024;
  bool superframes = true;  // sent where a port takes them; received always
  absl::Duration linger = absl::Seconds(31);  // a deleted inbound SA still receives so long
  absl::Duration dpd = absl::Seconds(30);     // idle time before R-U-THERE; zero: never
  // Subscribers with SAs on one shard, on line or not.
  size_t peers_a_shard = 0;

  // The pool an address lies in; a fixed address outside of all counts to the first.
  size_t PoolOf(stack::Ip4 ip) const;
  // In a pool, or the fixed address of somebody who was a user at the start.
  bool IsClient(stack::Ip4 ip) const;
  std::vector<std::string> PoolNames() const;

  // The rules for an interface, while `own` are the addresses that interfaces hold. NAT addresses
  // are added.
  io::SteeringRules Steering(const InterfaceSettings& interface,
                             const std::vector<stack::Ip4>& own) const;
  auth::AddressPoolOptions AddressPool() const;
};

// What the machine says about an interface of the configuration, and how adit lives on it. It
// stands above what the configuration asks for (presence/plan.h has brought both together).
struct InterfaceFacts {
  stack::Mac mac;  // to be used by adit
  uint16_t mtu = 1500;
  bool shared = false;                   // the kernel keeps its part of `address`
  bool dhcp = false;                     // asks for an address
  std::optional<stack::Prefix> address;  // given, or the kernel's; unset: as the configuration says
  std::optional<stack::Ip4> gateway;     // the default route there; unset: likewise
  // The NAT ports that may be used beside the kernel's; last 0: all that the configuration gives.
  uint16_t nat_first = 0, nat_last = 0;
};

// `facts` in the order of model.interfaces. Errors are for people; the model was validated before.
absl::StatusOr<Settings> Translate(const conf::Model& model,
                                   const std::vector<InterfaceFacts>& facts, uint8_t shards,
                                   stack::Rng& rng);

}  // namespace gateway::shard
