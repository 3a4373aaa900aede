// Sessions of strongSwan with strongSwan, recorded with all their keys: our key material must be
// theirs, and our responder, given their server's random numbers, must go through their client's
// login.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "crypto/ike/isakmp_sa.h"
#include "crypto/ike/keymat.h"
#include "crypto/ike/natt.h"
#include "crypto/ike/proposal.h"
#include "crypto/ike/responder.h"
#include "tests/crypto/ike/login.h"
#include "tests/support/pcap.h"
#include "tests/support/vectors.h"

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using crypto::HashId;
using crypto::Secret;
using stack::FromHex;
using stack::ToHex;

struct Message {
  Bytes bytes;
  bool from_client;
  Path path;  // as the server sees it
};

// The ISAKMP messages of a recording at the server, in order.
class Recording {
 public:
  explicit Recording(const std::string& name)
      : keys(test::ReadJson(test::DataPath(name + "/keys.json"))),
        pcap_(test::DataPath(name + "/wire-server.pcap")) {
    const uint32_t server = stack::Ip4::Parse(keys["server_ip"].get<std::string>())->value;
    for (const test::Frame& frame : pcap_.frames()) Take(test::Ip4PayloadOf(pcap_, frame), server);
  }

  std::string Key(const char* name) const { return keys["ike_srv"][name]; }
  std::string Child(const std::string& name) const {
    for (const auto& entry : keys["qm_srv"]) {
      if (entry.contains(name)) return entry[name];
    }
    return "";
  }
  PayloadChain Payloads(size_t i) const {
    const auto message = Isakmp::Parse(messages[i].bytes);
    return *PayloadChain::Parse(message->header.next_payload, message->body);
  }
  Publics ReadPublics() const {
    const auto header = Isakmp::Parse(messages[1].bytes)->header;
    return {{header.initiator_cookie, header.responder_cookie},
            stack::ToBytes(*Payloads(2).Only(PayloadType::kKeyExchange)),
            stack::ToBytes(*Payloads(3).Only(PayloadType::kKeyExchange)),
            stack::ToBytes(*Payloads(2).Only(PayloadType::kNonce)),
            stack::ToBytes(*Payloads(3).Only(PayloadType::kNonce))};
  }
  PhaseOneSuite Suite() const {
    const auto reply = DecodeSa(*Payloads(1).Only(PayloadType::kSa));
    return *ReadPhaseOne(reply->proposals[0].transforms[0]);
  }

  nlohmann::json keys;
  std::vector<Message> messages;

 private:
  void Take(const test::Ip4Payload& udp, uint32_t server) {
    if (udp.protocol != 17) return;
    const stack::Endpoint from{{udp.source}, udp.source_port};
    const stack::Endpoint to{{udp.destination}, udp.destination_port};
    const bool from_client = udp.destination == server;
    const Path path = from_client ? Path{to, from} : Path{from, to};
    ByteView bytes = udp.bytes;
    if (path.local.port == kFloatedPort) {
      if (bytes.size() < 4 || stack::Load32(bytes.data()) != 0) return;
      bytes = bytes.subspan(4);
    } else if (path.local.port != kIkePort) {
      return;
    }
    messages.push_back({stack::ToBytes(bytes), from_client, path});
  }

  test::Pcap pcap_;
};

class Recorded : public testing::TestWithParam<const char*> {
 protected:
  Recording recording{GetParam()};
};

TEST_P(Recorded, PhaseOneKeysAreTheirs) {
  ASSERT_GE(recording.messages.size(), 11u);
  const PhaseOneSuite suite = recording.Suite();
  const HashId prf = *PrimOf(suite.hash);
  const Publics publics = recording.ReadPublics();
  const Secret psk(stack::AsBytes(recording.keys["psk"].get<std::string>()));
  const Secret g_xy(FromHex(recording.Key("dh_shared")));
  const PhaseOneKeys keys = DerivePhaseOne(prf, psk, publics, g_xy);
  EXPECT_EQ(ToHex(keys.skeyid.view()), recording.Key("skeyid"));
  EXPECT_EQ(ToHex(keys.skeyid_d.view()), recording.Key("skeyid_d"));
  EXPECT_EQ(ToHex(keys.skeyid_a.view()), recording.Key("skeyid_a"));
  EXPECT_EQ(ToHex(keys.skeyid_e.view()), recording.Key("skeyid_e"));
  EXPECT_EQ(ToHex(DeriveMessageKey(prf, keys.skeyid_e, 32).view()), recording.Key("ike_enc_key"));
  EXPECT_EQ(ToHex(FirstIv(prf, publics, 16).view()), recording.Key("ike_initial_iv"));
}

