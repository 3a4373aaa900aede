#include "nat/filter.h"

#include "gtest/gtest.h"
#include "tests/nat/packets.h"

namespace nat {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::Prefix;

const stack::Endpoint kClient = At("10.99.0.20", 50000);

TEST(SwallowNoise, WhatClientsShoutDiesQuietly) {
  Bytes igmp = Udp(kClient, At("10.1.2.3", 9));
  igmp[9] = std::byte{2};
  const struct {
    const char* name;
    Bytes packet;
    Drop drop;
  } cases[] = {
      {"DHCPDISCOVER", Udp(At("0.0.0.0", 68), At("255.255.255.255", 67)), Drop::kSwallowed},
      {"SSDP", Udp(kClient, At("239.255.255.250", 1900)), Drop::kSwallowed},
      {"mDNS", Udp(kClient, At("224.0.0.251", 5353)), Drop::kSwallowed},
      {"LLMNR", Udp(kClient, At("224.0.0.252", 5355)), Drop::kSwallowed},
      {"IGMP", igmp, Drop::kSwallowed},
      {"NetBIOS name query", Udp(kClient, At("10.99.0.255", 137)), Drop::kSwallowed},
      {"NetBIOS datagram", Udp(kClient, At("10.255.255.255", 138)), Drop::kSwallowed},
      {"WINS server", Udp(kClient, At("10.1.2.3", 137)), Drop::kNone},
      {"DNS at .255", Udp(kClient, At("10.1.2.255", 53)), Drop::kNone},
      {"TCP 139 at .255", Tcp(kClient, At("10.1.2.255", 139)), Drop::kNone},
      {"web", Tcp(kClient, At("192.0.2.80", 443)), Drop::kNone},
      {"cut", Bytes(19), Drop::kTruncated},
  };
  for (const auto& c : cases) EXPECT_EQ(SwallowNoise(c.packet), c.drop) << c.name;
}

TEST(Filter, EmptyAllows) { EXPECT_EQ(Filter().Check(Udp(kClient, kClient)), Drop::kNone); }

TEST(Filter, FirstMatchDecides) {
  const Filter filter({
      {.action = Rule::Action::kAllow,
       .destination = *Prefix::Parse("192.168.1.53"),
       .protocol = kProtocolUdp,
       .first_port = 53,
       .last_port = 53},
      {.destination = *Prefix::Parse("192.168.0.0/16")},
      {.protocol = kProtocolTcp, .first_port = 25, .last_port = 25},
      {.source = *Prefix::Parse("10.99.0.66/32"), .first_port = 1000, .last_port = 2000},
  });
  EXPECT_EQ(filter.Check(Udp(kClient, At("192.168.1.53", 53))), Drop::kNone);
  EXPECT_EQ(filter.Check(Tcp(kClient, At("192.168.1.53", 53))), Drop::kFiltered);
  EXPECT_EQ(filter.Check(Udp(kClient, At("192.168.1.53", 54))), Drop::kFiltered);
  EXPECT_EQ(filter.Check(EchoRequest(kClient, Ip("192.168.2.2"))), Drop::kFiltered);
  EXPECT_EQ(filter.Check(Tcp(kClient, At("192.0.2.1", 25))), Drop::kFiltered);
  EXPECT_EQ(filter.Check(Udp(kClient, At("192.0.2.1", 25))), Drop::kNone);
  EXPECT_EQ(filter.Check(Udp(At("10.99.0.66", 1), At("192.0.2.1", 2000))), Drop::kFiltered);
  EXPECT_EQ(filter.Check(Udp(At("10.99.0.66", 1), At("192.0.2.1", 2001))), Drop::kNone);
  EXPECT_EQ(filter.Check(EchoRequest(At("10.99.0.66", 1), Ip("192.0.2.1"))), Drop::kNone);
}

TEST(Filter, CutPacketsHaveNoPorts) {
  const Filter filter({{.protocol = kProtocolTcp, .first_port = 25, .last_port = 25}});
  const Bytes packet = Tcp(kClient, At("192.0.2.1", 25));
  for (size_t n = 0; n < packet.size(); ++n) {
    const Drop drop = filter.Check(stack::ByteView(packet).first(n));
    EXPECT_EQ(drop, n < 20 ? Drop::kTruncated : n < 24 ? Drop::kNone : Drop::kFiltered) << n;
  }
}

TEST(Filter, TableIsBounded) {
  EXPECT_EQ(Filter(std::vector<Rule>(5000)).size(), Filter::kMaxRules);
}

}  // namespace
}  // namespace nat
