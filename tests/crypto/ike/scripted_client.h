// A client made of literal offers: what the built-in clients of phones and computers put on the
// wire, message by message, and a look into every reply. Unlike the Initiator it says whatever its
// profile says, and nothing on its own account.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "crypto/ike/isakmp_sa.h"
#include "crypto/ike/proposal.h"
#include "crypto/ike/responder.h"
#include "tests/crypto/ike/login.h"

namespace test {

struct ClientProfile {
  std::string name;
  std::vector<std::string> vendor_ids = {};                 // of MM1, hex
  std::vector<std::string> phase_one = {};                  // attributes of each transform, hex
  std::vector<std::pair<int, std::string>> phase_two = {};  // transform id, attributes but the mode
  uint32_t message_id = 0x5eed1234;                         // of its first quick mode
  std::string idci = "011106a5c0a8320a";                    // 192.168.50.10 17/1701
  std::string idcr = "011106a5cb007101";                    // 203.0.113.1 17/1701
  bool sends_nat_oa = true;                                 // the pair, if there is a NAT
  std::optional<crypto::Group> pfs_group = std::nullopt;    // and a KE payload
  size_t nonce_octets = 32;
  // What is to come of it.
  std::string suite = {};      // of phase 1
  int number = 1;              // of its transform
  std::string esp_suite = {};  // without the encapsulation mode
  int esp_number = 1;
  std::string natt_id = "4a131c81070358455c5728f20e95452f";  // the one vendor id for NAT-T
  int nat_d = 20, nat_oa = 21, udp_transport = 4;            // its numbers
};

class ScriptedClient {
 public:
  struct Place {
    stack::Endpoint inside = kClient;    // as the client knows itself
    stack::Endpoint outside = kClient;   // as the gateway sees it on port 500
    stack::Endpoint dialled = kGateway;  // as the client knows the gateway
    stack::Endpoint gateway = kGateway;  // as the gateway knows itself
  };

  ScriptedClient(ClientProfile its_profile, ike::Responder& responder, Place its_place,
                 uint64_t seed = 1)
      : profile(std::move(its_profile)), place(its_place), responder_(responder), rng_(seed) {
    cookies.initiator = rng_.U64();
  }

  // A message to the gateway; the replies, which are also appended to `sent`.
  std::vector<stack::Bytes> Say(const stack::Bytes& message) {
    return SayFrom(message, From(), To());
  }
  std::vector<stack::Bytes> SayFrom(const stack::Bytes& message, const stack::Endpoint& from,
                                    const stack::Endpoint& to) {
    said.push_back(message);
    responder_.OnPacket(now, {message, from, to}, out_);
    return Drain();
  }
  // The one reply to a request; and, if it is asked again, the same one.
  stack::Bytes Ask(const stack::Bytes& message) {
    const auto replies = Say(message);
    EXPECT_EQ(replies.size(), 1u);
    if (replies.size() != 1) return {};
    EXPECT_THAT(Say(message), testing::ElementsAre(replies[0]));
    return replies[0];
  }

  bool MainMode() { return SendFirst() && SendKey() && SendIdentity(); }

  bool SendFirst() {
    const stack::Bytes reply = Ask(First());
    const auto mm2 = ike::Isakmp::Parse(reply);
    if (!mm2.ok() || mm2->header.exchange != ike::ExchangeType::kIdentityProtection) return false;
    cookies.responder = mm2->header.responder_cookie;
    const auto chain = ike::PayloadChain::Parse(mm2->header.next_payload, mm2->body);
    mm2_types = TypesOf(*chain);
    for (const auto& payload : *chain) {
      if (payload.type == ike::PayloadType::kVendorId) {
        echoed_ids.push_back(stack::ToHex(payload.body));
      }
    }
    const auto reply_sa = ike::DecodeSa(chain->Only(ike::PayloadType::kSa).value());
    if (!reply_sa.ok() || reply_sa->proposals.size() != 1 ||
        reply_sa->proposals[0].transforms.size() != 1) {
      return false;
    }
    const ike::Transform& chosen = reply_sa->proposals[0].transforms[0];
    chosen_number = chosen.number;
    chosen_attributes = stack::ToHex(chosen.attributes);
    suite = ike::ReadPhaseOne(chosen).value();
    return true;
  }

