// Hash functions in one shot: IKE (RFC 2409), NAT-D (RFC 3947), CHAP and MS-CHAPv2 (RFC 1994,
// 2759).
//
// Costs about a microsecond for the hash object besides the data: for session set-up. What is
// hashed per packet goes through a reused Hmac (mac.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "crypto/prim/secret.h"

namespace crypto {

enum class HashId : uint8_t {
  kMd5,
  kSha1,
  kSha256,
  kSha384,
  kSha512,
  kMd4,  // the NT password hash asks for it; nothing else may
};
inline constexpr size_t kHashCount = 6;

inline constexpr size_t kMaxHashSize = 64;

// "MD5", "SHA-1", "SHA-256", ...
const char* NameOf(HashId id);

// Octets of the hash's output.
constexpr size_t HashSize(HashId id) {
  switch (id) {
    case HashId::kMd5:
    case HashId::kMd4:
      return 16;
    case HashId::kSha1:
      return 20;
    case HashId::kSha256:
      return 32;
    case HashId::kSha384:
      return 48;
    case HashId::kSha512:
      return 64;
  }
  return 0;
}

// A hash value that is no secret: up to 64 octets held in place.
class Digest {
 public:
  explicit Digest(size_t size) : size_(size) {}
  ByteView view() const { return {bytes_.data(), size_}; }
  ByteSpan span() { return {bytes_.data(), size_}; }
  size_t size() const { return size_; }
  friend bool operator==(const Digest& a, const Digest& b) {
    return ConstantTimeEqual(a.view(), b.view());
  }

 private:
  std::array<std::byte, kMaxHashSize> bytes_{};
  size_t size_;
};

// The hash of all `parts`, one after the other.
Digest Hash(HashId id, std::initializer_list<ByteView> parts);

// The same where the output is itself a key or a password's equivalent.
Secret HashSecret(HashId id, std::initializer_list<ByteView> parts);

}  // namespace crypto
