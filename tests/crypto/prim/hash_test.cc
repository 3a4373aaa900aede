#include "crypto/prim/hash.h"

#include <gtest/gtest.h>

namespace crypto {
namespace {

using stack::AsBytes;
using stack::ToHex;

// "abc": RFC 1320 and 1321 appendix A.5, FIPS 180-4 examples.
TEST(Hash, GivesTheStandardsOwnValues) {
  const struct {
    HashId id;
    const char* hash;
  } kCases[] = {
      {HashId::kMd4, "a448017aaf21d8525fc10ae87aa6729d"},
      {HashId::kMd5, "900150983cd24fb0d6963f7d28e17f72"},
      {HashId::kSha1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {HashId::kSha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {HashId::kSha384,
       "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
       "8086072ba1e7cc2358baeca134c825a7"},
      {HashId::kSha512,
       "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
       "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
  };
  for (const auto& c : kCases) {
    const Digest digest = Hash(c.id, {AsBytes("abc")});
    EXPECT_EQ(ToHex(digest.view()), c.hash);
    EXPECT_EQ(digest.size(), HashSize(c.id));
    EXPECT_EQ(ToHex(HashSecret(c.id, {AsBytes("abc")}).view()), c.hash);
  }
}

TEST(Hash, TakesPartsAsOneMessage) {
  const Digest whole = Hash(HashId::kSha1, {AsBytes("abc")});
  EXPECT_EQ(Hash(HashId::kSha1, {AsBytes("a"), ByteView(), AsBytes("bc")}), whole);
  EXPECT_FALSE(Hash(HashId::kSha1, {AsBytes("ab")}) == whole);
}

TEST(Hash, OfNothing) {
  EXPECT_EQ(ToHex(Hash(HashId::kMd5, {}).view()), "d41d8cd98f00b204e9800998ecf8427e");
}

}  // namespace
}  // namespace crypto
