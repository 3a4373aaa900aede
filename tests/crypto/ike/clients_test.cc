// The clients that are built into phones, computers and routers, as literal messages: what each one
// offers, what is chosen from it, and that every reply holds what it tolerates and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crypto/ike/proposal.h"
#include "tests/crypto/ike/scripted_client.h"

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using stack::ToHex;
using test::ClientProfile;
using test::ScriptedClient;
using testing::ElementsAre;
using testing::ElementsAreArray;

// ---- Words of the offers
// -------------------------------------------------------------------------

std::string Hex16(int value) {
  std::array<std::byte, 2> octets;
  stack::Store16(octets.data(), static_cast<uint16_t>(value));
  return ToHex(octets);
}
std::string Short(int type, int value) { return Hex16(0x8000 | type) + Hex16(value); }
std::string Long(int type, uint32_t value) {
  std::array<std::byte, 4> octets;
  stack::Store32(octets.data(), value);
  return Hex16(type) + "0004" + ToHex(octets);
}
std::string Bits(int type, int bits) { return bits == 0 ? "" : Short(type, bits); }
std::string Seconds(int type, uint32_t seconds) {
  return seconds > 0xffff ? Long(type, seconds) : Short(type, static_cast<int>(seconds));
}

constexpr int kDes = 1, kTripleDes = 5, kAes = 7;                           // phase 1
constexpr int kMd5 = 1, kSha1 = 2, kSha256 = 4, kSha384 = 5, kSha512 = 6;   // phase 1
constexpr int kEspDes = 2, kEspTripleDes = 3, kEspNull = 11, kEspAes = 12;  // phase 2
constexpr int kAuthMd5 = 1, kAuthSha1 = 2, kAuthSha256 = 5, kAuthSha384 = 6, kAuthSha512 = 7;

// The racoon family (Apple, Android, RouterOS) puts the lifetime first.
std::string Racoon(int cipher, int bits, int hash, int group, uint32_t seconds) {
  return Short(11, 1) + Seconds(12, seconds) + Short(1, cipher) + Bits(14, bits) + Short(3, 1) +
         Short(2, hash) + Short(4, group);
}
std::string RacoonEsp(int bits, int auth, uint32_t seconds) {
  return Short(1, 1) + Seconds(2, seconds) + Bits(6, bits) + Short(5, auth);
}
// Windows writes lifetimes as four octets, and kilobytes beside the seconds.
std::string Windows(int cipher, int bits, int hash, int group) {
  return Short(1, cipher) + Bits(14, bits) + Short(2, hash) + Short(4, group) + Short(3, 1) +
         Short(11, 1) + Long(12, 28800);
}
std::string WindowsEsp(int bits, int auth) {
  return Bits(6, bits) + Short(5, auth) + Short(1, 1) + Long(2, 3600) + Short(1, 2) +
         Long(2, 250000);
}
std::string StrongSwan(int cipher, int bits, int hash, int group) {
  return Short(1, cipher) + Bits(14, bits) + Short(2, hash) + Short(4, group) + Short(3, 1) +
         Short(11, 1) + Short(12, 10800);
}
std::string StrongSwanEsp(int bits, int auth) {
  return Bits(6, bits) + (auth == 0 ? "" : Short(5, auth)) + Short(1, 1) + Short(2, 3600);
}

constexpr char kRfc3947[] = "4a131c81070358455c5728f20e95452f";
constexpr char kDraft00[] = "4485152d18b6bbcd0be8a8469579ddcc";
constexpr char kDraft02[] = "cd60464335df21f87cfdb2fc68b6a448";
constexpr char kDraft02Newline[] = "90cb80913ebb696e086381b5ec427b1f";
constexpr char kDraft03[] = "7d9419a65310ca6f2c179d9215529d56";
constexpr char kFragmentation[] = "4048b7d56ebce88525e7de7f00d6c2d3";
constexpr char kFragmentationWord[] = "4048b7d56ebce88525e7de7f00d6c2d380000000";
constexpr char kDpd[] = "afcad71368a1f1c96b8696fc77570100";
constexpr char kXauth[] = "09002689dfd6b712";