  bool SendKey() {
    pair_.emplace(*crypto::GenerateDh(suite.group));
    publics_.cookies = cookies;
    publics_.g_xi = stack::ToBytes(pair_->public_value());
    publics_.ni.resize(profile.nonce_octets);
    rng_.Fill(publics_.ni);
    ike::PayloadList mm3;
    mm3.Add(ike::PayloadType::kKeyExchange, publics_.g_xi);
    mm3.Add(ike::PayloadType::kNonce, publics_.ni);
    if (!profile.natt_id.empty()) {
      mm3.Add(NatDType(), NatD(place.dialled).view());
      mm3.Add(NatDType(), NatD(place.inside).view());
    }
    const stack::Bytes request = Clear(mm3);
    const stack::Bytes reply = Ask(request);
    EXPECT_LE(reply.size(), request.size());
    const auto mm4 = ike::Isakmp::Parse(reply);
    if (!mm4.ok()) return false;
    const auto chain = ike::PayloadChain::Parse(mm4->header.next_payload, mm4->body);
    mm4_types = TypesOf(*chain);
    publics_.g_xr = stack::ToBytes(chain->Only(ike::PayloadType::kKeyExchange).value());
    publics_.nr = stack::ToBytes(chain->Only(ike::PayloadType::kNonce).value());
    if (chain->size() == 4) {
      sees_itself_natted = !Equal((*chain)[2].body, NatD(place.inside));
      sees_gateway_natted = !Equal((*chain)[3].body, NatD(place.dialled));
    }
    floated = sees_itself_natted || sees_gateway_natted;
    return true;
  }

  bool SendIdentity(bool initial_contact = false) {
    const auto prf = *ike::PrimOf(suite.hash);
    const auto shape = *ike::PrimOf(suite.cipher, suite.key_bits);
    keys_ = ike::DerivePhaseOne(prf, Psk(), publics_, *pair_->Agree(publics_.g_xr));
    auto cipher = ike::MessageCipher::Create(
        shape, ike::DeriveMessageKey(prf, keys_.skeyid_e, shape.key_octets));
    iv_ = ike::FirstIv(prf, publics_, crypto::BlockSize(shape.id));
    const stack::Bytes id =
        ike::EncodeId(ike::Identification::OfAddress(place.inside.ip, 17, ike::kIkePort));
    ike::PayloadList mm5;
    mm5.Add(ike::PayloadType::kId, id);
    mm5.Add(ike::PayloadType::kHash, ike::HashI(prf, keys_.skeyid, publics_, offer_, id).view());
    if (initial_contact) {
      mm5.Add(ike::PayloadType::kNotify,
              ike::EncodeNotify(
                  {ike::kProtocolIsakmp, ike::NotifyType::kInitialContact, cookies.Octets(), {}}));
    }
    const stack::Bytes reply = Ask(cipher->Seal(Header(mm5.first(), 0), mm5.bytes(), iv_));
    const auto mm6 = ike::Isakmp::Parse(reply);
    if (!mm6.ok()) return false;
    auto opened = cipher->Open(*mm6, iv_);
    if (!opened.ok()) return false;
    mm6_types = TypesOf(opened->payloads);
    const stack::ByteView idr = opened->payloads.Only(ike::PayloadType::kId).value();
    gateway_id = ike::DecodeId(idr)->Text();
    const auto hash = ike::HashR(prf, keys_.skeyid, publics_, offer_, idr);
    if (!crypto::ConstantTimeEqual(hash.view(),
                                   opened->payloads.Only(ike::PayloadType::kHash).value())) {
      return false;
    }
    sa.reset(new ike::IsakmpSa{.id = {cookies.responder},
                               .cookies = cookies,
                               .suite = suite,
                               .prf = prf,
                               .skeyid_d = keys_.skeyid_d.Clone(),
                               .skeyid_a = keys_.skeyid_a.Clone(),
                               .cipher = *std::move(cipher),
                               .last_block = opened->next_iv,
                               .vendors = {},
                               .peer = {},
                               .path = {}});
    return true;
  }

  // QM1 to QM3. `extra` goes behind everything else in QM1.
  bool QuickMode(uint32_t message_id, uint32_t spi = 0x11223344) {
    const stack::Bytes reply = Ask(SealSecondPhase(message_id, spi));
    if (!ReadSecond(message_id, reply)) return false;
    const auto hash = ike::ThirdHash(sa->prf, sa->skeyid_a, message_id, ni_, nr_);
    EXPECT_TRUE(Say(Sealed(message_id, hash, ike::PayloadList())).empty());
    return true;
  }

  // Any message under the SA, HASH in front.
  stack::Bytes Informational(uint32_t message_id, const ike::PayloadList& rest) {
    ike::Iv iv = sa->StartIv(message_id);
    return sa->Seal(ike::ExchangeType::kInformational, message_id,
                    sa->HashOf(message_id, {rest.bytes()}), rest, iv);
  }

