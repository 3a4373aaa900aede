#include "crypto/prim/mschap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace crypto {
namespace {

using stack::Bytes;
using stack::FromHex;
using stack::ToHex;

std::array<std::byte, 16> Challenge(const char* hex) {
  std::array<std::byte, 16> out{};
  const Bytes bytes = FromHex(hex);
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

// RFC 2759 section 9.2.
const std::array<std::byte, 16> kAuthenticator = Challenge("5B5D7C7D7B3F2F3E3C2C602132262628");
const std::array<std::byte, 16> kPeer = Challenge("21402324255E262A28295F2B3A337C7E");

MsChapExchange Exchange(std::string_view name = "User") { return {kAuthenticator, kPeer, name}; }
Secret HashOf(std::string_view password) { return *NtPasswordHash(password); }
std::string HexHashOf(std::string_view password) { return ToHex(HashOf(password).view()); }

TEST(MsChap, GivesRfc2759Section92) {
  const Secret hash = HashOf("clientPass");
  EXPECT_EQ(ToHex(hash.view()), "44ebba8d5312b8d611474411f56989ae");
  EXPECT_EQ(ToHex(ChallengeHash(Exchange())), "d02e4386bce91226");
  const NtResponse response = GenerateNtResponse(Exchange(), hash);
  EXPECT_EQ(ToHex(response), "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df");
  EXPECT_TRUE(CheckNtResponse(Exchange(), hash, response));
  EXPECT_EQ(GenerateAuthenticatorResponse(Exchange(), hash, response),
            "S=407A5589115FD0D6209F510FE9C04566932CDA56");
}

TEST(MsChap, RefusesEveryOtherResponse) {
  const Secret hash = HashOf("clientPass");
  const NtResponse right = GenerateNtResponse(Exchange(), hash);
  for (size_t bit = 0; bit < right.size() * 8; ++bit) {
    NtResponse wrong = right;
    wrong[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(CheckNtResponse(Exchange(), hash, wrong)) << bit;
  }
  EXPECT_FALSE(CheckNtResponse(Exchange(), hash, ByteView(right).first(23)));
  EXPECT_FALSE(CheckNtResponse(Exchange(), hash, {}));
  EXPECT_FALSE(CheckNtResponse(Exchange(), HashOf("clientpass"), right));
  EXPECT_FALSE(CheckNtResponse(Exchange("user"), hash, right));
  EXPECT_FALSE(CheckNtResponse(Exchange(), Secret(), right));
  const MsChapExchange swapped{kPeer, kAuthenticator, "User"};
  EXPECT_FALSE(CheckNtResponse(swapped, hash, right));
}

TEST(MsChap, LeavesTheDomainOut) {
  EXPECT_EQ(ChallengeHash(Exchange("DOMAIN\\User")), ChallengeHash(Exchange("User")));
  EXPECT_EQ(WithoutDomain("User"), "User");
  EXPECT_EQ(WithoutDomain("A\\B\\User"), "User");
  EXPECT_EQ(WithoutDomain("DOMAIN\\"), "");
  EXPECT_EQ(WithoutDomain("user@domain"), "user@domain");
}

// Well-known NT hashes; those beyond ASCII were computed with iconv and openssl.
TEST(NtPasswordHash, EncodesUtf16LittleEndian) {
  EXPECT_EQ(HexHashOf(""), "31d6cfe0d16ae931b73c59d7e0c089c0");
  EXPECT_EQ(HexHashOf("password"), "8846f7eaee8fb117ad06bdd830b7586c");
  EXPECT_EQ(HexHashOf("Gr\xc3\xbc\xc3\x9f"
                      "e"),
            "2816114083c3d8e78cfa2bdb9cde7ae6");
  EXPECT_EQ(HexHashOf("p\xc3\xa4ssw\xc3\xb6rd\xf0\x9f\x98\x80"),
            "a395e2e215e896a8ec4b1657b229f081");
}

TEST(NtPasswordHash, RefusesWhatIsNotUtf8) {
  for (const char* const bad : {"\x80", "a\xff", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(",
                                "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                                "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x98"}) {
    EXPECT_FALSE(NtPasswordHash(bad).ok()) << ToHex(stack::AsBytes(bad));
  }
  for (const char* const good : {"\x7f", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                                 "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(NtPasswordHash(good).ok()) << ToHex(stack::AsBytes(good));
  }
}

TEST(NtPasswordHash, TakesUpTo256Units) {
  EXPECT_TRUE(NtPasswordHash(std::string(256, 'x')).ok());
  EXPECT_FALSE(NtPasswordHash(std::string(257, 'x')).ok());
  EXPECT_FALSE(NtPasswordHash(std::string(255, 'x') + "\xf0\x9f\x98\x80").ok());
}

}  // namespace
}  // namespace crypto