using Transforms = std::vector<std::string>;
using EspTransforms = std::vector<std::pair<int, std::string>>;

// ---- The clients
// ---------------------------------------------------------------------------------

ClientProfile Apple() {
  ClientProfile client{.name = "apple"};
  client.vendor_ids = {kRfc3947,
                       "4df37928e9fc4fd1b3262170d515c662",  // Apple's own, then drafts 08 to 04
                       "8f8d83826d246b6fc7a8a6a428c11de8",
                       "439b59f8ba676c4c7737ae22eab8f582",
                       "4d1e0e136deafa34c4f3ea9f02ec7285",
                       "80d0bb3def54565ee84645d4c85ce3ee",
                       "9909b64eed937c6573de52ace952fa6b",
                       kDraft03,
                       kDraft02,
                       kDraft02Newline,
                       kFragmentationWord,
                       kDpd};
  for (const int hash : {kSha256, kSha1, kMd5, kSha512}) {
    client.phase_one.push_back(Racoon(kAes, 256, hash, 14, 3600));
  }
  for (const int group : {5, 2}) {
    for (const int hash : {kSha256, kSha1, kMd5}) {
      client.phase_one.push_back(Racoon(kAes, 256, hash, group, 3600));
    }
  }
  for (const int hash : {kSha1, kMd5}) client.phase_one.push_back(Racoon(kAes, 128, hash, 2, 3600));
  for (const int hash : {kSha1, kMd5}) {
    client.phase_one.push_back(Racoon(kTripleDes, 0, hash, 2, 3600));
  }
  for (const int auth : {kAuthSha256, kAuthSha1, kAuthMd5}) {
    client.phase_two.push_back({kEspAes, RacoonEsp(256, auth, 3600)});
  }
  for (const int auth : {kAuthSha256, kAuthSha1, kAuthMd5}) {
    client.phase_two.push_back({kEspAes, RacoonEsp(128, auth, 3600)});
  }
  for (const int auth : {kAuthSha256, kAuthSha1, kAuthMd5}) {
    client.phase_two.push_back({kEspTripleDes, RacoonEsp(0, auth, 3600)});
  }
  client.idci = "0111d431c0a8320a";  // the ephemeral port of its L2TP socket
  client.nonce_octets = 16;
  client.suite = "AES-CBC-256/SHA2-256/MODP-2048/PSK";
  client.number = 1;
  client.esp_suite = "AES-CBC-256/HMAC-SHA1";
  client.esp_number = 2;
  return client;
}

ClientProfile WindowsTen() {
  ClientProfile client{.name = "win10"};
  client.vendor_ids = {"01528bbbc00696121849ab9a1c5b2a5100000001",
                       "1e2b516905991c7d7c96fcbfb587e46100000009",
                       kRfc3947,
                       kDraft02Newline,
                       kFragmentation,
                       "fb1de3cdf341b7ea16b7e5be0855f120",
                       "26244d38eddb61b3172a36e3d0cfb819",
                       "e3a5966a76379fe707228231e5ce8652"};
  client.phase_one = {Windows(kAes, 256, kSha1, 20), Windows(kAes, 128, kSha1, 19),
                      Windows(kAes, 256, kSha1, 14), Windows(kTripleDes, 0, kSha1, 14),
                      Windows(kTripleDes, 0, kSha1, 2)};
  client.phase_two = {{kEspAes, WindowsEsp(256, kAuthSha1)},
                      {kEspAes, WindowsEsp(128, kAuthSha1)},
                      {kEspTripleDes, WindowsEsp(0, kAuthSha1)},
                      {kEspDes, WindowsEsp(0, kAuthSha1)},
                      {kEspNull, WindowsEsp(0, kAuthSha1)}};
  client.message_id = 1;
  client.nonce_octets = 48;
  client.suite = "AES-CBC-256/SHA1/MODP-2048/PSK";
  client.number = 3;
  client.esp_suite = "AES-CBC-256/HMAC-SHA1";
  client.esp_number = 1;
  return client;
}

