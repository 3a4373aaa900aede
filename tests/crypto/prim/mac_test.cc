// HMAC against RFC 2202, RFC 4231, Wycheproof and ACVP.
#include "crypto/prim/mac.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/support/vectors.h"

namespace crypto {
namespace {

using stack::AsBytes;
using stack::Bytes;
using stack::FromHex;
using stack::ToHex;

struct RfcCase {
  HashId id;
  std::string key, message;  // message as text, key in hex
  const char* tag;
};

const RfcCase kRfcCases[] = {
    // RFC 2202 section 2, cases 1, 2
    {HashId::kMd5, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There",
     "9294727a3638bb1c13f48ef8158bfc9d"},
    {HashId::kMd5, "4a656665", "what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"},
    // RFC 2202 section 3, cases 1, 2
    {HashId::kSha1, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There",
     "b617318655057264e28bc0b6fb378c8ef146be00"},
    {HashId::kSha1, "4a656665", "what do ya want for nothing?",
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    // RFC 4231 section 4.3, case 2 (the key is shorter than the hash)
    {HashId::kSha256, "4a656665", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {HashId::kSha384, "4a656665", "what do ya want for nothing?",
     "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
     "8e2240ca5e69e2c78b3239ecfab21649"},
    {HashId::kSha512, "4a656665", "what do ya want for nothing?",
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
     "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
};

TEST(Hmac, GivesTheRfcsValues) {
  for (const RfcCase& c : kRfcCases) {
    const Bytes key = FromHex(c.key);
    EXPECT_EQ(ToHex(HmacOf(c.id, key, {AsBytes(c.message)}).view()), c.tag);
    Bytes tag(HashSize(c.id));
    HmacFunction(c.id).Sign(key, AsBytes(c.message), tag);
    EXPECT_EQ(ToHex(tag), c.tag);
  }
}

// RFC 2202 section 3 case 6 and RFC 4231 section 4.7: a key longer than the hash's block.
TEST(Hmac, HashesLongKeysFirst) {
  const Bytes key80(80, std::byte{0xaa}), key131(131, std::byte{0xaa});
  const char* const kMessage = "Test Using Larger Than Block-Size Key - Hash Key First";
  EXPECT_EQ(ToHex(HmacOf(HashId::kSha1, key80, {AsBytes(kMessage)}).view()),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112");
  EXPECT_EQ(ToHex(HmacOf(HashId::kSha256, key131, {AsBytes(kMessage)}).view()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hmac, TakesKeysOfAnyLength) {
  EXPECT_EQ(HmacOf(HashId::kSha1, {}, {}).size(), 20u);
  const Bytes huge(10000, std::byte{1});
  const Digest hashed = Hash(HashId::kSha1, {huge});
  EXPECT_TRUE(HmacOf(HashId::kSha1, huge, {AsBytes("m")}) ==
              HmacOf(HashId::kSha1, hashed.view(), {AsBytes("m")}));
}

TEST(Hmac, StartsAfreshAfterFinalAndVerify) {
  Hmac hmac(HashId::kSha1, AsBytes("key"));
  const Secret expected = HmacOf(HashId::kSha1, AsBytes("key"), {AsBytes("message")});
  for (int round = 0; round < 3; ++round) {
    hmac.Update(AsBytes("mess"));
    hmac.Update(AsBytes("age"));
    Secret tag(hmac.size());
    hmac.Final(tag.span());
    EXPECT_TRUE(tag == expected);
    hmac.Update(AsBytes("message"));
    EXPECT_TRUE(hmac.Verify(expected.view()));
  }
}

TEST(Hmac, TruncatesToTheLeft) {
  Hmac hmac(HashId::kSha256, AsBytes("key"));
  const Secret whole = HmacOf(HashId::kSha256, AsBytes("key"), {AsBytes("message")});
  std::array<std::byte, 16> tag;
  hmac.Update(AsBytes("message"));
  hmac.Final(tag);
  EXPECT_TRUE(ConstantTimeEqual(tag, whole.view().first(16)));
}

TEST(Hmac, RefusesEveryWrongTag) {
  Hmac hmac(HashId::kSha1, AsBytes("key"));
  const auto verify = [&hmac](ByteView tag) {
    hmac.Update(AsBytes("message"));
    return hmac.Verify(tag);
  };
  const Secret right = HmacOf(HashId::kSha1, AsBytes("key"), {AsBytes("message")});
  ASSERT_TRUE(verify(right.view().first(12)));
  for (size_t bit = 0; bit < 96; ++bit) {
    Bytes wrong = stack::ToBytes(right.view().first(12));
    wrong[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(verify(wrong)) << bit;
  }
  EXPECT_FALSE(verify({}));
  const Secret longer = Secret::Concat({right.view(), AsBytes("x")});
  EXPECT_FALSE(verify(longer.view()));
}

TEST(Hmac, CanBeMoved) {
  Hmac first(HashId::kSha1, AsBytes("key"));
  Hmac second = std::move(first);
  second.Update(AsBytes("message"));
  EXPECT_TRUE(second.Verify(HmacOf(HashId::kSha1, AsBytes("key"), {AsBytes("message")}).view()));
}

// The keys of two SAs take turns on one hash.
TEST(HmacFunction, KeysDoNotGetInEachOthersWay) {
  HmacFunction hmac(HashId::kSha1);
  const ByteView a = AsBytes("a"), b = AsBytes("b");
  const Secret of_a = HmacOf(HashId::kSha1, a, {AsBytes("message")});
  const Secret of_b = HmacOf(HashId::kSha1, b, {AsBytes("message")});
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(hmac.Verify(a, AsBytes("message"), of_a.view()));
    EXPECT_FALSE(hmac.Verify(a, AsBytes("message"), of_b.view()));
    EXPECT_TRUE(hmac.Verify(b, AsBytes("message"), of_b.view().first(12)));
  }
}

TEST(HmacFunction, RefusesEveryWrongTag) {
  HmacFunction hmac(HashId::kSha256);
  const ByteView key = AsBytes("key");
  Bytes tag(16);
  hmac.Sign(key, AsBytes("message"), tag);
  ASSERT_TRUE(hmac.Verify(key, AsBytes("message"), tag));
  for (size_t bit = 0; bit < tag.size() * 8; ++bit) {
    Bytes wrong = tag;
    wrong[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(hmac.Verify(key, AsBytes("message"), wrong)) << bit;
  }
  EXPECT_FALSE(hmac.Verify(key, AsBytes("message"), {}));
  EXPECT_FALSE(hmac.Verify(key, AsBytes("message"), Bytes(33)));
}

void RunWycheproof(HashId id, const std::string& path) {
  int valid = 0, invalid = 0;
  const auto file = test::ReadJson(path);
  for (const auto& group : file["testGroups"]) {
    for (const auto& t : group["tests"]) {
      Hmac hmac(id, FromHex(t["key"].get<std::string>()));
      hmac.Update(FromHex(t["msg"].get<std::string>()));
      const bool is_valid = t["result"] == "valid";
      const Bytes tag = FromHex(t["tag"].get<std::string>());
      EXPECT_EQ(hmac.Verify(tag), is_valid) << t["tcId"];
      EXPECT_EQ(HmacFunction(id).Verify(FromHex(t["key"].get<std::string>()),
                                        FromHex(t["msg"].get<std::string>()), tag),
                is_valid)
          << t["tcId"];
      ++(is_valid ? valid : invalid);
    }
  }
  EXPECT_GT(valid, 50);
  EXPECT_GT(invalid, 50);
}

TEST(HmacVectors, WycheproofSha1) {
  ADIT_NEED_VECTORS("wycheproof/hmac_sha1_test.json.gz", path);
  RunWycheproof(HashId::kSha1, path);
}
TEST(HmacVectors, WycheproofSha256) {
  ADIT_NEED_VECTORS("wycheproof/hmac_sha256_test.json.gz", path);
  RunWycheproof(HashId::kSha256, path);
}
TEST(HmacVectors, WycheproofSha384) {
  ADIT_NEED_VECTORS("wycheproof/hmac_sha384_test.json.gz", path);
  RunWycheproof(HashId::kSha384, path);
}
TEST(HmacVectors, WycheproofSha512) {
  ADIT_NEED_VECTORS("wycheproof/hmac_sha512_test.json.gz", path);
  RunWycheproof(HashId::kSha512, path);
}

void RunAcvp(HashId id, const std::string& path) {
  int run = 0;
  const auto file = test::ReadJson(path);
  for (const auto& group : file["testGroups"]) {
    const size_t key_bits = group["keyLen"], message_bits = group["msgLen"],
                 tag_bits = group["macLen"];
    if (key_bits % 8 != 0 || message_bits % 8 != 0 || tag_bits % 8 != 0) continue;
    for (const auto& t : group["tests"]) {
      Hmac hmac(id, FromHex(t["key"].get<std::string>()));
      hmac.Update(FromHex(t["msg"].get<std::string>()));
      Bytes tag(tag_bits / 8);
      hmac.Final(tag);
      EXPECT_EQ(tag, FromHex(t["mac"].get<std::string>())) << t["tcId"];
      Bytes again(tag.size());
      HmacFunction(id).Sign(FromHex(t["key"].get<std::string>()),
                            FromHex(t["msg"].get<std::string>()), again);
      EXPECT_EQ(again, tag) << t["tcId"];
      ++run;
    }
  }
  EXPECT_GT(run, 50);
}

TEST(HmacVectors, AcvpSha1) {
  ADIT_NEED_VECTORS("acvp/HMAC-SHA-1-1.0.internalProjection.json.gz", path);
  RunAcvp(HashId::kSha1, path);
}
TEST(HmacVectors, AcvpSha256) {
  ADIT_NEED_VECTORS("acvp/HMAC-SHA2-256-1.0.internalProjection.json.gz", path);
  RunAcvp(HashId::kSha256, path);
}
TEST(HmacVectors, AcvpSha384) {
  ADIT_NEED_VECTORS("acvp/HMAC-SHA2-384-1.0.internalProjection.json.gz", path);
  RunAcvp(HashId::kSha384, path);
}
TEST(HmacVectors, AcvpSha512) {
  ADIT_NEED_VECTORS("acvp/HMAC-SHA2-512-1.0.internalProjection.json.gz", path);
  RunAcvp(HashId::kSha512, path);
}

}  // namespace
}  // namespace crypto
