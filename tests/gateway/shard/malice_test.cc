// A client that means harm. It has the group key and a login of its own, shares the victim's NAT
// and inner address or comes from elsewhere, and knows every number of the victim's that is not
// secret. Whatever it does, the victim's packets go both ways over the session it had.
#include <string>
#include <tuple>
#include <utility>

#include "gtest/gtest.h"
#include "stack/wire/ip4.h"
#include "tests/gateway/shard/asking.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using gateway::load::Client;
using gateway::load::ClientOptions;
using LoadOut = gateway::load::Out;
using stack::Bytes;
using stack::ByteView;
using stack::Drop;
using stack::Endpoint;

constexpr size_t kOuter = 28;  // IPv4 and UDP
constexpr Endpoint kWeb{kHost, 443};

class Malice : public testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  Malice() : world({.shards = static_cast<uint8_t>(std::get<0>(GetParam()))}) {}

  void SetUp() override {
    nat = &world.AddNat("203.0.113.99");
    victim = &world.Add({.address = "192.168.1.2", .nat = nat});
    Caller::Options who{.user = 2, .address = "203.0.113.66"};
    if (std::get<1>(GetParam())) {
      who.address = "192.168.1.2";
      who.nat = nat;
    }
    who.change = [](ClientOptions& options) {  // whatever the address, these are the victim's
      using crypto::ike::Identification;
      options.ipsec.ike.identity = Identification::OfAddress(*stack::Ip4::Parse("192.168.1.2"));
      options.ipsec.ike.idci =
          Identification::OfAddress(*stack::Ip4::Parse("192.168.1.2"), 17, 1701);
    };
    mallory = &world.Add(who);
    world.on_delivery = [this](Caller& to, const Bytes& packet) {
      if (&to == victim && packet.size() > kOuter + 4) spi_ = stack::Load32(&packet[kOuter]);
    };
    for (Caller* caller : {victim, mallory}) {
      ASSERT_TRUE(world.LogIn(*caller)) << Why(world, *caller);
    }
    ASSERT_TRUE(Pings(world, *victim));
    tunnel = victim->client().server_tunnel();
    session = victim->client().server_session();
  }

  // The session is the same, and carries packets both ways, from the same outer end.
  void ExpectUnhurt() {
    for (uint16_t n = 1; n <= 3; ++n) {
      EXPECT_TRUE(Pings(world, *victim, n)) << Why(world, *victim);
      world.RunFor(absl::Seconds(2));
    }
    EXPECT_TRUE(victim->is_up());
    EXPECT_EQ(victim->client().server_tunnel(), tunnel);
    EXPECT_EQ(victim->Story(),
              "phase1_up esp_up tunnel_up call_up lcp_up authenticated ip_up" + rekeyed);
    EXPECT_FALSE(world.Logged("goes on from another place"));
    EXPECT_EQ(world.Counts().peers.sessions, 2U);
  }

  void Say(ByteView message) {
    world.Do(*mallory, [&](absl::Time now, Client& client, LoadOut& out) {
      client.SendL2tp(now, world.pool().Copy(message), out);
    });
    world.Settle();
  }
  // A PPP frame in the victim's session.
  void SayInside(ByteView frame) {
    Bytes message(6 + frame.size());
    stack::Store16(&message[0], 0x0002);
    stack::Store16(&message[2], tunnel.value);
    stack::Store16(&message[4], session.value);
    std::copy(frame.begin(), frame.end(), message.begin() + 6);
    Say(message);
  }
  Bytes VictimsPacket() const {
    Bytes frame = stack::FromHex("ff030021");
    const Bytes packet = UdpPacket({victim->up->address, 5000}, kWeb, Pattern(8));
    frame.insert(frame.end(), packet.begin(), packet.end());
    return frame;
  }
  // As it arrives, from where the gateway knows the victim.
  Endpoint VictimsEnd() {
    Bytes packet = victim->sent.back();
    world.ThroughNat(*victim, packet);
    return {{stack::Load32(&packet[12])}, stack::Load16(&packet[20])};
  }
  // What mallory sends by `what` does not leave, but turns up as if it came from `from`.
  void Forge(const Endpoint& from, const std::function<void(absl::Time, Client&, LoadOut&)>& what) {
    world.deaf = true;
    world.Do(*mallory, what);
    world.deaf = false;
    Bytes packet = mallory->sent.back();
    if (packet[9] != std::byte{17}) return;  // ESP without UDP has no port to forge
    stack::wire::SetSource(packet, from.ip);
    stack::Store16(&packet[20], from.port);
    stack::Store16(&packet[26], 0);  // UDP without checksum
    world.Frame(kServeSide, packet);
    world.Settle();
  }
  uint64_t Strays() const {
    return world.Dropped(Drop::kForeignTunnel) + world.Dropped(Drop::kUnknownTunnel);
  }

  World world;
  NatBox* nat = nullptr;
  Caller* victim = nullptr;
  Caller* mallory = nullptr;
  stack::l2tp::TunnelId tunnel;
  stack::l2tp::SessionId session;
  uint32_t spi_ = 0;    // on which the victim receives
  std::string rekeyed;  // what the victim did himself
};

