#include "nat/router.h"

namespace nat {

void Router::Add(stack::Prefix prefix, Hop hop) {
  const auto [at, is_new] = routes_.insert_or_assign(KeyOf(prefix.network(), prefix.length), hop);
  if (is_new && count_[prefix.length]++ == 0) lengths_ |= uint64_t{1} << (32U - prefix.length);
  Forget();
}

bool Router::Remove(stack::Prefix prefix) {
  if (routes_.erase(KeyOf(prefix.network(), prefix.length)) == 0) return false;
  if (--count_[prefix.length] == 0) lengths_ &= ~(uint64_t{1} << (32U - prefix.length));
  Forget();
  return true;
}

Hop Router::Find(stack::Ip4 ip) const {
  for (uint64_t rest = lengths_; rest != 0; rest &= rest - 1) {
    const auto length = static_cast<uint8_t>(32 - std::countr_zero(rest));
    const auto found = routes_.find(KeyOf(stack::Prefix{ip, length}.network(), length));
    if (found != routes_.end()) return found->second;
  }
  return {};
}

}  // namespace nat
