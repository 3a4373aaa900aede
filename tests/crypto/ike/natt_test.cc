// NAT traversal seen from both ends: a gateway behind a router that forwards to it, encapsulation
// that is forced, drafts, and clients that change their port or say odd things.
#include "crypto/ike/natt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/crypto/ike/scripted_client.h"

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using test::ClientProfile;
using test::ScriptedClient;
using testing::ElementsAre;

// AES-256, SHA1, MODP-1024 and AES-128 with HMAC-SHA1 in ESP: the quickest agreement.
ClientProfile Client() {
  ClientProfile profile{.name = "client"};
  profile.vendor_ids = {profile.natt_id};
  profile.phase_one = {"80010007800e0100800200028003000180040002800b0001800c7080"};
  profile.phase_two = {{12, "80060080800500028001000180020e10"}};
  return profile;
}

constexpr stack::Ip4 kOwn{0x0a000005};  // 10.0.0.5, to which a router forwards 203.0.113.1

// A gateway, and one client of it.
struct Scene {
  explicit Scene(Options options, bool client_natted = false, bool forwarded = true,
                 ClientProfile profile = Client()) {
    options.psks = test::Psks();
    gateway = std::make_unique<Responder>(test::kStart, options, rng);
    ScriptedClient::Place place;
    if (client_natted) {
      place.inside = test::kPrivateClient;
      place.outside = {test::kNat, 1500};
    }
    if (forwarded) place.gateway = {kOwn, 500};
    client = std::make_unique<ScriptedClient>(std::move(profile), *gateway, place);
  }
  const IsakmpSa& sa() const { return *gateway->Find({client->cookies.responder}); }

  test::FixedRng rng;
  std::unique_ptr<Responder> gateway;
  std::unique_ptr<ScriptedClient> client;
};

// Windows in its default settings goes on only if the server seems to be where it was dialled.
TEST(BehindOurNat, TheClientSeesNoNatAtOurEnd) {
  for (const bool client_natted : {false, true}) {
    Scene scene({}, client_natted);
    ScriptedClient& client = *scene.client;
    ASSERT_TRUE(client.MainMode());
    EXPECT_FALSE(client.sees_gateway_natted);
    EXPECT_TRUE(client.sees_itself_natted);  // or it would send bare ESP at the router
    EXPECT_TRUE(scene.sa().local_natted);    // so we keep the mapping alive
    EXPECT_EQ(client.story.Last<PhaseOneUp>()->local_natted, true);
    EXPECT_EQ(client.story.Last<PhaseOneUp>()->peer_natted, client_natted);
    ASSERT_TRUE(client.QuickMode(1));
    const auto* ready = client.story.Last<ChildReady>();
    EXPECT_TRUE(ready->udp_encapsulated);
    // IDcr is the address that was dialled, and so is our NAT-OA.
    EXPECT_EQ(ready->idcr.Text(), "203.0.113.1 17/1701");
    EXPECT_EQ(client.echoed_idcr, client.profile.idcr);
    EXPECT_THAT(client.nat_oas,
                ElementsAre(client.place.outside.ip.Text(), test::kGateway.ip.Text()));
  }
}

TEST(BehindOurNat, TheDialledAddressIsFoundWithoutNatOa) {
  ClientProfile profile = Client();
  profile.sends_nat_oa = false;
  Scene by_id({}, false, true, profile);
  ASSERT_TRUE(by_id.client->MainMode() && by_id.client->QuickMode(1));
  EXPECT_EQ(by_id.client->nat_oas.back(), "203.0.113.1");

  profile.idcr = "021106a5" + stack::ToHex(stack::AsBytes("vpn.example"));
  Options options;
  options.public_address = stack::Ip4{0xcb007101};
  Scene by_option(options, false, true, profile);
  ASSERT_TRUE(by_option.client->MainMode() && by_option.client->QuickMode(1));
  EXPECT_EQ(by_option.client->nat_oas.back(), "203.0.113.1");
}

