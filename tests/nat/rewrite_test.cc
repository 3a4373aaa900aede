#include "nat/rewrite.h"

#include "gtest/gtest.h"
#include "tests/nat/packets.h"
#include "tests/support/rng.h"

namespace nat {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::Endpoint;

// Any change of any packet equals the packet built from the changed values.
TEST(Rewrite, EqualsRebuilding) {
  test::FixedRng dice(4);
  for (int i = 0; i < 3000; ++i) {
    const auto random = [&] {
      return Endpoint{{static_cast<uint32_t>(dice.Next())}, static_cast<uint16_t>(dice.Next())};
    };
    const Endpoint from = random(), to = random(), changed = random();
    const std::string payload(dice.Below(20), static_cast<char>(dice.Next()));
    const bool tcp = dice.Below(2) == 0;
    const auto build = [&](Endpoint a, Endpoint b) {
      return tcp ? Tcp(a, b, kTcpAck, payload) : Udp(a, b, payload);
    };
    Bytes packet = build(from, to);
    const auto transport = FindTransport(packet);
    ASSERT_TRUE(transport.ok());
    ASSERT_EQ(transport->flow.source, from);
    ASSERT_EQ(transport->flow.destination, to);
    RewriteSource(packet, *transport, changed);
    ASSERT_EQ(stack::ToHex(packet), stack::ToHex(build(changed, to)));
    RewriteDestination(packet, *transport, from);
    ASSERT_EQ(stack::ToHex(packet), stack::ToHex(build(changed, from)));
  }
}

// The port that makes the UDP sum come out as zero, which must be sent as 0xffff.
TEST(Rewrite, UdpChecksumNeverBecomesZero) {
  const Endpoint from = At("10.0.0.1", 1), to = At("192.0.2.1", 53);
  Bytes packet = Udp(from, to, "ab");
  const auto sum = stack::Load16(&packet[26]);
  const auto port = static_cast<uint16_t>(stack::Fold(stack::Sum{sum} + from.port));
  const auto transport = FindTransport(packet);
  ASSERT_TRUE(transport.ok());
  RewriteSource(packet, *transport, {from.ip, port});
  EXPECT_EQ(stack::Load16(&packet[26]), 0xffff);
  EXPECT_TRUE(ChecksumsHold(packet));
}

TEST(FindTransport, AnyTruncationIsRefusedOrRead) {
  for (const Bytes& whole : {Tcp(At("10.0.0.1", 1), At("10.0.0.2", 2), kTcpSyn, "x"),
                             Udp(At("10.0.0.1", 1), At("10.0.0.2", 2)),
                             EchoRequest(At("10.0.0.1", 1), Ip("10.0.0.2"))}) {
    for (size_t n = 0; n < whole.size(); ++n) {
      EXPECT_EQ(FindTransport(stack::ByteView(whole).first(n)).error(), Drop::kNatMalformed);
    }
    for (size_t total = 0; total < whole.size(); ++total) {
      Bytes lying = whole;
      stack::Store16(&lying[2], static_cast<uint16_t>(total));
      const auto found = FindTransport(lying);
      EXPECT_TRUE(!found.ok() || total >= 28);
    }
  }
}

TEST(FindTransport, HeaderLengthsAreChecked) {
  Bytes tcp = Tcp(At("10.0.0.1", 1), At("10.0.0.2", 2));
  tcp[32] = std::byte{0x40};
  EXPECT_EQ(FindTransport(tcp).error(), Drop::kNatMalformed);
  tcp[32] = std::byte{0x60};
  EXPECT_EQ(FindTransport(tcp).error(), Drop::kNatMalformed);
  Bytes udp = Udp(At("10.0.0.1", 1), At("10.0.0.2", 2));
  stack::Store16(&udp[24], 7);
  EXPECT_EQ(FindTransport(udp).error(), Drop::kNatMalformed);
  stack::Store16(&udp[24], 14);
  EXPECT_EQ(FindTransport(udp).error(), Drop::kNatMalformed);
  udp[0] = std::byte{0x44};
  EXPECT_EQ(FindTransport(udp).error(), Drop::kNatMalformed);
}

// ---- MSS ----

Bytes SynWithOptions(const std::vector<uint8_t>& options, uint8_t flags = kTcpSyn) {
  const Endpoint from = At("10.0.0.1", 1), to = At("10.0.0.2", 2);
  Bytes packet = Tcp(from, to, flags);
  for (const uint8_t octet : options) packet.push_back(std::byte{octet});
  while (packet.size() % 4 != 0) packet.push_back(std::byte{0});
  stack::Store16(&packet[2], static_cast<uint16_t>(packet.size()));
  stack::Store16(&packet[10], 0);
  stack::Store16(&packet[10], stack::Finish(stack::SumOf(stack::ByteView(packet).first(20))));
  packet[32] = static_cast<std::byte>((packet.size() - 20) / 4 << 4);
  const stack::ByteView segment = stack::ByteView(packet).subspan(20);
  stack::Store16(&packet[36], 0);
  stack::Store16(&packet[36],
                 stack::Finish(stack::SumOf(segment) +
                               stack::PseudoHeaderSum(from.ip, to.ip, 6,
                                                      static_cast<uint16_t>(segment.size()))));
  return packet;
}

TEST(ClampMss, LowersAtAnyOffset) {
  const std::vector<uint8_t> mss = {2, 4, 0x05, 0xb4};  // 1460
  for (size_t nops = 0; nops < 6; ++nops) {
    std::vector<uint8_t> options(nops, 1);
    options.insert(options.end(), mss.begin(), mss.end());
    for (const uint8_t flags : {kTcpSyn, static_cast<uint8_t>(kTcpSyn | kTcpAck)}) {
      Bytes packet = SynWithOptions(options, flags);
      ASSERT_TRUE(ChecksumsHold(packet));
      EXPECT_TRUE(ClampMss(packet, 1234));
      EXPECT_EQ(stack::Load16(&packet[40 + nops + 2]), 1234);
      EXPECT_TRUE(ChecksumsHold(packet)) << nops;
    }
  }
}

TEST(ClampMss, FindsItBehindOtherOptions) {
  Bytes packet =
      SynWithOptions({4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7, 2, 4, 0x05, 0xb4});
  EXPECT_TRUE(ClampMss(packet, 1360));
  EXPECT_EQ(stack::Load16(&packet[58]), 1360);
  EXPECT_TRUE(ChecksumsHold(packet));
}

TEST(ClampMss, LeavesTheRestAlone) {
  const struct {
    const char* name;
    Bytes packet;
  } cases[] = {
      {"small enough", SynWithOptions({2, 4, 0x05, 0x50})},
      {"no SYN", SynWithOptions({2, 4, 0x05, 0xb4}, kTcpAck)},
      {"no option", SynWithOptions({})},
      {"behind the end", SynWithOptions({0, 1, 1, 1, 2, 4, 0x05, 0xb4})},
      {"length 0", SynWithOptions({8, 0, 1, 1, 2, 4, 0x05, 0xb4})},
      {"length 1", SynWithOptions({8, 1, 1, 1, 2, 4, 0x05, 0xb4})},
      {"too long", SynWithOptions({8, 9, 1, 1, 2, 4, 0x05, 0xb4})},
      {"MSS of 3 octets", SynWithOptions({2, 3, 0x05, 1})},
      {"kind at the very end", SynWithOptions({1, 1, 1, 2})},
      {"UDP", Udp(At("10.0.0.1", 1), At("10.0.0.2", 2))},
      {"nothing", {}},
  };
  for (const auto& c : cases) {
    Bytes copy = c.packet;
    EXPECT_FALSE(ClampMss(copy, 1360)) << c.name;
    EXPECT_EQ(copy, c.packet) << c.name;
  }
}

TEST(DecrementTtl, CountsDownToOne) {
  Bytes packet = Udp(At("10.0.0.1", 1), At("10.0.0.2", 2));
  for (int ttl = 63; ttl >= 1; --ttl) {
    ASSERT_EQ(DecrementTtl(packet), Drop::kNone);
    ASSERT_EQ(static_cast<int>(packet[8]), ttl);
    ASSERT_TRUE(ChecksumsHold(packet));
  }
  const Bytes before = packet;
  EXPECT_EQ(DecrementTtl(packet), Drop::kTtlExpired);
  EXPECT_EQ(packet, before);
  packet[8] = std::byte{0};
  EXPECT_EQ(DecrementTtl(packet), Drop::kTtlExpired);
  packet.resize(19);
  EXPECT_EQ(DecrementTtl(packet), Drop::kTruncated);
}

}  // namespace
}  // namespace nat
