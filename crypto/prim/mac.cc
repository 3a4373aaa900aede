#include "crypto/prim/mac.h"

#include <botan/mac.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace crypto {
namespace {

const char* NameOf(HashId id) {
  switch (id) {
    case HashId::kMd5:
      return "HMAC(MD5)";
    case HashId::kSha1:
      return "HMAC(SHA-1)";
    case HashId::kSha256:
      return "HMAC(SHA-256)";
    case HashId::kSha384:
      return "HMAC(SHA-384)";
    case HashId::kSha512:
      return "HMAC(SHA-512)";
    case HashId::kMd4:
      return "HMAC(MD4)";
  }
  return "";
}

// The library refuses keys beyond 4096 octets; RFC 2104 hashes everything beyond a block.
constexpr size_t kLongKey = 128;  // the longest block, of SHA-512

}  // namespace

struct Hmac::Impl {
  std::unique_ptr<Botan::MessageAuthenticationCode> mac;
};

Hmac::Hmac(HashId id, ByteView key)
    : impl_(new Impl{Botan::MessageAuthenticationCode::create_or_throw(NameOf(id))}),
      size_(HashSize(id)) {
  if (key.size() > kLongKey) {
    const Secret hashed = HashSecret(id, {key});
    impl_->mac->set_key(stack::AsU8(hashed.view()), hashed.size());
  } else {
    impl_->mac->set_key(stack::AsU8(key), key.size());
  }
}

Hmac::Hmac(Hmac&&) noexcept = default;
Hmac& Hmac::operator=(Hmac&&) noexcept = default;
Hmac::~Hmac() = default;

void Hmac::Update(ByteView bytes) { impl_->mac->update(stack::AsU8(bytes), bytes.size()); }

void Hmac::Final(ByteSpan out) {
  if (out.size() >= size_) {
    impl_->mac->final(stack::AsU8(out));
    return;
  }
  std::array<std::byte, kMaxHashSize> whole;
  impl_->mac->final(stack::AsU8(ByteSpan(whole)));
  std::copy_n(whole.begin(), out.size(), out.begin());
}

bool Hmac::Verify(ByteView tag) {
  std::array<std::byte, kMaxHashSize> whole;
  impl_->mac->final(stack::AsU8(ByteSpan(whole)));
  if (tag.empty() || tag.size() > size_) return false;
  return ConstantTimeEqual(tag, ByteView(whole).first(tag.size()));
}

Secret HmacOf(HashId id, ByteView key, std::initializer_list<ByteView> parts) {
  Hmac hmac(id, key);
  for (const ByteView part : parts) hmac.Update(part);
  Secret out(hmac.size());
  hmac.Final(out.span());
  return out;
}

}  // namespace crypto
