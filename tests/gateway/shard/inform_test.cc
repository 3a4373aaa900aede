// DHCPINFORM inside the tunnel, as Windows and Apple ask it.
#include "stack/wire/dhcp4.h"
#include "tests/gateway/shard/forwarding.h"

namespace test {
namespace {

using stack::wire::Dhcp4;
using stack::wire::DhcpOption;
using stack::wire::DhcpType;

void AddRoutes(conf::Model& model) {
  model.pools[0].routes = {*stack::Prefix::Parse("10.1.0.0/16"),
                           *stack::Prefix::Parse("192.168.77.0/24")};
  model.pools[0].domain = "example.net";
}

struct Inform : Forwarding {
  Inform() : Forwarding({.shards = 2, .configure = AddRoutes}) {}

  Bytes Question(DhcpType type, stack::Ip4 client) {
    Bytes message(400);
    stack::wire::Dhcp4Writer writer(message, {.xid = 0x1234, .ciaddr = client}, type);
    writer.Option(DhcpOption::kParameterRequestList, stack::FromHex("062c2b01f90f"));
    message.resize(writer.Finish());
    return message;
  }
};

TEST_F(Inform, IsAnsweredWithTheNetworksBehindUs) {
  for (const stack::Ip4 to : {stack::Ip4{0xffffffff}, kInside}) {
    for (Caller* caller : {a, b}) {
      const stack::Ip4 ip = caller->up->address;
      caller->received.clear();
      Send(*caller, UdpPacket({ip, 68}, {to, 67}, Question(DhcpType::kInform, ip)));
      ASSERT_EQ(caller->received.size(), 1U) << world.Drops();
      const Bytes& packet = caller->received[0];
      EXPECT_EQ(SourceOf(packet), (Endpoint{kInside, 67}));
      EXPECT_EQ(Load32(&packet[16]), ip.value);
      EXPECT_EQ(Load16(&packet[22]), 68);
      const auto ack = Dhcp4::Parse(ByteView(packet).subspan(28));
      ASSERT_TRUE(ack.ok());
      EXPECT_EQ(ack->type(), DhcpType::kAck);
      EXPECT_EQ(stack::ToHex(*ack->Option(DhcpOption::kClasslessRoutesMicrosoft)),
                "100a010a63000118c0a84d0a630001");
    }
  }
  EXPECT_TRUE(world.internet.empty());
}

TEST_F(Inform, NothingElseOfDhcpIs) {
  const stack::Ip4 ip = a->up->address;
  Send(*a, UdpPacket({ip, 68}, {{0xffffffff}, 67}, Question(DhcpType::kDiscover, ip)));
  EXPECT_EQ(world.Dropped(Drop::kSwallowed), 1U);
  Send(*a, UdpPacket({ip, 68}, {{0xffffffff}, 67}, Pattern(100)));
  EXPECT_EQ(world.Dropped(Drop::kTruncated), 1U);
  EXPECT_TRUE(a->received.empty());
}

// What clients say to everybody all the time: no answer, no state, and nothing on the way on.
TEST_F(Inform, NoiseDiesInSilence) {
  const stack::Ip4 ip = a->up->address;
  const Endpoint noise[] = {At("239.255.255.250:1900"), At("224.0.0.251:5353"),
                            At("224.0.0.252:5355"),     At("255.255.255.255:138"),
                            At("10.99.0.255:137"),      At("255.255.255.255:9999")};
  for (const Endpoint& to : noise) Send(*a, UdpPacket({ip, 40000}, to, Pattern(30)));
  Send(*a, IpPacket(ip, {0xe0000016}, 2, Pattern(8)));  // IGMP
  EXPECT_EQ(world.Dropped(Drop::kSwallowed), std::size(noise) + 1);
  EXPECT_TRUE(a->received.empty());
  EXPECT_TRUE(world.internet.empty());
  for (uint8_t i = 0; i < world.shards(); ++i) {
    EXPECT_EQ(world.shard(i).tables().translator.mappings(), 0U);
  }
}

}  // namespace
}  // namespace test