ClientProfile WindowsXp() {
  ClientProfile client{.name = "winxp"};
  client.vendor_ids = {"1e2b516905991c7d7c96fcbfb587e46100000004", kFragmentation, kDraft02Newline,
                       "26244d38eddb61b3172a36e3d0cfb819"};
  client.phase_one = {Windows(kTripleDes, 0, kSha1, 14), Windows(kTripleDes, 0, kSha1, 2),
                      Windows(kTripleDes, 0, kMd5, 2), Windows(kDes, 0, kSha1, 1),
                      Windows(kDes, 0, kMd5, 1)};
  client.phase_two = {{kEspTripleDes, WindowsEsp(0, kAuthMd5)},
                      {kEspTripleDes, WindowsEsp(0, kAuthSha1)},
                      {kEspDes, WindowsEsp(0, kAuthMd5)},
                      {kEspDes, WindowsEsp(0, kAuthSha1)}};
  client.idci = "021106a5" + ToHex(stack::AsBytes("xp.example"));  // ID_FQDN
  client.nonce_octets = 20;
  client.suite = "3DES-CBC/SHA1/MODP-2048/PSK";
  client.number = 1;
  client.esp_suite = "3DES/HMAC-SHA1";
  client.esp_number = 2;
  client.natt_id = kDraft02Newline;
  client.nat_d = 130;
  client.nat_oa = 131;
  client.udp_transport = 61444;
  return client;
}

ClientProfile Android(const char* name) {
  ClientProfile client{.name = name};
  client.vendor_ids = {kRfc3947, kDraft02, kDraft02Newline, kDraft00, kFragmentationWord, kDpd};
  client.idci = "01110000c0a8320a";  // any port
  client.sends_nat_oa = false;
  client.nonce_octets = 16;
  return client;
}

ClientProfile Android23() {
  ClientProfile client = Android("android_2_3");
  for (const auto& [cipher, bits] : {std::pair(kTripleDes, 0), {kDes, 0}, {kAes, 128}}) {
    for (const int hash : {kSha1, kMd5}) {
      client.phase_one.push_back(Racoon(cipher, bits, hash, 2, 28800));
    }
  }
  for (const auto& [cipher, bits] : {std::pair(kEspTripleDes, 0), {kEspDes, 0}, {kEspAes, 128}}) {
    for (const int auth : {kAuthSha1, kAuthMd5}) {
      client.phase_two.push_back({cipher, RacoonEsp(bits, auth, 28800)});
    }
  }
  client.suite = "AES-CBC-128/SHA1/MODP-1024/PSK";
  client.number = 5;
  client.esp_suite = "AES-CBC-128/HMAC-SHA1";
  client.esp_number = 5;
  return client;
}

// From 3.x on all releases have the same ciphers, and differ in the hashes.
ClientProfile LaterAndroid(const char* name, const std::vector<int>& hashes,
                           const std::vector<int>& auths) {
  ClientProfile client = Android(name);
  for (const auto& [cipher, bits] :
       {std::pair(kAes, 256), {kAes, 128}, {kTripleDes, 0}, {kDes, 0}}) {
    for (const int hash : hashes) {
      client.phase_one.push_back(Racoon(cipher, bits, hash, 2, 28800));
    }
  }
  for (const auto& [cipher, bits] :
       {std::pair(kEspAes, 256), {kEspAes, 128}, {kEspTripleDes, 0}, {kEspDes, 0}}) {
    for (const int auth : auths) {
      client.phase_two.push_back({cipher, RacoonEsp(bits, auth, 28800)});
    }
  }
  client.esp_suite = "AES-CBC-256/HMAC-SHA1";
  return client;
}

