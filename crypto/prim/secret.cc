#include "crypto/prim/secret.h"

#include <botan/mem_ops.h>

#include <cstring>

namespace crypto {
namespace {

// The compiler must take `value` for any number at all: or it might see that a difference, once
// found, is there to stay, and end a loop early.
void Hide(uint64_t& value) { __asm__ volatile("" : "+r"(value)); }

}  // namespace

// Eight octets at a time: the library's goes octet by octet through memory, which takes longer than
// AES-GCM needs for a small packet.
bool ConstantTimeEqual(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  uint64_t difference = 0;
  while (a.size() >= sizeof(difference)) {
    difference |= stack::Load64(a.data()) ^ stack::Load64(b.data());
    a = a.subspan(sizeof(difference));
    b = b.subspan(sizeof(difference));
    Hide(difference);
  }
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<uint64_t>(a[i] ^ b[i]);
    Hide(difference);
  }
  return difference == 0;
}

void Scrub(ByteSpan bytes) {
  if (!bytes.empty()) Botan::secure_scrub_memory(bytes.data(), bytes.size());
}

Secret::Secret(size_t size)
    : bytes_(size == 0 ? nullptr : std::make_unique<std::byte[]>(size)), size_(size) {}

Secret::Secret(ByteView bytes) : Secret(bytes.size()) {
  if (!bytes.empty()) std::memcpy(bytes_.get(), bytes.data(), bytes.size());
}

Secret Secret::Concat(std::initializer_list<ByteView> parts) {
  size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  Secret all(size);
  stack::Writer out(all.span());
  for (const ByteView part : parts) out.Put(part);
  return all;
}

void Secret::Clear() {
  Scrub(span());
  bytes_.reset();
  size_ = 0;
}

}  // namespace crypto
