// What real clients offer, as tables, and what is chosen from it.
#include "crypto/ike/proposal.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stack/base/bytes.h"

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using stack::FromHex;
using stack::ToHex;

// An SA payload body with one proposal; the transforms' attributes are given in hex.
struct Offer {
  uint8_t protocol = kProtocolIsakmp;
  std::string spi;
  std::vector<std::pair<int, std::string>> transforms;  // transform id, attributes
  uint8_t proposal_number = 1;

  Bytes Body() const {
    std::vector<Bytes> attributes;
    for (const auto& [id, hex] : transforms) attributes.push_back(FromHex(hex));
    const Bytes spi_octets = FromHex(spi);
    Proposal proposal{proposal_number, protocol, spi_octets, {}};
    for (size_t i = 0; i < transforms.size(); ++i) {
      proposal.transforms.push_back(
          {static_cast<uint8_t>(i + 1), static_cast<uint8_t>(transforms[i].first), attributes[i]});
    }
    return EncodeSa(proposal);
  }
};

std::string Hex16(int v) {
  const std::byte b[2] = {static_cast<std::byte>(v >> 8), static_cast<std::byte>(v & 0xff)};
  return ToHex(b);
}

// Apple's order: life type, life duration (TV 3600), cipher, key length, auth method, hash, group.
std::string AppleTransform(int cipher, int bits, int hash, int group) {
  return "800b0001"
         "800c0e10"
         "8001" +
         Hex16(cipher) + (bits ? "800e" + Hex16(bits) : "") +
         "80030001"
         "8002" +
         Hex16(hash) + "8004" + Hex16(group);
}

Offer Apple() {
  Offer offer;
  const auto add = [&](int cipher, int bits, int hash, int group) {
    offer.transforms.push_back({1, AppleTransform(cipher, bits, hash, group)});
  };
  for (const int hash : {4, 2, 1, 6}) add(7, 256, hash, 14);
  for (const int group : {5, 2}) {
    for (const int hash : {4, 2, 1}) add(7, 256, hash, group);
  }
  for (const int hash : {2, 1}) add(7, 128, hash, 2);
  for (const int hash : {2, 1}) add(5, 0, hash, 2);
  return offer;
}

// Android 7.1.2 to 11: MODP-1024 only, 28800 s.
Offer Android() {
  Offer offer;
  const auto add = [&](int cipher, int bits, std::initializer_list<int> hashes) {
    for (const int hash : hashes) {
      offer.transforms.push_back({1,
                                  "800b0001"
                                  "800c7080"
                                  "8001" +
                                      Hex16(cipher) + (bits ? "800e" + Hex16(bits) : "") +
                                      "80030001"
                                      "8002" +
                                      Hex16(hash) + "80040002"});
    }
  };
  add(7, 256, {5, 4, 6, 2, 1});
  add(7, 128, {6, 5, 4, 2, 1});
  add(5, 0, {4, 2, 1});
  add(1, 0, {4, 2, 1});
  return offer;
}

// Windows 10: ECP groups first, lifetime 28800 s as a TLV of four octets.
Offer Windows() {
  const std::string life =
      "800b0001"
      "000c0004"
      "00007080";
  const auto t = [&](int cipher, int bits, int group) {
    return std::pair{1, "8001" + Hex16(cipher) + (bits ? "800e" + Hex16(bits) : "") + "80020002" +
                            "8004" + Hex16(group) + "80030001" + life};
  };
  Offer offer;
  offer.transforms = {t(7, 256, 20), t(7, 128, 19), t(7, 256, 14), t(5, 0, 14), t(5, 0, 2)};
  return offer;
}

struct Row {
  const char* client;
  Offer offer;
  bool modp1024;
  const char* chosen;  // nullptr: nothing
  int number;
};

