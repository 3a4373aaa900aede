// One interface leads to the internet, translated, and another to a corporate network that sees
// clients' own addresses; with proxy ARP, as neighbours.
#include "tests/gateway/shard/forwarding.h"

namespace test {
namespace {

using stack::wire::ArpOperation;

constexpr uint8_t kLanSide = 2;
constexpr stack::Ip4 kLan{0x0a010001};           // 10.1.0.1/16, where the pool is, too
constexpr stack::Ip4 kPrinter{0x0a010009};       // 10.1.0.9
constexpr stack::Ip4 kBranchRouter{0x0a0100fe};  // 10.1.0.254
constexpr stack::Ip4 kPoolGateway{0x0a016301};   // 10.1.99.1
constexpr Endpoint kBranch{{0xac100505}, 80};    // 172.16.5.5, behind that router

void AddLan(conf::Model& model) {
  conf::Interface& lan = model.interfaces.emplace_back();
  lan.name = "lan";
  lan.address = stack::Prefix{kLan, 16};
  lan.mac = stack::Mac{{2, 0xad, 0x17, 0, 0, kLanSide}};
  lan.proxy_arp = true;
  conf::Pool& pool = model.pools[0];
  pool.gateway = kPoolGateway;
  pool.first = {kPoolGateway.value + 1};
  pool.last = {kPoolGateway.value + 200};
  model.routes.push_back({.prefix = {{0xac100000}, 12}, .via = kBranchRouter, .interface = {}});
}

struct Corporate : Forwarding, testing::WithParamInterface<int> {
  Corporate() : Forwarding({.shards = static_cast<uint8_t>(GetParam()), .configure = AddLan}) {
    world.arp.clear();
  }
  // What the LAN is told when somebody asks.
  std::vector<stack::wire::Arp> Ask(stack::Ip4 sender, stack::Ip4 target) {
    world.arp.clear();
    world.AskArp(kLanSide, sender, target);
    world.Settle();
    std::vector<stack::wire::Arp> replies;
    for (const auto& [interface, arp] : world.arp) {
      if (interface == kLanSide && arp.operation == ArpOperation::kReply) replies.push_back(arp);
    }
    return replies;
  }
};

TEST_P(Corporate, IsRoutedWhileTheInternetIsTranslated) {
  for (Caller* caller : {a, b}) {
    const Endpoint inside{caller->up->address, 5000};
    for (const Endpoint& to : {Endpoint{kPrinter, 631}, kBranch}) {
      world.lan.clear();
      caller->received.clear();
      Send(*caller, UdpPacket(inside, to, Pattern(50)));
      ASSERT_EQ(world.lan.size(), 1U) << world.Drops();
      EXPECT_EQ(world.lan[0], UdpPacket(inside, to, Pattern(50), {.ttl = 63}));
      world.Frame(kLanSide, UdpPacket(to, inside, Pattern(60)));
      world.Settle();
      ASSERT_EQ(caller->received.size(), 1U) << world.Drops();
      EXPECT_EQ(caller->received[0], UdpPacket(to, inside, Pattern(60), {.ttl = 63}));
    }
    Send(*caller, UdpPacket(inside, kDns, Pattern(50)));
    ASSERT_EQ(world.internet.size(), 1U) << world.Drops();
    EXPECT_EQ(SourceOf(world.internet[0]).ip, kWan);
    world.internet.clear();
  }
}

TEST_P(Corporate, ClientsAreNeighboursThere) {
  for (Caller* caller : {a, b}) {
    const auto replies = Ask(kPrinter, caller->up->address);
    ASSERT_EQ(replies.size(), 1U);
    EXPECT_EQ(replies[0].sender_ip, caller->up->address);
    EXPECT_EQ(replies[0].sender_mac, world.settings().interfaces[kLanSide].mac);
    EXPECT_EQ(replies[0].target_ip, kPrinter);
    // A probe for a free address (RFC 5227) finds it taken; its owner is not answered.
    EXPECT_EQ(Ask({}, caller->up->address).size(), 1U);
    EXPECT_TRUE(Ask(caller->up->address, caller->up->address).empty());
  }
  EXPECT_TRUE(Ask(kPrinter, {kPoolGateway.value + 150}).empty()) << "nobody is there";
  EXPECT_TRUE(Ask(kPrinter, kPoolGateway).empty()) << "it is adit's in PPP only";
}

TEST_P(Corporate, TheyComeWithAnAnnouncementAndGoInSilence) {
  Caller& c = world.Add({.user = 3, .address = "203.0.113.23"});
  ASSERT_TRUE(world.LogIn(c));
  const stack::Ip4 ip = c.up->address;
  const auto announced = [&world = world, ip](uint8_t interface) {
    return std::any_of(world.arp.begin(), world.arp.end(), [&](const auto& said) {
      return said.first == interface && said.second.sender_ip == ip && said.second.target_ip == ip;
    });
  };
  EXPECT_TRUE(announced(kLanSide));
  EXPECT_FALSE(announced(kWanSide)) << "only where the configuration says so";
  EXPECT_EQ(Ask(kPrinter, ip).size(), 1U);
  world.Do(c, [](absl::Time now, gateway::load::Client& client, gateway::load::Out& out) {
    client.Close(now, out);
  });
  ASSERT_TRUE(world.RunUntil([&c] { return c.is_down(); }, absl::Seconds(60)));
  world.Settle();
  EXPECT_TRUE(Ask(kPrinter, ip).empty());
}

INSTANTIATE_TEST_SUITE_P(Shards, Corporate, testing::Values(1, 2, 4));

// Clients with addresses of their own live where chance has put them, not where the address says.
struct FixedAddresses : Forwarding, testing::WithParamInterface<int> {
  FixedAddresses()
      : Forwarding({.shards = static_cast<uint8_t>(GetParam()), .configure = [](auto& model) {
                      AddLan(model);
                      for (uint32_t i = 0; i < model.users.size(); ++i) {
                        model.users[i].address = stack::Ip4{kPoolGateway.value + 10 + i};
                      }
                    }}) {}
};
INSTANTIATE_TEST_SUITE_P(Shards, FixedAddresses, testing::Values(1, 2, 4));

TEST_P(FixedAddresses, ASuperframeGoesOnByMail) {
  constexpr size_t kSegments = 20, kSegment = 1000;
  uint64_t mailed = 0;
  for (Caller* caller : {a, b}) {
    const Endpoint to{caller->up->address, 5000}, from{kPrinter, 631};
    const Bytes data = Pattern(kSegments * kSegment);
    world.Frame(kLanSide, UdpPacket(from, to, data),
                {.flags = 0, .gso_type = VnetHdr::kGsoUdp4, .hdr_len = 42, .gso_size = kSegment});
    world.Settle();
    ASSERT_EQ(caller->received.size(), kSegments) << world.Drops();
    for (size_t i = 0; i < kSegments; ++i) {
      const Bytes part(data.begin() + static_cast<ptrdiff_t>(i * kSegment),
                       data.begin() + static_cast<ptrdiff_t>((i + 1) * kSegment));
      EXPECT_EQ(caller->received[i],
                UdpPacket(from, to, part, {.ttl = 63, .id = static_cast<uint16_t>(1 + i)}));
    }
  }
  for (uint8_t i = 0; i < world.shards(); ++i) mailed += world.shard(i).stats().mailed;
  EXPECT_EQ(mailed >= kSegments, GetParam() > 1);  // or this was no test
}

}  // namespace
}  // namespace test
