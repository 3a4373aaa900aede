// Who is in: the authenticated phase 1s by the address they began at, so that none of those who
// know the group key can take the room of all others.
//
// A pre-shared key proves no identity, so whoever has it can log in as often as he likes. Two
// limits hold him, and both cost him his own: of one identity at one address the oldest goes for
// the newest; and when the house is full, the oldest of the address that has the most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "crypto/ike/suite.h"
#include "stack/base/address.h"

namespace crypto::ike {

class Established {
 public:
  struct Limits {
    size_t max;
    size_t max_of_identity;  // at one address, at least 1
  };

  // A new one. Gives the cookie of one that has to go for it; its owner calls Remove for it.
  std::optional<uint64_t> Add(stack::Ip4 remote, const Identification& identity, uint64_t cookie,
                              const Limits& limits);
  void Remove(stack::Ip4 remote, uint64_t cookie);

  bool Knows(stack::Ip4 remote) const { return by_source_.contains(remote); }
  size_t size() const { return size_; }

 private:
  struct Entry {
    uint64_t cookie, identity;  // the latter as a fingerprint
  };
  using Source = std::vector<Entry>;  // oldest first

  const Source& Largest() const;

  absl::flat_hash_map<stack::Ip4, Source> by_source_;
  size_t size_ = 0;
};

}  // namespace crypto::ike