TEST(PhaseOneProposal, ClientsGetTheBestOfWhatTheyOffer) {
  const std::vector<Row> rows = {
      {"Apple", Apple(), false, "AES-CBC-256/SHA2-256/MODP-2048/PSK", 1},
      {"Android", Android(), false, nullptr, 0},
      {"Android", Android(), true, "AES-CBC-256/SHA2-256/MODP-1024/PSK", 2},
      {"Windows 10", Windows(), false, "AES-CBC-256/SHA1/MODP-2048/PSK", 3},
      {"Windows 10", Windows(), true, "AES-CBC-256/SHA1/MODP-2048/PSK", 3},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.client);
    PhaseOnePolicy policy = PhaseOnePolicy::Compat();
    policy.SetModp1024(row.modp1024);
    const Bytes body = row.offer.Body();
    const auto offer = DecodeSa(body);
    ASSERT_TRUE(offer.ok());
    const auto choice = ChoosePhaseOne(*offer, policy);
    ASSERT_EQ(choice.has_value(), row.chosen != nullptr);
    if (!choice) continue;
    EXPECT_EQ(Text(choice->suite), row.chosen);
    // It goes back unchanged: same numbers, same attributes in the same form.
    const size_t i = static_cast<size_t>(row.number) - 1;
    ASSERT_EQ(choice->proposal.transforms.size(), 1u);
    EXPECT_EQ(choice->proposal.transforms[0].number, row.number);
    EXPECT_EQ(ToHex(choice->proposal.transforms[0].attributes), row.offer.transforms[i].second);
    const Bytes reply = EncodeSa(choice->proposal);
    EXPECT_EQ(ToHex(ByteView(reply).last(FromHex(row.offer.transforms[i].second).size())),
              row.offer.transforms[i].second);
  }
}

TEST(PhaseOneProposal, OffersHaveTheSizesTheyHaveInTheField) {
  EXPECT_EQ(Apple().transforms.size(), 14u);
  EXPECT_EQ(Android().transforms.size(), 16u);
}

TEST(PhaseOneProposal, LifetimesInEveryForm) {
  const std::string suite =
      "80010007"
      "800e0100"
      "80020002"
      "80030001"
      "8004000e";
  struct {
    const char* attributes;
    std::optional<uint32_t> seconds, kilobytes;
  } rows[] = {
      {"", {}, {}},
      {"800b0001"
       "800c0e10",
       3600,
       {}},
      {"800b0001"
       "000c0004"
       "00015180",
       86400,
       {}},
      {"800b0001"
       "000c0002"
       "0e10",
       3600,
       {}},
      {"800b0001"
       "000c0008"
       "0000000000015180",
       86400,
       {}},
      {"800b0001"
       "000c0008"
       "ffffffffffffffff",
       0xffffffff,
       {}},
      {"800b0001"
       "800c0000",
       0,
       {}},
      {"800b0001"
       "800c0e10"
       "800b0002"
       "000c0004"
       "0003d090",
       3600, 250000},
      {"800b0002"
       "000c0004"
       "0003d090"
       "800b0001"
       "800c0e10",
       3600, 250000},
  };
  for (const auto& row : rows) {
    const Bytes attributes = FromHex(suite + row.attributes);
    const auto read = ReadPhaseOne({1, 1, attributes});
    ASSERT_TRUE(read.has_value()) << row.attributes;
    EXPECT_EQ(read->lifetime, (Lifetime{row.seconds, row.kilobytes})) << row.attributes;
  }
}

TEST(PhaseOneProposal, StrangeTransformsArePassedOver) {
  const std::string good = AppleTransform(7, 256, 2, 14);
  const char* strange[] = {
      "80010007"
      "80020002"
      "80030001"
      "8004000e",  // AES without a key length
      "80010007"
      "800e0000"
      "80020002"
      "80030001"
      "8004000e",  // key length 0
      "80010007"
      "800e0081"
      "80020002"
      "80030001"
      "8004000e",  // key length 129
      "80010005"
      "800e00c0"
      "80020002"
      "80030001"
      "8004000e",  // 3DES with a key length
      "80010007"
      "800e0100"
      "80020002"
      "8003fde9"
      "8004000e",  // XAUTH
      "80010007"
      "800e0100"
      "80020002"
      "80030001"
      "8004000e"
      "80630001",  // unknown attribute
      "80010007"
      "800e0100"
      "80020002"
      "80020004"
      "80030001"
      "8004000e",  // two hashes
      "80010007"
      "800e0100"
      "80020002"
      "80030001"
      "8004000e"
      "800c0e10",  // duration of no type
      "80010007"
      "800e0100"
      "80020002"
      "80030001"
      "80048001",  // private-use group
      "80010007"
      "800e0100"
      "80020002"
      "80030001"
      "80040000",
      "80010007"
      "800e0100"
      "80020002"
      "80030001"
      "8004",  // cut off
      "000100ff"
      "00",  // a length past the end
      "",
  };
  PhaseOnePolicy policy = PhaseOnePolicy::Compat();
  for (const char* hex : strange) {
    Offer offer;
    offer.transforms = {{1, hex}, {1, good}};
    const Bytes body = offer.Body();
    const auto decoded = DecodeSa(body);
    ASSERT_TRUE(decoded.ok()) << hex;
    const auto choice = ChoosePhaseOne(*decoded, policy);
    ASSERT_TRUE(choice.has_value()) << hex;
    EXPECT_EQ(choice->proposal.transforms[0].number, 2) << hex;
    offer.transforms = {{1, hex}};
    const Bytes alone = offer.Body();
    EXPECT_FALSE(ChoosePhaseOne(*DecodeSa(alone), policy).has_value()) << hex;
  }
}

