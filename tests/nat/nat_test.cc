#include "nat/nat.h"

#include <map>
#include <set>

#include "gtest/gtest.h"
#include "tests/nat/packets.h"
#include "tests/support/rng.h"

namespace nat {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::Endpoint;
using stack::Ip4;

const Ip4 kExternal = Ip("203.0.113.1");
const Ip4 kAlice = Ip("10.99.0.20");
const Ip4 kBob = Ip("10.99.0.21");
const Endpoint kWeb = At("192.0.2.80", 443);
const Endpoint kOther = At("198.51.100.7", 5000);

class NatTest : public testing::Test {
 protected:
  explicit NatTest(const Options& options = {}) : nat(options, rng) {
    nat.AddExternal(kExternal, 0);
  }

  Drop Out(Bytes& packet, Ip4 client = kAlice) { return nat.Outbound(packet, 0, client, now); }
  // Sends and tells the external port; 0 if the packet was dropped.
  uint16_t Send(Bytes packet, Ip4 client = kAlice) {
    return Out(packet, client) == Drop::kNone ? SourcePortOf(packet) : uint16_t{0};
  }
  Drop In(Bytes packet) {
    const auto client = nat.Inbound(packet, now);
    return client.ok() ? Drop::kNone : client.error();
  }
  void SweepAll() { nat.Sweep(now, 1000000); }

