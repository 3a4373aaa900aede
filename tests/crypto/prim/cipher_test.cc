// CBC against RFC 3602, NIST SP 800-38A, Wycheproof and ACVP.
#include "crypto/prim/cipher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tests/support/rng.h"
#include "tests/support/vectors.h"

namespace crypto {
namespace {

using stack::Bytes;
using stack::FromHex;
using stack::ToHex;

Bytes Cbc(CipherId id, Direction direction, ByteView key, ByteView iv, Bytes bytes) {
  auto cipher = CbcCipher::Create(id, direction, key);
  if (!cipher.ok() || !cipher->Process(iv, bytes)) return {};
  return bytes;
}

void ExpectPair(CipherId id, const Bytes& key, const Bytes& iv, const Bytes& clear,
                const Bytes& ciphered) {
  EXPECT_EQ(ToHex(Cbc(id, Direction::kEncrypt, key, iv, clear)), ToHex(ciphered));
  EXPECT_EQ(ToHex(Cbc(id, Direction::kDecrypt, key, iv, ciphered)), ToHex(clear));
}

TEST(CbcCipher, GivesRfc3602Section4) {
  const struct {
    const char *key, *iv, *clear, *ciphered;
  } kCases[] = {
      {"06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41",
       "53696e676c6520626c6f636b206d7367", "e353779c1079aeb82708942dbe77181a"},
      {"c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58",
       "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
       "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"},
      {"6c3ea0477630ce21a2ce334aa746c2cd", "c782dc4c098c66cbd9cd27d825682c81",
       "5468697320697320612034382d62797465206d657373616765202865786163746c7920332041455320626c6f63"
       "6b7329",
       "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83"
       "ba2684"},
      {"56e47a38c5598974bc46903dba290349", "8ce82eefbea0da3c44699ed7db51b7d9",
       "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcc"
       "cdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
       "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d"
       "3d46ad83ce9f9a102ee99d49a53e87f4c3da55"},
  };
  for (const auto& c : kCases) {
    ExpectPair(CipherId::kAesCbc, FromHex(c.key), FromHex(c.iv), FromHex(c.clear),
               FromHex(c.ciphered));
  }
}

// NIST SP 800-38A appendices F.2.3 and F.2.5, first block.
TEST(CbcCipher, KnowsLongerKeys) {
  const Bytes iv = FromHex("000102030405060708090a0b0c0d0e0f");
  const Bytes clear = FromHex("6bc1bee22e409f96e93d7e117393172a");
  ExpectPair(CipherId::kAesCbc, FromHex("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"), iv,
             clear, FromHex("4f021db243bc633d7178183a9fa071e8"));
  ExpectPair(CipherId::kAesCbc,
             FromHex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"), iv, clear,
             FromHex("f58c4c04d6e5f1ba779eabfb5f7bfbd6"));
}

TEST(CbcCipher, RefusesKeysOfTheWrongSize) {
  for (const size_t size : {0, 8, 15, 17, 20, 31, 33, 64}) {
    EXPECT_FALSE(CbcCipher::Create(CipherId::kAesCbc, Direction::kEncrypt, Bytes(size)).ok());
  }
  for (const size_t size : {0, 8, 16, 23, 32}) {
    EXPECT_FALSE(CbcCipher::Create(CipherId::kTripleDesCbc, Direction::kEncrypt, Bytes(size)).ok());
  }
}

TEST(CbcCipher, WorksUnderTheKeyOfLast) {
  for (const Direction direction : {Direction::kEncrypt, Direction::kDecrypt}) {
    const Bytes one(32, std::byte{1}), two(32, std::byte{2}), iv(16);
    auto changing = CbcCipher::Create(CipherId::kAesCbc, direction, one);
    for (const Bytes& key : {one, two, two, one}) {
      ASSERT_TRUE(changing->Rekey(key));
      auto fresh = CbcCipher::Create(CipherId::kAesCbc, direction, key);
      Bytes blocks(64), expected(64);
      EXPECT_TRUE(changing->Process(iv, blocks));
      EXPECT_TRUE(fresh->Process(iv, expected));
      EXPECT_EQ(ToHex(blocks), ToHex(expected));
    }
    EXPECT_FALSE(changing->Rekey(Bytes(16)));
  }
}

TEST(CbcCipher, IsNotGcm) {
  EXPECT_FALSE(CbcCipher::Create(CipherId::kAesGcm, Direction::kEncrypt, Bytes(16)).ok());
}

TEST(CbcCipher, TouchesNothingThatIsNotWholeBlocks) {
  auto cipher = CbcCipher::Create(CipherId::kAesCbc, Direction::kEncrypt, Bytes(16));
  ASSERT_TRUE(cipher.ok());
  Bytes odd(17, std::byte{7});
  EXPECT_FALSE(cipher->Process(Bytes(16), odd));
  EXPECT_EQ(odd, Bytes(17, std::byte{7}));
  Bytes even(16, std::byte{7});
  EXPECT_FALSE(cipher->Process(Bytes(8), even));
  EXPECT_EQ(even, Bytes(16, std::byte{7}));
  EXPECT_TRUE(cipher->Process(Bytes(16), {}));
}

// The definition of CBC, block by block, against many blocks at once: sizes around the chunk in
// which decryption works, and chaining by hand as IKE does it.
TEST(CbcCipher, ChainsTheSameHoweverItIsCut) {
  test::FixedRng rng;
  for (const CipherId id : {CipherId::kAesCbc, CipherId::kTripleDesCbc}) {
    const size_t block = BlockSize(id);
    Bytes key(24), iv(block);
    rng.Fill(key);
    rng.Fill(iv);
    for (const size_t size :
         {size_t{1024} - block, size_t{1024}, 1024 + block, size_t{2048}, 2048 + block}) {
      Bytes clear(size);
      rng.Fill(clear);
      const Bytes whole = Cbc(id, Direction::kEncrypt, key, iv, clear);
      auto cipher = CbcCipher::Create(id, Direction::kEncrypt, key);
      ASSERT_TRUE(cipher.ok());
      Bytes pieces = clear, chained = iv;
      for (size_t at = 0; at < size; at += block) {
        const ByteSpan piece = ByteSpan(pieces).subspan(at, block);
        ASSERT_TRUE(cipher->Process(chained, piece));
        chained = stack::ToBytes(piece);
      }
      EXPECT_EQ(pieces, whole);
      EXPECT_EQ(Cbc(id, Direction::kDecrypt, key, iv, whole), clear);
    }
  }
}

bool HasPkcs5Padding(ByteView clear) {
  if (clear.empty()) return false;
  const size_t n = static_cast<size_t>(clear.back());
  if (n == 0 || n > 16 || n > clear.size()) return false;
  return std::all_of(clear.end() - static_cast<ptrdiff_t>(n), clear.end(),
                     [&](std::byte b) { return b == clear.back(); });
}

TEST(CbcCipherVectors, Wycheproof) {
  ADIT_NEED_VECTORS("wycheproof/aes_cbc_pkcs5_test.json.gz", path);
  int valid = 0, invalid = 0;
  const auto file = test::ReadJson(path);
  for (const auto& group : file["testGroups"]) {
    for (const auto& t : group["tests"]) {
      const Bytes key = FromHex(t["key"].get<std::string>());
      const Bytes iv = FromHex(t["iv"].get<std::string>());
      const Bytes ciphered = FromHex(t["ct"].get<std::string>());
      const Bytes clear = Cbc(CipherId::kAesCbc, Direction::kDecrypt, key, iv, ciphered);
      if (t["result"] != "valid") {
        EXPECT_FALSE(HasPkcs5Padding(clear)) << t["tcId"];
        ++invalid;
        continue;
      }
      Bytes padded = FromHex(t["msg"].get<std::string>());
      const size_t padding = 16 - padded.size() % 16;
      padded.insert(padded.end(), padding, static_cast<std::byte>(padding));
      EXPECT_EQ(clear, padded) << t["tcId"];
      EXPECT_EQ(Cbc(CipherId::kAesCbc, Direction::kEncrypt, key, iv, padded), ciphered);
      ++valid;
    }
  }
  EXPECT_EQ(valid, 72);
  EXPECT_EQ(invalid, 144);
}

void RunAcvp(CipherId id, const std::string& path, int at_least) {
  int run = 0;
  const auto file = test::ReadJson(path);
  for (const auto& group : file["testGroups"]) {
    if (group["testType"] != "AFT") continue;  // the others iterate a thousandfold
    for (const auto& t : group["tests"]) {
      const std::string key = id == CipherId::kAesCbc
                                  ? t["key"].get<std::string>()
                                  : t["key1"].get<std::string>() + t["key2"].get<std::string>() +
                                        t["key3"].get<std::string>();
      ExpectPair(id, FromHex(key), FromHex(t["iv"].get<std::string>()),
                 FromHex(t["pt"].get<std::string>()), FromHex(t["ct"].get<std::string>()));
      ++run;
    }
  }
  EXPECT_GE(run, at_least);
}

TEST(CbcCipherVectors, AcvpAes) {
  ADIT_NEED_VECTORS("acvp/ACVP-AES-CBC-1.0.internalProjection.json.gz", path);
  RunAcvp(CipherId::kAesCbc, path, 2000);
}
TEST(CbcCipherVectors, AcvpTripleDes) {
  ADIT_NEED_VECTORS("acvp/ACVP-TDES-CBC-1.0.internalProjection.json.gz", path);
  RunAcvp(CipherId::kTripleDesCbc, path, 600);
}

}  // namespace
}  // namespace crypto
