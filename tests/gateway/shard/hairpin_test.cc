// Clients who talk to each other by the addresses they are seen at from outside (RFC 4787 REQ-9),
// and the addresses that NAT has to give.
#include <map>
#include <set>

#include "tests/gateway/shard/forwarding.h"

namespace test {
namespace {

struct Hairpin : Forwarding, testing::WithParamInterface<int> {
  Hairpin() : Forwarding({.shards = static_cast<uint8_t>(GetParam())}) {}

  // One more of `options`, on line; each is on a shard that chance decides.
  Caller& More(int user) {
    Caller& caller = world.Add({.user = user, .address = "203.0.113.2" + std::to_string(user)});
    EXPECT_TRUE(world.LogIn(caller)) << world.Drops();
    return caller;
  }
  // An ICMP error of `from` about the packet that reached him.
  static Bytes PortUnreachable(stack::Ip4 from, const Bytes& about) {
    Tins::ICMP icmp(Tins::ICMP::DEST_UNREACHABLE);
    icmp.code(3);
    Tins::IP ip = Tins::IP(stack::Ip4{Load32(&about[12])}.Text(), from.Text()) / icmp /
                  Tins::RawPDU(stack::AsU8(ByteView(about)), 28);
    const auto raw = ip.serialize();
    return stack::ToBytes(stack::AsBytes(raw.data(), raw.size()));
  }
};

TEST_P(Hairpin, ClientsMeetAtTheirExternalAddresses) {
  std::vector<Caller*> callers{a, b, &More(3), &More(4)};
  std::map<Caller*, Endpoint> outside;
  for (Caller* caller : callers) outside[caller] = OpenFlow(*caller, 5000);
  for (Caller* from : callers) {
    for (Caller* to : callers) {  // himself too
      to->received.clear();
      Send(*from, UdpPacket({from->up->address, 5000}, outside[to], Pattern(100)));
      ASSERT_EQ(to->received.size(), 1U) << world.Drops();
      EXPECT_EQ(to->received[0],
                UdpPacket(outside[from], {to->up->address, 5000}, Pattern(100), {.ttl = 63}));
    }
  }
  EXPECT_TRUE(world.internet.empty());
}

TEST_P(Hairpin, TcpOpensWithItsMssClamped) {
  const Endpoint inside_a{a->up->address, 1000}, inside_b{b->up->address, 2000};
  Send(*b, TcpPacket(inside_b, {kHost, 443}, kSyn, {}, 1460));
  ASSERT_FALSE(world.internet.empty()) << world.Drops();
  const Endpoint outside_b = SourceOf(world.internet.back());
  Send(*a, TcpPacket(inside_a, outside_b, kSyn, {}, 1460));
  ASSERT_EQ(b->received.size(), 1U) << world.Drops();
  const Endpoint outside_a = SourceOf(b->received[0]);
  EXPECT_EQ(outside_a.ip, kWan);
  EXPECT_EQ(b->received[0], TcpPacket(outside_a, inside_b, kSyn, {}, 1360, {.ttl = 63}));
  Send(*b, TcpPacket(inside_b, outside_a, kSyn | kAck, {}, 1460));
  ASSERT_EQ(a->received.size(), 1U) << world.Drops();
  EXPECT_EQ(a->received[0], TcpPacket(outside_b, inside_a, kSyn | kAck, {}, 1360, {.ttl = 63}));
}

TEST_P(Hairpin, ErrorsAboutSuchPacketsFindTheirWayBack) {
  const Endpoint outside_b = OpenFlow(*b, 5000);
  const Bytes sent = UdpPacket({a->up->address, 1000}, outside_b, Pattern(100));
  Send(*a, sent);
  ASSERT_EQ(b->received.size(), 1U) << world.Drops();
  Send(*b, PortUnreachable(b->up->address, b->received[0]));
  ASSERT_EQ(a->received.size(), 1U) << world.Drops();
  const Bytes& error = a->received[0];
  EXPECT_EQ(IcmpOf(error).code(), 3);
  EXPECT_EQ(Load32(&error[12]), kWan.value);
  // It speaks of the packet as he sent it.
  EXPECT_EQ(stack::ToHex(ByteView(error).subspan(28 + 12, 12)),
            stack::ToHex(ByteView(sent).subspan(12, 12)));
}

TEST_P(Hairpin, SoDoOurOwn) {
  const Endpoint outside_b = OpenFlow(*b, 5000);
  const Bytes expiring = UdpPacket({a->up->address, 1000}, outside_b, Pattern(100), {.ttl = 1});
  Send(*a, expiring);
  EXPECT_TRUE(b->received.empty());
  EXPECT_EQ(world.Dropped(Drop::kTtlExpired), 1U);
  ASSERT_EQ(a->received.size(), 1U) << world.Drops();
  EXPECT_EQ(IcmpOf(a->received[0]).type(), Tins::ICMP::TIME_EXCEEDED);
  EXPECT_EQ(stack::ToHex(ByteView(a->received[0]).subspan(28 + 12, 12)),
            stack::ToHex(ByteView(expiring).subspan(12, 12)));
}

TEST_P(Hairpin, WhereNobodyIsThereIsSilence) {
  Send(*a, UdpPacket({a->up->address, 1000}, {kWan, 33333}, Pattern(100)));
  EXPECT_EQ(world.Dropped(Drop::kNatNoMapping), 1U);
  EXPECT_TRUE(a->received.empty());
  // But our own address still answers a ping.
  Send(*a, EchoPacket(a->up->address, kWan, 7, 1, Pattern(40)));
  ASSERT_EQ(a->received.size(), 1U) << world.Drops();
  EXPECT_EQ(IcmpOf(a->received[0]).type(), Tins::ICMP::ECHO_REPLY);
}

INSTANTIATE_TEST_SUITE_P(Shards, Hairpin, testing::Values(1, 2, 4));

// ---- Several addresses to translate to --------------------------------------------------------

constexpr stack::Ip4 kFirst{kWan.value + 9};  // 198.18.0.10 and the next two

struct NatAddresses : Forwarding, testing::WithParamInterface<int> {
  NatAddresses()
      : Forwarding({.shards = static_cast<uint8_t>(GetParam()), .configure = [](auto& model) {
                      for (uint32_t i = 0; i < 3; ++i) {
                        model.interfaces[kWanSide].nat_addresses.push_back({kFirst.value + i});
                      }
                    }}) {}
};

TEST_P(NatAddresses, AClientKeepsOneOfThem) {
  std::vector<Caller*> callers{a, b};
  for (int user = 3; user <= 9; ++user) {
    callers.push_back(&world.Add({.user = user, .address = "203.0.113.2" + std::to_string(user)}));
    ASSERT_TRUE(world.LogIn(*callers.back()));
  }
  std::set<stack::Ip4> all;
  for (Caller* caller : callers) {
    std::set<stack::Ip4> of_client;
    for (uint16_t port = 5000; port < 5004; ++port) {
      const Endpoint outside = OpenFlow(*caller, port);
      of_client.insert(outside.ip);
      caller->received.clear();
      Arrive(UdpPacket(kDns, outside, Pattern(10)));
      ASSERT_EQ(caller->received.size(), 1U) << world.Drops();
      EXPECT_EQ(caller->received[0],
                UdpPacket(kDns, {caller->up->address, port}, Pattern(10), {.ttl = 63}));
    }
    EXPECT_EQ(of_client.size(), 1U);
    all.merge(of_client);
  }
  EXPECT_GE(all.size(), 2U) << "clients spread over them";
  for (const stack::Ip4 ip : all) EXPECT_TRUE(kFirst <= ip && ip.value < kFirst.value + 3);
}

TEST_P(NatAddresses, TheyAreAnnouncedAndAnswered) {
  const auto at_start = world.arp;
  for (uint32_t i = 0; i < 3; ++i) {
    const stack::Ip4 ip{kFirst.value + i};
    const auto announced = [ip](const auto& said) {
      return said.first == kWanSide && said.second.sender_ip == ip && said.second.target_ip == ip;
    };
    EXPECT_TRUE(std::any_of(at_start.begin(), at_start.end(), announced)) << ip.Text();
    world.arp.clear();
    world.AskArp(kWanSide, kRouter, ip);
    world.Settle();
    ASSERT_EQ(world.arp.size(), 1U);
    EXPECT_EQ(world.arp[0].second.operation, stack::wire::ArpOperation::kReply);
    EXPECT_EQ(world.arp[0].second.sender_ip, ip);
    world.internet.clear();
    Arrive(EchoPacket(kHost, ip, 7, 1, Pattern(40)));
    ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
    EXPECT_EQ(IcmpOf(world.internet[0]).type(), Tins::ICMP::ECHO_REPLY);
  }
}

TEST_P(NatAddresses, HairpinsAmongThem) {
  const Endpoint outside_a = OpenFlow(*a, 1000), outside_b = OpenFlow(*b, 2000);
  Send(*a, UdpPacket({a->up->address, 1000}, outside_b, Pattern(10)));
  ASSERT_EQ(b->received.size(), 1U) << world.Drops();
  EXPECT_EQ(b->received[0], UdpPacket(outside_a, {b->up->address, 2000}, Pattern(10), {.ttl = 63}));
}

INSTANTIATE_TEST_SUITE_P(Shards, NatAddresses, testing::Values(1, 2, 4));

}  // namespace
}  // namespace test
