// External ports of one address: which shard owns them, and which client holds them.
//
// Ports (and ICMP identifiers) come in blocks of 64. The block's number is the bucket, and the
// bucket the shard, so that the answer to a translated packet is steered by arithmetic alone:
//
//        port   15 14 | 13 12 11 10 9 8 7 6 | 5 4 3 2 1 0
//                     |<----- bucket ------>|  in the block       shard = bucket % shards
//
// A block belongs to one client at a time, for TCP, UDP and ICMP alike, each with the whole of it:
// an address and a port at a time name one client. A block whose last port is given back rests for
// two minutes (RFC 6888 REQ-8) before another client gets it, unless no other block is left.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "nat/flow.h"
#include "stack/base/address.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"
#include "stack/base/rng.h"

namespace nat {

inline constexpr uint32_t kPortsPerBlock = 64;
inline constexpr uint32_t kBlocks = 65536 / kPortsPerBlock;
inline constexpr uint32_t kBlockRest_s = 120;

constexpr uint8_t BucketOfPort(uint16_t port) { return static_cast<uint8_t>(port >> 6); }
// Precondition: shards > 0.
constexpr uint32_t ShardOfPort(uint16_t port, uint32_t shards) {
  return BucketOfPort(port) % shards;
}
// DHCP, IKE, L2TP and NAT-T are adit's own and never given to a client.
constexpr bool IsReservedPort(uint16_t port) {
  return port == 0 || port == 67 || port == 68 || port == 500 || port == 1701 || port == 4500;
}

struct Ports {
  uint16_t first = 0, last = 0;  // both included
};

struct PortRange {
  uint16_t first = 1024, last = 65535;  // both included
  std::vector<Ports> excluded = {};     // of these, what is not ours: the kernel's own, for one
  uint32_t shard = 0, shards = 1;       // only blocks of this shard are used
  uint32_t quota = 1024;                // ports a client may hold; rounded up to whole blocks
};

class PortPool {
 public:
  explicit PortPool(const PortRange& range);

  // A port nobody holds for this kind, at random among the client's blocks; a fresh block if those
  // are full. UDP keeps the parity of `inside_port` where it can (RFC 4787 REQ-4). kNatQuota: the
  // client has its share. kNatNoPort: no block is left.
  stack::Result<uint16_t, stack::Drop> Take(stack::Ip4 client, Kind kind, uint16_t inside_port,
                                            uint32_t now_s, stack::Rng& rng);
  // Precondition: `port` was given out by Take for `kind`.
  void GiveBack(Kind kind, uint16_t port, uint32_t now_s);

  // A port that is given out for this kind, at random; -1 if the block it came upon has none.
  int32_t AnyInUse(Kind kind, stack::Rng& rng) const;

  uint32_t blocks() const { return static_cast<uint32_t>(owned_.size()); }  // that this shard has
  uint32_t free_blocks() const { return static_cast<uint32_t>(fresh_.size()) + resting_; }
  uint32_t blocks_in_use() const { return blocks() - free_blocks(); }
  uint32_t clients() const { return static_cast<uint32_t>(clients_.size()); }

 private:
  static constexpr uint16_t kNone = 0xffff;
  struct Block {
    uint16_t next = kNone;                // the client's next block, or the next one that rests
    stack::Ip4 client;                    // whose it is, while it is used
    uint32_t rested_s = 0;                // when its rest ends
    uint64_t reserved = 0;                // never given out
    std::array<uint64_t, kKinds> used{};  // by kind
  };
  struct Client {
    uint16_t first = kNone;  // chain of blocks
    uint16_t count = 0;
  };

  int32_t TakeHeld(const Client& client, Kind kind, uint64_t wanted, uint32_t random);
  int32_t TakeFrom(uint16_t number, Kind kind, uint64_t wanted, uint32_t random);
  uint16_t TakeBlock(uint32_t now_s, stack::Rng& rng);
  void Unchain(uint16_t number);
  void Rest(uint16_t number, uint32_t now_s);
  void EndRests(uint32_t now_s);
  void WakeOldest();

  uint32_t quota_blocks_;
  std::array<Block, kBlocks> block_{};
  std::vector<uint16_t> owned_;  // block numbers of this shard
  std::vector<uint16_t> fresh_;  // block numbers, in no order
  uint16_t rest_first_ = kNone, rest_last_ = kNone;
  uint32_t resting_ = 0;
  absl::flat_hash_map<stack::Ip4, Client> clients_;
};

}  // namespace nat