TEST(PhaseOneProposal, TheSpiOfAnIsakmpProposalIsIgnored) {
  Offer offer{kProtocolIsakmp, "0011223344556677", {{1, AppleTransform(7, 256, 2, 14)}}};
  const Bytes body = offer.Body();
  EXPECT_TRUE(ChoosePhaseOne(*DecodeSa(body), PhaseOnePolicy::Compat()).has_value());
}

// ---- ESP
// -----------------------------------------------------------------------------------------

// Windows: seconds and kilobytes together.
std::string EspTransform(int mode, int bits, int auth, const char* group = "") {
  return "80010001"
         "00020004"
         "00000e10"
         "80010002"
         "00020004"
         "0003d090"
         "8004" +
         Hex16(mode) + (bits ? "8006" + Hex16(bits) : "") + (auth ? "8005" + Hex16(auth) : "") +
         group;
}

std::optional<Choice<EspSuite>> ChooseOf(const Bytes& body, const EspTerms& terms,
                                         const EspPolicy& policy = {}) {
  const auto offer = DecodeSa(body);
  return offer.ok() ? ChooseEsp(*offer, policy, terms) : std::nullopt;
}

TEST(EspProposal, EncapsulationModes) {
  const EspTerms plain{{}, false, false}, natt{{}, true, false}, nat{{}, true, true};
  struct {
    int mode;
    EspTerms terms;
    bool chosen;
  } rows[] = {
      {2, plain, true},  {2, natt, true}, {2, nat, true},     {4, plain, false},
      {4, natt, true},   {4, nat, true},  {61444, nat, true}, {61444, plain, false},
      {1, plain, false}, {1, nat, false}, {3, nat, false},    {61443, nat, false},
      {0, plain, false}, {5, nat, false},
  };
  for (const auto& row : rows) {
    Offer offer{kProtocolEsp, "11223344", {{12, EspTransform(row.mode, 256, 2)}}};
    const Bytes body = offer.Body();
    const auto choice = ChooseOf(body, row.terms);
    ASSERT_EQ(choice.has_value(), row.chosen) << row.mode;
    if (!choice) continue;
    EXPECT_EQ(static_cast<int>(choice->suite.mode), row.mode);
    EXPECT_EQ(choice->suite.lifetime, (Lifetime{3600, 250000}));
  }
}

TEST(EspProposal, UdpIsPreferredBehindANatOnly) {
  Offer offer{
      kProtocolEsp, "11223344", {{12, EspTransform(2, 256, 2)}, {12, EspTransform(4, 256, 2)}}};
  const Bytes body = offer.Body();
  EXPECT_EQ(ChooseOf(body, {{}, true, true})->proposal.transforms[0].number, 2);
  EXPECT_EQ(ChooseOf(body, {{}, true, false})->proposal.transforms[0].number, 1);
}

TEST(EspProposal, Sha1BeforeSha256ForAndroid) {
  // Android 4.4: SHA2-256 first, whose ICV its kernel may cut to 96 bits.
  Offer offer{kProtocolEsp,
              "11223344",
              {{12, EspTransform(2, 256, 5)},
               {12, EspTransform(2, 256, 2)},
               {12, EspTransform(2, 256, 1)},
               {12, EspTransform(2, 128, 5)}}};
  const Bytes body = offer.Body();
  EXPECT_EQ(Text(ChooseOf(body, {})->suite), "AES-CBC-256/HMAC-SHA1/Transport");
  EspPolicy policy;
  policy.auths = {EspAuth::kHmacSha2_256, EspAuth::kHmacSha1};
  EXPECT_EQ(Text(ChooseOf(body, {}, policy)->suite), "AES-CBC-256/HMAC-SHA2-256/Transport");
}

TEST(EspProposal, NullDesAndAhAreSkipped) {
  // Windows ends its list with DES and NULL.
  Offer offer{
      kProtocolEsp,
      "11223344",
      {{11, EspTransform(2, 0, 2)}, {2, EspTransform(2, 0, 2)}, {12, EspTransform(2, 128, 2)}}};
  const Bytes body = offer.Body();
  EXPECT_EQ(ChooseOf(body, {})->proposal.transforms[0].number, 3);
  offer.transforms.pop_back();
  const Bytes rest = offer.Body();
  EXPECT_FALSE(ChooseOf(rest, {}).has_value());
  Offer ah{2, "11223344", {{3, EspTransform(2, 0, 2)}}};
  const Bytes ah_body = ah.Body();
  EXPECT_FALSE(ChooseOf(ah_body, {}).has_value());
}