TEST_P(Malice, DataInTheVictimsTunnel) {
  SayInside(VictimsPacket());
  SayInside(stack::FromHex("ff03c021 05010004"));  // LCP Terminate-Request
  EXPECT_EQ(Strays(), 2U) << world.Drops();
  for (const Bytes& packet : world.internet) EXPECT_NE(packet[9], std::byte{17});
  ExpectUnhurt();
}

TEST_P(Malice, ControlForTheVictimsTunnel) {
  for (const char* message : {
           "c8020026 0000 0000 0004 0002 8008 0000 0000 0004 8008 0000 0009 0001"
           "800a 0000 0001 0001 0000",  // StopCCN
           "c8020026 0000 0000 0004 0002 8008 0000 0000 000e 8008 0000 000e 0001"
           "800a 0000 0001 0003 0000",                         // CDN
           "c8020014 0000 0000 0004 0002 8008 0000 0000 0006"  // HELLO
       }) {
    Bytes bytes = stack::FromHex(message);
    stack::Store16(&bytes[4], tunnel.value);
    stack::Store16(&bytes[6], session.value);
    Say(bytes);
  }
  EXPECT_EQ(Strays(), 3U) << world.Drops();
  ExpectUnhurt();
}

// His own tunnel id, which the victim chose, means nothing under other SAs.
TEST_P(Malice, AFirstMessageWithTheVictimsTunnelId) {
  uint16_t own = 0;
  for (uint8_t i = 0; i < world.shards(); ++i) {
    if (const auto* t = world.shard(i).peers().FindTunnel(tunnel)) own = t->machine.peer().value;
  }
  ASSERT_NE(own, 0);
  Bytes sccrq = stack::FromHex(
      "c8020035 0000 0000 0000 0000 8008 0000 0000 0001 8008 0000 0002 0100"
      "800a 0000 0003 00000003 8007 0000 0007 61 8008 0000 0009 0000");
  stack::Store16(&sccrq[2], static_cast<uint16_t>(sccrq.size()));
  stack::Store16(&sccrq[sccrq.size() - 2], own);
  Say(sccrq);
  EXPECT_EQ(world.Counts().peers.tunnels, 3U) << world.Drops();
  ExpectUnhurt();
}

TEST_P(Malice, ADeleteForTheVictimsSas) {
  ASSERT_NE(spi_, 0U);
  const uint32_t his = stack::Load32(&victim->sent.back()[kOuter]);  // on which we receive
  for (const uint32_t spi : {spi_, his}) {
    world.Do(*mallory, [spi](absl::Time now, Client& client, LoadOut& out) {
      client.SendDelete(now, {spi}, out);
    });
    world.RunFor(absl::Seconds(40));
  }
  ExpectUnhurt();
}

// Both have the same identity and IDci all along; each login and rekeying says INITIAL-CONTACT.
TEST_P(Malice, TheVictimsIdentity) {
  for (int round = 0; round < 4; ++round) {
    world.Do(*mallory, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyPhaseOne(now, out); });
    world.RunFor(absl::Seconds(2));
    world.Do(*mallory, [](absl::Time now, Client& c, LoadOut& out) { c.RenewPhaseOne(now, out); });
    world.RunFor(absl::Seconds(40));
    EXPECT_EQ(world.Counts().peers.peers, 2U);
  }
  ExpectUnhurt();
  EXPECT_TRUE(Pings(world, *mallory));
}

