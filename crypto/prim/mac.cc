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

namespace {

// A hash object weighs ten times its key, and is back in its first state after every message: so a
// thread has one of each kind. No message is ever left half-way in it.
Botan::HashFunction& HashOfThread(HashId id) {
  thread_local std::array<std::unique_ptr<Botan::HashFunction>, kHashCount> hashes;
  std::unique_ptr<Botan::HashFunction>& hash = hashes[static_cast<size_t>(id)];
  if (hash == nullptr) hash = Botan::HashFunction::create_or_throw(NameOf(id));
  return *hash;
}

// RFC 2104: H(K xor opad, H(K xor ipad, message)).
std::array<std::byte, kMaxHashSize> Compute(HashId id, ByteView pads, ByteView message) {
  Botan::HashFunction& hash = HashOfThread(id);
  const size_t block = pads.size() / 2;
  std::array<std::byte, kMaxHashSize> digest;
  uint8_t* const octets = stack::AsU8(ByteSpan(digest));
  hash.update(stack::AsU8(pads), block);
  hash.update(stack::AsU8(message), message.size());
  hash.final(octets);
  hash.update(stack::AsU8(pads) + block, block);
  hash.update(octets, HashSize(id));
  hash.final(octets);
  return digest;
}

}  // namespace

HmacKey::HmacKey(HashId id, ByteView key) : id_(id), pads_(2 * HashOfThread(id).hash_block_size()) {
  const size_t block = pads_.size() / 2;
  const Secret hashed = key.size() > block ? HashSecret(id, {key}) : Secret();
  const ByteView ready = key.size() > block ? hashed.view() : key;
  const ByteSpan pads = pads_.span();
  std::copy(ready.begin(), ready.end(), pads.begin());
  std::copy(ready.begin(), ready.end(), pads.begin() + static_cast<ptrdiff_t>(block));
  for (std::byte& octet : pads.first(block)) octet ^= std::byte{0x36};
  for (std::byte& octet : pads.subspan(block)) octet ^= std::byte{0x5c};
}

void HmacKey::Sign(ByteView message, ByteSpan tag) const {
  const auto digest = Compute(id_, pads_.view(), message);
  std::copy_n(digest.begin(), std::min(tag.size(), HashSize(id_)), tag.begin());
}

bool HmacKey::Verify(ByteView message, ByteView tag) const {
  if (tag.empty() || tag.size() > HashSize(id_)) return false;
  const auto digest = Compute(id_, pads_.view(), message);
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