  test::FixedRng rng;
  Nat nat;
  uint32_t now = 1000;
};

// ---- Packets in, packets out ----

TEST_F(NatTest, UdpGoesOutAndComesBack) {
  Bytes out = Udp({kAlice, 4000}, kWeb);
  ASSERT_EQ(Out(out), Drop::kNone);
  const Endpoint external{kExternal, SourcePortOf(out)};
  EXPECT_GE(external.port, 1024);
  EXPECT_EQ(stack::ToHex(out), stack::ToHex(Udp(external, kWeb)));

  Bytes back = Udp(kWeb, external);
  const auto client = nat.Inbound(back, now);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(*client, kAlice);
  EXPECT_EQ(stack::ToHex(back), stack::ToHex(Udp(kWeb, {kAlice, 4000})));
}

TEST_F(NatTest, TcpGoesOutAndComesBack) {
  Bytes out = Tcp({kAlice, 4000}, kWeb, kTcpSyn);
  ASSERT_EQ(Out(out), Drop::kNone);
  const Endpoint external{kExternal, SourcePortOf(out)};
  EXPECT_EQ(stack::ToHex(out), stack::ToHex(Tcp(external, kWeb, kTcpSyn)));
  Bytes back = Tcp(kWeb, external, kTcpSyn | kTcpAck, "odd");
  ASSERT_TRUE(nat.Inbound(back, now).ok());
  EXPECT_EQ(stack::ToHex(back), stack::ToHex(Tcp(kWeb, {kAlice, 4000}, kTcpSyn | kTcpAck, "odd")));
}

TEST_F(NatTest, EchoGoesOutAndComesBack) {
  Bytes out = EchoRequest({kAlice, 77}, kWeb.ip);
  ASSERT_EQ(Out(out), Drop::kNone);
  const Endpoint external{kExternal, SourcePortOf(out)};
  EXPECT_EQ(stack::ToHex(out), stack::ToHex(EchoRequest(external, kWeb.ip)));
  Bytes back = EchoReply(kWeb.ip, external);
  ASSERT_TRUE(nat.Inbound(back, now).ok());
  EXPECT_EQ(stack::ToHex(back), stack::ToHex(EchoReply(kWeb.ip, {kAlice, 77})));
}

TEST_F(NatTest, UdpWithoutChecksumStaysWithout) {
  Bytes out = Udp({kAlice, 4000}, kWeb);
  stack::Store16(&out[26], 0);
  ASSERT_EQ(Out(out), Drop::kNone);
  EXPECT_EQ(stack::Load16(&out[26]), 0);
}

TEST_F(NatTest, DamageStaysDetectable) {
  Bytes out = Udp({kAlice, 4000}, kWeb);
  out.back() ^= std::byte{1};
  ASSERT_EQ(Out(out), Drop::kNone);
  EXPECT_FALSE(ChecksumsHold(out));
}

TEST_F(NatTest, OptionsAndTrailingBytesAreLeftAlone) {
  Tins::IP ip = IpHeader({kAlice, 4000}, kWeb) / Tins::UDP(kWeb.port, 4000) / Tins::RawPDU("x");
  ip.noop();
  ip.noop();
  ip.noop();
  ip.eol();
  Bytes out = Serialize(ip);
  const size_t length = out.size();
  out.resize(length + 9, std::byte{0x5a});  // Ethernet padding
  ASSERT_EQ(Out(out), Drop::kNone);
  EXPECT_EQ(stack::Load32(&out[12]), kExternal.value);
  EXPECT_NE(stack::Load16(&out[24]), 4000);
  EXPECT_EQ(stack::Fold(stack::SumOf(stack::ByteView(out).first(24))), 0xffff);
  EXPECT_EQ(out[length], std::byte{0x5a});
}

// ---- Mapping and filtering behaviour, RFC 4787 ----

TEST_F(NatTest, MappingIsEndpointIndependent) {
  for (const auto build : {+[](Endpoint from, Endpoint to) { return Udp(from, to); },
                           +[](Endpoint from, Endpoint to) { return Tcp(from, to, kTcpSyn); }}) {
    const uint16_t port = Send(build({kAlice, 4000}, kWeb));
    ASSERT_NE(port, 0);
    EXPECT_EQ(Send(build({kAlice, 4000}, kOther)), port);
    EXPECT_NE(Send(build({kAlice, 4001}, kWeb)), port);
  }
  EXPECT_EQ(nat.mappings(), 4u);
  EXPECT_EQ(nat.flows(), 3u);  // TCP only
}

TEST_F(NatTest, FilteringIsEndpointIndependentByDefault) {
  const uint16_t udp = Send(Udp({kAlice, 4000}, kWeb));
  const uint16_t tcp = Send(Tcp({kAlice, 4000}, kWeb, kTcpSyn));
  EXPECT_EQ(In(Udp(kOther, {kExternal, udp})), Drop::kNone);
  EXPECT_EQ(In(Tcp(kOther, {kExternal, tcp}, kTcpSyn)), Drop::kNone);
  EXPECT_EQ(nat.flows(), 1u) << "a stranger makes no state";
}

class StrictNatTest : public NatTest {
 protected:
  StrictNatTest() : NatTest({.filtering = Filtering::kAddressAndPortDependent}) {}
};

TEST_F(StrictNatTest, OnlyWhomTheClientWroteToMayAnswer) {
  const uint16_t udp = Send(Udp({kAlice, 4000}, kWeb));
  const uint16_t tcp = Send(Tcp({kAlice, 4000}, kWeb, kTcpSyn));
  const uint16_t echo = Send(EchoRequest({kAlice, 9}, kWeb.ip));
  EXPECT_EQ(In(Udp(kWeb, {kExternal, udp})), Drop::kNone);
  EXPECT_EQ(In(Tcp(kWeb, {kExternal, tcp}, kTcpSyn | kTcpAck)), Drop::kNone);
  EXPECT_EQ(In(EchoReply(kWeb.ip, {kExternal, echo})), Drop::kNone);
  EXPECT_EQ(In(Udp(kOther, {kExternal, udp})), Drop::kNatNoMapping);
  EXPECT_EQ(In(Udp({kWeb.ip, 444}, {kExternal, udp})), Drop::kNatNoMapping);
  EXPECT_EQ(In(Tcp(kOther, {kExternal, tcp}, kTcpSyn)), Drop::kNatNoMapping);
  EXPECT_EQ(In(EchoReply(kOther.ip, {kExternal, echo})), Drop::kNatNoMapping);
}

TEST_F(StrictNatTest, FlowsOfOneMappingExpireAlone) {
  const uint16_t port = Send(Udp({kAlice, 4000}, kWeb));
  now += 200;
  EXPECT_EQ(Send(Udp({kAlice, 4000}, kOther)), port);
  now += 100;
  EXPECT_EQ(In(Udp(kWeb, {kExternal, port})), Drop::kNatNoMapping);
  EXPECT_EQ(In(Udp(kOther, {kExternal, port})), Drop::kNone);
}

TEST_F(NatTest, SameNumbersOfDifferentClientsAndProtocolsDoNotMix) {
  const uint16_t alice = Send(Udp({kAlice, 4000}, kWeb));
  const uint16_t bob = Send(Udp({kBob, 4000}, kWeb), kBob);
  ASSERT_NE(alice, bob);
  Bytes back = Udp(kWeb, {kExternal, bob});
  const auto client = nat.Inbound(back, now);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(*client, kBob);
  EXPECT_EQ(In(Tcp(kWeb, {kExternal, bob})), Drop::kNatNoMapping);
  EXPECT_EQ(In(EchoReply(kWeb.ip, {kExternal, bob})), Drop::kNatNoMapping);
}

TEST_F(NatTest, AClientCannotUseAnothersMapping) {
  ASSERT_NE(Send(Udp({kAlice, 4000}, kWeb)), 0);
  Bytes forged = Udp({kAlice, 4000}, kWeb);
  EXPECT_EQ(Out(forged, kBob), Drop::kSpoofedSource);
}

TEST_F(NatTest, NetworkBehindAClientBelongsToIt) {
  const Endpoint printer = At("192.168.7.9", 631);
  const uint16_t port = Send(Udp(printer, kWeb), kAlice);
  Bytes back = Udp(kWeb, {kExternal, port});
  const auto client = nat.Inbound(back, now);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(*client, kAlice);
  EXPECT_EQ(stack::ToHex(back), stack::ToHex(Udp(kWeb, printer)));
  nat.RemoveClient(kAlice, now);
  EXPECT_EQ(nat.mappings(), 0u);
}

// ---- What is not translated ----

TEST_F(NatTest, DropsAreNamedAndLeaveThePacketAlone) {
  Bytes gre = Udp({kAlice, 4000}, kWeb);
  gre[9] = std::byte{47};
  Bytes cut = Tcp({kAlice, 4000}, kWeb);
  stack::Store16(&cut[2], 39);
  Bytes fragment = Udp({kAlice, 4000}, kWeb);
  stack::Store16(&fragment[6], 0x2000);
  Bytes timestamp = EchoRequest({kAlice, 4}, kWeb.ip);
  timestamp[20] = std::byte{13};
  const struct {
    const char* name;
    Bytes packet;
    Drop drop;
  } cases[] = {
      {"GRE", gre, Drop::kNatProtocol},
      {"TCP header cut", cut, Drop::kNatMalformed},
      {"fragment", fragment, Drop::kNatMalformed},
      {"ICMP timestamp", timestamp, Drop::kNatProtocol},
      {"RST of nothing", Tcp({kAlice, 1}, kWeb, kTcpRst), Drop::kNatNoMapping},
      {"unasked echo reply", EchoReply(kAlice, {kWeb.ip, 1}), Drop::kNatNoMapping},
      {"empty", {}, Drop::kNatMalformed},
  };
  for (const auto& c : cases) {
    Bytes packet = c.packet;
    EXPECT_EQ(Out(packet), c.drop) << c.name;
    EXPECT_EQ(packet, c.packet) << c.name;
  }
  EXPECT_EQ(nat.mappings(), 0u);
}

TEST_F(NatTest, InboundMissesLeaveThePacketAlone) {
  const Bytes packets[] = {Udp(kWeb, {kExternal, 4500}), Udp(kWeb, {kExternal, 30000}),
                           Udp(kWeb, At("203.0.113.2", 30000)), EchoRequest(kWeb, kExternal),
                           Udp(kWeb, {kExternal, 80})};
  for (const Bytes& packet : packets) {
    Bytes copy = packet;
    const auto client = nat.Inbound(copy, now);
    ASSERT_FALSE(client.ok());
    EXPECT_EQ(client.error(), Drop::kNatNoMapping);
    EXPECT_EQ(copy, packet);
  }
}

TEST_F(NatTest, AGroupWithoutAddressTranslatesNothing) {
  Bytes packet = Udp({kAlice, 4000}, kWeb);
  EXPECT_EQ(nat.Outbound(packet, 5, kAlice, now), Drop::kNatNoMapping);
}

TEST_F(NatTest, RemovedExternalTakesItsMappingsAlong) {
  const Ip4 second = Ip("203.0.113.9");
  nat.AddExternal(second, 1);
  nat.AddExternal(second, 1);
  Bytes a = Tcp({kAlice, 4000}, kWeb, kTcpSyn);
  Bytes b = a;
  ASSERT_EQ(nat.Outbound(a, 0, kAlice, now), Drop::kNone);
  ASSERT_EQ(nat.Outbound(b, 1, kAlice, now), Drop::kNone);
  EXPECT_EQ(nat.mappings(), 2u);
  EXPECT_EQ(nat.flows(), 1u) << "the flow moved to the way it takes now";
  nat.RemoveExternal(second, now);
  EXPECT_EQ(nat.mappings(), 1u);
  EXPECT_FALSE(nat.IsExternal(second));
  EXPECT_TRUE(nat.IsExternal(kExternal));
  EXPECT_EQ(In(Tcp(kWeb, {second, SourcePortOf(b)})), Drop::kNatNoMapping);
}

// ---- Time ----

TEST_F(NatTest, UdpMappingLivesByOutboundPacketsOnly) {
  const uint16_t port = Send(Udp({kAlice, 4000}, kWeb));
  now += 299;
  EXPECT_EQ(In(Udp(kWeb, {kExternal, port})), Drop::kNone);
  now += 1;
  EXPECT_EQ(In(Udp(kWeb, {kExternal, port})), Drop::kNatNoMapping);
  EXPECT_EQ(Send(Udp({kAlice, 4000}, kWeb)), port) << "not swept yet: the client keeps its port";
  now += 299;
  EXPECT_EQ(Send(Udp({kAlice, 4000}, kWeb)), port);
  now += 299;
  SweepAll();
  EXPECT_EQ(nat.mappings(), 1u);
  now += 1;
  SweepAll();
  EXPECT_EQ(nat.mappings(), 0u);
  EXPECT_EQ(nat.clients(), 0u);
}

TEST_F(NatTest, EchoMappingLivesAMinute) {
  const uint16_t id = Send(EchoRequest({kAlice, 1}, kWeb.ip));
  now += 59;
  EXPECT_EQ(In(EchoReply(kWeb.ip, {kExternal, id})), Drop::kNone);
  now += 1;
  EXPECT_EQ(In(EchoReply(kWeb.ip, {kExternal, id})), Drop::kNatNoMapping);
}

TEST_F(NatTest, EstablishedTcpMayBeIdleForHours) {
  const uint16_t port = Send(Tcp({kAlice, 4000}, kWeb, kTcpSyn));
  In(Tcp(kWeb, {kExternal, port}, kTcpSyn | kTcpAck));
  Send(Tcp({kAlice, 4000}, kWeb));
  now += 7439;
  SweepAll();
  EXPECT_EQ(nat.flows(), 1u);
  EXPECT_EQ(In(Tcp(kWeb, {kExternal, port})), Drop::kNone);  // refreshes, from either side
  now += 7439;
  SweepAll();
  EXPECT_EQ(nat.flows(), 1u);
  now += 1;
  SweepAll();
  EXPECT_EQ(nat.flows(), 0u);
  EXPECT_EQ(nat.mappings(), 0u);
}

TEST_F(NatTest, UnansweredSynLivesFourMinutes) {
  Send(Tcp({kAlice, 4000}, kWeb, kTcpSyn));
  now += 239;
  SweepAll();
  EXPECT_EQ(nat.mappings(), 1u);
  now += 1;
  SweepAll();
  EXPECT_EQ(nat.mappings(), 0u);
}

TEST_F(NatTest, ClosedTcpLivesFourMinutesWhateverFollows) {
  const uint16_t port = Send(Tcp({kAlice, 4000}, kWeb, kTcpSyn));
  In(Tcp(kWeb, {kExternal, port}, kTcpSyn | kTcpAck));
  Send(Tcp({kAlice, 4000}, kWeb, kTcpFin | kTcpAck));
  In(Tcp(kWeb, {kExternal, port}, kTcpFin | kTcpAck));
  now += 200;
  EXPECT_EQ(Send(Tcp({kAlice, 4000}, kWeb)), port);
  now += 40;
  SweepAll();
  EXPECT_EQ(nat.mappings(), 0u);
}

TEST_F(NatTest, OneLiveFlowKeepsTheMapping) {
  const uint16_t port = Send(Tcp({kAlice, 4000}, kWeb, kTcpSyn));
  EXPECT_EQ(Send(Tcp({kAlice, 4000}, kOther, kTcpSyn)), port);
  In(Tcp(kOther, {kExternal, port}, kTcpSyn | kTcpAck));
  now += 300;
  SweepAll();
  EXPECT_EQ(nat.flows(), 1u);
  EXPECT_EQ(nat.mappings(), 1u);
  EXPECT_EQ(In(Tcp(kOther, {kExternal, port})), Drop::kNone);
}

TEST_F(NatTest, SweepLooksAtNoMoreThanItsBudget) {
  for (uint16_t i = 0; i < 600; ++i) ASSERT_NE(Send(Udp({kAlice, uint16_t(2000 + i)}, kWeb)), 0);
  now += 1000;
  nat.Sweep(now, 100);
  EXPECT_EQ(nat.mappings(), 500u);
  for (int i = 0; i < 5; ++i) nat.Sweep(now, 100);
  EXPECT_EQ(nat.mappings(), 0u);
  nat.Sweep(now, 100);
}

TEST_F(NatTest, CoarseSecondsMayWrapAround) {
  now = 0xffffff00;
  const uint16_t port = Send(Udp({kAlice, 4000}, kWeb));
  now += 299;  // beyond 2^32
  EXPECT_EQ(In(Udp(kWeb, {kExternal, port})), Drop::kNone);
  now += 1;
  EXPECT_EQ(In(Udp(kWeb, {kExternal, port})), Drop::kNatNoMapping);
}

// ---- Bounds ----

TEST_F(NatTest, QuotaIsPerClientAndComesBack) {
  uint16_t from = 1;
  while (Send(Udp({kAlice, from}, kWeb)) != 0) ++from;
  EXPECT_EQ(from - 1, 1024);
  Bytes more = Udp({kAlice, from}, kWeb);
  EXPECT_EQ(Out(more), Drop::kNatQuota);
  EXPECT_NE(Send(Udp({kAlice, 5}, kOther)), 0) << "what is mapped goes on";
  EXPECT_NE(Send(Tcp({kAlice, 5}, kWeb, kTcpSyn)), 0) << "the same ports serve TCP";
  EXPECT_NE(Send(Udp({kBob, 5}, kWeb), kBob), 0);
  nat.RemoveClient(kAlice, now);
  EXPECT_EQ(nat.MappingsOf(kAlice), 0u);
  EXPECT_EQ(nat.mappings(), 1u);
  EXPECT_EQ(nat.flows(), 0u);
  EXPECT_NE(Send(Udp({kAlice, 1}, kWeb)), 0);
}

class TinyNatTest : public NatTest {
 protected:
  TinyNatTest()
      : NatTest({.ports = {.first = 2048, .last = 2175, .quota = 64},
                 .max_mappings = 128,
                 .max_flows = 4,
                 .flows_per_client = 3}) {}
};

TEST_F(TinyNatTest, PortsRunOut) {
  ASSERT_NE(Send(Udp({kAlice, 1}, kWeb)), 0);
  ASSERT_NE(Send(Udp({kBob, 1}, kWeb), kBob), 0);
  Bytes third = Udp(At("10.99.0.22", 1), kWeb);
  EXPECT_EQ(Out(third, Ip("10.99.0.22")), Drop::kNatNoPort);
  nat.RemoveClient(kBob, now);
  EXPECT_EQ(Out(third, Ip("10.99.0.22")), Drop::kNone);
}

TEST_F(TinyNatTest, FlowsRunOut) {
  for (uint16_t i = 1; i <= 3; ++i) ASSERT_NE(Send(Tcp({kAlice, 9}, {kWeb.ip, i}, kTcpSyn)), 0);
  Bytes fourth = Tcp({kAlice, 9}, {kWeb.ip, 4}, kTcpSyn);
  EXPECT_EQ(Out(fourth), Drop::kNatQuota);
  ASSERT_NE(Send(Tcp({kBob, 9}, kWeb, kTcpSyn), kBob), 0);
  Bytes fifth = Tcp({kBob, 10}, kWeb, kTcpSyn);
  EXPECT_EQ(Out(fifth, kBob), Drop::kNatTableFull);
  EXPECT_EQ(nat.MappingsOf(kBob), 1u) << "a mapping made in vain is taken back";
}

TEST_F(TinyNatTest, EndedFlowsAreCountedNoMore) {
  for (int round = 0; round < 3; ++round) {
    for (uint16_t i = 1; i <= 3; ++i) ASSERT_NE(Send(Tcp({kAlice, 9}, {kWeb.ip, i}, kTcpSyn)), 0);
    ASSERT_NE(Send(Udp({kAlice, 9}, kWeb)), 0);  // keeps the client known
    now += 240;
    SweepAll();
    ASSERT_EQ(nat.flows(), 0u);
  }
}

TEST_F(TinyNatTest, MappingsRunOut) {
  Options options;
  options.max_mappings = 4;
  Nat small(options, rng);
  small.AddExternal(kExternal, 0);
  Drop last = Drop::kNone;
  int made = 0;
  for (uint16_t port = 1; last == Drop::kNone; ++port) {
    Bytes packet = Udp({kAlice, port}, kWeb);
    last = small.Outbound(packet, 0, kAlice, now);
    made += last == Drop::kNone ? 1 : 0;
  }
  EXPECT_EQ(made, 4);
  EXPECT_EQ(last, Drop::kNatTableFull);
}

// ---- Several addresses, RFC 4787 REQ-2 ----

TEST(NatAddresses, AClientKeepsOneAndClientsSpread) {
  test::FixedRng rng;
  Nat nat({}, rng);
  const Ip4 externals[] = {Ip("203.0.113.1"), Ip("203.0.113.2"), Ip("203.0.113.3")};
  for (const Ip4 external : externals) nat.AddExternal(external, 3);
  std::map<Ip4, int> clients_of;
  for (uint32_t c = 0; c < 300; ++c) {
    const Ip4 client{kAlice.value + c};
    std::set<Ip4> seen;
    for (uint16_t port = 1; port <= 3; ++port) {
      for (Bytes packet : {Udp({client, port}, kWeb), Tcp({client, port}, kOther, kTcpSyn)}) {
        ASSERT_EQ(nat.Outbound(packet, 3, client, 0), Drop::kNone);
        seen.insert({stack::Load32(&packet[12])});
      }
    }
    ASSERT_EQ(seen.size(), 1u);
    ++clients_of[*seen.begin()];
  }
  for (const Ip4 external : externals) EXPECT_EQ(clients_of[external], 100);
}

TEST(NatAddresses, GroupsDoNotMix) {
  test::FixedRng rng;
  Nat nat({}, rng);
  const Ip4 first = Ip("203.0.113.1"), second = Ip("198.18.0.1");
  nat.AddExternal(first, 0);
  nat.AddExternal(second, 1);
  for (const uint8_t group : {uint8_t{0}, uint8_t{1}, uint8_t{0}}) {
    Bytes packet = Udp({kAlice, 4000}, kWeb);
    ASSERT_EQ(nat.Outbound(packet, group, kAlice, 0), Drop::kNone);
    EXPECT_EQ(stack::Load32(&packet[12]), (group == 0 ? first : second).value);
  }
  EXPECT_EQ(nat.mappings(), 2u);
  EXPECT_EQ(nat.MappingsOf(kAlice), 2u);
  nat.RemoveClient(kAlice, 0);
  EXPECT_EQ(nat.mappings(), 0u);
  EXPECT_EQ(nat.clients(), 0u);
}

// ---- Ports shared as the last resort ----

// One block of 64 ports, all of it Alice's.
class FullNat : public NatTest {
 protected:
  explicit FullNat(Options options = {}) : NatTest(Tiny(std::move(options))) {
    for (uint16_t i = 1; i <= 64; ++i) {
      EXPECT_NE(Send(Tcp({kAlice, i}, kWeb, kTcpSyn)), 0);
      EXPECT_NE(Send(Udp({kAlice, i}, kWeb)), 0);
    }
  }
  static Options Tiny(Options options) {
    options.ports.first = 2048;
    options.ports.last = 2048 + 63;
    return options;
  }
  Bytes Back(const Bytes& packet) {
    Bytes back = packet;
    EXPECT_TRUE(nat.Inbound(back, now).ok());
    return back;
  }
};

TEST_F(FullNat, AnotherClientSharesAPortTowardsAnotherRemote) {
  for (const bool tcp : {true, false}) {
    const auto build = [tcp](Endpoint from, Endpoint to) {
      return tcp ? Tcp(from, to, kTcpSyn) : Udp(from, to);
    };
    const uint64_t before = nat.shared();
    const uint16_t port = Send(build({kBob, 9}, kOther), kBob);
    ASSERT_NE(port, 0);
    EXPECT_EQ(nat.shared(), before + 1);
    // Replies find who was meant by who sends them.
    EXPECT_EQ(Back(build(kOther, {kExternal, port})), build(kOther, {kBob, 9}));
    const Bytes at_alice = Back(build(kWeb, {kExternal, port}));
    EXPECT_EQ(stack::Load32(&at_alice[16]), kAlice.value);
    // Strangers find nobody, though filtering is endpoint-independent otherwise.
    const Endpoint stranger = At("198.51.100.200", 1);
    EXPECT_EQ(In(build(stranger, {kExternal, port})), Drop::kNatNoMapping);
  }
}

TEST_F(FullNat, TwoNeverShareARemote) {
  Bytes same = Tcp({kBob, 9}, kWeb, kTcpSyn);
  EXPECT_EQ(Out(same, kBob), Drop::kNatNoPort);
  ASSERT_NE(Send(Tcp({kBob, 9}, kOther, kTcpSyn), kBob), 0);
  EXPECT_EQ(Out(same, kBob), Drop::kNatNoPort) << "nor by a mapping that is there already";
  EXPECT_EQ(nat.MappingsOf(kBob), 1u);
}

TEST_F(FullNat, ErrorsFindTheSharerTheyAreAbout) {
  Bytes sent = Udp({kBob, 9}, kOther);
  ASSERT_EQ(Out(sent, kBob), Drop::kNone);
  const Bytes error = Back(FragNeeded(Ip("198.51.100.254"), kExternal, sent));
  EXPECT_EQ(stack::ToHex(error),
            stack::ToHex(FragNeeded(Ip("198.51.100.254"), kBob, Udp({kBob, 9}, kOther))));
}

TEST_F(FullNat, ThePortIsFreeWhenTheLastSharerLeaves) {
  const uint16_t port = Send(Tcp({kBob, 9}, kOther, kTcpSyn), kBob);
  ASSERT_NE(port, 0);
  nat.RemoveClient(kAlice, now);
  EXPECT_EQ(Back(Tcp(kOther, {kExternal, port})), Tcp(kOther, {kBob, 9}));
  EXPECT_EQ(In(Tcp(At("198.51.100.200", 1), {kExternal, port})), Drop::kNone)
      << "alone at the port, it is endpoint-independent again";
  nat.RemoveClient(kBob, now);
  EXPECT_EQ(nat.mappings(), 0u);
  EXPECT_EQ(nat.clients(), 0u);
  for (uint16_t i = 1; i <= 64; ++i) EXPECT_NE(Send(Tcp({kBob, i}, kWeb, kTcpSyn), kBob), 0);
  EXPECT_EQ(nat.shared(), 1u);
}

TEST_F(FullNat, AtMostEightShareAPort) {
  int shared = 0;
  for (uint16_t i = 1; i < 3000; ++i) {
    shared += Send(Tcp({kBob, i}, {kOther.ip, i}, kTcpSyn), kBob) != 0 ? 1 : 0;
  }
  EXPECT_LE(shared, 64 * 7);
  EXPECT_GT(shared, 64 * 4);
}

TEST(NatSharing, EndsAtTheQuota) {
  test::FixedRng rng;
  Nat nat({.ports = {.first = 2048, .last = 2111, .quota = 64}}, rng);
  nat.AddExternal(kExternal, 0);
  const auto send = [&nat](Ip4 client, uint16_t port, Endpoint to) {
    Bytes packet = Tcp({client, port}, to, kTcpSyn);
    return nat.Outbound(packet, 0, client, 0);
  };
  for (uint16_t i = 1; i <= 64; ++i) ASSERT_EQ(send(kAlice, i, kWeb), Drop::kNone);
  EXPECT_EQ(send(kAlice, 65, kOther), Drop::kNatQuota) << "a quota is no lack of ports";
  for (uint16_t i = 1; i <= 64; ++i) ASSERT_EQ(send(kBob, i, {kOther.ip, i}), Drop::kNone);
  EXPECT_EQ(send(kBob, 65, {kOther.ip, 65}), Drop::kNatQuota);
}

// Of a client that may have no flows the remotes are not known: it keeps its ports to itself.
TEST(NatSharing, NeedsEveryFlowOfThePort) {
  test::FixedRng rng;
  Nat nat({.ports = {.first = 2048, .last = 2111}, .flows_per_client = 0}, rng);
  nat.AddExternal(kExternal, 0);
  for (uint16_t i = 1; i <= 64; ++i) {
    Bytes packet = Udp({kAlice, i}, kWeb);
    ASSERT_EQ(nat.Outbound(packet, 0, kAlice, 0), Drop::kNone);
  }
  Bytes packet = Udp({kBob, 9}, kOther);
  EXPECT_EQ(nat.Outbound(packet, 0, kBob, 0), Drop::kNatNoPort);
}

// ---- TCP that begins from outside, RFC 5382 REQ-2 and REQ-4 ----

TEST_F(StrictNatTest, SimultaneousOpenSucceeds) {
  const uint16_t port = Send(Udp({kAlice, 4000}, kWeb));  // how the far end learned the port
  EXPECT_EQ(In(Tcp(kWeb, {kExternal, port}, kTcpSyn)), Drop::kNatNoMapping) << "held in silence";
  const uint16_t tcp = Send(Tcp({kAlice, 4000}, kWeb, kTcpSyn));
  EXPECT_EQ(In(Tcp(kWeb, {kExternal, tcp}, kTcpSyn)), Drop::kNone);
  EXPECT_EQ(Send(Tcp({kAlice, 4000}, kWeb, kTcpSyn | kTcpAck)), tcp);
  now += 7000;
  EXPECT_EQ(In(Tcp(kWeb, {kExternal, tcp})), Drop::kNone) << "established";
}

TEST(NatShards, PortsAreOfTheOwnShardOnly) {
  test::FixedRng rng;
  for (uint32_t shard = 0; shard < 3; ++shard) {
    Nat nat({.ports = {.shard = shard, .shards = 3}}, rng);
    nat.AddExternal(kExternal, 0);
    for (uint16_t i = 1; i <= 300; ++i) {
      Bytes packet = Udp({kAlice, i}, kWeb);
      ASSERT_EQ(nat.Outbound(packet, 0, kAlice, 0), Drop::kNone);
      EXPECT_EQ(ShardOfPort(SourcePortOf(packet), 3), shard);
    }
  }
}

}  // namespace
}  // namespace nat
