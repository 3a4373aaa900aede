// The client on its own account: against the real gateway when all is well, and against silence,
// rubbish and changes of mind.
#include "gateway/load/client.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

using gateway::load::Client;
using gateway::load::ClientOptions;
using gateway::load::DownReason;
using LoadOut = gateway::load::Out;
using stack::Bytes;
using stack::Endpoint;

constexpr Endpoint kWeb{kHost, 443};

bool Carries(World& world, Caller& caller, size_t size) {
  world.internet.clear();
  world.Send(caller, UdpPacket({caller.up->address, 5000}, kWeb, Pattern(size - 28)));
  world.Settle();
  return world.internet.size() == 1 && world.internet[0].size() == size;
}

TEST(Client, GivesUpOnASilentServer) {
  World world;
  world.deaf = true;
  Caller& caller = world.Add({});
  EXPECT_FALSE(world.LogIn(caller, absl::Minutes(5)));
  ASSERT_TRUE(caller.is_down());
  EXPECT_EQ(caller.down->reason, DownReason::kPhaseOneFailed);
  EXPECT_EQ(caller.down->text, "timeout");
  EXPECT_EQ(caller.client().NextDeadline(), absl::InfiniteFuture());
}

// From every point of a login it gets out again, and leaves nothing behind at the server.
TEST(Client, MayCloseAtAnyMoment) {
  for (int milliseconds = 0; milliseconds <= 200; milliseconds += 5) {
    SCOPED_TRACE(milliseconds);
    World world;
    Caller& caller = world.Add({});
    world.Dial(caller);
    world.RunFor(absl::Milliseconds(milliseconds));
    world.Do(caller, [](absl::Time now, Client& client, LoadOut& out) { client.Close(now, out); });
    ASSERT_TRUE(world.RunUntil([&] { return caller.is_down(); }, absl::Minutes(2)));
    EXPECT_EQ(caller.down->reason, DownReason::kClosed);
    world.RunFor(absl::Minutes(4));
    std::string why;
    EXPECT_TRUE(world.IsEmpty(&why)) << why;
  }
}

// Packets of the server with a bit turned, and cut off at any place, change nothing.
TEST(Client, RubbishIsInert) {
  World world;
  Caller& caller = world.Add({});
  FixedRng rng(5);
  world.on_delivery = [&](Caller& to, const Bytes& packet) {
    for (int i = 0; i < 20; ++i) {
      Bytes damaged(packet.begin(), packet.end());
      if (i % 2 == 0) {
        damaged[rng.Below(damaged.size())] ^= static_cast<std::byte>(1U << rng.Below(8));
      } else {
        damaged.resize(rng.Below(damaged.size()));
      }
      world.Do(to, [&](absl::Time now, Client& client, LoadOut& out) {
        client.OnPacket(now, Client::In(damaged), out);
      });
    }
  };
  ASSERT_TRUE(world.LogIn(caller, absl::Seconds(10))) << caller.Story();
  EXPECT_TRUE(Carries(world, caller, 1000));
  EXPECT_FALSE(caller.is_down());
}

TEST(Client, EarlyDeadlinesAreHarmless) {
  World world;
  Caller& caller = world.Add({});
  ASSERT_TRUE(world.LogIn(caller));
  const absl::Time next = caller.client().NextDeadline();
  const size_t sent = caller.sent.size();
  world.Do(caller, [&](absl::Time now, Client& client, LoadOut& out) {
    client.OnDeadline(now, out);
    client.OnDeadline(next - absl::Nanoseconds(1), out);
  });
  EXPECT_EQ(caller.sent.size(), sent);
  EXPECT_EQ(caller.client().NextDeadline(), next);
}

struct Variant {
  const char* name;
  void (*change)(ClientOptions&);
};

class ClientWith : public testing::TestWithParam<Variant> {};

TEST_P(ClientWith, LogsInAndCarries) {
  World world({.shards = 2});
  Caller& caller = world.Add({.change = GetParam().change});
  ASSERT_TRUE(world.LogIn(caller)) << caller.Story() << " " << world.Drops();
  for (size_t size = 28; size <= caller.up->mtu; size += 111) {
    ASSERT_TRUE(Carries(world, caller, size)) << size << " " << world.Drops();
  }
  // The largest packet fits the outer network in one piece.
  ASSERT_TRUE(Carries(world, caller, caller.up->mtu));
  EXPECT_LE(caller.sent.back().size(), 1500U);
}

