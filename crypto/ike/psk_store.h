// Pre-shared keys by the address a peer comes from: in Main Mode nothing else is known of it when
// the key is needed (RFC 2409 section 5.4).
//
// Filled once and then shared, read-only: a reload makes another store (Responder::SetPsks), and
// logins under way finish with the one they began with.
#pragma once

#include <array>

#include "absl/container/flat_hash_map.h"
#include "crypto/prim/secret.h"
#include "stack/base/address.h"

namespace crypto::ike {

class PskStore {
 public:
  void SetWildcard(Secret psk) { Add({}, std::move(psk)); }
  void Add(stack::Prefix remotes, Secret psk);  // replaces the key of the same prefix
  // The key of the longest prefix that holds `remote`; nullptr if none does. Good until the store
  // is changed. Costs at most one look-up for each length in use, however many keys there are.
  const Secret* Find(stack::Ip4 remote) const;

 private:
  std::array<absl::flat_hash_map<stack::Ip4, Secret>, 33> by_length_;  // keyed by the network
};

}  // namespace crypto::ike
