// Which of the library's ways, and why.
//
// MODP: power_mod. It is what the library's own DH agreement (PK_Key_Agreement) computes, less the
// blinding around it, which costs a second exponentiation and an inversion: 0.68 ms instead
// of 2.18 for MODP-2048, measured one after the other. It is Montgomery's, with a fixed window of 4
// bits for every digit of the exponent, and reads the whole window table each time to pick an entry
// by masks: neither its time nor its trace in the cache depends on the exponent, but for the number
// of its bits. Blinding is there for exponents that are used again and again on values an attacker
// picks, so that he could add up traces; here each exponent is fresh and serves one exchange.
//
// ECP: ECDH_PrivateKey through PK_Key_Agreement, which multiplies a point with randomised
// coordinates by a blinded scalar. The library has no way that is faster and still constant. But
// the blinding draws more random octets than all else that a login needs, and with HMAC_DRBG they
// were a fifth of the time: they come from ChaCha20, seeded by the kernel, 0.34 ms instead of 0.40
// for ECP-256. The private values themselves are HMAC_DRBG's.
//
// All MODP groups here have p = 2q + 1 with q prime, so that after the range check only the
// subgroups of q and 2q elements remain, and none that would confine the secret (RFC 2412 section
// E, RFC 6989).
#include "crypto/prim/dh.h"

#include <botan/chacha_rng.h>
#include <botan/dh.h>
#include <botan/ecdh.h>
#include <botan/numthry.h>
#include <botan/pubkey.h>

#include <exception>

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

// Only for ECP groups. Looking one up by its name costs a fifth of a key pair.
const Botan::EC_Group& EcpGroup(Group group) {
  static const Botan::EC_Group ecp256(NameOf(Group::kEcp256)), ecp384(NameOf(Group::kEcp384));
  return group == Group::kEcp256 ? ecp256 : ecp384;
}

// One generator a thread: it has a lock, which the crew threads would fight for.
Botan::RandomNumberGenerator& ThreadRng() {
  thread_local SeededRng rng;
  return rng.get();
}

// For blinding, see above; one a thread as well.
Botan::RandomNumberGenerator& BlindingRng() {
  thread_local KernelRng kernel;
  thread_local Botan::ChaCha_RNG rng(kernel);
  return rng;
}

}  // namespace

struct DhKeyPair::Impl {
  std::unique_ptr<Botan::DH_PrivateKey> modp;  // one of the two
  std::unique_ptr<Botan::ECDH_PrivateKey> ecp;
  std::vector<uint8_t> public_value;  // as on the wire

  // A key pair of `private_value`; a fresh one if that is zero.
  static std::unique_ptr<Impl> Make(Group group, const Botan::BigInt& private_value) {
    auto impl = std::make_unique<Impl>();
    if (IsEcp(group)) {
      const Botan::EC_Group& curve = EcpGroup(group);
      impl->ecp = std::make_unique<Botan::ECDH_PrivateKey>(
          BlindingRng(), curve,
          private_value != 0 ? private_value
                             : Botan::BigInt::random_integer(ThreadRng(), 1, curve.get_order()));
      impl->public_value = impl->ecp->public_value();
      impl->public_value.erase(impl->public_value.begin());
    } else {
      impl->modp =
          std::make_unique<Botan::DH_PrivateKey>(ThreadRng(), ModpGroup(group), private_value);
      impl->public_value = impl->modp->public_value();
    }
    return impl;
  }

  // RFC 2631 section 2.1.5 and RFC 6989 section 2.1: 1 < y < p - 1.
  absl::StatusOr<Secret> AgreeModp(ByteView peer_public) const {
    const Botan::BigInt& p = modp->group_p();
    const Botan::BigInt y(stack::AsU8(peer_public), peer_public.size());
    if (y <= 1 || y >= p - 1) return absl::InvalidArgumentError("public value out of range");
    const Botan::BigInt shared = Botan::power_mod(y, modp->get_x(), p);
    return SecretOf(Botan::BigInt::encode_1363(shared, p.bytes()));
  }

  // The library checks that the point is on the curve as it decodes it.
  absl::StatusOr<Secret> AgreeEcp(ByteView peer_public) const {
    std::vector<uint8_t> point = {kUncompressedPoint};
    point.insert(point.end(), stack::AsU8(peer_public),
                 stack::AsU8(peer_public) + peer_public.size());
    const Botan::PK_Key_Agreement agreement(*ecp, BlindingRng(), "Raw");
    return SecretOf(agreement.derive_key(0, point).bits_of());
  }

  static Secret SecretOf(const Botan::secure_vector<uint8_t>& octets) {
    return Secret(stack::AsBytes(octets.data(), octets.size()));
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
  try {
    auto shared = impl_->modp ? impl_->AgreeModp(peer_public) : impl_->AgreeEcp(peer_public);
    if (shared.ok() && shared->size() != SharedSecretSize(group_)) {
      return absl::InternalError("secret not padded");
    }
    return shared;
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