ClientProfile Android44() {
  ClientProfile client =
      LaterAndroid("android_4_4", {kSha256, kSha1, kMd5}, {kAuthSha256, kAuthSha1, kAuthMd5});
  client.suite = "AES-CBC-256/SHA2-256/MODP-1024/PSK";
  client.number = 1;
  client.esp_number = 2;  // never SHA2-256 where SHA1 is offered: it may be cut to 96 bits
  return client;
}

ClientProfile Android7To11() {
  ClientProfile client = LaterAndroid("android_7_to_11", {kSha384, kSha256, kSha512, kSha1, kMd5},
                                      {kAuthSha512, kAuthSha384, kAuthSha1, kAuthSha256, kAuthMd5});
  client.suite = "AES-CBC-256/SHA2-256/MODP-1024/PSK";
  client.number = 2;
  client.esp_number = 3;
  return client;
}

const std::vector<std::string> kStrongSwanIds = {kXauth, kDpd, kFragmentationWord, kRfc3947,
                                                 kDraft02Newline};

ClientProfile ChromeOs() {
  ClientProfile client{.name = "chromeos"};
  client.vendor_ids = kStrongSwanIds;
  client.phase_one = {StrongSwan(kAes, 128, kSha256, 15), StrongSwan(kAes, 128, kSha1, 14),
                      StrongSwan(kTripleDes, 0, kSha1, 5), StrongSwan(kTripleDes, 0, kSha1, 2)};
  client.phase_two = {{20, StrongSwanEsp(128, 0)},  // AES-GCM
                      {kEspAes, StrongSwanEsp(128, kAuthSha256)},
                      {kEspAes, StrongSwanEsp(128, kAuthSha1)},
                      {kEspTripleDes, StrongSwanEsp(0, kAuthSha1)},
                      {kEspTripleDes, StrongSwanEsp(0, kAuthMd5)}};
  client.suite = "AES-CBC-128/SHA1/MODP-2048/PSK";
  client.number = 2;
  client.esp_suite = "AES-GCM-16-128";
  client.esp_number = 1;
  return client;
}

ClientProfile NmStrongSwan() {
  ClientProfile client{.name = "nm_strongswan"};
  client.vendor_ids = kStrongSwanIds;
  for (const int hash : {kSha256, kSha1}) {
    for (const int group : {14, 5, 2})
      client.phase_one.push_back(StrongSwan(kAes, 256, hash, group));
  }
  client.phase_one.insert(client.phase_one.end(),
                          {StrongSwan(kAes, 256, kSha1, 20), StrongSwan(kAes, 128, kSha1, 2),
                           StrongSwan(kAes, 128, kSha1, 19), StrongSwan(kTripleDes, 0, kSha1, 14),
                           StrongSwan(kTripleDes, 0, kSha1, 2)});
  client.phase_two = {{kEspAes, StrongSwanEsp(256, kAuthSha1)},
                      {kEspAes, StrongSwanEsp(128, kAuthSha1)},
                      {kEspTripleDes, StrongSwanEsp(0, kAuthSha1)}};
  client.suite = "AES-CBC-256/SHA2-256/MODP-2048/PSK";
  client.esp_suite = "AES-CBC-256/HMAC-SHA1";
  return client;
}

// The same with PFS, which libreswan asks for by default.
ClientProfile NmLibreswan() {
  ClientProfile client = NmStrongSwan();
  client.name = "nm_libreswan";
  client.vendor_ids = {kFragmentation, kDpd, kRfc3947, kDraft03, kDraft02Newline, kDraft02};
  client.pfs_group = crypto::Group::kModp2048;
  for (auto& [id, attributes] : client.phase_two) attributes += Short(3, 14);
  client.esp_suite = "AES-CBC-256/HMAC-SHA1";
  return client;
}

