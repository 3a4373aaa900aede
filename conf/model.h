// The whole configuration as plain structs. A default here is what a key left out of the file
// means.
//
// conf knows no protocol: gateway/ translates these structs into each machine's own small Options.
// Values are already in their own types and ranges; what belongs together was checked by
// conf/validate.h. conf/adit.toml shows every key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "conf/secret_text.h"
#include "stack/base/address.h"

namespace conf {

// [[interface]]: a network interface of the host that adit speaks on with an address of its own.
struct Interface {
  std::string name;                      // as the kernel calls it, 1..15 characters
  bool dhcp = false;                     // address = "dhcp"
  std::optional<stack::Prefix> address;  // with its host bits; unset exactly if `dhcp`
  std::optional<stack::Ip4> gateway;     // default route; with `dhcp` it overrides the lease's
  std::optional<stack::Mac> mac;         // unset: derived from the interface's
  std::optional<uint16_t> mtu;           // 576..9000; unset: the interface's
  bool serve = false;                    // clients dial in here
  bool nat = false;  // clients' traffic leaving here is translated to this interface's address
};

// [[route]]: at least one of `via` and `interface` is set.
struct Route {
  stack::Prefix prefix;                  // no host bits
  std::optional<stack::Ip4> via;         // unset: on-link at `interface`
  std::optional<std::string> interface;  // unset: the interface whose network holds `via`
};

// [[pool]]: addresses for clients. `gateway` may lie inside first..last and is then never handed
// out.
struct Pool {
  std::string name = "default";
  stack::Ip4 first, last;       // both included
  stack::Ip4 gateway;           // adit's own address in PPP
  std::vector<stack::Ip4> dns;  // 0..2, in order of preference

  bool Contains(stack::Ip4 ip) const { return first <= ip && ip <= last; }
};

// [[user]]
struct User {
  std::string name;
  SecretText password;
  std::optional<stack::Ip4> address;  // always this address; unset: one of the pool
};

struct Ike {
  SecretText psk;
  bool modp1024 = true;                    // accept DH group 2, all that Android up to 11 offers
  absl::Duration dpd = absl::Seconds(30);  // RFC 3706 idle time before R-U-THERE; zero = off
};

struct L2tp {
  absl::Duration hello = absl::Seconds(60);  // RFC 2661 section 5.5 idle time before HELLO
  std::string host_name = "adit";            // Host Name AVP
};

struct Ppp {
  uint16_t mru = 1400;                      // offered to the client, 576..1500
  absl::Duration echo = absl::Seconds(30);  // idle time before Echo-Request; zero = off
};

struct Nat {
  uint16_t first_port = 1024, last_port = 65535;  // external ports, both included
  uint32_t quota = 1024;                          // external ports a client may hold, 64..64512
};

struct Esp {
  uint32_t replay_window = 1024;              // packets, a power of two 64..4096
  absl::Duration linger = absl::Seconds(31);  // how long a deleted inbound SA still receives
};

struct Log {
  enum class Level : uint8_t { kDebug, kInfo, kWarning, kError };
  Level level = Level::kInfo;
  bool json = false;
};

struct Model {
  std::optional<uint32_t> shards;  // 1..64; unset: one per CPU, at most 8
  std::vector<Interface> interfaces;
  std::vector<Route> routes;
  std::vector<Pool> pools;
  std::vector<User> users;
  Ike ike;
  L2tp l2tp;
  Ppp ppp;
  Nat nat;
  Esp esp;
  Log log;
};

}  // namespace conf
