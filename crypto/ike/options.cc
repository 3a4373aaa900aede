#include "crypto/ike/options.h"

#include <algorithm>

namespace crypto::ike {

EspPolicy EspPolicy::Modern() {
  EspPolicy policy;
  std::erase(policy.ciphers, EspCipherChoice{EspCipher::kTripleDes, 0});
  std::erase(policy.auths, EspAuth::kHmacSha1);
  std::erase(policy.pfs_groups, Group::kModp1024);
  return policy;
}

}  // namespace crypto::ike
