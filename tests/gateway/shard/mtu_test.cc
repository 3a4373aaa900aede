// How large packets to a client are: his own wish, and what strangers say about the path.
#include "tests/gateway/shard/forwarding.h"

namespace test {
namespace {

// ICMP Fragmentation Needed about the beginning of `about`.
Bytes FragNeeded(ByteView about, uint16_t mtu) {
  Tins::ICMP icmp(Tins::ICMP::DEST_UNREACHABLE);
  icmp.code(4);
  icmp.mtu(mtu);
  const stack::Ip4 to{Load32(&about[12])};
  Tins::IP ip = Tins::IP(to.Text(), "198.51.100.254") / icmp / Tins::RawPDU(stack::AsU8(about), 28);
  const auto raw = ip.serialize();
  return stack::ToBytes(stack::AsBytes(raw.data(), raw.size()));
}

struct PathMtu : Forwarding, testing::WithParamInterface<int> {
  PathMtu() : Forwarding({.shards = static_cast<uint8_t>(GetParam())}) {
    for (Caller* caller : {a, b}) outside[caller] = OpenFlow(*caller, 5000);
  }
  // The start of an outer packet to the caller, as a router on the path sees it.
  Bytes Outer(Caller& caller) {
    Bytes back = caller.sent.back();  // from him, turned round
    EXPECT_TRUE(world.ThroughNat(caller, back));
    std::swap_ranges(&back[12], &back[16], &back[16]);
    if (back[9] == std::byte{17}) std::swap_ranges(&back[20], &back[22], &back[22]);
    if (back[9] == std::byte{50}) std::copy_n(spi[&caller].begin(), 4, &back[20]);
    return back;
  }
  void LearnSpi(Caller& caller) {
    world.on_delivery = [this](Caller& to, const Bytes& packet) {
      if (packet[9] == std::byte{50}) spi[&to] = Bytes(&packet[20], &packet[24]);
      last_outer = packet.size();
    };
    Arrive(UdpPacket(kDns, outside[&caller], Pattern(10)));
    caller.received.clear();
  }
  // What a host learns that sends a large packet with DF to the caller; 0: it arrives.
  uint16_t MtuTowards(Caller& caller, size_t size = 1400) {
    world.internet.clear();
    caller.received.clear();
    Arrive(UdpPacket(kDns, outside[&caller], Pattern(size - 28), {.dont_fragment = true}));
    if (world.internet.empty()) {
      EXPECT_EQ(caller.received.size(), 1U) << world.Drops();
      return 0;
    }
    return IcmpOf(world.internet[0]).mtu();
  }
  void FromRouter(const Bytes& packet) {
    world.Frame(kServeSide, packet);
    world.Settle();
  }

