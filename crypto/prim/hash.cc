#include "crypto/prim/hash.h"

#include <botan/hash.h>

namespace crypto {

const char* NameOf(HashId id) {
  switch (id) {
    case HashId::kMd5:
      return "MD5";
    case HashId::kSha1:
      return "SHA-1";
    case HashId::kSha256:
      return "SHA-256";
    case HashId::kSha384:
      return "SHA-384";
    case HashId::kSha512:
      return "SHA-512";
    case HashId::kMd4:
      return "MD4";
  }
  return "";
}

namespace {

void HashInto(HashId id, std::initializer_list<ByteView> parts, ByteSpan out) {
  const auto hash = Botan::HashFunction::create_or_throw(NameOf(id));
  for (const ByteView part : parts) hash->update(stack::AsU8(part), part.size());
  hash->final(stack::AsU8(out));
}

}  // namespace

Digest Hash(HashId id, std::initializer_list<ByteView> parts) {
  Digest digest(HashSize(id));
  HashInto(id, parts, digest.span());
  return digest;
}

Secret HashSecret(HashId id, std::initializer_list<ByteView> parts) {
  Secret digest(HashSize(id));
  HashInto(id, parts, digest.span());
  return digest;
}

}  // namespace crypto
