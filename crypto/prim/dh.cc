// Which of the library's ways, and why: DH_PrivateKey/ECDH_PrivateKey through PK_Key_Agreement.
// The MODP exponentiation there is blinded and looks its window table up in constant time, and ECP
// multiplies a point with randomised coordinates and a blinded scalar, so neither time nor
// cache tells of the exponent. Plain exponentiation would take a third of the time, since a fresh
// key is used once and blinding is mostly for keys used often; that is left for a day when logins
// per second are what is missing.
//
// All MODP groups here have p = 2q + 1 with q prime, so that after the range check only the
// subgroups of q and 2q elements remain, and none that would confine the secret (RFC 2412 section
// E, RFC 6989).
#include "crypto/prim/dh.h"

#include <botan/dh.h>
#include <botan/ecdh.h>
#include <botan/pubkey.h>

#include <exception>
#include <optional>

#include "crypto/prim/seeded_rng.h"

namespace crypto {
namespace {

constexpr uint8_t kUncompressedPoint =
    4;  // SEC 1 section 2.3.3: in front of x and y; IKE leaves it out

// The library's name of a group; nullptr for a number that is none.
const char* NameOf(Group group) {
  switch (group) {
    case Group::kModp1024:
      return "modp/ietf/1024";
    case Group::kModp1536:
      return "modp/ietf/1536";
    case Group::kModp2048:
      return "modp/ietf/2048";
    case Group::kModp3072:
      return "modp/ietf/3072";
    case Group::kModp4096:
      return "modp/ietf/4096";
    case Group::kEcp256:
      return "secp256r1";
    case Group::kEcp384:
      return "secp384r1";
  }
  return nullptr;
}

// Reading a group and preparing it for Montgomery's arithmetic costs more than a key pair: done
// once.
template <Group kGroup>
const Botan::DL_Group& Prepared() {
  static const Botan::DL_Group prepared(NameOf(kGroup));
  return prepared;
}

// Only for MODP groups.
const Botan::DL_Group& ModpGroup(Group group) {
  switch (group) {
    case Group::kModp1024:
      return Prepared<Group::kModp1024>();
    case Group::kModp1536:
      return Prepared<Group::kModp1536>();
    case Group::kModp3072:
      return Prepared<Group::kModp3072>();
    case Group::kModp4096:
      return Prepared<Group::kModp4096>();
    default:
      return Prepared<Group::kModp2048>();
  }
}

bool IsEcp(Group group) { return group == Group::kEcp256 || group == Group::kEcp384; }

// One generator a thread: it has a lock, which the crew threads would fight for.
Botan::RandomNumberGenerator& ThreadRng() {
  thread_local SeededRng rng;
  return rng.get();
}

}  // namespace

struct DhKeyPair::Impl {
  std::unique_ptr<Botan::PK_Key_Agreement_Key> key;
  std::optional<Botan::BigInt> p;     // MODP only
  std::vector<uint8_t> public_value;  // as on the wire

  // A key pair of `private_value`; a fresh one if that is zero.
  static std::unique_ptr<Impl> Make(Group group, const Botan::BigInt& private_value) {
    auto impl = std::make_unique<Impl>();
    if (IsEcp(group)) {
      impl->key = std::make_unique<Botan::ECDH_PrivateKey>(
          ThreadRng(), Botan::EC_Group(NameOf(group)), private_value);
      impl->public_value = impl->key->public_value();
      impl->public_value.erase(impl->public_value.begin());
    } else {
      const Botan::DL_Group& modp = ModpGroup(group);
      impl->key = std::make_unique<Botan::DH_PrivateKey>(ThreadRng(), modp, private_value);
      impl->public_value = impl->key->public_value();
      impl->p = modp.get_p();
    }
    return impl;
  }

  // RFC 2631 section 2.1.5 and RFC 6989 section 2.1: 1 < y < p - 1. Points are checked to be on
  // the curve by the library as it decodes them.
  bool IsInRange(ByteView peer_public) const {
    if (!p.has_value()) return true;
    const Botan::BigInt y(stack::AsU8(peer_public), peer_public.size());
    return y > 1 && y < *p - 1;
  }
};

DhKeyPair::DhKeyPair(Group group, std::unique_ptr<Impl> impl)
    : group_(group), impl_(std::move(impl)) {}
DhKeyPair::DhKeyPair(DhKeyPair&&) noexcept = default;
DhKeyPair& DhKeyPair::operator=(DhKeyPair&&) noexcept = default;
DhKeyPair::~DhKeyPair() = default;

ByteView DhKeyPair::public_value() const {
  return stack::AsBytes(impl_->public_value.data(), impl_->public_value.size());
}

absl::StatusOr<Secret> DhKeyPair::Agree(ByteView peer_public) const {
  if (peer_public.size() != PublicValueSize(group_)) {
    return absl::InvalidArgumentError("public value of the wrong length");
  }
  if (!impl_->IsInRange(peer_public))
    return absl::InvalidArgumentError("public value out of range");
  std::vector<uint8_t> peer;
  if (IsEcp(group_)) peer.push_back(kUncompressedPoint);
  peer.insert(peer.end(), stack::AsU8(peer_public), stack::AsU8(peer_public) + peer_public.size());
  try {
    const Botan::PK_Key_Agreement agreement(*impl_->key, ThreadRng(), "Raw");
    const Botan::SymmetricKey key = agreement.derive_key(0, peer);
    if (key.length() != SharedSecretSize(group_)) return absl::InternalError("secret not padded");
    return Secret(stack::AsBytes(key.begin(), key.length()));
  } catch (const std::exception&) {
    return absl::InvalidArgumentError("public value is no element of the group");
  }
}

absl::StatusOr<DhKeyPair> GenerateDh(Group group) {
  if (NameOf(group) == nullptr) return absl::InvalidArgumentError("no such group");
  try {
    return DhKeyPair(group, DhKeyPair::Impl::Make(group, 0));
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
}

absl::StatusOr<DhKeyPair> LoadDh(Group group, ByteView private_value) {
  if (NameOf(group) == nullptr) return absl::InvalidArgumentError("no such group");
  if (private_value.size() > PublicValueSize(group)) {
    return absl::InvalidArgumentError("private value too long");
  }
  try {
    const Botan::BigInt x(stack::AsU8(private_value), private_value.size());
    if (x == 0) return absl::InvalidArgumentError("private value is zero");
    return DhKeyPair(group, DhKeyPair::Impl::Make(group, x));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(e.what());
  }
}

}  // namespace crypto