  std::map<Caller*, Endpoint> outside;
  std::map<Caller*, Bytes> spi;
  size_t last_outer = 0;  // octets of the last packet that reached a caller
};

// ESP with AES-256-CBC and HMAC-SHA1-96 takes 1000 octets: 20 IPv4 (and 8 UDP), 8 ESP, 16 IV, 12
// ICV; of the whole blocks of 16 that are left, 2 are ESP's trailer, 8 UDP's, 12 L2TP's and 4
// PPP's.
constexpr uint16_t kMtuAt1000 = (1000 - 20 - 36) / 16 * 16 - 24;
constexpr uint16_t kMtuAt1000InUdp = (1000 - 28 - 36) / 16 * 16 - 24;

TEST_P(PathMtu, FollowsWhatRoutersSayForTenMinutes) {
  for (Caller* caller : {a, b}) {
    LearnSpi(*caller);
    ASSERT_EQ(MtuTowards(*caller), 0);
    FromRouter(FragNeeded(Outer(*caller), 1000));
    EXPECT_EQ(MtuTowards(*caller), caller == a ? kMtuAt1000 : kMtuAt1000InUdp);
    EXPECT_EQ(MtuTowards(*caller, caller == a ? kMtuAt1000 : kMtuAt1000InUdp), 0);
    EXPECT_LE(last_outer, 1000U);
    EXPECT_GT(last_outer, 1000U - 16);
    FromRouter(FragNeeded(Outer(*caller), 1300));
    EXPECT_EQ(MtuTowards(*caller), caller == a ? kMtuAt1000 : kMtuAt1000InUdp) << "never larger";
    EXPECT_TRUE(caller->is_up());
  }
  world.RunFor(absl::Minutes(10));
  for (Caller* caller : {a, b}) {
    outside[caller] = OpenFlow(*caller, 5001);
    EXPECT_EQ(MtuTowards(*caller), 0) << "a path may have become better";
  }
}

TEST_P(PathMtu, NewConnectionsAreClampedToIt) {
  LearnSpi(*a);
  FromRouter(FragNeeded(Outer(*a), 1000));
  Send(*a, TcpPacket({a->up->address, 40000}, {kHost, 443}, kSyn, {}, 1460));
  ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
  EXPECT_EQ(world.internet[0], TcpPacket(SourceOf(world.internet[0]), {kHost, 443}, kSyn, {},
                                         kMtuAt1000 - 40, {.ttl = 63}));
}

// HMAC-SHA2-512-256 is 20 octets longer than HMAC-SHA1-96: two blocks less for the packet.
TEST_P(PathMtu, IsDividedAnewWhenTheSuiteChanges) {
  LearnSpi(*a);
  FromRouter(FragNeeded(Outer(*a), 1000));
  ASSERT_EQ(MtuTowards(*a), kMtuAt1000);
  world.Do(*a, [](absl::Time now, gateway::load::Client& client, gateway::load::Out& out) {
    using namespace crypto::ike;
    EspSuite suite;
    suite.cipher = EspCipher::kAesCbc;
    suite.key_bits = 256;
    suite.auth = EspAuth::kHmacSha2_512;
    client.OfferEsp({suite});
    client.RekeyPhaseOne(now, out);
  });
  world.RunFor(absl::Seconds(60));
  outside[a] = OpenFlow(*a, 5001);
  EXPECT_EQ(MtuTowards(*a), kMtuAt1000 - 32);
  EXPECT_EQ(MtuTowards(*a, kMtuAt1000 - 32), 0);
  EXPECT_LE(last_outer, 1000U);
}

TEST_P(PathMtu, IsNeverTakenForLessThanEveryHostTakes) {
  for (const auto lie : std::array<uint16_t, 4>{0, 1, 68, 575}) {
    FromRouter(FragNeeded(Outer(*b), lie));
    EXPECT_EQ(MtuTowards(*b), 576);
    EXPECT_EQ(MtuTowards(*b, 576), 0);
  }
}

TEST_P(PathMtu, NeedsThePeersOwnNumbers) {
  LearnSpi(*a);
  Bytes wrong_spi = Outer(*a);
  wrong_spi[20] ^= std::byte{1};
  Bytes wrong_host = Outer(*a);
  stack::Store32(&wrong_host[16], 0xc6336409);
  Bytes wrong_port = Outer(*b);
  stack::Store16(&wrong_port[22], 1);
  Bytes not_from_us = Outer(*a);
  stack::Store32(&not_from_us[12], kServe.value + 1);
  for (const Bytes& about : {wrong_spi, wrong_host, wrong_port}) {
    FromRouter(FragNeeded(about, 600));
  }
  Bytes other = FragNeeded(not_from_us, 600);
  stack::wire::SetDestination(other, kServe);
  FromRouter(other);
  Bytes damaged = FragNeeded(Outer(*a), 600);
  damaged[27] ^= std::byte{1};
  FromRouter(damaged);
  EXPECT_EQ(MtuTowards(*a), 0);
  EXPECT_EQ(MtuTowards(*b), 0);
}

TEST_P(PathMtu, IsNotHeardAsOftenAsSomebodyLikes) {
  for (int i = 0; i < 50; ++i) world.Frame(kServeSide, FragNeeded(Outer(*b), 1000));
  world.Settle();
  EXPECT_GE(world.Dropped(Drop::kRateLimited), 25U);
}

INSTANTIATE_TEST_SUITE_P(Shards, PathMtu, testing::Values(1, 2));

// ---- A client that takes little ----------------------------------------------------------------

struct SmallMru : Forwarding {
  SmallMru() {
    c = &world.Add({.user = 3, .address = "203.0.113.23", .change = [](auto& options) {
                      options.ppp.mru = 500;
                    }});
    EXPECT_TRUE(world.LogIn(*c)) << world.Drops();
  }
  Caller* c = nullptr;
};

TEST_F(SmallMru, PacketsAreCutToIt) {
  const Endpoint outside = OpenFlow(*c, 5000);
  Arrive(UdpPacket(kDns, outside, Pattern(1300)));
  ASSERT_EQ(c->received.size(), 3U) << world.Drops();
  for (const Bytes& piece : c->received) EXPECT_LE(piece.size(), 500U);
  const Bytes whole = UdpPacket(kDns, {c->up->address, 5000}, Pattern(1300));
  EXPECT_EQ(Reassembled(c->received), Bytes(whole.begin() + 20, whole.end()));
}

TEST_F(SmallMru, OrReportedIfTheyMustNotBe) {
  const Endpoint outside = OpenFlow(*c, 5000);
  Arrive(UdpPacket(kDns, outside, Pattern(1300), {.dont_fragment = true}));
  EXPECT_TRUE(c->received.empty());
  ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
  EXPECT_EQ(IcmpOf(world.internet[0]).mtu(), 500);
}

// ---- Fragments under NAT -----------------------------------------------------------------------

// Two clients send fragmented datagrams to one host, and have chosen the same id: under their
// common address they must differ.
struct SharedAddress : Forwarding {
  void SendFragmented(Caller& caller, uint8_t first) {
    for (const Bytes& piece :
         Cut(UdpPacket({caller.up->address, 5000}, kDns, Pattern(2000, first), {.id = 77}), 1400)) {
      world.Send(caller, piece);
    }
    world.Settle();
  }
};

TEST_F(SharedAddress, FragmentsOfTwoClientsDoNotMix) {
  SendFragmented(*a, 1);
  SendFragmented(*b, 2);
  ASSERT_EQ(world.internet.size(), 4U) << world.Drops();
  EXPECT_EQ(Load16(&world.internet[0][4]), Load16(&world.internet[1][4]));
  EXPECT_NE(Load16(&world.internet[0][4]), Load16(&world.internet[2][4]));
}

}  // namespace
}  // namespace test