// ChromeOS: AES-GCM-128 first, then CBC, then 3DES.
TEST(EspProposal, GcmBeforeCbcAndTripleDesLast) {
  Offer offer{kProtocolEsp,
              "11223344",
              {{3, EspTransform(2, 0, 2)},
               {12, EspTransform(2, 256, 2)},
               {12, EspTransform(2, 128, 5)},
               {20, EspTransform(2, 128, 0)},
               {20, EspTransform(2, 256, 0)}}};
  for (const char* suite : {"AES-GCM-16-256/Transport", "AES-GCM-16-128/Transport"}) {
    const Bytes body = offer.Body();
    EXPECT_EQ(Text(ChooseOf(body, {})->suite), suite);
    offer.transforms.pop_back();
  }
  for (const char* suite : {"AES-CBC-256/HMAC-SHA1/Transport", "3DES/HMAC-SHA1/Transport"}) {
    const Bytes body = offer.Body();
    EXPECT_EQ(Text(ChooseOf(body, {})->suite), suite);
    while (offer.transforms.size() > 1) offer.transforms.pop_back();
  }
}

// RFC 4106 sections 8.2 to 8.4: a Key Length, and no Authentication Algorithm. What a cipher needs
// and has not, or has and does not need, is nothing we could compute.
TEST(EspProposal, GcmAndCbcHaveTheirOwnAttributes) {
  const struct {
    int cipher, bits, auth;
    bool chosen;
  } kRows[] = {{20, 128, 0, true},  {20, 192, 0, true},  {20, 256, 0, true},  {20, 0, 0, false},
               {20, 64, 0, false},  {20, 288, 0, false}, {20, 256, 2, false}, {20, 256, 5, false},
               {12, 256, 0, false}, {12, 0, 2, false},   {3, 0, 0, false},    {3, 192, 2, false},
               {12, 256, 6, true},  {12, 192, 7, true},  {12, 128, 1, false}, {19, 256, 0, false}};
  for (const auto& row : kRows) {
    Offer offer{kProtocolEsp, "11223344", {{row.cipher, EspTransform(2, row.bits, row.auth)}}};
    const Bytes body = offer.Body();
    EXPECT_EQ(ChooseOf(body, {}).has_value(), row.chosen)
        << row.cipher << " " << row.bits << " " << row.auth;
  }
}

TEST(EspProposal, ModernIsCompatWithoutItsOldest) {
  const struct {
    int cipher, bits, auth;
    bool modern;
  } kRows[] = {{20, 128, 0, true}, {12, 128, 5, true},  {12, 256, 6, true},
               {12, 256, 7, true}, {12, 256, 2, false}, {3, 0, 5, false}};
  for (const auto& row : kRows) {
    Offer offer{kProtocolEsp, "11223344", {{row.cipher, EspTransform(2, row.bits, row.auth)}}};
    const Bytes body = offer.Body();
    EXPECT_TRUE(ChooseOf(body, {}, EspPolicy::Compat()).has_value());
    EXPECT_EQ(ChooseOf(body, {}, EspPolicy::Modern()).has_value(), row.modern);
  }
  Offer pfs{kProtocolEsp, "11223344", {{12, EspTransform(2, 256, 5, "80030002")}}};
  const Bytes body = pfs.Body();
  const EspTerms terms{128, false, false};
  EXPECT_TRUE(ChooseOf(body, terms, EspPolicy::Compat()).has_value());
  EXPECT_FALSE(ChooseOf(body, terms, EspPolicy::Modern()).has_value());
  for (const EspSuite& suite : ListAcceptable(EspPolicy::Compat())) {
    EXPECT_TRUE(KeySizesOf(suite).has_value()) << Text(suite);
  }
}

// What an initiator offers is read as what it meant.
TEST(EspProposal, OffersOfEveryCipherReadBack) {
  std::vector<EspSuite> suites = ListAcceptable(EspPolicy::Compat());
  const Bytes body = OfferEsp(suites, 0x11223344);
  const auto offer = DecodeSa(body);
  ASSERT_TRUE(offer.ok());
  EXPECT_EQ(ListEsp(*offer), suites);
}

