#include "crypto/prim/secret.h"

#include <botan/mem_ops.h>

#include <cstring>

namespace crypto {

bool ConstantTimeEqual(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  if (a.empty()) return true;
  return Botan::constant_time_compare(stack::AsU8(a), stack::AsU8(b), a.size());
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