ClientProfile MikroTik() {
  ClientProfile client{.name = "mikrotik"};
  client.vendor_ids = {kRfc3947, kDraft02, kDraft02Newline, kDpd};
  client.phase_one = {Racoon(kAes, 128, kSha1, 14, 86400), Racoon(kAes, 128, kSha1, 2, 86400),
                      Racoon(kTripleDes, 0, kSha1, 14, 86400),
                      Racoon(kTripleDes, 0, kSha1, 2, 86400)};
  for (const int bits : {256, 192, 128}) {
    client.phase_two.push_back({kEspAes, RacoonEsp(bits, kAuthSha1, 1800) + Short(3, 2)});
  }
  client.pfs_group = crypto::Group::kModp1024;
  client.nonce_octets = 24;
  client.suite = "AES-CBC-128/SHA1/MODP-2048/PSK";
  client.esp_suite = "AES-CBC-256/HMAC-SHA1";
  return client;
}

// A client of draft 03, with the vendor id of that draft alone.
ClientProfile DraftThree() {
  ClientProfile client = NmStrongSwan();
  client.name = "draft_03";
  client.vendor_ids = {kDraft03, kDraft02};
  client.natt_id = kDraft03;
  client.nat_d = 130;
  client.nat_oa = 131;
  client.udp_transport = 61444;
  return client;
}

// ---- What is to come of them
// ---------------------------------------------------------------------

std::unique_ptr<Responder> Gateway(stack::Rng& rng, Options options = {}) {
  options.psks = test::Psks();
  return std::make_unique<Responder>(test::kStart, options, rng);
}

const ScriptedClient::Place kBehindNat = {.inside = test::kPrivateClient,
                                          .outside = {test::kNat, 1500}};

class Clients : public testing::TestWithParam<std::tuple<ClientProfile, bool>> {
 protected:
  const ClientProfile profile = std::get<0>(GetParam());
  const bool nat = std::get<1>(GetParam());
  test::FixedRng rng{7};
  std::unique_ptr<Responder> gateway = Gateway(rng);
  ScriptedClient client{profile, *gateway, nat ? kBehindNat : ScriptedClient::Place()};

  bool SpeaksDpd() const {
    return std::find(profile.vendor_ids.begin(), profile.vendor_ids.end(), kDpd) !=
           profile.vendor_ids.end();
  }
};

