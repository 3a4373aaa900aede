// Which shard owns a frame: computed from the frame alone, by the same rules in the kernel
// (fanout.h turns them into its CBPF program) and here. The two agree on every frame, byte for
// byte; a test holds them together. Should a frame fall on the wrong shard nevertheless (rules just
// changed, fragments put together), the shard asks ShardOf and passes it on by mailbox.
//
// Every number adit hands out carries an 8-bit bucket, and shard = bucket mod shards. By
// destination:
//
//   1  an own address, unfragmented
//        ESP (RFC 4303), or UDP 4500 with an SPI first (RFC 3948)  low octet of the SPI
//        IKE on UDP 500, or 4500 behind the non-ESP marker         last octet of the responder
//        cookie
//                                                                  (zero in a first message: shard
//                                                                  0)
//        TCP and UDP to a NAT port                                 port >> 6
//        ICMP echo reply                                           identifier >> 6
//        ICMP error quoting our TCP, UDP or echo request           the quoted source port or
//                                                                  identifier, likewise
//   2  a client's address (fragments too)                          its low octet
//   3  everything else: ARP, fragments to us, services, strangers  shard 0
#pragma once

#include <cstdint>
#include <vector>

#include "stack/base/address.h"
#include "stack/base/bytes.h"

namespace gateway::io {

// Addresses from `first` to `last`, both included.
struct AddressRange {
  stack::Ip4 first, last;

  static AddressRange Of(const stack::Prefix& prefix) {
    return {prefix.network(), prefix.broadcast()};
  }
  bool Contains(stack::Ip4 ip) const { return first <= ip && ip <= last; }
  bool operator==(const AddressRange&) const = default;
};

// What steering of one interface has to know.
struct SteeringRules {
  uint8_t shards = 1;                 // 1..kMaxShards
  std::vector<stack::Ip4> own;        // adit's addresses that may be reached through the interface
  std::vector<AddressRange> clients;  // what the pools give to clients, and static client addresses
  // NAT ports and ICMP identifiers of the external address, both ends included; last 0: no NAT
  // here.
  uint16_t nat_first = 0, nat_last = 0;

  bool HasNat() const { return nat_last != 0; }
  bool IsNatPort(uint16_t port) const { return HasNat() && port >= nat_first && port <= nat_last; }
};

inline constexpr uint8_t kMaxShards = 64;

// The owner, below rules.shards. `frame` is an Ethernet frame without VLAN tag, as Port gives it;
// of any length and contents: what is too short to tell goes to shard 0.
uint8_t ShardOf(stack::ByteView frame, const SteeringRules& rules);
// The same for an IPv4 packet that has no frame around it.
uint8_t ShardOfPacket(stack::ByteView packet, const SteeringRules& rules);

// The owner of the bucket.
inline uint8_t ShardOfBucket(uint8_t bucket, uint8_t shards) {
  return static_cast<uint8_t>(bucket % shards);
}

}  // namespace gateway::io
