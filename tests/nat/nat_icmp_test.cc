// ICMP errors through the NAT, RFC 5508 section 4: the quoted packet must look to its sender like
// the one it sent.
#include "gtest/gtest.h"
#include "nat/icmp_inner.h"
#include "nat/nat.h"
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
const Ip4 kRouter = Ip("198.51.100.254");
const Endpoint kWeb = At("192.0.2.80", 443);
const Endpoint kInside{kAlice, 4000};

class NatIcmp : public testing::Test {
 protected:
  NatIcmp() : nat({}, rng) { nat.AddExternal(kExternal, 0); }

  // `sent` as it left towards the internet.
  Bytes Translated(Bytes sent) {
    EXPECT_EQ(nat.Outbound(sent, 0, kAlice, 0), Drop::kNone);
    return sent;
  }
  Drop In(Bytes& packet) {
    const auto client = nat.Inbound(packet, 0);
    return client.ok() ? Drop::kNone : client.error();
  }

  test::FixedRng rng;
  Nat nat;
};

TEST_F(NatIcmp, ErrorsReachTheClientWithItsOwnPacketQuoted) {
  const Bytes packets[] = {Udp(kInside, kWeb, "some payload"), Tcp(kInside, kWeb, kTcpSyn, "data"),
                           EchoRequest({kAlice, 7}, kWeb.ip)};
  for (const Bytes& sent : packets) {
    const Bytes out = Translated(sent);
    for (const size_t quoted : {size_t{28}, size_t{36}, size_t{38}, size_t{548}}) {
      Bytes error = FragNeeded(kRouter, kExternal, out, quoted);
      ASSERT_EQ(In(error), Drop::kNone);
      EXPECT_EQ(stack::ToHex(error), stack::ToHex(FragNeeded(kRouter, kAlice, sent, quoted)));
    }
  }
}

TEST_F(NatIcmp, QuotedUdpWithoutChecksumStaysWithout) {
  Bytes sent = Udp(kInside, kWeb);
  stack::Store16(&sent[26], 0);
  Bytes error = FragNeeded(kRouter, kExternal, Translated(sent));
  ASSERT_EQ(In(error), Drop::kNone);
  EXPECT_EQ(stack::ToHex(error), stack::ToHex(FragNeeded(kRouter, kAlice, sent)));
}

TEST_F(NatIcmp, ClientsErrorsGoOutWithThePacketAsItCame) {
  const uint16_t udp = SourcePortOf(Translated(Udp(kInside, kWeb)));
  const uint16_t tcp = SourcePortOf(Translated(Tcp(kInside, kWeb, kTcpSyn)));
  const uint16_t echo = SourcePortOf(Translated(EchoRequest({kAlice, 7}, kWeb.ip)));
  const Bytes packets[] = {Udp(kWeb, {kExternal, udp}), Tcp(kWeb, {kExternal, tcp}),
                           EchoReply(kWeb.ip, {kExternal, echo})};
  for (const Bytes& came : packets) {
    Bytes at_client = came;
    ASSERT_EQ(In(at_client), Drop::kNone);
    Bytes error = FragNeeded(kAlice, kWeb.ip, at_client);
    ASSERT_EQ(nat.Outbound(error, 0, kAlice, 0), Drop::kNone);
    EXPECT_EQ(stack::ToHex(error), stack::ToHex(FragNeeded(kExternal, kWeb.ip, came)));
  }
}

TEST_F(NatIcmp, ErrorsMakeAndRefreshNothing) {
  Bytes about = Udp(kWeb, kInside);
  Bytes error = FragNeeded(kAlice, kWeb.ip, about);
  EXPECT_EQ(nat.Outbound(error, 0, kAlice, 0), Drop::kNatNoMapping);
  EXPECT_EQ(nat.mappings(), 0u);

  const Bytes out = Translated(Udp(kInside, kWeb));
  Bytes late = FragNeeded(kRouter, kExternal, out);
  ASSERT_TRUE(nat.Inbound(late, 299).ok());
  late = FragNeeded(kRouter, kExternal, out);
  EXPECT_FALSE(nat.Inbound(late, 300).ok());
}

