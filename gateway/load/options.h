// What `adit load` is asked to do, and the readers of its words. The command line itself is read in
// gateway/load_command.cc.
//
// Each reader gives the reason why a text is refused, "" if it is not; only then the target is
// changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "crypto/ike/suite.h"
#include "crypto/prim/secret.h"
#include "stack/base/address.h"
#include "stack/ppp/auth.h"

namespace gateway::load {

// Addresses of clients, all in the network of their prefix.
struct SourceRange {
  stack::Ip4 first, last;
  uint8_t length = 24;

  uint32_t size() const { return last.value - first.value + 1; }
  bool Contains(stack::Ip4 ip) const { return first <= ip && ip <= last; }
  bool IsOnLink(stack::Ip4 ip) const { return stack::Prefix{first, length}.Contains(ip); }
};

// What a prepared packet takes of memory beside its inner packet: headers, and a record.
inline constexpr uint64_t kPreparedAround = 192;

struct TrafficSpec {
  bool up = true;            // client to far end; else back
  bool tcp = false;          // segments of one endless flow a client; else UDP
  uint16_t size = 0;         // of the inner IPv4 packet, octets
  double rate = 0;           // packets a second of all clients together; 0: as fast as it goes
  std::string Text() const;  // as it stood on the command line
};

enum class NatT : uint8_t {
  kAuto,   // what NAT detection finds
  kForce,  // pretend there is a NAT, so that ESP travels in UDP
  kOff,    // not even said to be spoken: IP protocol 50
};

struct Options {
  // The way to the server.
  std::string interface;
  SourceRange source;
  stack::Ip4 server;
  std::optional<stack::Ip4> gateway;  // next hop, if the server is not on link
  bool nat = false;                   // `source` is a NAT, and the clients are behind it
  uint16_t mtu = 1500;
  // Who the clients are, and how they come and go.
  crypto::Secret psk;
  std::string user = "load{n}";  // {n}: the client's number, from 1
  crypto::Secret password;
  uint32_t clients = 1;
  double login_rate = 50;                             // a second
  absl::Duration hold;                                // from Up to logging out; zero: until the end
  bool churn = false;                                 // then dials again
  std::vector<crypto::ike::PhaseOneSuite> phase_one;  // empty: what is usual
  std::vector<crypto::ike::EspSuite> esp;
  NatT nat_t = NatT::kAuto;
  stack::ppp::AuthProtocol auth = stack::ppp::AuthProtocol::kMsChapV2;
  absl::Duration rekey = absl::InfiniteDuration();  // of ESP
  // The other end of their traffic.
  std::string far;  // interface; empty: none
  stack::Prefix far_address;
  std::optional<stack::Ip4> far_gateway;
  stack::Prefix far_route{};  // where far_gateway leads; the default is everywhere
  bool far_gso = false;
  // Traffic.
  std::vector<TrafficSpec> traffic;
  bool gso = false;
  uint32_t burst = 0;            // packets of one client in a row; 0: as suits
  absl::Duration ping_interval;  // zero: none
  uint32_t ping_client = 1;
  double prepare = 0;  // seconds of up packets sealed ahead
  uint64_t prepare_memory = uint64_t{4} << 30;
  // The run.
  std::optional<absl::Duration> duration;  // of measuring; absent: 10 s of traffic or pings, or
                                           // as long as logins and `hold` take
  absl::Duration warmup = absl::Seconds(1);
  std::optional<double> find_rate;  // highest loss that is allowed
  absl::Duration step = absl::Seconds(3);
  std::string json;  // file, "-": standard output
  bool events = false;
  std::optional<uint64_t> seed;
  int cpu = -1;  // -1: any
  uint32_t crew = 1;

  // Whether traffic of this kind is asked for.
  bool HasTraffic(bool up) const;
  // What makes the options impossible together, and what to do about it; empty if nothing does.
  std::string Problem() const;
};

std::string ReadSource(std::string_view text, SourceRange& to);   // "192.0.2.10-192.0.2.20/24"
std::string ReadTraffic(std::string_view text, TrafficSpec& to);  // "up:udp:1400:50000"
// "aes256-sha1-modp2048,3des-sha1-modp1024"
std::string ReadPhaseOne(std::string_view text, std::vector<crypto::ike::PhaseOneSuite>& to);
std::string ReadEsp(std::string_view text, std::vector<crypto::ike::EspSuite>& to);

}  // namespace gateway::load