TEST(BehindOurNat, TheTruthIfTheOperatorWantsIt) {
  Options options;
  options.nat_d_echo = NatDEcho::kNever;
  Scene scene(options);
  ScriptedClient& client = *scene.client;
  ASSERT_TRUE(client.MainMode());
  EXPECT_TRUE(client.sees_gateway_natted);
  EXPECT_FALSE(client.sees_itself_natted);
  ASSERT_TRUE(client.QuickMode(1));
  EXPECT_THAT(client.nat_oas, ElementsAre(test::kClient.ip.Text(), kOwn.Text()));
}

TEST(BehindOurNat, OurIdentityIsThePublicAddressIfItIsKnown) {
  Options options;
  Scene unknown(options);
  ASSERT_TRUE(unknown.client->MainMode());
  EXPECT_EQ(unknown.client->gateway_id, kOwn.Text());
  options.public_address = stack::Ip4{0xcb007101};
  Scene known(options);
  ASSERT_TRUE(known.client->MainMode());
  EXPECT_EQ(known.client->gateway_id, "203.0.113.1");
  // Who dialled us directly, in the network behind the router, sees us as we are.
  Scene direct(options, false, false);
  direct.client->place.gateway = direct.client->place.dialled = {kOwn, 500};
  ASSERT_TRUE(direct.client->MainMode());
  EXPECT_EQ(direct.client->gateway_id, kOwn.Text());
  EXPECT_FALSE(direct.client->floated);
}

TEST(WithoutNat, NoEchoChangesAnything) {
  for (const NatDEcho echo : {NatDEcho::kAuto, NatDEcho::kAlways, NatDEcho::kNever}) {
    Options options;
    options.nat_d_echo = echo;
    Scene scene(options, false, false);
    ASSERT_TRUE(scene.client->MainMode() && scene.client->QuickMode(1));
    EXPECT_FALSE(scene.client->floated);
    EXPECT_FALSE(scene.sa().behind_nat());
    EXPECT_FALSE(scene.client->story.Last<ChildReady>()->udp_encapsulated);
    EXPECT_TRUE(scene.client->nat_oas.empty());
  }
}

TEST(WithoutNat, EncapsulationIsForced) {
  Options options;
  options.force_udp_encapsulation = true;
  Scene scene(options, false, false);
  ASSERT_TRUE(scene.client->MainMode() && scene.client->QuickMode(1));
  EXPECT_TRUE(scene.client->sees_itself_natted);
  EXPECT_FALSE(scene.client->sees_gateway_natted);
  EXPECT_FALSE(scene.sa().local_natted);
  EXPECT_TRUE(scene.client->story.Last<ChildReady>()->udp_encapsulated);
}

TEST(WithoutNat, AClientWithoutNatTraversalIsServed) {
  ClientProfile profile = Client();
  profile.vendor_ids = {};
  profile.natt_id = "";
  Options options;
  options.force_udp_encapsulation = true;  // cannot be
  Scene scene(options, false, true, profile);
  ASSERT_TRUE(scene.client->MainMode() && scene.client->QuickMode(1));
  EXPECT_THAT(scene.client->mm4_types, ElementsAre(4, 10));
  EXPECT_FALSE(scene.client->story.Last<ChildReady>()->udp_encapsulated);
}

// NAT-D of a strange size is no view of us that could be sent back.
TEST(BehindOurNat, AStrangeNatDIsNotEchoed) {
  Scene scene({});
  ScriptedClient& client = *scene.client;
  ASSERT_TRUE(client.SendFirst());
  const auto pair = *crypto::GenerateDh(crypto::Group::kModp1024);
  PayloadList mm3;
  mm3.Add(PayloadType::kKeyExchange, pair.public_value());
  mm3.Add(PayloadType::kNonce, stack::AsBytes("sixteen octets.."));
  mm3.Add(PayloadType::kNatD, stack::AsBytes("short"));
  const auto replies =
      client.Say(ClearMessage(client.cookies, ExchangeType::kIdentityProtection, 0, mm3));
  ASSERT_EQ(replies.size(), 1u);
  const auto mm4 = Isakmp::Parse(replies[0]);
  const auto chain = PayloadChain::Parse(mm4->header.next_payload, mm4->body);
  ASSERT_EQ(chain->size(), 4u);
  const auto honest = NatD(crypto::HashId::kSha1, client.cookies, {kOwn, 500});
  EXPECT_EQ(stack::ToHex((*chain)[3].body), stack::ToHex(honest.view()));
}