TEST_P(Clients, GetTheBestOfTheirOfferAndNothingStrange) {
  ASSERT_TRUE(client.MainMode());
  const auto* up = client.story.Last<PhaseOneUp>();
  ASSERT_NE(up, nullptr);
  EXPECT_EQ(Text(up->suite), profile.suite);
  EXPECT_EQ(client.chosen_number, profile.number);
  EXPECT_EQ(client.chosen_attributes, profile.phase_one[static_cast<size_t>(profile.number) - 1]);
  EXPECT_EQ(up->peer_natted, nat);
  EXPECT_EQ(client.sees_itself_natted, nat);
  EXPECT_FALSE(client.sees_gateway_natted);

  // SA and vendor ids: the one for NAT-T, and DPD for who knows it. KE, NONCE, NAT-D. ID, HASH.
  std::vector<std::string> ids = {profile.natt_id};
  if (SpeaksDpd()) ids.push_back(kDpd);
  EXPECT_EQ(client.mm2_types.front(), 1);
  EXPECT_EQ(client.mm2_types.size(), 1 + ids.size());
  EXPECT_THAT(client.echoed_ids, ElementsAreArray(ids));
  EXPECT_THAT(client.mm4_types, ElementsAre(4, 10, profile.nat_d, profile.nat_d));
  EXPECT_THAT(client.mm6_types, ElementsAre(5, 8));

  ASSERT_TRUE(client.QuickMode(profile.message_id));
  const auto* ready = client.story.Last<ChildReady>();
  ASSERT_NE(ready, nullptr);
  const std::string mode = nat ? std::string(NameOf(ready->suite.mode)) : "Transport";
  std::string esp_suite = profile.esp_suite + "/" + mode;
  if (profile.pfs_group) esp_suite += "/" + std::string(NameOf(*profile.pfs_group));
  EXPECT_EQ(Text(ready->suite), esp_suite);
  EXPECT_EQ(static_cast<int>(ready->suite.mode), nat ? profile.udp_transport : 2);
  EXPECT_EQ(ready->udp_encapsulated, nat);
  EXPECT_EQ(client.esp_number, profile.esp_number);
  EXPECT_EQ(client.esp_attributes,
            profile.phase_two[static_cast<size_t>(profile.esp_number) - 1].second +
                Short(4, client.Mode()));

  // HASH, SA, NONCE, KE if asked, the IDs octet for octet, the NAT-OA pair only behind a NAT.
  std::vector<int> types = {8, 1, 10};
  if (profile.pfs_group) types.push_back(4);
  types.insert(types.end(), {5, 5});
  if (nat) types.insert(types.end(), {profile.nat_oa, profile.nat_oa});
  EXPECT_THAT(client.qm2_types, ElementsAreArray(types));
  EXPECT_EQ(client.echoed_idci, profile.idci);
  EXPECT_EQ(client.echoed_idcr, profile.idcr);
  if (nat) {
    EXPECT_THAT(client.nat_oas, ElementsAre("203.0.113.2", "203.0.113.1"));
  }

  EXPECT_EQ(client.in.cipher, ready->out.cipher);
  EXPECT_EQ(client.in.auth, ready->out.auth);
  EXPECT_EQ(client.out.cipher, ready->in.cipher);
  EXPECT_EQ(client.out.auth, ready->in.auth);
  EXPECT_EQ(client.story.Count<ChildUp>(), 1u);
  EXPECT_EQ(ready->suite.lifetime.kilobytes.has_value(), profile.name.starts_with("win"));
}

// Whatever was said is said again, a NAT's other port and 4500 in place of 500 included: it is
// answered from memory, and nothing happens twice.
TEST_P(Clients, MayRepeatEverything) {
  ASSERT_TRUE(client.MainMode());
  ASSERT_TRUE(client.QuickMode(profile.message_id));
  const size_t told = client.story.events.size();
  const std::vector<Bytes> said = client.said;
  for (const Bytes& message : said) {
    client.SayFrom(message, {client.place.outside.ip, 4500}, {client.place.gateway.ip, 4500});
  }
  for (size_t i = told; i < client.story.events.size(); ++i) {
    EXPECT_TRUE(std::holds_alternative<stack::Drop>(client.story.events[i])) << i;
  }
  EXPECT_EQ(gateway->established(), 1u);
  EXPECT_EQ(gateway->half_open(), 0u);
}

std::string NameOfCase(const testing::TestParamInfo<std::tuple<ClientProfile, bool>>& info) {
  return std::get<0>(info.param).name + (std::get<1>(info.param) ? "_nat" : "");
}

INSTANTIATE_TEST_SUITE_P(All, Clients,
                         testing::Combine(testing::Values(Apple(), WindowsTen(), WindowsXp(),
                                                          Android23(), Android44(), Android7To11(),
                                                          ChromeOs(), NmStrongSwan(), NmLibreswan(),
                                                          MikroTik(), DraftThree()),
                                          testing::Bool()),
                         NameOfCase);

// ---- What the operator allows
// --------------------------------------------------------------------

struct ProfileRow {
  ClientProfile client;
  const char* chosen;  // nullptr: refused
};