TEST_P(Malice, TheVictimsInnerAddress) {
  world.internet.clear();
  world.Send(*mallory, UdpPacket({victim->up->address, 5000}, kWeb, Pattern(8)));
  world.Settle();
  EXPECT_EQ(world.Dropped(Drop::kSpoofedSource), 1U);
  EXPECT_TRUE(world.internet.empty());
  ExpectUnhurt();
}

// A packet of the victim's, sent once more from elsewhere, does not move him there.
TEST_P(Malice, ARecordedPacket) {
  Bytes packet = victim->sent.back();
  world.ThroughNat(*victim, packet);
  stack::wire::SetSource(packet, *stack::Ip4::Parse("203.0.113.66"));
  world.RunFor(absl::Seconds(5));
  for (int i = 0; i < 5; ++i) world.Frame(kServeSide, packet);
  world.Settle();
  EXPECT_EQ(world.Dropped(Drop::kReplayed), 5U) << world.Drops();
  EXPECT_FALSE(world.Logged("client moved here"));
  ExpectUnhurt();
}

// Authentic messages with a forged source: mallory's own SAs seem to be where the victim is. What
// the victim negotiates afterwards is the victim's all the same.
TEST_P(Malice, TheVictimsPlace) {
  const Endpoint place = VictimsEnd();
  world.RunFor(absl::Seconds(2));
  Forge(place, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyEsp(now, out); });
  Forge(place, [this](absl::Time now, Client& c, LoadOut& out) {
    c.Send(now, world.pool().Copy(UdpPacket({mallory->up->address, 1}, kWeb, Pattern(8))), out);
  });
  ExpectUnhurt();
  for (int round = 0; round < 3; ++round) {
    world.Do(*victim, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyPhaseOne(now, out); });
    rekeyed += " phase1_rekeyed";
    world.Settle();
    ExpectUnhurt();
    Forge(place, [](absl::Time now, Client& c, LoadOut& out) { c.RekeyEsp(now, out); });
  }
  EXPECT_EQ(Strays(), 0U) << world.Drops();
}

// Without a tunnel of his own he may ask for the victim's, when that is silent. He is asked for the
// password; the victim notices nothing. His own tunnel, which is silent meanwhile, he may have.
TEST_P(Malice, AClaimWithoutThePassword) {
  world.Move(*mallory, "203.0.113.67");
  world.Settle();
  EXPECT_TRUE(Pings(world, *victim)) << Why(world, *victim);
  SayInside(VictimsPacket());
  EXPECT_FALSE(world.Logged("is asked for the password"));  // the victim was heard just now
  for (int round = 1; round <= 3; ++round) {
    SCOPED_TRACE(round);
    world.log.clear();
    world.RunFor(absl::Seconds(6));
    SayInside(VictimsPacket());
    EXPECT_TRUE(world.Logged("is asked for the password")) << world.Drops();
    // A response to a challenge he may have read: 49 octets of value, and the victim's name.
    Bytes response = stack::FromHex("ff03c223 0201003831");
    response.resize(response.size() + 49);
    for (const char c : {'u', '1'}) response.push_back(static_cast<std::byte>(c));
    SayInside(response);
    EXPECT_TRUE(world.Logged("does not know its password")) << world.Drops();
    EXPECT_FALSE(world.Logged("goes on from another place"));
    EXPECT_TRUE(Pings(world, *victim)) << Why(world, *victim);
  }
  // Nor does an answer that never comes.
  world.RunFor(absl::Seconds(6));
  SayInside(VictimsPacket());
  world.RunFor(absl::Seconds(20));
  EXPECT_TRUE(Pings(world, *victim)) << Why(world, *victim);
  EXPECT_EQ(victim->client().server_tunnel(), tunnel);
  EXPECT_EQ(victim->Story(), "phase1_up esp_up tunnel_up call_up lcp_up authenticated ip_up");
  for (const std::string& line : world.log) {
    const bool is_move = line.find("goes on from another place") != std::string::npos;
    EXPECT_FALSE(is_move && line.find("user=u1") != std::string::npos) << line;
  }
}

INSTANTIATE_TEST_SUITE_P(SameNat, Malice,
                         testing::Combine(testing::Values(1, 2, 4), testing::Bool()));

}  // namespace
}  // namespace test
