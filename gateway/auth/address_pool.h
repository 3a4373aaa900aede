// The addresses clients get. Home owns the pools of the gateway and answers PPP's NeedAddress from
// them.
//
// Which address: the one the user had last, if it is free, or one of those his other sessions had;
// else of the first pool that has one left; in it, one that belongs to the shard of the client (its
// low 8 bits mod the number of shards), so that packets from the internet land on the right thread,
// else any. The address that has been free for longest is taken first, so that yesterday's users
// find theirs again.
//
// Everything but SetFixed is O(1) a call, and memory is bounded by the number of addresses: each
// remembers its last user.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "stack/base/address.h"

namespace gateway::auth {

// Both ends belong to it.
struct AddressRange {
  stack::Ip4 first, last;
};
// The addresses of a network that clients may have: without network and broadcast address, except
// for /31 and /32 (RFC 3021).
AddressRange UsableRange(stack::Prefix network);

struct AddressPoolOptions {
  std::vector<AddressRange> ranges;  // a pool each; must not overlap; kMaxAddresses in all
  std::vector<stack::Ip4> never;     // our own: the gateway's
  std::vector<stack::Ip4> fixed;     // belong to certain users; may lie outside the ranges
  uint32_t shards = 1;               // 1 to 256
};

class AddressPool {
 public:
  static constexpr uint64_t kMaxAddresses = 1U << 20;

  // InvalidArgument for an empty, reversed or overlapping range, too many addresses, shards out of
  // range, and an address that is both `never` and `fixed`.
  static absl::StatusOr<AddressPool> Create(const AddressPoolOptions& options);

  // An address for `user`; none if all are taken. `shard` < shards: where the client lives. `pool`:
  // from this one only, by its place in `ranges`.
  std::optional<stack::Ip4> Allocate(std::string_view user, uint32_t shard,
                                     std::optional<uint8_t> pool = std::nullopt);
  // A fixed address. False if it is not one, or in use.
  [[nodiscard]] bool TakeFixed(stack::Ip4 address);
  // From now on these are the fixed ones; those outside of what Create was given are passed over.
  // One that is in use becomes what it is to be when it comes back.
  void SetFixed(const std::vector<stack::Ip4>& fixed);
  // Gives back what either of them gave. False, and nothing happens, if it is not in use.
  bool Release(stack::Ip4 address);

  size_t size() const { return size_; }      // those Allocate may give
  size_t free() const { return free_; }      // of them
  size_t in_use() const { return in_use_; }  // fixed ones too

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};

  struct Slot {
    std::string last_user;                    // who finds this address again
    uint32_t next = kNone, previous = kNone;  // in the queue of free ones
    uint32_t older = kNone, newer = kNone;    // free ones of the same last user
    bool fixed = false, taken = false;
  };
  // Free addresses of one pool and shard, the one that has been free for longest first.
  struct Queue {
    uint32_t head = kNone, tail = kNone;
  };
  struct Range {
    stack::Ip4 first, last;
    uint32_t slot;  // of `first`
    uint32_t pool;  // kNone: a fixed address outside of all
  };

  AddressPool() = default;
  absl::Status AddRanges(const AddressPoolOptions& options);
  uint32_t SlotOf(stack::Ip4 address) const;  // kNone if it is not ours
  const Range& RangeOf(uint32_t slot) const;
  stack::Ip4 AddressOf(uint32_t slot) const;
  bool MayGive(uint32_t slot) const;
  uint32_t Choose(const std::string& user, uint32_t shard, std::optional<uint8_t> pool) const;
  Queue& QueueOf(uint32_t slot);
  void Enter(uint32_t slot);  // among the free ones
  void Leave(uint32_t slot);
  void EnterLasts(uint32_t slot);
  void LeaveLasts(uint32_t slot);

  std::vector<Range> ranges_;  // by address
  std::vector<Slot> slots_;
  uint32_t shards_ = 1;
  std::vector<Queue> queues_;                        // by pool, then by shard
  absl::flat_hash_map<std::string, uint32_t> last_;  // user -> the free slot he left last
  size_t size_ = 0, free_ = 0, in_use_ = 0;
};

}  // namespace gateway::auth
