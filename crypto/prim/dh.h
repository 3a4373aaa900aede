// Diffie-Hellman for IKE: MODP groups (RFC 2409 section 6, RFC 3526) and ECP groups (RFC 5903).
//
// Generating and agreeing cost 0.1 to 5 ms, thousands of packets: these are plain blocking
// functions, called by the crew threads and never by a shard. All may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "crypto/prim/secret.h"

namespace crypto {

// The numbers of the IANA registry "Group Description" (IKE attribute 4), as they stand on the
// wire.
enum class Group : uint16_t {
  kModp1024 = 2,
  kModp1536 = 5,
  kModp2048 = 14,
  kModp3072 = 15,
  kModp4096 = 16,
  kEcp256 = 19,
  kEcp384 = 20,
};

// Octets of a public value on the wire: |p| for MODP, x and y for ECP (RFC 5903 section 7).
// Zero for a number that is no group of ours.
constexpr size_t PublicValueSize(Group group) {
  switch (group) {
    case Group::kModp1024:
      return 128;
    case Group::kModp1536:
      return 192;
    case Group::kModp2048:
      return 256;
    case Group::kModp3072:
      return 384;
    case Group::kModp4096:
      return 512;
    case Group::kEcp256:
      return 64;
    case Group::kEcp384:
      return 96;
  }
  return 0;
}

// Octets of the shared secret: |p| for MODP, the x coordinate alone for ECP.
constexpr size_t SharedSecretSize(Group group) {
  const bool is_ecp = group == Group::kEcp256 || group == Group::kEcp384;
  return is_ecp ? PublicValueSize(group) / 2 : PublicValueSize(group);
}

// A private key with its public value. Ephemeral: made for one exchange.
class DhKeyPair {
 public:
  DhKeyPair(DhKeyPair&&) noexcept;
  DhKeyPair& operator=(DhKeyPair&&) noexcept;
  ~DhKeyPair();

  Group group() const { return group_; }
  // What goes into the KE payload, PublicValueSize(group()) octets with leading zeros.
  ByteView public_value() const;
  // The secret shared with the owner of `peer_public`, SharedSecretSize(group()) octets with
  // leading zeros. InvalidArgument if `peer_public` has the wrong length or is no usable element of
  // the group: for MODP 0, 1, p-1 and everything from p on, for ECP a point off the curve.
  absl::StatusOr<Secret> Agree(ByteView peer_public) const;

 private:
  struct Impl;
  friend absl::StatusOr<DhKeyPair> GenerateDh(Group group);
  friend absl::StatusOr<DhKeyPair> LoadDh(Group group, ByteView private_value);
  DhKeyPair(Group group, std::unique_ptr<Impl> impl);

  Group group_;
  std::unique_ptr<Impl> impl_;
};

// A fresh key pair, from the calling thread's own generator. InvalidArgument for an unknown group.
absl::StatusOr<DhKeyPair> GenerateDh(Group group);

// The key pair of a private value that is already there (big-endian): recorded sessions, test
// vectors.
absl::StatusOr<DhKeyPair> LoadDh(Group group, ByteView private_value);

}  // namespace crypto
