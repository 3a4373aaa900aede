#include "crypto/prim/mac.h"

#include <botan/hash.h>
#include <botan/mac.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

namespace crypto {
namespace {

// The library refuses keys beyond 4096 octets; RFC 2104 hashes everything beyond a block.
constexpr size_t kLongKey = 128;  // the longest block, of SHA-512

}  // namespace

struct Hmac::Impl {
  std::unique_ptr<Botan::MessageAuthenticationCode> mac;
};

Hmac::Hmac(HashId id, ByteView key)
    : impl_(new Impl{Botan::MessageAuthenticationCode::create_or_throw(std::string("HMAC(") +
                                                                       NameOf(id) + ")")}),
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

// ---- Many keys, one hash ----------------------------------------------------------------------

// A hash object weighs ten times its key, and is back in its first state after every message. No
// message is ever left half-way in it.
struct HmacFunction::Impl {
  HashId id;
  std::unique_ptr<Botan::HashFunction> hash;
  size_t block;
  std::array<std::byte, kLongKey> padded{};  // the last key under a padding

  ~Impl() { Scrub(padded); }
  void Absorb(ByteView key, std::byte pad);
  std::array<std::byte, kMaxHashSize> Compute(ByteView key, ByteView message);
};

// The key, filled up to a block, under one of the two paddings of RFC 2104.
void HmacFunction::Impl::Absorb(ByteView key, std::byte pad) {
  std::fill_n(padded.begin(), block, pad);
  for (size_t i = 0; i < key.size(); ++i) padded[i] ^= key[i];
  hash->update(stack::AsU8(ByteSpan(padded)), block);
}

// RFC 2104: H(K xor opad, H(K xor ipad, message)).
std::array<std::byte, kMaxHashSize> HmacFunction::Impl::Compute(ByteView key, ByteView message) {
  if (key.size() > block) {
    const Secret hashed = HashSecret(id, {key});
    return Compute(hashed.view(), message);
  }
  std::array<std::byte, kMaxHashSize> digest;
  uint8_t* const octets = stack::AsU8(ByteSpan(digest));
  Absorb(key, std::byte{0x36});
  hash->update(stack::AsU8(message), message.size());
  hash->final(octets);
  Absorb(key, std::byte{0x5c});
  hash->update(octets, HashSize(id));
  hash->final(octets);
  return digest;
}

HmacFunction::HmacFunction(HashId id) {
  auto hash = Botan::HashFunction::create_or_throw(NameOf(id));
  const size_t block = hash->hash_block_size();
  impl_.reset(new Impl{.id = id, .hash = std::move(hash), .block = block});
}

HmacFunction::HmacFunction(HmacFunction&&) noexcept = default;
HmacFunction& HmacFunction::operator=(HmacFunction&&) noexcept = default;
HmacFunction::~HmacFunction() = default;

void HmacFunction::Sign(ByteView key, ByteView message, ByteSpan tag) {
  const auto digest = impl_->Compute(key, message);
  std::copy_n(digest.begin(), std::min(tag.size(), HashSize(impl_->id)), tag.begin());
}

bool HmacFunction::Verify(ByteView key, ByteView message, ByteView tag) {
  if (tag.empty() || tag.size() > HashSize(impl_->id)) return false;
  const auto digest = impl_->Compute(key, message);
  return ConstantTimeEqual(tag, ByteView(digest).first(tag.size()));
}

Secret HmacOf(HashId id, ByteView key, std::initializer_list<ByteView> parts) {
  Hmac hmac(id, key);
  for (const ByteView part : parts) hmac.Update(part);
  Secret out(hmac.size());
  hmac.Final(out.span());
  return out;
}

}  // namespace crypto
