// Home: what there is one of, kept by shard 0 for all. The ARP and DHCP machines of each interface,
// the addresses clients get, and the directory of who is where.
//
// Sans-IO like the machines it owns: messages of the shards, ARP packets and DHCP datagrams go in;
// messages for the shards and whole frames come out. Shard 0 calls it directly, the others by
// mailbox.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/home/admission.h"
#include "gateway/io/log.h"
#include "gateway/shard/messages.h"
#include "gateway/shard/settings.h"
#include "stack/ip/dhcp_client.h"
#include "stack/link/address_check.h"
#include "stack/link/neighbors.h"

namespace gateway::home {

// What home tells shards.
using Message =
    std::variant<shard::NeighborKnown, shard::NeighborLost, shard::AddressGranted, shard::MakeWay,
                 shard::InterfaceAddress, shard::ClientElsewhere, shard::PlaceFound>;

// What home wants done.
struct Outcome {
  struct Mail {
    std::optional<uint8_t> shard;  // none: every shard, shard 0 too
    Message message;
  };
  struct Frame {
    uint8_t interface;
    stack::PacketBuf frame;  // whole Ethernet frame
  };
  struct LeaseNews {
    uint8_t interface;
    stack::ip::Lease lease;
  };
  std::vector<Mail> mail;
  std::vector<Frame> frames;
  std::vector<LeaseNews> leases;  // given, or changed

  void Clear() {
    mail.clear();
    frames.clear();
    leases.clear();
  }
};

class Home {
 public:
  // `pool` is shard 0's packet pool. All arguments outlive the object. InvalidArgument if the pools
  // make no sense.
  static absl::StatusOr<std::unique_ptr<Home>> Create(const shard::Settings& settings,
                                                      stack::PacketPool& pool, stack::Rng& rng,
                                                      io::Log& log);

  // Announces the addresses the configuration gives, unless they are the kernel's, and asks for the
  // others by DHCP.
  void Start(absl::Time now, Outcome& out);

  void On(absl::Time now, const shard::NeedNeighbor& need, Outcome& out);
  void On(absl::Time now, const shard::NeedAddress& need, Outcome& out);
  void On(absl::Time now, const shard::ReturnAddress& returned, Outcome& out);
  void On(absl::Time now, const shard::StaysOn& stays, Outcome& out);
  void On(absl::Time now, const shard::PeerAt& at, Outcome& out);
  void On(absl::Time now, const shard::PeerLeft& left, Outcome& out);
  void On(absl::Time now, const shard::FindPlace& find, Outcome& out);

  // Users' own addresses are kept for them from now on.
  void OnCredentials(const shard::Credentials& credentials);
  // Sessions and addresses, as a line of the log.
  void Report() const;

  void OnArp(absl::Time now, uint8_t interface, stack::ByteView packet, Outcome& out);
  void OnDhcp(absl::Time now, uint8_t interface, stack::ByteView payload, Outcome& out);
  void OnDeadline(absl::Time now, Outcome& out);
  absl::Time NextDeadline() const;
  // Gives leases back.
  void Stop(absl::Time now, Outcome& out);

  // Where a first IKE message belongs: to the shard that has a peer at exactly this endpoint; else
  // by hash, so that retransmissions agree and clients behind a NAT spread. One of them that renews
  // its phase 1 is recognized when it floats to port 4500, by FindPlace.
  uint8_t ShardForFirst(const stack::Endpoint& from, uint64_t initiator_cookie) const;

  size_t addresses_in_use() const { return admission_.addresses().in_use(); }
  // Entries of the directory.
  size_t places() const { return peers_.size(); }

 private:
  struct Link {
    Link(const stack::link::Neighbors::Options& arp,
         const stack::ip::DhcpClient::Options& dhcp_options, stack::Rng& rng)
        : neighbors(arp), check(arp.mac), dhcp(dhcp_options, rng) {}
    stack::link::Neighbors neighbors;
    stack::link::AddressCheck check;
    uint32_t check_ticket = 0;
    stack::ip::DhcpClient dhcp;
    std::optional<stack::ip::Lease> lease;
  };

  Home(const shard::Settings& settings, stack::PacketPool& pool, stack::Rng& rng, io::Log& log,
       Admission admission);
  template <class M>
  void Admit(absl::Time now, const M& message, Outcome& out);
  void CarryOut(absl::Time now, uint8_t interface, stack::link::Neighbors::Out& from, Outcome& out);
  void CarryOut(absl::Time now, uint8_t interface, stack::link::AddressCheck::Out& from,
                Outcome& out);
  void CarryOut(absl::Time now, uint8_t interface, stack::ip::DhcpClient::Out& from, Outcome& out);
  void OnChecked(absl::Time now, uint8_t interface, bool taken, Outcome& out);
  void OnLease(absl::Time now, uint8_t interface, const stack::ip::Lease& lease, Outcome& out);
  void OnLeaseLost(uint8_t interface, std::string_view why, Outcome& out);
  std::array<stack::Ip4, 2> DnsOf(const shard::PoolSettings& pool) const;
  stack::Ip4 Leased(uint8_t interface) const;  // zero if there is no lease
  void StartProxy(absl::Time now, stack::Ip4 client, Outcome& out);
  void SendDhcp(uint8_t interface, stack::PacketBuf payload, const stack::Endpoint& to,
                Outcome& out);

  const shard::Settings& settings_;
  stack::PacketPool& pool_;
  io::Log& log_;
  Admission admission_;
  std::vector<std::unique_ptr<Link>> links_;  // by interface
  absl::flat_hash_map<stack::Endpoint, uint8_t> peers_;
};

}  // namespace gateway::home
