#include "crypto/ike/options.h"

#include <algorithm>

namespace crypto::ike {
namespace {

template <class T, class NameIt>
std::string Joined(const std::vector<T>& list, NameIt name_it) {
  std::string text;
  for (const T& item : list) text += (text.empty() ? "" : ", ") + std::string(name_it(item));
  return text;
}

}  // namespace

// A client that offers several groups gets MODP-2048 before the costlier MODP-3072 and 4096: it is
// as strong as the rest of what these clients do, and a login costs a fifth of the time.
PhaseOnePolicy PhaseOnePolicy::Compat() {
  PhaseOnePolicy policy = Modern();
  policy.groups.push_back(Group::kModp1024);
  policy.ciphers.push_back({IkeCipher::kTripleDesCbc, 0});
  policy.hashes.insert(policy.hashes.begin() + 1, IkeHash::kSha1);
  return policy;
}

PhaseOnePolicy PhaseOnePolicy::Modern() {
  return {
      .groups = {Group::kModp2048, Group::kEcp256, Group::kEcp384, Group::kModp3072,
                 Group::kModp4096, Group::kModp1536},
      .ciphers = {{IkeCipher::kAesCbc, 256}, {IkeCipher::kAesCbc, 192}, {IkeCipher::kAesCbc, 128}},
      .hashes = {IkeHash::kSha2_256, IkeHash::kSha2_384, IkeHash::kSha2_512}};
}

EspPolicy EspPolicy::Modern() {
  EspPolicy policy;
  std::erase(policy.ciphers, EspCipherChoice{EspCipher::kTripleDes, 0});
  std::erase(policy.auths, EspAuth::kHmacSha1);
  std::erase(policy.pfs_groups, Group::kModp1024);
  return policy;
}

void PhaseOnePolicy::SetModp1024(bool allowed) {
  std::erase(groups, Group::kModp1024);
  if (allowed) groups.push_back(Group::kModp1024);
}

void PhaseOnePolicy::AllowMd5() {
  std::erase(hashes, IkeHash::kMd5);
  hashes.push_back(IkeHash::kMd5);
}

std::string Text(const PhaseOnePolicy& policy) {
  const auto cipher = [](const CipherChoice& choice) {
    std::string name(NameOf(choice.cipher));
    return choice.key_bits == 0 ? name : name + "-" + std::to_string(choice.key_bits);
  };
  return Joined(policy.ciphers, cipher) + " / " +
         Joined(policy.hashes, [](IkeHash hash) { return NameOf(hash); }) + " / " +
         Joined(policy.groups, [](Group group) { return NameOf(group); }) + " / " +
         std::string(NameOf(AuthMethod::kPreSharedKey));
}

std::string WeaknessOf(const PhaseOneSuite& suite) {
  std::string text;
  if (suite.group == Group::kModp1024) {
    text =
        "DH group 2 (MODP-1024) is weak: a recording of it can be broken by those with the means";
  }
  if (suite.hash == IkeHash::kMd5) {
    text += (text.empty() ? "" : "; ") + std::string("MD5 is weak");
  }
  if (text.empty()) return text;
  return text + "; give this client a group from MODP-2048 and a SHA2 hash, if it has them";
}

}  // namespace crypto::ike
