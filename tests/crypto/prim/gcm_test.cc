// AES-GCM against NIST's ACVP and Wycheproof, and what its owner counts on when a message is
// forged.
#include "crypto/prim/gcm.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/support/rng.h"
#include "tests/support/vectors.h"

namespace crypto {
namespace {

using stack::AsBytes;
using stack::Bytes;
using stack::FromHex;
using stack::ToHex;

GcmCipher Make(Direction direction, ByteView key) {
  auto cipher = GcmCipher::Create(direction, key);
  EXPECT_TRUE(cipher.ok());
  return *std::move(cipher);
}

struct Vector {
  Bytes key, nonce, associated, clear, ciphered, tag;
};

void ExpectSeals(const Vector& v, const std::string& name) {
  GcmCipher cipher = Make(Direction::kEncrypt, v.key);
  Bytes text = v.clear, tag(kGcmTagSize);
  ASSERT_TRUE(cipher.Seal(v.nonce, v.associated, text, tag));
  EXPECT_EQ(ToHex(text), ToHex(v.ciphered)) << name;
  EXPECT_EQ(ToHex(tag), ToHex(v.tag)) << name;
}
void ExpectOpens(const Vector& v, const std::string& name) {
  GcmCipher cipher = Make(Direction::kDecrypt, v.key);
  Bytes text = v.ciphered;
  ASSERT_TRUE(cipher.Open(v.nonce, v.associated, text, v.tag)) << name;
  EXPECT_EQ(ToHex(text), ToHex(v.clear)) << name;
}

// The GCM specification's test case 4: AES-128, associated data, no whole block at the end.
TEST(GcmCipher, GivesTheSpecificationsValue) {
  const Vector v{FromHex("feffe9928665731c6d6a8f9467308308"),
                 FromHex("cafebabefacedbaddecaf888"),
                 FromHex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
                 FromHex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c959"
                         "56809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"),
                 FromHex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25"
                         "466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"),
                 FromHex("5bc94fbc3221a5db94fae95ae7121a47")};
  ExpectSeals(v, "");
  ExpectOpens(v, "");
}

TEST(GcmCipher, RefusesKeysAndSizesThatCannotBe) {
  for (const size_t size : {0, 8, 15, 17, 20, 31, 33, 64}) {
    EXPECT_FALSE(GcmCipher::Create(Direction::kEncrypt, Bytes(size)).ok());
  }
  GcmCipher seals = Make(Direction::kEncrypt, Bytes(16)),
            opens = Make(Direction::kDecrypt, Bytes(16));
  Bytes text(5), tag(16), short_tag(12);
  EXPECT_FALSE(seals.Seal(Bytes(11), {}, text, tag));
  EXPECT_FALSE(seals.Seal(Bytes(12), {}, text, short_tag));
  EXPECT_FALSE(opens.Seal(Bytes(12), {}, text, tag));
  EXPECT_FALSE(seals.Open(Bytes(12), {}, text, tag));
  EXPECT_EQ(text, Bytes(5));
}

// Every size around the granules in which the library works, both ways, under one key.
TEST(GcmCipher, RoundTripsEveryLength) {
  test::FixedRng rng;
  Bytes key(32);
  rng.Fill(key);
  GcmCipher seals = Make(Direction::kEncrypt, key), opens = Make(Direction::kDecrypt, key);
  for (size_t size = 0; size < 300; ++size) {
    Bytes nonce(12), clear(size), tag(16);
    stack::Store32(nonce.data(), static_cast<uint32_t>(size));
    rng.Fill(clear);
    Bytes text = clear;
    ASSERT_TRUE(seals.Seal(nonce, AsBytes("head"), text, tag));
    EXPECT_TRUE(size < 8 || text != clear);
    ASSERT_TRUE(opens.Open(nonce, AsBytes("head"), text, tag));
    ASSERT_EQ(text, clear);
  }
}

// Every bit counts, and what was forged leaves the cipher as good as it was.
TEST(GcmCipher, RefusesEveryFlippedBit) {
  GcmCipher seals = Make(Direction::kEncrypt, Bytes(16)),
            opens = Make(Direction::kDecrypt, Bytes(16));
  Bytes message(8 + 12 + 75 + 16);  // associated, nonce, text, tag
  const auto part = [](Bytes& of, size_t at, size_t size) {
    return ByteSpan(of).subspan(at, size);
  };
  ASSERT_TRUE(seals.Seal(part(message, 8, 12), part(message, 0, 8), part(message, 20, 75),
                         part(message, 95, 16)));
  const auto opens_it = [&](Bytes m) {
    return opens.Open(part(m, 8, 12), part(m, 0, 8), part(m, 20, 75), part(m, 95, 16));
  };
  for (size_t bit = 0; bit < message.size() * 8; ++bit) {
    Bytes wrong = message;
    wrong[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(opens_it(wrong)) << bit;
    if (bit % 97 == 0) {
      EXPECT_TRUE(opens_it(message));
    }
  }
  EXPECT_TRUE(opens_it(message));
}

Vector Read(const nlohmann::json& t, const char* clear, const char* ciphered) {
  const auto hex = [&t](const char* name) { return FromHex(t.value(name, "")); };
  return {hex("key"), hex("iv"), hex("aad"), hex(clear), hex(ciphered), hex("tag")};
}

TEST(GcmCipherVectors, Wycheproof) {
  ADIT_NEED_VECTORS("wycheproof/aes_gcm_test.json.gz", path);
  int valid = 0, invalid = 0;
  const auto file = test::ReadJson(path);
  for (const auto& group : file["testGroups"]) {
    if (group["ivSize"] != 96 || group["tagSize"] != 128) continue;  // ESP has no others
    for (const auto& t : group["tests"]) {
      const Vector v = Read(t, "msg", "ct");
      const std::string name = "case " + std::to_string(t["tcId"].get<int>());
      if (t["result"] == "valid") {
        ExpectSeals(v, name);
        ExpectOpens(v, name);
        ++valid;
      } else {
        Bytes text = v.ciphered;
        EXPECT_FALSE(Make(Direction::kDecrypt, v.key).Open(v.nonce, v.associated, text, v.tag))
            << name;
        ++invalid;
      }
    }
  }
  EXPECT_GT(valid, 100);
  EXPECT_GT(invalid, 50);
}

TEST(GcmCipherVectors, Acvp) {
  ADIT_NEED_VECTORS("acvp/ACVP-AES-GCM-1.0.internalProjection.json.gz", path);
  int sealed = 0, opened = 0, refused = 0;
  const auto file = test::ReadJson(path);
  for (const auto& group : file["testGroups"]) {
    if (group["ivLen"] != 96 || group["tagLen"] != 128) continue;
    for (const auto& t : group["tests"]) {
      const Vector v = Read(t, "pt", "ct");
      const std::string name = "case " + std::to_string(t["tcId"].get<int>());
      if (group["direction"] == "encrypt") {
        ExpectSeals(v, name);
        ++sealed;
      } else if (t.value("testPassed", true)) {
        ExpectOpens(v, name);
        ++opened;
      } else {
        Bytes text = v.ciphered;
        EXPECT_FALSE(Make(Direction::kDecrypt, v.key).Open(v.nonce, v.associated, text, v.tag))
            << name;
        ++refused;
      }
    }
  }
  EXPECT_EQ(sealed, 15);
  EXPECT_EQ(opened, 12);
  EXPECT_EQ(refused, 3);
}

}  // namespace
}  // namespace crypto