void ExpectChoices(const PhaseOnePolicy& policy, const std::vector<ProfileRow>& rows) {
  for (const ProfileRow& row : rows) {
    SCOPED_TRACE(row.client.name);
    test::FixedRng rng;
    Options options;
    options.phase_one = policy;
    auto gateway = Gateway(rng, std::move(options));
    ScriptedClient client(row.client, *gateway, {});
    client.Say(client.First());
    const auto* step = client.story.Last<Step>();
    const auto* failed = client.story.Last<PhaseOneFailed>();
    ASSERT_EQ(step != nullptr, row.chosen != nullptr);
    EXPECT_EQ(failed != nullptr, row.chosen == nullptr);
    if (step != nullptr) {
      EXPECT_EQ(Text(std::get<ProposalChosen>(step->what).suite), row.chosen);
    }
    if (failed != nullptr) {
      EXPECT_EQ(failed->why, Failure::kNoCommonProposal);
      EXPECT_EQ(failed->offered.size(), row.client.phase_one.size());
      EXPECT_EQ(failed->allowed, policy);
    }
  }
}

TEST(Profile, ModernHasNoWeakGroupCipherOrHash) {
  ExpectChoices(PhaseOnePolicy::Modern(), {{Apple(), "AES-CBC-256/SHA2-256/MODP-2048/PSK"},
                                           {NmStrongSwan(), "AES-CBC-256/SHA2-256/MODP-2048/PSK"},
                                           {ChromeOs(), "AES-CBC-128/SHA2-256/MODP-3072/PSK"},
                                           {WindowsTen(), nullptr},  // SHA1 in all of its offer
                                           {WindowsXp(), nullptr},
                                           {Android7To11(), nullptr},
                                           {MikroTik(), nullptr}});
}

TEST(Profile, Modp1024IsASwitchOfItsOwn) {
  PhaseOnePolicy policy = PhaseOnePolicy::Modern();
  policy.SetModp1024(true);
  ExpectChoices(policy,
                {{Android7To11(), "AES-CBC-256/SHA2-256/MODP-1024/PSK"}, {Android23(), nullptr}});
  policy = PhaseOnePolicy::Compat();
  policy.SetModp1024(false);
  ExpectChoices(policy, {{Android7To11(), nullptr}, {WindowsXp(), "3DES-CBC/SHA1/MODP-2048/PSK"}});
}

TEST(Profile, Md5IsASwitchOfItsOwnAndTheLastChoice) {
  ClientProfile old{.name = "md5"};
  old.phase_one = {Racoon(kAes, 128, kMd5, 14, 3600)};
  ExpectChoices(PhaseOnePolicy::Compat(), {{old, nullptr}});
  PhaseOnePolicy policy = PhaseOnePolicy::Compat();
  policy.AllowMd5();
  ExpectChoices(policy, {{old, "AES-CBC-128/MD5/MODP-2048/PSK"},
                         {Apple(), "AES-CBC-256/SHA2-256/MODP-2048/PSK"},
                         {Android23(), "AES-CBC-128/SHA1/MODP-1024/PSK"}});
}

TEST(Profile, ModernEspHasNoSha1) {
  const EspPolicy modern = EspPolicy::Modern();
  EXPECT_THAT(modern.auths, testing::Not(testing::Contains(EspAuth::kHmacSha1)));
  EXPECT_THAT(modern.pfs_groups, testing::Not(testing::Contains(crypto::Group::kModp1024)));
  EXPECT_THAT(modern.ciphers,
              testing::Not(testing::Contains(EspCipherChoice{EspCipher::kTripleDes, 0})));
}

TEST(Profile, WeaknessIsNamed) {
  PhaseOneSuite suite{IkeCipher::kAesCbc,       256, IkeHash::kSha1, AuthMethod::kPreSharedKey,
                      crypto::Group::kModp2048, {}};
  EXPECT_EQ(WeaknessOf(suite), "");
  suite.group = crypto::Group::kModp1024;
  EXPECT_THAT(WeaknessOf(suite), testing::StartsWith("DH group 2 (MODP-1024) is weak: "));
  suite.hash = IkeHash::kMd5;
  EXPECT_THAT(WeaknessOf(suite), testing::HasSubstr("MD5 is weak"));
}

}  // namespace
