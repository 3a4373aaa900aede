// What the stages of one shard look things up in. One thread; owned by Shard.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "crypto/esp/engine.h"
#include "crypto/esp/sad.h"
#include "gateway/io/keylog.h"
#include "gateway/io/log.h"
#include "gateway/io/steer.h"
#include "gateway/shard/egress.h"
#include "gateway/shard/settings.h"
#include "gateway/shard/stats.h"
#include "nat/filter.h"
#include "nat/nat.h"
#include "nat/router.h"
#include "stack/ip/icmp.h"
#include "stack/ip/reassembly.h"

namespace gateway::shard {

// Buffers of a shard: enough for a batch in every stage, the packets that wait for ARP, and
// reassembly. 8 MB and 4 MB; only those in use are ever touched.
inline constexpr size_t kSmallSlots = 4096;
inline constexpr size_t kLargeSlots = 64;

// Where an interface stands now: fixed by the configuration, or as DHCP says.
struct InterfaceState {
  std::optional<stack::Prefix> address;
  std::optional<stack::Ip4> gateway;
  std::vector<stack::wire::DhcpRoute> routes;  // of the lease
};

// Coarse seconds for the flow tables of nat.
inline uint32_t Seconds(absl::Time now) { return static_cast<uint32_t>(absl::ToUnixSeconds(now)); }

struct Tables {
  Tables(const Settings& its_settings, uint8_t its_shard, const std::vector<io::Port*>& ports,
         stack::Rng& its_rng, io::Log& its_log, io::KeyLog* its_keylog = nullptr);

  // Routes, NAT and steering follow the interface's new address.
  void SetInterface(const InterfaceAddress& change, absl::Time now);

  // The interface that holds `ip`, as its own address or one to translate to.
  std::optional<uint8_t> OwnerOf(stack::Ip4 ip) const {
    const auto found = own_.find(ip);
    return found == own_.end() ? std::nullopt : std::optional<uint8_t>(found->second);
  }
  // The address that speaks for us to a station behind the interface; zero if it has none.
  stack::Ip4 OwnAddress(uint8_t interface) const;
  // The shard to which a client's address belongs.
  uint8_t ShardOfClient(stack::Ip4 ip) const {
    return io::ShardOfBucket(static_cast<uint8_t>(ip.value), settings.shards);
  }

  const Settings& settings;
  const uint8_t shard;
  stack::Rng& rng;
  io::Log& log;
  io::KeyLog* const keylog;  // null: keys are nobody's business
  stack::PacketPool pool;    // before everything that may hold a packet
  Stats stats;
  std::vector<InterfaceState> interfaces;
  std::vector<io::SteeringRules> steering;  // by interface
  nat::Router router;
  nat::Filter filter;
  nat::Nat translator;
  const std::unique_ptr<crypto::esp::Engine> esp;  // computes for all SAs here
  crypto::esp::Sad sad;
  stack::ip::Icmp icmp;
  stack::ip::Reassembly outer, inner;  // fragments from the network, and out of the tunnels
  IpIds ip_ids;                        // for a packet of ours that may be fragmented on its way
  Egress egress;

  // Peers of whom an SA has refused a packet because it came to its end. The ways only note it:
  // who ends an SA waits until no batch holds pointers to it.
  std::vector<uint32_t> with_ended_sa;
  stack::Drop NoteIfEnded(stack::Drop drop, uint32_t peer) {
    const bool ended = drop == stack::Drop::kSaExpired || drop == stack::Drop::kSequenceExhausted;
    const bool noted = !with_ended_sa.empty() && with_ended_sa.back() == peer;
    if (ended && !noted) with_ended_sa.push_back(peer);
    return drop;
  }

 private:
  void AddRoutes(uint8_t interface);
  void RemoveRoutes(uint8_t interface);
  void Resteer();

  absl::flat_hash_map<stack::Ip4, uint8_t> own_;
};

}  // namespace gateway::shard