// Telephones on networks that have only IPv6 know no address of their own.
TEST(Identities, AreNotComparedWithAddresses) {
  ClientProfile profile = Client();
  profile.idci = "011106a5c0a80202";
  Scene scene({}, true, false, profile);
  scene.client->place.inside = {{0}, 500};
  ASSERT_TRUE(scene.client->MainMode() && scene.client->QuickMode(1));
  EXPECT_EQ(scene.client->story.Last<PhaseOneUp>()->peer.Text(), "0.0.0.0 17/500");
  EXPECT_EQ(scene.client->story.Last<ChildReady>()->idci.Text(), "192.168.2.2 17/1701");
}

// Apple renews phase 1 from port 4500 while the old one is in use, and others from 500: another one
// beside it each time, and the DELETE of one is the end of that one.
TEST(Renewal, FromEitherPortBesideTheOldOne) {
  Scene scene({}, true, false);
  ScriptedClient& old = *scene.client;
  ASSERT_TRUE(old.MainMode() && old.QuickMode(1));
  for (const bool from4500 : {true, false}) {
    ScriptedClient::Place place = old.place;
    if (from4500) {
      place.outside.port = static_cast<uint16_t>(place.outside.port + 4000);
      place.gateway.port = 4500;
    }
    ScriptedClient renewed(Client(), *scene.gateway, place, from4500 ? 4 : 5);
    ASSERT_TRUE(renewed.SendFirst());
    EXPECT_EQ(renewed.mm2_types.front(), 1);
    EXPECT_EQ(scene.gateway->established(), 1u);
    EXPECT_EQ(scene.gateway->half_open(), from4500 ? 1u : 2u);
  }
  ScriptedClient renewed(Client(), *scene.gateway, old.place, 6);
  ASSERT_TRUE(renewed.MainMode());
  EXPECT_EQ(scene.gateway->established(), 2u);
  PayloadList rest;
  rest.Add(PayloadType::kDelete, EncodeDelete(kProtocolIsakmp, old.cookies.Octets()));
  renewed.Say(renewed.Informational(7, rest));  // not its own to delete
  EXPECT_EQ(scene.gateway->established(), 2u);
  old.Say(old.Informational(8, rest));
  EXPECT_EQ(scene.gateway->established(), 1u);
  EXPECT_EQ(old.story.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kDeletedByPeer);
  EXPECT_EQ(old.story.Count<ChildDeleted>() + old.story.Count<ChildFailed>(), 0u);
  EXPECT_TRUE(renewed.QuickMode(1));  // the same message id as the old one's, and no harm in it
}

TEST(KeyLogging, TellsTheKeyOnlyIfItIsAskedFor) {
  Scene silent({});
  ASSERT_TRUE(silent.client->MainMode());
  EXPECT_EQ(silent.client->story.Count<KeyLog>(), 0u);
  Options options;
  options.keylog = true;
  Scene scene(options);
  ASSERT_TRUE(scene.client->MainMode());
  const auto* keys = scene.client->story.Last<KeyLog>();
  ASSERT_NE(keys, nullptr);
  EXPECT_EQ(keys->initiator_cookie, scene.client->cookies.initiator);
  EXPECT_EQ(keys->sa.cookie, scene.client->cookies.responder);
  // The key opens what is sent under the SA.
  auto cipher =
      MessageCipher::Create(*PrimOf(keys->suite.cipher, keys->suite.key_bits), keys->key.Clone());
  PayloadList rest;
  rest.Add(PayloadType::kDelete, EncodeDelete(kProtocolEsp, stack::FromHex("00001001")));
  const Bytes message = scene.client->Informational(7, rest);
  const auto opened = cipher->Open(*Isakmp::Parse(message), scene.client->sa->StartIv(7));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->payloads.Count(PayloadType::kDelete), 1u);
}

}  // namespace