TEST(EspKeys, GcmTakesItsSaltFromKeymat) {
  EspSuite suite{EspCipher::kAesGcm16, 256, EspAuth::kNone, EncapsulationMode::kTransport, {}, {}};
  EXPECT_EQ(KeySizesOf(suite)->cipher, 36u);
  EXPECT_EQ(KeySizesOf(suite)->auth, 0u);
  suite.key_bits = 128;
  EXPECT_EQ(KeySizesOf(suite)->cipher, 20u);
}

TEST(EspProposal, PfsGroupAndPublicValueMustAgree) {
  Offer offer{kProtocolEsp,
              "11223344",
              {{12, EspTransform(2, 256, 2)},
               {12, EspTransform(2, 256, 2, "80030002")},
               {12, EspTransform(2, 256, 2, "8003000e")}}};
  const Bytes body = offer.Body();
  EXPECT_EQ(ChooseOf(body, {})->proposal.transforms[0].number, 1);
  EXPECT_EQ(ChooseOf(body, {128, false, false})->proposal.transforms[0].number, 2);
  EXPECT_EQ(ChooseOf(body, {256, false, false})->proposal.transforms[0].number, 3);
  EXPECT_FALSE(ChooseOf(body, {192, false, false}).has_value());
  EXPECT_FALSE(ChooseOf(body, {0, false, false}).has_value());
}

TEST(EspProposal, SpisThatAreNone) {
  for (const char* spi : {"", "00000000", "112233", "1122334455"}) {
    Offer offer{kProtocolEsp, spi, {{12, EspTransform(2, 256, 2)}}};
    const Bytes body = offer.Body();
    EXPECT_FALSE(ChooseOf(body, {}).has_value()) << spi;
  }
}

TEST(EspProposal, ProposalsOfOneNumberAreABundle) {
  const Bytes attributes = FromHex(EspTransform(2, 256, 2));
  const Bytes spi = FromHex("11223344"), cpi = FromHex("2233");
  SaOffer offer;
  offer.proposals = {{1, kProtocolEsp, spi, {{1, 12, attributes}}}, {1, 4, cpi, {{1, 3, {}}}}};
  EXPECT_FALSE(ChooseEsp(offer, {}, {}).has_value());
  offer.proposals.push_back({2, kProtocolEsp, spi, {{1, 12, attributes}}});
  ASSERT_TRUE(ChooseEsp(offer, {}, {}).has_value());
  EXPECT_EQ(ChooseEsp(offer, {}, {})->proposal.number, 2);
}

// ---- Bounds
// --------------------------------------------------------------------------------------

TEST(SaPayload, EveryPrefixIsRefused) {
  const Bytes body = Apple().Body();
  for (size_t n = 0; n < body.size(); ++n) {
    EXPECT_FALSE(DecodeSa(ByteView(body).first(n)).ok()) << n;
  }
}

TEST(SaPayload, TooManyTransformsAndProposals) {
  Offer offer;
  for (size_t i = 0; i < 255; ++i) offer.transforms.push_back({1, ""});
  const Bytes many = offer.Body();
  EXPECT_TRUE(DecodeSa(many).ok());
  // The same proposal again and again, chained by hand.
  const auto chain = [&](size_t count) {
    Bytes body = FromHex("0000000100000001");
    for (size_t i = 0; i < count; ++i) {
      const Bytes one = FromHex(i + 1 < count ? "0200001000010001" : "0000001000010001");
      body.insert(body.end(), one.begin(), one.end());
      body[body.size() - 4] = static_cast<std::byte>(i & 0xff);
      const Bytes transform = FromHex("0000000801010000");
      body.insert(body.end(), transform.begin(), transform.end());
    }
    return body;
  };
  EXPECT_TRUE(DecodeSa(chain(kMaxProposals)).ok());
  EXPECT_FALSE(DecodeSa(chain(kMaxProposals + 1)).ok());
}

TEST(SaPayload, CountAndChainMustAgree) {
  Bytes body = Apple().Body();
  constexpr size_t kCountAt = 15;
  ASSERT_EQ(body[kCountAt], std::byte{14});
  for (const int wrong : {0, 13, 15, 255}) {
    body[kCountAt] = static_cast<std::byte>(wrong);
    EXPECT_FALSE(DecodeSa(body).ok()) << wrong;
  }
}

TEST(SaPayload, OtherDoiOrSituation) {
  Bytes body = Apple().Body();
  body[3] = std::byte{2};
  EXPECT_EQ(DecodeSa(body).error(), NotifyType::kSituationNotSupported);
}

}  // namespace