TEST_P(Recorded, EveryMessageDecryptsAndItsHashIsRight) {
  const PhaseOneSuite suite = recording.Suite();
  const HashId prf = *PrimOf(suite.hash);
  const Publics publics = recording.ReadPublics();
  const Secret skeyid(FromHex(recording.Key("skeyid")));
  const Secret skeyid_a(FromHex(recording.Key("skeyid_a")));
  const CipherShape shape = *PrimOf(suite.cipher, suite.key_bits);
  auto cipher = MessageCipher::Create(shape, Secret(FromHex(recording.Key("ike_enc_key"))));
  const Bytes sai = stack::ToBytes(*recording.Payloads(0).Only(PayloadType::kSa));

  Iv iv = Iv::Of(FromHex(recording.Key("ike_initial_iv")));
  for (const size_t i : {size_t{4}, size_t{5}}) {
    const auto opened = cipher->Open(*Isakmp::Parse(recording.messages[i].bytes), iv);
    ASSERT_TRUE(opened.ok());
    const auto id = *opened->payloads.Only(PayloadType::kId);
    const Secret hash =
        i == 4 ? HashI(prf, skeyid, publics, sai, id) : HashR(prf, skeyid, publics, sai, id);
    EXPECT_EQ(ToHex(hash.view()), recording.Key(i == 4 ? "hash_i" : "hash_r"));
    EXPECT_EQ(ToHex(*opened->payloads.Only(PayloadType::kHash)), ToHex(hash.view()));
    iv = opened->next_iv;
  }
  const Iv last = iv;
  Bytes ni, nr;
  ASSERT_GE(recording.messages.size(), 9u);
  for (size_t i = 6; i < recording.messages.size(); ++i) {
    const auto message = *Isakmp::Parse(recording.messages[i].bytes);
    const uint32_t id = message.header.message_id;
    if (i == 6 || i > 8) iv = ExchangeIv(prf, last, id);
    const auto opened = cipher->Open(message, iv);
    ASSERT_TRUE(opened.ok()) << i;
    iv = opened->next_iv;
    const auto nonce = opened->payloads.Only(PayloadType::kNonce);
    if (nonce) (i == 6 ? ni : nr) = stack::ToBytes(*nonce);
    Secret hash = MessageHash(prf, skeyid_a, id, {opened->BehindFirst()});
    if (i == 7) hash = MessageHash(prf, skeyid_a, id, {ni, opened->BehindFirst()});
    if (i == 8) hash = ThirdHash(prf, skeyid_a, id, ni, nr);
    EXPECT_EQ(ToHex(LeadingHash(opened->payloads)), ToHex(hash.view())) << i;
  }
}

TEST_P(Recorded, ChildKeysAreTheirs) {
  const HashId prf = *PrimOf(recording.Suite().hash);
  const Secret skeyid_d(FromHex(recording.Key("skeyid_d")));
  for (const std::string end : {"initiator", "responder"}) {
    const Bytes seed = FromHex(recording.Child(end + " SA seed"));
    const Secret auth(FromHex(recording.Child("integrity " + end + " key")));
    ASSERT_EQ(seed.size(), 1u + 4 + 32 + 32);
    const ChildKeys keys = DeriveChild(prf, skeyid_d,
                                       {nullptr,
                                        {stack::Load32(seed.data() + 1)},
                                        ByteView(seed).subspan(5, 32),
                                        ByteView(seed).subspan(37, 32)},
                                       {32, auth.size()});
    EXPECT_EQ(ToHex(keys.cipher.view()), recording.Child("encryption " + end + " key"));
    EXPECT_EQ(keys.auth, auth);
  }
}

TEST_P(Recorded, NatDIsTheirs) {
  const HashId hash = *PrimOf(recording.Suite().hash);
  const Cookies cookies = recording.ReadPublics().cookies;
  // Their MM4 speaks of the path it takes: first the client as seen from there, then the server.
  const PayloadChain mm4 = recording.Payloads(3);
  std::vector<std::string> told;
  for (const auto& payload : mm4) {
    if (payload.type == PayloadType::kNatD) told.push_back(ToHex(payload.body));
  }
  const Path& path = recording.messages[3].path;
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0], ToHex(NatD(hash, cookies, path.remote).view()));
  if (std::string(GetParam()).starts_with("force")) return;  // theirs pretends a NAT
  EXPECT_EQ(told[1], ToHex(NatD(hash, cookies, path.local).view()));
}

TEST_P(Recorded, NatIsFoundWhereItWas) {
  const PayloadChain mm3 = recording.Payloads(2);
  const NatFindings findings =
      CompareNatD(mm3, NattRfc(), *PrimOf(recording.Suite().hash), recording.ReadPublics().cookies,
                  recording.messages[2].path);
  EXPECT_TRUE(findings.told);
  EXPECT_EQ(findings.peer, !std::string(GetParam()).starts_with("nonat"));
  EXPECT_FALSE(findings.local);
}

// Hands out the recorded server's numbers: its cookie, then its nonces.
class RecordedRng : public stack::Rng {
 public:
  RecordedRng(uint64_t cookie, std::deque<Bytes> nonces) : cookie_(cookie), nonces_(nonces) {}
  void Fill(stack::ByteSpan out) override {
    if (out.size() == 8) return stack::Store64(out.data(), cookie_);
    if (out.size() == 32 && !nonces_.empty()) {
      std::copy(nonces_.front().begin(), nonces_.front().end(), out.begin());
      return nonces_.pop_front();
    }
    std::fill(out.begin(), out.end(), std::byte{1});
  }