TEST_F(NatIcmp, ErrorOfAnotherClientIsRefused) {
  const uint16_t port = SourcePortOf(Translated(Udp(kInside, kWeb)));
  Bytes at_client = Udp(kWeb, {kExternal, port});
  ASSERT_EQ(In(at_client), Drop::kNone);
  Bytes error = FragNeeded(Ip("10.99.0.66"), kWeb.ip, at_client);
  EXPECT_EQ(nat.Outbound(error, 0, Ip("10.99.0.66"), 0), Drop::kSpoofedSource);
}

// Sets the ICMP checksum of an error over whatever stands there.
void Resum(Bytes& error) {
  const stack::ByteSpan icmp = stack::ByteSpan(error).subspan(20);
  stack::Store16(&icmp[2], 0);
  stack::Store16(&icmp[2], stack::Finish(stack::SumOf(icmp)));
}

TEST_F(NatIcmp, DamagedErrorsDieUnchanged) {
  const Bytes good = FragNeeded(kRouter, kExternal, Translated(Udp(kInside, kWeb)));
  Bytes bad_sum = good;
  bad_sum[27] ^= std::byte{1};
  Bytes bad_inner_sum = good;
  bad_inner_sum[28 + 8] ^= std::byte{1};  // the quoted TTL
  Resum(bad_inner_sum);
  Bytes inner_v6 = good;
  inner_v6[28] = std::byte{0x65};
  Resum(inner_v6);
  const Bytes short_quote = FragNeeded(kRouter, kExternal, stack::ByteView(good).subspan(28), 27);
  Bytes later_fragment = good;
  stack::Store16(&later_fragment[28 + 6], 5);
  stack::Store16(&later_fragment[28 + 10], 0);
  stack::Store16(&later_fragment[28 + 10],
                 stack::Finish(stack::SumOf(stack::ByteView(later_fragment).subspan(28, 20))));
  Resum(later_fragment);
  for (const Bytes& packet : {bad_sum, bad_inner_sum, inner_v6, short_quote, later_fragment}) {
    Bytes copy = packet;
    EXPECT_EQ(In(copy), Drop::kNatMalformed);
    EXPECT_EQ(copy, packet);
  }
}

TEST_F(NatIcmp, ErrorsAboutOurOwnPacketsAreNotForClients) {
  Bytes ike = FragNeeded(kRouter, kExternal, Udp({kExternal, 500}, kWeb));
  EXPECT_EQ(In(ike), Drop::kNatNoMapping);
  Bytes ping = FragNeeded(kRouter, kExternal, EchoReply(kExternal, {kWeb.ip, 3}));
  EXPECT_EQ(In(ping), Drop::kNatNoMapping);
  Bytes esp_packet = Udp({kExternal, 500}, kWeb);
  esp_packet[9] = std::byte{50};
  stack::Store16(&esp_packet[10], 0);
  stack::Store16(&esp_packet[10],
                 stack::Finish(stack::SumOf(stack::ByteView(esp_packet).first(20))));
  Bytes esp = FragNeeded(kRouter, kExternal, esp_packet);
  EXPECT_EQ(In(esp), Drop::kNatProtocol);
}

TEST_F(NatIcmp, QuotedSourceMustBeTheAddressItWasSentTo) {
  const uint16_t port = SourcePortOf(Translated(Udp(kInside, kWeb)));
  nat.AddExternal(Ip("203.0.113.77"), 0);
  Bytes forged = FragNeeded(kRouter, Ip("203.0.113.77"), Udp({kExternal, port}, kWeb));
  EXPECT_EQ(In(forged), Drop::kNatNoMapping);
}

}  // namespace
}  // namespace nat