  // What the transform of phase 2 is completed with: the mode that a NAT or its absence calls for.
  int Mode() const { return floated ? profile.udp_transport : 2; }

  static std::vector<int> TypesOf(const ike::PayloadChain& chain) {
    std::vector<int> types;
    for (const auto& payload : chain) types.push_back(static_cast<int>(payload.type));
    return types;
  }
  stack::Bytes First() {
    std::vector<stack::Bytes> attributes;
    for (const std::string& hex : profile.phase_one) attributes.push_back(stack::FromHex(hex));
    ike::Proposal proposal{1, ike::kProtocolIsakmp, {}, {}};
    for (size_t i = 0; i < attributes.size(); ++i) {
      proposal.transforms.push_back(
          {static_cast<uint8_t>(i + 1), ike::kTransformKeyIke, attributes[i]});
    }
    offer_ = ike::EncodeSa(proposal);
    ike::PayloadList mm1;
    mm1.Add(ike::PayloadType::kSa, offer_);
    for (const std::string& id : profile.vendor_ids) {
      mm1.Add(ike::PayloadType::kVendorId, stack::FromHex(id));
    }
    return Clear(mm1);
  }

  ClientProfile profile;
  Place place;
  absl::Time now = kStart;
  ike::Cookies cookies;
  Story story;                     // of the gateway
  std::vector<stack::Bytes> said;  // by the client
  std::vector<int> mm2_types, mm4_types, mm6_types, qm2_types;
  std::vector<std::string> echoed_ids;
  int chosen_number = 0;
  std::string chosen_attributes;
  ike::PhaseOneSuite suite;
  bool sees_itself_natted = false, sees_gateway_natted = false, floated = false;
  std::string gateway_id;
  std::unique_ptr<ike::IsakmpSa> sa;
  int esp_number = 0;
  std::string esp_attributes, echoed_idci, echoed_idcr;
  std::vector<std::string> nat_oas;  // the gateway's, as addresses
  ike::ChildKeys in, out;            // the client's
  bool refuse_spi = false;

 private:
  static bool Equal(stack::ByteView a, const crypto::Digest& b) {
    return crypto::ConstantTimeEqual(a, b.view());
  }
  ike::PayloadType NatDType() const { return static_cast<ike::PayloadType>(profile.nat_d); }
  ike::PayloadType NatOaType() const { return static_cast<ike::PayloadType>(profile.nat_oa); }
  crypto::Digest NatD(const stack::Endpoint& end) const {
    return ike::NatD(*ike::PrimOf(suite.hash), cookies, end);
  }
  stack::Endpoint From() const {
    if (!floated) return place.outside;
    return {place.outside.ip, static_cast<uint16_t>(place.outside.port + 4000)};
  }
  stack::Endpoint To() const {
    return floated ? stack::Endpoint{place.gateway.ip, ike::kFloatedPort} : place.gateway;
  }
  stack::Bytes Clear(const ike::PayloadList& payloads) const {
    return ike::ClearMessage(cookies, ike::ExchangeType::kIdentityProtection, 0, payloads);
  }
  ike::IsakmpHeader Header(ike::PayloadType first, uint32_t message_id) const {
    ike::IsakmpHeader header;
    header.initiator_cookie = cookies.initiator;
    header.responder_cookie = cookies.responder;
    header.next_payload = first;
    header.exchange = ike::ExchangeType::kIdentityProtection;
    header.message_id = message_id;
    return header;
  }

