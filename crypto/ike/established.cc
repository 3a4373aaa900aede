#include "crypto/ike/established.h"

#include <algorithm>

#include "crypto/ike/payload.h"
#include "crypto/ike/resend.h"

namespace crypto::ike {

std::optional<uint64_t> Established::Add(stack::Ip4 remote, const Identification& identity,
                                         uint64_t cookie, const Limits& limits) {
  Source& source = by_source_[remote];
  const uint64_t who = FingerprintOf(EncodeId(identity));
  source.push_back({cookie, who});
  ++size_;
  const auto same = [who](const Entry& entry) { return entry.identity == who; };
  if (static_cast<size_t>(std::count_if(source.begin(), source.end(), same)) >
      limits.max_of_identity) {
    return std::find_if(source.begin(), source.end(), same)->cookie;
  }
  if (size_ > limits.max) return Largest().front().cookie;
  return std::nullopt;
}

// Walks over all addresses: only when the house is full, and once for each key agreement then.
const Established::Source& Established::Largest() const {
  return std::max_element(
             by_source_.begin(), by_source_.end(),
             [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); })
      ->second;
}

void Established::Remove(stack::Ip4 remote, uint64_t cookie) {
  const auto it = by_source_.find(remote);
  if (it == by_source_.end()) return;
  size_ -=
      std::erase_if(it->second, [cookie](const Entry& entry) { return entry.cookie == cookie; });
  if (it->second.empty()) by_source_.erase(it);
}

}  // namespace crypto::ike
