#include "crypto/ike/psk_store.h"

#include <utility>

namespace crypto::ike {

void PskStore::Add(stack::Prefix remotes, Secret psk) {
  by_length_[remotes.length].insert_or_assign(remotes.network(), std::move(psk));
}

const Secret* PskStore::Find(stack::Ip4 remote) const {
  for (size_t length = by_length_.size(); length-- > 0;) {
    if (by_length_[length].empty()) continue;
    const stack::Prefix prefix{remote, static_cast<uint8_t>(length)};
    const auto found = by_length_[length].find(prefix.network());
    if (found != by_length_[length].end()) return &found->second;
  }
  return nullptr;
}

}  // namespace crypto::ike