  stack::Bytes Sealed(uint32_t message_id, const crypto::Secret& hash,
                      const ike::PayloadList& rest) {
    return sa->Seal(ike::ExchangeType::kQuickMode, message_id, hash, rest, iv_);
  }
  stack::Bytes SealSecondPhase(uint32_t message_id, uint32_t spi) {
    spi_out_ = spi;
    ni_.resize(profile.nonce_octets);
    rng_.Fill(ni_);
    std::vector<stack::Bytes> attributes;
    for (const auto& [id, hex] : profile.phase_two) {
      stack::Bytes mode;
      ike::AppendAttribute(mode, 4, static_cast<uint32_t>(Mode()));
      attributes.push_back(stack::FromHex(hex + stack::ToHex(mode)));
    }
    std::array<std::byte, 4> spi_octets;
    stack::Store32(spi_octets.data(), spi);
    ike::Proposal proposal{1, ike::kProtocolEsp, spi_octets, {}};
    for (size_t i = 0; i < attributes.size(); ++i) {
      proposal.transforms.push_back({static_cast<uint8_t>(i + 1),
                                     static_cast<uint8_t>(profile.phase_two[i].first),
                                     attributes[i]});
    }
    ike::PayloadList rest;
    rest.Add(ike::PayloadType::kSa, ike::EncodeSa(proposal));
    rest.Add(ike::PayloadType::kNonce, ni_);
    if (profile.pfs_group) {
      pair_.emplace(*crypto::GenerateDh(*profile.pfs_group));
      rest.Add(ike::PayloadType::kKeyExchange, pair_->public_value());
    }
    rest.Add(ike::PayloadType::kId, stack::FromHex(profile.idci));
    rest.Add(ike::PayloadType::kId, stack::FromHex(profile.idcr));
    if (floated && profile.sends_nat_oa) {
      rest.Add(NatOaType(), ike::EncodeNatOa(place.inside.ip));
      rest.Add(NatOaType(), ike::EncodeNatOa(place.dialled.ip));
    }
    iv_ = sa->StartIv(message_id);
    return Sealed(message_id, sa->HashOf(message_id, {rest.bytes()}), rest);
  }
  bool ReadSecond(uint32_t message_id, const stack::Bytes& reply) {
    const auto qm2 = ike::Isakmp::Parse(reply);
    if (!qm2.ok() || qm2->header.exchange != ike::ExchangeType::kQuickMode) return false;
    auto opened = sa->cipher.Open(*qm2, iv_);
    if (!opened.ok()) return false;
    const auto hash = sa->HashOf(message_id, {ni_, opened->BehindFirst()});
    if (!crypto::ConstantTimeEqual(hash.view(), ike::LeadingHash(opened->payloads))) return false;
    qm2_types = TypesOf(opened->payloads);
    iv_ = opened->next_iv;
    std::vector<std::string> ids;
    for (const auto& payload : opened->payloads) {
      if (payload.type == ike::PayloadType::kId) ids.push_back(stack::ToHex(payload.body));
      if (payload.type == NatOaType()) {
        nat_oas.push_back(ike::DecodeNatOa(payload.body)->Text());
      }
    }
    if (ids.size() == 2) std::tie(echoed_idci, echoed_idcr) = std::pair(ids[0], ids[1]);
    const auto offer = ike::DecodeSa(opened->payloads.Only(ike::PayloadType::kSa).value());
    if (!offer.ok() || offer->proposals.size() != 1) return false;
    const ike::Transform& chosen = offer->proposals[0].transforms.at(0);
    esp_number = chosen.number;
    esp_attributes = stack::ToHex(chosen.attributes);
    nr_ = stack::ToBytes(opened->payloads.Only(ike::PayloadType::kNonce).value());
    const ike::EspSpi spi_in{stack::Load32(offer->proposals[0].spi.data())};
    crypto::Secret shared;
    if (const auto ke = opened->payloads.Only(ike::PayloadType::kKeyExchange)) {
      shared = *pair_->Agree(*ke);
    }
    const crypto::Secret* g_xy = shared.empty() ? nullptr : &shared;
    const auto sizes = *ike::KeySizesOf(story.Last<ike::ChildReady>()->suite);
    out = ike::DeriveChild(sa->prf, sa->skeyid_d, {g_xy, spi_in, ni_, nr_}, sizes);
    in = ike::DeriveChild(sa->prf, sa->skeyid_d, {g_xy, {spi_out_}, ni_, nr_}, sizes);
    return true;
  }

  std::vector<stack::Bytes> Drain() {
    std::vector<stack::Bytes> replies;
    while (!out_.empty()) {
      auto items = std::move(out_.items());
      out_.Clear();
      for (auto& item : items) {
        if (auto* frame = std::get_if<0>(&item)) {
          replies.push_back(stack::ToBytes(frame->buf.bytes()));
          continue;
        }
        Answer(std::get<1>(item));
      }
    }
    return replies;
  }
  void Answer(ike::Event& event) {
    if (auto* dh = std::get_if<ike::NeedDh>(&event)) {
      return responder_.OnDh(now, crew_.Answer(*dh), out_);
    }
    if (auto* spi = std::get_if<ike::NeedSpi>(&event)) {
      responder_.OnSpi(now, {spi->ticket, {refuse_spi ? 0 : ++next_spi_}}, out_);
    }
    story.events.push_back(std::move(event));
  }

  ike::Responder& responder_;
  FixedRng rng_;
  stack::PacketPool pool_{64, 4};
  ike::Out out_{pool_};
  Crew crew_;
  uint32_t next_spi_ = 0x7000;
  stack::Bytes offer_;
  std::optional<crypto::DhKeyPair> pair_;
  ike::Publics publics_;
  ike::PhaseOneKeys keys_;
  ike::Iv iv_;
  stack::Bytes ni_, nr_;
  uint32_t spi_out_ = 0;
};

}  // namespace test
