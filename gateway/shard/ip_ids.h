// Values for the Identification field of our own packets that may be fragmented on their way (RFC
// 791, RFC 6864): the kernel counts on from a superframe's own, so they are given out in runs.
//
// Two clients behind one NAT, on different shards, are one pair of addresses, and their fragments
// must not be taken for each other's. So the 65536 values are divided into blocks, and the blocks
// among the shards.
#pragma once

#include <cstdint>

namespace gateway::shard {

class IpIds {
 public:
  static constexpr uint32_t kBlock = 64;  // the longest run

  // `random` chooses where to begin.
  IpIds(uint8_t shard, uint8_t shards, uint32_t random)
      : shard_(shard), shards_(shards), block_(shard + random % (kBlocks / shards) * shards) {}

  // The first of `count` in a row, 1 to kBlock of them.
  uint16_t Take(uint32_t count = 1) {
    if (used_ + count > kBlock) NextBlock();
    const uint32_t first = block_ * kBlock + used_;
    used_ += count;
    return static_cast<uint16_t>(first);
  }

 private:
  static constexpr uint32_t kBlocks = 65536 / kBlock;

  void NextBlock() {
    used_ = 0;
    block_ += shards_;
    if (block_ >= kBlocks) block_ = shard_;
  }

  uint32_t shard_, shards_;
  uint32_t block_, used_ = 0;
};

}  // namespace gateway::shard
