// Key agreement against RFC 2409 section 6.2, strongSwan's and Wycheproof's vectors, and by
// definition.
#include "crypto/prim/dh.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "tests/support/vectors.h"

namespace crypto {
namespace {

using stack::Bytes;
using stack::FromHex;
using stack::ToHex;

constexpr Group kModpGroups[] = {Group::kModp1024, Group::kModp1536, Group::kModp2048,
                                 Group::kModp3072, Group::kModp4096};
constexpr Group kEcpGroups[] = {Group::kEcp256, Group::kEcp384};

// RFC 2409 section 6.2.
constexpr char kPrime1024[] =
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff";

DhKeyPair Load(Group group, std::initializer_list<uint8_t> private_value) {
  auto pair = LoadDh(group, stack::AsBytes(private_value.begin(), private_value.size()));
  EXPECT_TRUE(pair.ok());
  return *std::move(pair);
}

// A big-endian number at the end of zeros, as public values stand on the wire.
Bytes Padded(Group group, uint8_t value) {
  Bytes out(PublicValueSize(group));
  out.back() = std::byte{value};
  return out;
}

TEST(Dh, BothEndsAgree) {
  for (const auto& groups :
       {std::span<const Group>(kModpGroups), std::span<const Group>(kEcpGroups)}) {
    for (const Group group : groups) {
      const auto a = GenerateDh(group), b = GenerateDh(group);
      ASSERT_TRUE(a.ok() && b.ok());
      EXPECT_EQ(a->public_value().size(), PublicValueSize(group));
      EXPECT_NE(ToHex(a->public_value()), ToHex(b->public_value()));
      const auto one = a->Agree(b->public_value()), other = b->Agree(a->public_value());
      ASSERT_TRUE(one.ok() && other.ok());
      EXPECT_EQ(one->size(), SharedSecretSize(group));
      EXPECT_TRUE(*one == *other);
    }
  }
}

// With exponents 3 and 5 everything is a power of two, and nearly all of it leading zeros:
// g = 2, g^3 = 8, g^5 = 32, g^15 = 0x8000.
TEST(Dh, PadsWithLeadingZeros) {
  for (const Group group : kModpGroups) {
    const DhKeyPair a = Load(group, {3}), b = Load(group, {5});
    EXPECT_EQ(ToHex(a.public_value()), ToHex(Padded(group, 8)));
    EXPECT_EQ(ToHex(b.public_value()), ToHex(Padded(group, 32)));
    const auto shared = a.Agree(b.public_value());
    ASSERT_TRUE(shared.ok());
    Bytes expected(PublicValueSize(group));
    expected[expected.size() - 2] = std::byte{0x80};
    EXPECT_EQ(ToHex(shared->view()), ToHex(expected));
  }
}

TEST(Dh, RefusesNumbersOutsideTheGroup) {
  for (const Group group : kModpGroups) {
    const DhKeyPair own = Load(group, {3});
    EXPECT_FALSE(own.Agree(Padded(group, 0)).ok());
    EXPECT_FALSE(own.Agree(Padded(group, 1)).ok());
    EXPECT_TRUE(own.Agree(Padded(group, 2)).ok());
    EXPECT_FALSE(own.Agree(Bytes(PublicValueSize(group), std::byte{0xff})).ok());
  }
}

// The prime ends in ff, so what stands around it differs in its last octet.
void ExpectEdgesAroundPrime(Group group, const Bytes& prime) {
  ASSERT_EQ(prime.size(), PublicValueSize(group));
  ASSERT_EQ(prime.back(), std::byte{0xff});
  const DhKeyPair own = Load(group, {3});
  Bytes y = prime;
  EXPECT_FALSE(own.Agree(y).ok()) << "p";
  y.back() = std::byte{0xfe};
  EXPECT_FALSE(own.Agree(y).ok()) << "p - 1";
  y.back() = std::byte{0xfd};
  const auto shared = own.Agree(y);
  ASSERT_TRUE(shared.ok()) << "p - 2";
  y.back() = std::byte{0xf7};  // (p - 2)^3 = p - 8
  EXPECT_EQ(ToHex(shared->view()), ToHex(y));
}

TEST(Dh, RefusesThePrimeAndItsNeighbour) {
  ExpectEdgesAroundPrime(Group::kModp1024, FromHex(kPrime1024));
}

TEST(Dh, RefusesWrongLengths) {
  for (const Group group : {Group::kModp1024, Group::kModp2048, Group::kEcp256, Group::kEcp384}) {
    const auto a = GenerateDh(group), b = GenerateDh(group);
    ASSERT_TRUE(a.ok() && b.ok());
    const Bytes good = stack::ToBytes(b->public_value());
    Bytes longer = good;
    longer.insert(longer.begin(), std::byte{0});
    Bytes uncompressed = good;
    uncompressed.insert(uncompressed.begin(), std::byte{4});
    EXPECT_FALSE(a->Agree(longer).ok());
    EXPECT_FALSE(a->Agree(uncompressed).ok());
    EXPECT_FALSE(a->Agree(ByteView(good).first(good.size() - 1)).ok());
    EXPECT_FALSE(a->Agree({}).ok());
  }
}

TEST(Dh, RefusesPointsOffTheCurve) {
  for (const Group group : kEcpGroups) {
    const auto a = GenerateDh(group), b = GenerateDh(group);
    ASSERT_TRUE(a.ok() && b.ok());
    Bytes point = stack::ToBytes(b->public_value());
    point.back() ^= std::byte{1};
    EXPECT_FALSE(a->Agree(point).ok());
    EXPECT_FALSE(a->Agree(Bytes(PublicValueSize(group))).ok());
    EXPECT_FALSE(a->Agree(Bytes(PublicValueSize(group), std::byte{0xff})).ok());
  }
}

TEST(Dh, RefusesGroupsAndPrivateValuesItDoesNotKnow) {
  for (const int number : {0, 1, 3, 4, 17, 18, 21, 31, 65535}) {
    const auto group = static_cast<Group>(number);
    EXPECT_EQ(PublicValueSize(group), 0u);
    EXPECT_FALSE(GenerateDh(group).ok());
    EXPECT_FALSE(LoadDh(group, Bytes(1, std::byte{3})).ok());
  }
  EXPECT_FALSE(LoadDh(Group::kModp1024, {}).ok());
  EXPECT_FALSE(LoadDh(Group::kModp1024, Bytes(128)).ok());
  EXPECT_FALSE(LoadDh(Group::kModp1024, Bytes(129, std::byte{1})).ok());
}

TEST(DhVectors, PrimesOfTheRfcs) {
  ADIT_NEED_VECTORS("rfc/modp-primes-rfc2409-3526.json", path);
  const auto primes = test::ReadJson(path);
  for (const Group group : kModpGroups) {
    const std::string name = "MODP_" + std::to_string(PublicValueSize(group) * 8) + "_BIT";
    ExpectEdgesAroundPrime(group, FromHex(primes[name].get<std::string>()));
  }
}

TEST(DhVectors, Strongswan) {
  ADIT_NEED_VECTORS("strongswan/dh-vectors.json", path);
  const std::map<std::string, Group> kMethods = {
      {"MODP_1024_BIT", Group::kModp1024}, {"MODP_1536_BIT", Group::kModp1536},
      {"MODP_2048_BIT", Group::kModp2048}, {"MODP_3072_BIT", Group::kModp3072},
      {"MODP_4096_BIT", Group::kModp4096}, {"ECP_256_BIT", Group::kEcp256},
      {"ECP_384_BIT", Group::kEcp384}};
  const auto file = test::ReadJson(path);
  size_t run = 0;
  for (const auto& v : file["vectors"]) {
    const auto method = kMethods.find(v["method"].get<std::string>());
    if (method == kMethods.end()) continue;
    const auto bytes = [&v](const char* field) { return FromHex(v[field].get<std::string>()); };
    const auto a = LoadDh(method->second, bytes("priv_a")),
               b = LoadDh(method->second, bytes("priv_b"));
    ASSERT_TRUE(a.ok() && b.ok()) << v["name"];
    EXPECT_EQ(ToHex(a->public_value()), v["pub_i"].get<std::string>());
    EXPECT_EQ(ToHex(b->public_value()), v["pub_r"].get<std::string>());
    const auto one = a->Agree(bytes("pub_r")), other = b->Agree(bytes("pub_i"));
    ASSERT_TRUE(one.ok() && other.ok()) << v["name"];
    EXPECT_EQ(ToHex(one->view()), v["shared"].get<std::string>());
    EXPECT_TRUE(*one == *other);
    ++run;
  }
  EXPECT_EQ(run, kMethods.size());
}

// Compressed points and foreign encodings have no form in a KE payload: there they have the wrong
// length, and are refused like everything that is marked invalid.
void RunWycheproof(Group group, const std::string& path) {
  int valid = 0, refused = 0;
  const auto file = test::ReadJson(path);
  for (const auto& test_group : file["testGroups"]) {
    for (const auto& t : test_group["tests"]) {
      const auto own = LoadDh(group, FromHex(t["private"].get<std::string>()));
      ASSERT_TRUE(own.ok()) << t["tcId"];
      Bytes point = FromHex(t["public"].get<std::string>());
      if (!point.empty()) point.erase(point.begin());
      const auto shared = own->Agree(point);
      EXPECT_EQ(shared.ok(), t["result"] == "valid") << t["tcId"];
      ++(shared.ok() ? valid : refused);
      if (!shared.ok()) continue;
      EXPECT_EQ(ToHex(shared->view()), t["shared"].get<std::string>()) << t["tcId"];
    }
  }
  EXPECT_GT(valid, 300);
  EXPECT_GT(refused, 15);
}

TEST(DhVectors, WycheproofEcp256) {
  ADIT_NEED_VECTORS("wycheproof/ecdh_secp256r1_ecpoint_test.json.gz", path);
  RunWycheproof(Group::kEcp256, path);
}
TEST(DhVectors, WycheproofEcp384) {
  ADIT_NEED_VECTORS("wycheproof/ecdh_secp384r1_ecpoint_test.json.gz", path);
  RunWycheproof(Group::kEcp384, path);
}

}  // namespace
}  // namespace crypto