using crypto::ike::EspAuth;
using crypto::ike::EspCipher;

void OfferOnly(ClientOptions& c, EspCipher cipher, uint16_t key_bits) {
  c.ipsec.ike.esp.resize(1);
  c.ipsec.ike.esp[0].cipher = cipher;
  c.ipsec.ike.esp[0].key_bits = key_bits;
  if (crypto::ike::IsAuthenticating(cipher)) c.ipsec.ike.esp[0].auth = EspAuth::kNone;
}

INSTANTIATE_TEST_SUITE_P(
    Options, ClientWith,
    testing::Values(
        Variant{"Default", [](ClientOptions&) {}},
        Variant{"Pfs", [](ClientOptions& c) { c.ipsec.ike.pfs_group = crypto::Group::kModp2048; }},
        Variant{"ForcedUdp", [](ClientOptions& c) { c.ipsec.ike.force_udp_encapsulation = true; }},
        Variant{"WithoutNatTraversal", [](ClientOptions& c) { c.ipsec.ike.nat_traversal = false; }},
        Variant{"OtherPort", [](ClientOptions& c) { c.ipsec.l2tp_port = 50123; }},
        Variant{"LargeMru", [](ClientOptions& c) { c.ppp.mru = 1500; }},
        Variant{"DomainName", [](ClientOptions& c) { c.ppp.name = "OFFICE\\u1"; }},
        Variant{"Sha256",
                [](ClientOptions& c) {
                  for (auto& suite : c.ipsec.ike.esp) suite.auth = EspAuth::kHmacSha2_256;
                }},
        Variant{"Aes128",
                [](ClientOptions& c) {
                  for (auto& suite : c.ipsec.ike.esp) suite.key_bits = 128;
                }},
        Variant{"Sha384",
                [](ClientOptions& c) {
                  for (auto& suite : c.ipsec.ike.esp) suite.auth = EspAuth::kHmacSha2_384;
                }},
        Variant{"Sha512",
                [](ClientOptions& c) {
                  for (auto& suite : c.ipsec.ike.esp) suite.auth = EspAuth::kHmacSha2_512;
                }},
        Variant{"TripleDes", [](ClientOptions& c) { OfferOnly(c, EspCipher::kTripleDes, 0); }},
        Variant{"Gcm256", [](ClientOptions& c) { OfferOnly(c, EspCipher::kAesGcm16, 256); }},
        Variant{"Gcm128", [](ClientOptions& c) { OfferOnly(c, EspCipher::kAesGcm16, 128); }},
        Variant{"Gcm192InUdp",
                [](ClientOptions& c) {
                  OfferOnly(c, EspCipher::kAesGcm16, 192);
                  c.ipsec.ike.force_udp_encapsulation = true;
                }},
        Variant{"Modp1024",
                [](ClientOptions& c) {
                  for (auto& s : c.ipsec.ike.phase_one) s.group = crypto::Group::kModp1024;
                }}),
    [](const auto& variant) { return variant.param.name; });

TEST(Client, KeepsToASmallOuterMtu) {
  World world;
  Caller& caller = world.Add({.change = [](ClientOptions& c) { c.ipsec.mtu = 1280; }});
  ASSERT_TRUE(world.LogIn(caller));
  EXPECT_LT(caller.up->mtu, 1250);
  ASSERT_TRUE(Carries(world, caller, caller.up->mtu));
  EXPECT_LE(caller.sent.back().size(), 1280U);
  EXPECT_GT(caller.sent.back().size(), 1250U);
}

// RFC 3948 section 4: the NAT would forget an idle client in a minute or two.
TEST(Client, KeepsItsNatAlive) {
  World world;
  Caller& caller = world.Add({.address = "192.168.1.2", .nat = &world.AddNat("203.0.113.99")});
  ASSERT_TRUE(world.LogIn(caller));
  const uint64_t before = world.Dropped(stack::Drop::kNatKeepalive);
  world.RunFor(absl::Minutes(5));
  EXPECT_GE(world.Dropped(stack::Drop::kNatKeepalive), before + 5);
}

TEST(Client, SendsNothingBeforeItIsUp) {
  World world;
  Caller& caller = world.Add({});
  world.Send(caller, UdpPacket(At("10.99.0.2:1"), kWeb, Pattern(8)));
  EXPECT_TRUE(caller.sent.empty());
  EXPECT_EQ(caller.drops[stack::Drop::kPppNotOpen], 1U);
}

}  // namespace
}  // namespace test