 private:
  uint64_t cookie_;
  std::deque<Bytes> nonces_;
};

// strongSwan adds a whole block of padding where none is needed, so with SHA2-256 its MM6 is longer
// than ours and what follows is encrypted with another IV: that recording cannot be played to us.
class RecordedClient : public Recorded {};

// Plays the recorded client to our responder, and looks at what it comes to.
TEST_P(RecordedClient, OurResponderGoesThroughTheirLogin) {
  const Publics publics = recording.ReadPublics();
  const std::string seed = recording.Child("initiator SA seed");
  // protocol, SPI, Ni, Nr: their nonces have 32 octets, as ours do.
  ASSERT_EQ(seed.size(), 2u * (1 + 4 + 32 + 32));
  ASSERT_EQ(publics.nr.size(), 32u);
  const Bytes child_nr = FromHex(seed.substr(2 * (1 + 4 + 32)));
  RecordedRng rng(publics.cookies.responder, {publics.nr, child_nr});
  Options options;
  options.psks = test::Psks();
  Responder responder(test::kStart, options, rng);
  stack::PacketPool pool(64, 4);
  Out out(pool);

  const EspSpi spi_in{stack::Load32(FromHex(seed.substr(2, 8)).data())};
  std::vector<Event> told;
  std::vector<Bytes> sent;
  for (size_t i = 0; i < recording.messages.size(); ++i) {
    const Message& message = recording.messages[i];
    if (!message.from_client || i == 8) continue;  // QM3 continues their QM2, which is not ours
    responder.OnPacket(test::kStart, {message.bytes, message.path.remote, message.path.local}, out);
    while (!out.empty()) {
      auto items = std::move(out.items());
      out.Clear();
      for (auto& item : items) {
        if (auto* frame = std::get_if<0>(&item)) {
          sent.push_back(stack::ToBytes(frame->buf.bytes()));
          continue;
        }
        Event& event = std::get<1>(item);
        if (auto* dh = std::get_if<NeedDh>(&event)) {
          EXPECT_EQ(dh->peer_public, publics.g_xi);
          responder.OnDh(test::kStart,
                         {dh->ticket, DhAnswer::Outcome::kDone, publics.g_xr,
                          Secret(FromHex(recording.Key("dh_shared")))},
                         out);
        } else if (auto* spi = std::get_if<NeedSpi>(&event)) {
          responder.OnSpi(test::kStart, {spi->ticket, spi_in}, out);
        } else {
          told.push_back(std::move(event));
        }
      }
    }
  }

  ASSERT_GE(sent.size(), 4u);                                     // MM2, MM4, MM6, QM2
  EXPECT_EQ(ToHex(sent[2]), ToHex(recording.messages[5].bytes));  // MM6: octet for octet theirs
  test::Story story{std::move(told)};
  ASSERT_NE(story.Last<PhaseOneUp>(), nullptr);
  // They offered 0 seconds: no limit, so it is ours.
  EXPECT_EQ(story.Last<PhaseOneUp>()->expires,
            test::kStart + options.default_lifetime + options.lifetime_grace);
  EXPECT_EQ(story.Count<stack::Drop>(), 0u);
  const auto* ready = story.Last<ChildReady>();
  ASSERT_NE(ready, nullptr);
  EXPECT_EQ(ToHex(ready->in.cipher.view()), recording.Child("encryption initiator key"));
  EXPECT_EQ(ToHex(ready->in.auth.view()), recording.Child("integrity initiator key"));
  EXPECT_EQ(ToHex(ready->out.cipher.view()), recording.Child("encryption responder key"));
  EXPECT_EQ(ToHex(ready->out.auth.view()), recording.Child("integrity responder key"));
  EXPECT_EQ(ready->udp_encapsulated, !std::string(GetParam()).starts_with("nonat"));
  EXPECT_EQ(ready->suite.lifetime, Lifetime{});
  // The orderly end: DELETE of the ESP SA, then of the ISAKMP SA.
  ASSERT_NE(story.Last<ChildDeleted>(), nullptr);
  EXPECT_THAT(story.Last<ChildDeleted>()->spi_out, testing::ElementsAre(ready->spi_out));
  EXPECT_EQ(story.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kDeletedByPeer);
}

std::string NameOfSession(const testing::TestParamInfo<const char*>& session) {
  std::string name = session.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Sessions, Recorded,
                         testing::Values("nonat-aes256-sha1-modp2048", "nat-aes256-sha1-modp2048",
                                         "nat-aes256-sha256-modp2048",
                                         "natports-aes256-sha1-modp2048",
                                         "force-aes256-sha1-modp2048"),
                         NameOfSession);
INSTANTIATE_TEST_SUITE_P(Sessions, RecordedClient,
                         testing::Values("nonat-aes256-sha1-modp2048", "nat-aes256-sha1-modp2048",
                                         "natports-aes256-sha1-modp2048",
                                         "force-aes256-sha1-modp2048"),
                         NameOfSession);

}  // namespace
