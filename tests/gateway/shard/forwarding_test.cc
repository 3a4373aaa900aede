// What becomes of packets: up and down through tunnel, router and NAT, between clients, and to
// nowhere. What libtins builds for the translated addresses is what must come out, checksums
// included.
#include "tests/gateway/shard/forwarding.h"

#include <string>

namespace test {
namespace {

using gateway::load::Client;
using LoadOut = gateway::load::Out;

struct OnShards : Forwarding, testing::WithParamInterface<int> {
  OnShards() : Forwarding({.shards = static_cast<uint8_t>(GetParam())}) {}
};

TEST_P(OnShards, UdpGoesThroughNatAndBack) {
  for (Caller* caller : {a, b}) {
    for (uint16_t port = 5000; port < 5020; ++port) {
      world.internet.clear();
      caller->received.clear();
      const Endpoint inside{caller->up->address, port};
      const Bytes payload = Pattern(port % 100);
      Send(*caller, UdpPacket(inside, kDns, payload, {.id = port}));
      ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
      const Endpoint outside = SourceOf(world.internet[0]);
      EXPECT_EQ(world.internet[0],
                UdpPacket({kWan, outside.port}, kDns, payload, {.ttl = 63, .id = port}));
      Arrive(UdpPacket(kDns, outside, payload, {.id = 9}));
      ASSERT_EQ(caller->received.size(), 1U) << world.Drops();
      EXPECT_EQ(caller->received[0], UdpPacket(kDns, inside, payload, {.ttl = 63, .id = 9}));
    }
  }
  EXPECT_EQ(world.misdirected, 0U);
}

// The MSS of both directions is clamped to what the tunnel takes: 1400 less 40.
TEST_P(OnShards, TcpGoesThroughNatWithItsMssClamped) {
  for (Caller* caller : {a, b}) {
    const Endpoint inside{caller->up->address, 40000}, web{kHost, 443};
    world.internet.clear();
    Send(*caller, TcpPacket(inside, web, kSyn, {}, 1460));
    ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
    const Endpoint outside = SourceOf(world.internet[0]);
    EXPECT_EQ(world.internet[0], TcpPacket({kWan, outside.port}, web, kSyn, {}, 1360, {.ttl = 63}));
    Arrive(TcpPacket(web, outside, kSyn | kAck, {}, 1460));
    ASSERT_EQ(caller->received.size(), 1U) << world.Drops();
    EXPECT_EQ(caller->received[0], TcpPacket(web, inside, kSyn | kAck, {}, 1360, {.ttl = 63}));
  }
}

TEST_P(OnShards, ClientsReachEachOther) {
  std::vector<Caller*> callers{a, b};
  for (int user = 3; user <= 6; ++user) {
    callers.push_back(&world.Add({.user = user, .address = "203.0.113.2" + std::to_string(user)}));
    ASSERT_TRUE(world.LogIn(*callers.back()));
  }
  for (Caller* from : callers) {
    for (Caller* to : callers) {
      if (from == to) continue;
      to->received.clear();
      const Endpoint source{from->up->address, 1000}, target{to->up->address, 2000};
      Send(*from, UdpPacket(source, target, Pattern(1000)));
      ASSERT_EQ(to->received.size(), 1U) << world.Drops();
      EXPECT_EQ(to->received[0], UdpPacket(source, target, Pattern(1000), {.ttl = 63}));
    }
  }
  EXPECT_TRUE(world.internet.empty());
}

TEST_P(OnShards, LargePacketsAreFragmentedBothWays) {
  for (Caller* caller : {a, b}) {
    world.internet.clear();
    caller->received.clear();
    const Endpoint inside{caller->up->address, 7000};
    const Bytes payload = Pattern(4000);
    for (const Bytes& piece : Cut(UdpPacket(inside, kDns, payload, {.id = 77}), 1400)) {
      world.Send(*caller, piece);
    }
    world.Settle();
    ASSERT_EQ(world.internet.size(), 3U) << world.Drops();
    for (const Bytes& piece : world.internet) EXPECT_LE(piece.size(), 1500U);
    const Bytes sent = Reassembled(world.internet);
    ASSERT_EQ(sent.size(), 4008U);
    const Endpoint outside{kWan, Load16(&sent[0])};
    const Bytes expected = UdpPacket(outside, kDns, payload);
    EXPECT_EQ(sent, Bytes(expected.begin() + 20, expected.end()));

    const Bytes answer = UdpPacket(kDns, outside, payload, {.id = 78});
    for (const Bytes& piece : Cut(answer, 1500)) world.FromInternet(piece);
    world.Settle();
    ASSERT_EQ(caller->received.size(), 3U) << world.Drops();
    for (const Bytes& piece : caller->received) EXPECT_LE(piece.size(), 1400U);
    const Bytes whole = UdpPacket(kDns, inside, payload);
    EXPECT_EQ(Reassembled(caller->received), Bytes(whole.begin() + 20, whole.end()));
  }
}

// RFC 1122 section 3.3.2: whoever sent the first fragment hears that the others did not come.
TEST_P(OnShards, LateFragmentsAreReported) {
  for (Caller* caller : {a, b}) {
    const Endpoint outside = OpenFlow(*caller, 7000);
    caller->received.clear();
    const Bytes up = UdpPacket({caller->up->address, 7000}, kDns, Pattern(2000), {.id = 77});
    const Bytes down = UdpPacket(kDns, outside, Pattern(2000), {.id = 78});
    world.Send(*caller, Cut(up, 1400)[0]);
    world.FromInternet(Cut(down, 1400)[0]);
    world.RunFor(absl::Seconds(20));
    ASSERT_EQ(caller->received.size(), 1U) << world.Drops();
    ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
    for (const Bytes& error : {caller->received[0], world.internet[0]}) {
      EXPECT_EQ(IcmpOf(error).type(), Tins::ICMP::TIME_EXCEEDED);
      EXPECT_EQ(IcmpOf(error).code(), 1);
    }
    EXPECT_EQ(Load32(&caller->received[0][28 + 12]), caller->up->address.value);
    EXPECT_EQ(Load32(&world.internet[0][28 + 16]), kWan.value);
    world.internet.clear();
  }
}

TEST_P(OnShards, TheGatewayItselfAnswersPings) {
  for (Caller* caller : {a, b}) {
    Send(*caller, EchoPacket(caller->up->address, kInside, 7, 1, Pattern(400)));
    ASSERT_EQ(caller->received.size(), 1U) << world.Drops();
    const Tins::ICMP reply = IcmpOf(caller->received[0]);
    EXPECT_EQ(reply.type(), Tins::ICMP::ECHO_REPLY);
    EXPECT_EQ(reply.id(), 7);
    EXPECT_EQ(Load32(&caller->received[0][12]), kInside.value);
  }
}

// A fan-out whose rules have just changed sends frames to the wrong shard.
TEST_P(OnShards, AFrameOnTheWrongShardIsPassedOn) {
  const Endpoint outside = OpenFlow(*a, 6000);
  for (uint8_t shard = 0; shard < world.shards(); ++shard) {
    a->received.clear();
    world.Frame(kWanSide, UdpPacket(kDns, outside, Pattern(20)), {}, shard);
    world.Settle();
    EXPECT_EQ(a->received.size(), 1U) << world.Drops();
  }
}

// Outer fragments: the SPI is in the first one only, so shard 0 puts them together for the owner.
TEST_P(OnShards, FragmentedTunnelPacketsArePutTogether) {
  for (Caller* caller : {a, b}) {
    world.internet.clear();
    world.deaf = true;  // the packet itself is lost, and comes again in pieces
    Send(*caller, UdpPacket({caller->up->address, 6000}, kDns, Pattern(1300)));
    world.deaf = false;
    EXPECT_TRUE(world.internet.empty());
    Bytes outer = caller->sent.back();
    world.ThroughNat(*caller, outer);  // which sees it whole
    for (const Bytes& piece : Cut(outer, 600)) world.Frame(kServeSide, piece);
    world.Settle();
    EXPECT_EQ(world.internet.size(), 1U) << world.Drops();
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, OnShards, testing::Values(1, 2, 4));

// ---- Too big ----------------------------------------------------------------------------------

struct NarrowWan : Forwarding {
  NarrowWan()
      : Forwarding(
            {.configure = [](conf::Model& model) { model.interfaces[kWanSide].mtu = 1200; }}) {}
};

TEST_F(NarrowWan, AClientLearnsTheMtuOfTheWayOn) {
  const Bytes packet =
      UdpPacket({a->up->address, 5000}, kDns, Pattern(1300), {.dont_fragment = true});
  Send(*a, packet);
  EXPECT_TRUE(world.internet.empty());
  EXPECT_EQ(world.Dropped(Drop::kTooBig), 1U);
  ASSERT_EQ(a->received.size(), 1U);
  const Tins::ICMP error = IcmpOf(a->received[0]);
  EXPECT_EQ(error.type(), Tins::ICMP::DEST_UNREACHABLE);
  EXPECT_EQ(error.code(), 4);
  EXPECT_EQ(error.mtu(), 1200);
  EXPECT_EQ(Load32(&a->received[0][12]), kInside.value);
  // The quotation shows the packet as the client sent it, but for the TTL and its checksum.
  const ByteView quoted = ByteView(a->received[0]).subspan(28);
  EXPECT_EQ(stack::ToHex(quoted.subspan(12, 16)), stack::ToHex(ByteView(packet).subspan(12, 16)));
}

TEST_F(Forwarding, AHostLearnsTheMtuOfTheTunnel) {
  const Endpoint outside = OpenFlow(*a, 5000);
  Arrive(UdpPacket(kDns, outside, Pattern(1450), {.dont_fragment = true}));
  EXPECT_TRUE(a->received.empty());
  ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
  const Tins::ICMP error = IcmpOf(world.internet[0]);
  EXPECT_EQ(error.type(), Tins::ICMP::DEST_UNREACHABLE);
  EXPECT_EQ(error.code(), 4);
  EXPECT_EQ(error.mtu(), 1400);
  EXPECT_EQ(Load32(&world.internet[0][16]), kHost.value);
  // It speaks of the addresses that the host knows.
  const ByteView quoted = ByteView(world.internet[0]).subspan(28);
  EXPECT_EQ(Load32(&quoted[12]), kHost.value);
  EXPECT_EQ(Load32(&quoted[16]), kWan.value);
  EXPECT_EQ(Load16(&quoted[22]), outside.port);
}

TEST_F(Forwarding, ATtlThatRunsOutIsReported) {
  Send(*a, UdpPacket({a->up->address, 5000}, kDns, Pattern(30), {.ttl = 1}));
  EXPECT_TRUE(world.internet.empty());
  EXPECT_EQ(world.Dropped(Drop::kTtlExpired), 1U);
  ASSERT_EQ(a->received.size(), 1U);
  EXPECT_EQ(IcmpOf(a->received[0]).type(), Tins::ICMP::TIME_EXCEEDED);
}

// ---- What must not pass -----------------------------------------------------------------------

TEST_F(Forwarding, ASpoofedSourceIsDropped) {
  Send(*a, UdpPacket({b->up->address, 5000}, kDns, Pattern(8)));
  Send(*a, UdpPacket({kWan, 5000}, kDns, Pattern(8)));
  EXPECT_EQ(world.Dropped(Drop::kSpoofedSource), 2U);
  EXPECT_TRUE(world.internet.empty());
}

// A stranger who claims to be a client occupies no place, and makes us bother nobody.
TEST_F(Forwarding, AFragmentFromALinkIsNoClients) {
  const Endpoint client{a->up->address, 5000};
  world.FromInternet(Cut(UdpPacket(client, {kWan, 5000}, Pattern(2000)), 1400)[0]);
  world.RunFor(absl::Seconds(20));
  EXPECT_EQ(world.Dropped(Drop::kSpoofedSource), 1U);
  EXPECT_TRUE(a->received.empty());
}

// RFC 3193: L2TP without ESP around it reaches nobody.
TEST_F(Forwarding, L2tpInTheClearIsDropped) {
  world.Frame(kServeSide, UdpPacket(At("203.0.113.10:1701"), {kServe, 1701}, Pattern(40)));
  world.Settle();
  EXPECT_EQ(world.Dropped(Drop::kClearL2tp), 1U);
}

// Nor does anything else inside it (RFC 3193 section 4).
TEST_F(Forwarding, OnlyOurL2tpPortIsReachedInsideEsp) {
  Caller& c = world.Add({.user = 3, .address = "203.0.113.23", .change = [](auto& options) {
                           options.ipsec.server_l2tp_port = 1702;
                         }});
  EXPECT_FALSE(world.LogIn(c, absl::Seconds(10)));
  EXPECT_GE(world.Dropped(Drop::kInnerNotL2tp), 1U);
}

TEST_F(Forwarding, AnUnknownSpiIsDropped) {
  world.Frame(kServeSide, IpPacket(Ip("203.0.113.10"), kServe, kEsp, Pattern(80, 1)));
  world.Settle();
  EXPECT_EQ(world.Dropped(Drop::kUnknownSpi), 1U);
}

TEST_F(Forwarding, AReplayedPacketIsDropped) {
  for (Caller* caller : {a, b}) {
    world.internet.clear();
    Send(*caller, UdpPacket({caller->up->address, 5000}, kDns, Pattern(8)));
    for (int i = 0; i < 5; ++i) world.SendOuter(*caller, Bytes(caller->sent.back()));
    world.Settle();
    EXPECT_EQ(world.internet.size(), 1U);
  }
  EXPECT_EQ(world.Dropped(Drop::kReplayed), 10U);
}

TEST_F(Forwarding, ADamagedPacketIsDropped) {
  Send(*a, UdpPacket({a->up->address, 5000}, kDns, Pattern(8)));
  Bytes damaged = a->sent.back();
  stack::Store32(&damaged[24], Load32(&damaged[24]) + 1);  // the next sequence number
  world.SendOuter(*a, damaged);
  world.Settle();
  EXPECT_EQ(world.Dropped(Drop::kBadIcv), 1U);
}

// Clients know their own keys and nobody else's, but tunnel ids are easy to guess.
TEST_F(Forwarding, ATunnelBelongsToOnePeer) {
  const auto say = [this](uint16_t flags, ByteView rest) {
    Bytes message(6 + rest.size());
    stack::Store16(&message[0], flags);
    stack::Store16(&message[2], a->client().server_tunnel().value);
    stack::Store16(&message[4], a->client().server_session().value);
    std::copy(rest.begin(), rest.end(), message.begin() + 6);
    world.Do(*b, [&](absl::Time now, Client& client, LoadOut& out) {
      client.SendL2tp(now, world.pool().Copy(message), out);
    });
    world.Settle();
  };
  // Data: a packet that would be right if it came from a.
  Bytes ppp = stack::FromHex("ff030021");
  const Bytes packet = UdpPacket({a->up->address, 5000}, kDns, Pattern(8));
  ppp.insert(ppp.end(), packet.begin(), packet.end());
  say(0x0002, ppp);
  EXPECT_EQ(world.Dropped(Drop::kForeignTunnel), 1U);
  // Control: a StopCCN, numbered as the next one.
  world.Do(*b, [&](absl::Time now, Client& client, LoadOut& out) {
    Bytes stop = stack::FromHex(
        "c8020026 0000 0000 0004 0002 8008 0000 0000 0004 8008 0000 0009 0001 800a 0000 0001 0001 "
        "0000");
    stack::Store16(&stop[4], a->client().server_tunnel().value);
    client.SendL2tp(now, world.pool().Copy(stop), out);
  });
  world.Settle();
  EXPECT_EQ(world.Dropped(Drop::kForeignTunnel), 2U);
  EXPECT_TRUE(world.internet.empty());
  EXPECT_TRUE(a->is_up());
  Send(*a, packet);
  EXPECT_EQ(world.internet.size(), 1U) << world.Drops();
}

TEST_F(Forwarding, TheInternetCannotBegin) {
  Arrive(UdpPacket(kDns, {kWan, 33333}, Pattern(8)));
  EXPECT_EQ(world.Dropped(Drop::kNatNoMapping), 1U);
  Arrive(UdpPacket(kDns, {a->up->address, 33333}, Pattern(8)));
  EXPECT_TRUE(a->received.empty());
}

// ---- Superframes ------------------------------------------------------------------------------

// What a veth or virtio neighbour hands over: TCP data of 4000 octets in one frame, whose checksum
// field holds the pseudo-header's sum alone.
TEST_F(Forwarding, ATcpSuperframeArrivesAsSegments) {
  const Endpoint inside{a->up->address, 40000}, web{kHost, 443};
  Send(*a, TcpPacket(inside, web, kSyn, {}));
  ASSERT_EQ(world.internet.size(), 1U);
  const Endpoint outside = SourceOf(world.internet[0]);
  const Bytes data = Pattern(4000);
  Bytes super = TcpPacket(web, outside, kAck, data);
  const stack::Sum pseudo = stack::PseudoHeaderSum(web.ip, outside.ip, 6, 4020);
  stack::Store16(&super[36], stack::Fold(pseudo));
  Arrive(super, {.flags = VnetHdr::kNeedsChecksum,
                 .gso_type = VnetHdr::kGsoTcp4,
                 .hdr_len = 54,
                 .gso_size = 1300,
                 .csum_start = 34,
                 .csum_offset = 16});
  ASSERT_EQ(a->received.size(), 4U) << world.Drops();
  Bytes got;
  for (const Bytes& packet : a->received) {
    Tins::IP ip(stack::AsU8(ByteView(packet)), static_cast<uint32_t>(packet.size()));
    auto& tcp = ip.rfind_pdu<Tins::TCP>();
    EXPECT_EQ(tcp.seq(), 0x01020304 + got.size());
    const uint16_t is = tcp.checksum();
    ip.serialize();  // computes what it should be
    EXPECT_EQ(is, tcp.checksum());
    got.insert(got.end(), packet.begin() + 40, packet.end());
  }
  EXPECT_EQ(got, data);
}

// UDP GSO of a client that seals in batches: several ESP-in-UDP datagrams in one frame.
TEST_F(Forwarding, AUdpSuperframeOfEspIsTakenApart) {
  world.deaf = true;
  for (uint8_t i = 0; i < 3; ++i) {
    Send(*b, UdpPacket({b->up->address, 5000}, kDns, Pattern(500, i)));
  }
  world.deaf = false;
  EXPECT_TRUE(world.internet.empty());
  const size_t count = b->sent.size();
  Bytes super = b->sent[count - 3];
  const auto size = static_cast<uint16_t>(super.size() - 28);
  for (size_t i = count - 2; i < count; ++i) {
    super.insert(super.end(), b->sent[i].begin() + 28, b->sent[i].end());
  }
  stack::Store16(&super[2], static_cast<uint16_t>(super.size()));
  stack::Store16(&super[24], static_cast<uint16_t>(super.size() - 20));
  stack::wire::FillIp4Checksum(super);
  world.ThroughNat(*b, super);
  world.Frame(kServeSide, super, {.gso_type = VnetHdr::kGsoUdp4, .hdr_len = 42, .gso_size = size});
  world.Settle();
  ASSERT_EQ(world.internet.size(), 3U) << world.Drops();
  for (uint8_t i = 0; i < 3; ++i) {
    EXPECT_EQ(Bytes(world.internet[i].begin() + 28, world.internet[i].end()), Pattern(500, i));
  }
}

}  // namespace
}  // namespace test
