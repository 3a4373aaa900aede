#include "crypto/ike/options.h"

#include <algorithm>
#include <utility>

namespace crypto::ike {

EspPolicy EspPolicy::Modern() {
  EspPolicy policy;
  std::erase(policy.ciphers, EspCipherChoice{EspCipher::kTripleDes, 0});
  std::erase(policy.auths, EspAuth::kHmacSha1);
  std::erase(policy.pfs_groups, Group::kModp1024);
  return policy;
}

void PskStore::Add(stack::Prefix remotes, Secret psk) {
  const auto same = [&](const Entry& e) {
    return e.remotes.length == remotes.length && e.remotes.network() == remotes.network();
  };
  std::erase_if(entries_, same);
  const auto shorter = [&](const Entry& e) { return e.remotes.length < remotes.length; };
  const auto at = std::find_if(entries_.begin(), entries_.end(), shorter);
  entries_.insert(at, Entry{remotes, std::move(psk)});
}

const Secret* PskStore::Find(stack::Ip4 remote) const {
  for (const Entry& entry : entries_) {
    if (entry.remotes.Contains(remote)) return &entry.psk;
  }
  return nullptr;
}

}  // namespace crypto::ike
