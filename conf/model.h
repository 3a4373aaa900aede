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

// How adit lives on an interface beside the host's kernel.
enum class Presence : uint8_t {
  kAuto,   // share if the kernel has an address and no other is given here; else own
  kOwn,    // a MAC and an IP address of its own, which the kernel knows nothing of
  kShare,  // the kernel keeps its address; adit takes IKE, ESP, L2TP and the NAT ports on it
  kAdopt,  // the kernel's address is adit's alone while it runs
};

// How plain frames leave: by AF_PACKET like all others, or by AF_XDP.
enum class FrameIo : uint8_t { kPacket, kXdp };

// [[interface]]: a network interface of the host that adit speaks on.
struct Interface {
  std::string name;  // as the kernel calls it, 1..15 characters
  Presence presence = Presence::kAuto;
  bool dhcp = false;                     // address = "dhcp"; never with kShare and kAdopt
  std::optional<stack::Prefix> address;  // with its host bits; unset: DHCP, or the kernel's
  std::optional<stack::Ip4> gateway;     // default route; overrides the lease's or the kernel's
  std::optional<stack::Mac> mac;         // kOwn; unset: derived from the interface's
  std::optional<uint16_t> mtu;           // 576..9000; unset: the interface's
  bool serve = false;                    // clients dial in here
  bool nat = false;  // clients' traffic leaving here is translated to this interface's addresses
  // More addresses to translate to, besides the interface's own, which then is used only if there
  // is none. At most 64; kOwn only.
  std::vector<stack::Ip4> nat_addresses;
  bool proxy_arp = false;     // answer ARP here for clients on line
  bool adopt_anyway = false;  // kAdopt even if somebody is logged in over this interface
  FrameIo io = FrameIo::kPacket;
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
  bool dns_of_lease = false;    // rather those a DHCP lease gives; no key: the embedded default's
  // What a client that does not send everything through the tunnel learns by DHCPINFORM
  // (RFC 2131 section 4.3.5).
  std::vector<stack::Prefix> routes;  // at most 64
  std::string domain;                 // "": none

  bool Contains(stack::Ip4 ip) const { return first <= ip && ip <= last; }
};

// What becomes of a user's second login.
enum class Logins : uint8_t { kMany, kReplace, kRefuse };

// [[user]], or a line of a chap-secrets file.
struct User {
  std::string name;
  SecretText password;
  std::optional<stack::Ip4> address;  // always this address; unset: one of the pool
  std::optional<std::string> pool;    // by name; unset: any, in the order of the file
  std::optional<Logins> logins;       // unset: Auth::logins
};

// [auth]: how users are asked and found.
struct Auth {
  enum class Protocol : uint8_t { kMsChapV2, kChapMd5, kPap };

  std::vector<Protocol> protocols = {Protocol::kMsChapV2};  // 1..3 different ones, best first
  // Files like pppd's, whose users are added to Model::users by LoadFile. At most 16.
  std::vector<std::string> chap_secrets;
  Logins logins = Logins::kMany;  // with a fixed address kMany means kReplace
};

// [[psk]]: the pre-shared key of the peers that come from `remote`; the longest prefix wins.
struct Psk {
  stack::Prefix remote;  // no host bits
  SecretText key;        // from the value, file or environment variable that the entry names
};

struct Ike {
  enum class Profile : uint8_t { kCompat, kModern };
  enum class Echo : uint8_t { kAuto, kAlways, kNever };

  SecretText psk;  // of everybody for whom no [[psk]] is given; empty: nobody else may come
  Profile profile = Profile::kCompat;
  // Accept DH group 2, all that Android up to 11 offers. Unset: as the profile says.
  std::optional<bool> modp1024;
  bool md5 = false;                        // accept HMAC-MD5 in phase 1
  absl::Duration dpd = absl::Seconds(30);  // RFC 3706 idle time before R-U-THERE; zero = off
  bool force_encapsulation = false;        // ESP always in UDP, whatever lies between
  // Send the client's own NAT-D back as ours, so that Windows connects to a gateway behind a NAT.
  Echo nat_d_echo = Echo::kAuto;             // kAuto: where we are behind one
  std::optional<stack::Ip4> public_address;  // what clients dial, where a router forwards to us
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
  enum class Filtering : uint8_t { kEndpointIndependent, kAddressAndPortDependent };

  // External ports, both included. Not given: all of these, but on an interface of kShare the
  // larger part that the kernel's own range (ip_local_port_range) leaves.
  uint16_t first_port = 1024, last_port = 65535;
  bool ports_given = false;
  uint32_t quota = 1024;  // external ports a client may hold, 64..64512
  Filtering filtering = Filtering::kEndpointIndependent;
};

struct Esp {
  uint32_t replay_window = 1024;              // packets, a power of two 64..4096
  absl::Duration linger = absl::Seconds(31);  // how long a deleted inbound SA still receives
};

// [crypto]: who computes.
struct Crypto {
  enum class Engine : uint8_t { kAuto, kBotan, kIpsecMb };
  Engine engine = Engine::kAuto;  // kAuto: the fastest that was built in and that the CPU can run
};

// [io]: frames, and the threads that carry them.
struct Io {
  // Packets of one flow leave as one large frame, where the kernel takes it. Such frames are always
  // received.
  bool superframes = true;
  uint32_t ring_slots = 4096;      // frames an interface keeps for a shard, 64..262144
  uint32_t large_ring_slots = 60;  // of these, frames larger than the MTU, 8..16384
  // How long a shard looks for more before it sleeps, while packets come faster than that; zero:
  // not at all. 0..1 ms.
  absl::Duration busy_poll = absl::Microseconds(30);
  // CPUs for shards 0, 1, 2, ..., beginning anew when there are more shards, and for the threads
  // that compute keys. Empty: wherever the kernel puts them.
  std::vector<uint16_t> cpus, crew_cpus;
};

// [limits]: what strangers and clients may use up together. Tables are bounded by these.
struct Limits {
  uint32_t sessions = 10000;           // on line at a time, 1..1000000
  uint32_t half_open = 4096;           // logins before authentication, all together, 16..1000000
  uint32_t half_open_per_prefix = 64;  // of these, of one /24; every success gives room, 1..1000000
  uint32_t flows = 1048576;            // NAT flows, all together, 1024..16777216
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
  Auth auth;
  std::vector<Psk> psks;
  Ike ike;
  L2tp l2tp;
  Ppp ppp;
  Nat nat;
  Esp esp;
  Crypto crypto;
  Io io;
  Limits limits;
  Log log;
};

}  // namespace conf
