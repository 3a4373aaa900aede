// UDP, TCP, ICMP and ESP headers next to libtins.
#include <gtest/gtest.h>
#include <tins/tins.h>

#include "stack/wire/esp.h"
#include "stack/wire/icmp4.h"
#include "stack/wire/ip4.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"
#include "tests/support/frames.h"

namespace stack::wire {
namespace {

const Endpoint kFrom = test::At("192.0.2.1:40000"), kTo = test::At("203.0.113.200:1701");

Bytes PayloadOf(const Bytes& packet) { return ToBytes(Ip4Packet::Parse(packet)->payload()); }

TEST(Udp, ReadsWhatLibtinsBuilds) {
  for (const size_t n : {0U, 1U, 2U, 1472U}) {
    const Bytes bytes = PayloadOf(test::UdpPacket(kFrom, kTo, test::Pattern(n)));
    const auto udp = Udp::Parse(bytes);
    ASSERT_TRUE(udp);
    EXPECT_EQ(udp->source_port(), 40000);
    EXPECT_EQ(udp->destination_port(), 1701);
    EXPECT_EQ(udp->length(), n + 8);
    EXPECT_TRUE(udp->has_checksum());
    EXPECT_TRUE(udp->ChecksumHolds(kFrom.ip, kTo.ip));
    EXPECT_FALSE(udp->ChecksumHolds(kFrom.ip, {kTo.ip.value + 1}));
    EXPECT_EQ(ToBytes(udp->payload()), test::Pattern(n));
  }
}

TEST(Udp, ChecksItsLength) {
  Bytes bytes = PayloadOf(test::UdpPacket(kFrom, kTo, test::Pattern(10)));
  EXPECT_EQ(Udp::Parse(ByteView(bytes).first(7)).error(), Drop::kTruncated);
  EXPECT_EQ(Udp::Parse(ByteView(bytes).first(17)).error(), Drop::kBadUdpLength);
  bytes.resize(30);  // what follows is cut
  EXPECT_EQ(Udp::Parse(bytes)->payload().size(), 10U);
  for (const uint16_t length : std::initializer_list<uint16_t>{0, 7, 31}) {
    Store16(bytes.data() + 4, length);
    EXPECT_EQ(Udp::Parse(bytes).error(), Drop::kBadUdpLength) << length;
  }
}

TEST(Udp, ZeroChecksumMeansNone) {
  Bytes bytes = PayloadOf(test::UdpPacket(kFrom, kTo, test::Pattern(10)));
  Store16(bytes.data() + 6, 0);
  EXPECT_FALSE(Udp::Parse(bytes)->has_checksum());
  EXPECT_TRUE(Udp::Parse(bytes)->ChecksumHolds(kFrom.ip, kTo.ip));
}

TEST(Udp, WritesTheOctetsLibtinsWrites) {
  const Bytes theirs = PayloadOf(test::UdpPacket(kFrom, kTo, test::Pattern(33)));
  Bytes ours(8);
  const Bytes payload = test::Pattern(33);
  ours.insert(ours.end(), payload.begin(), payload.end());
  WriteUdp(ours, kFrom.port, kTo.port, 33);
  FillUdpChecksum(ours, kFrom.ip, kTo.ip);
  EXPECT_EQ(ToHex(ours), ToHex(theirs));
}

TEST(Udp, ASumOfZeroIsSentAsAllOnes) {
  Bytes bytes(10);
  WriteUdp(bytes, 1, 2, 2);
  FillUdpChecksum(bytes, kFrom.ip, kTo.ip);
  Store16(bytes.data() + 8, Load16(bytes.data() + 6));  // now everything sums to ffff
  FillUdpChecksum(bytes, kFrom.ip, kTo.ip);
  EXPECT_EQ(Load16(bytes.data() + 6), 0xffff);
  EXPECT_TRUE(Udp::Parse(bytes)->ChecksumHolds(kFrom.ip, kTo.ip));
}

TEST(Tcp, ReadsWhatLibtinsBuilds) {
  const Bytes bytes =
      PayloadOf(test::TcpPacket(kFrom, kTo, kTcpSyn | kTcpAck, test::Pattern(5), 1460));
  const auto tcp = Tcp::Parse(bytes);
  ASSERT_TRUE(tcp);
  EXPECT_EQ(tcp->source_port(), 40000);
  EXPECT_EQ(tcp->destination_port(), 1701);
  EXPECT_EQ(tcp->sequence(), 0x01020304U);
  EXPECT_EQ(tcp->acknowledgment(), 0x05060708U);
  EXPECT_TRUE(tcp->Has(kTcpSyn));
  EXPECT_FALSE(tcp->Has(kTcpRst));
  EXPECT_EQ(tcp->Mss(), 1460);
  EXPECT_EQ(tcp->MssOffset(), 23U);  // behind a No-Operation: an odd offset
  EXPECT_TRUE(tcp->ChecksumHolds(kFrom.ip, kTo.ip));
  EXPECT_EQ(ToBytes(tcp->payload()), test::Pattern(5));
  Bytes again = bytes;
  Store16(again.data() + Tcp::kChecksumOffset, 0x1234);
  FillTcpChecksum(again, kFrom.ip, kTo.ip);
  EXPECT_EQ(again, bytes);
}

TEST(Tcp, ChecksItsHeaderLength) {
  Bytes bytes = PayloadOf(test::TcpPacket(kFrom, kTo, kTcpAck, {}));
  EXPECT_EQ(bytes.size(), 20U);
  EXPECT_TRUE(Tcp::Parse(bytes));
  EXPECT_EQ(Tcp::Parse(ByteView(bytes).first(19)).error(), Drop::kTruncated);
  bytes[12] = std::byte{0x40};
  EXPECT_EQ(Tcp::Parse(bytes).error(), Drop::kBadHeaderLength);
  bytes[12] = std::byte{0x60};
  EXPECT_EQ(Tcp::Parse(bytes).error(), Drop::kTruncated);
}

TEST(Tcp, FindsTheMssOnlyInOptionsThatParse) {
  const auto mss = [](const char* options) {
    Bytes bytes(20);
    const Bytes more = FromHex(options);
    bytes.insert(bytes.end(), more.begin(), more.end());
    bytes[12] = static_cast<std::byte>(bytes.size() / 4 << 4);
    return Tcp::Parse(bytes)->Mss();
  };
  EXPECT_EQ(mss("020405b4"), 1460);
  EXPECT_EQ(mss("01010402 020405b4"), 1460);  // SACK permitted first
  EXPECT_EQ(mss("080a0000000000000000 01 01 020405b4"), 1460);
  EXPECT_EQ(mss("00000000 020405b4"), std::nullopt);  // after End of Option List
  EXPECT_EQ(mss("03000303 020405b4"), std::nullopt);  // a length of 0 would never end
  EXPECT_EQ(mss("03010303 020405b4"), std::nullopt);
  EXPECT_EQ(mss("03ff0303 020405b4"), std::nullopt);  // runs over the end
  EXPECT_EQ(mss("010101 02"), std::nullopt);          // cut off behind the kind
  EXPECT_EQ(mss("0101 0204"), std::nullopt);          // cut off before the value
  EXPECT_EQ(mss("020305b4"), std::nullopt);           // MSS of a wrong length
  EXPECT_EQ(mss(""), std::nullopt);
}

TEST(Icmp4, ReadsWhatLibtinsBuilds) {
  const Bytes bytes = PayloadOf(test::EchoPacket(kFrom.ip, kTo.ip, 0x1111, 7, test::Pattern(56)));
  const auto icmp = Icmp4::Parse(bytes);
  ASSERT_TRUE(icmp);
  EXPECT_EQ(icmp->type(), IcmpType::kEchoRequest);
  EXPECT_EQ(icmp->code(), 0);
  EXPECT_EQ(icmp->id(), 0x1111);
  EXPECT_EQ(icmp->sequence(), 7);
  EXPECT_TRUE(icmp->ChecksumHolds());
  EXPECT_FALSE(icmp->IsError());
  EXPECT_EQ(ToBytes(icmp->payload()), test::Pattern(56));
  EXPECT_EQ(Icmp4::Parse(ByteView(bytes).first(7)).error(), Drop::kTruncated);
}

TEST(Icmp4, LibtinsReadsWhatItWrites) {
  Bytes bytes(8 + 28);
  WriteIcmp4(bytes, IcmpType::kDestinationUnreachable,
             static_cast<uint8_t>(UnreachableCode::kFragmentationNeeded), 1400);
  FillIcmpChecksum(bytes);
  const Tins::ICMP theirs(AsU8(ByteView(bytes)), static_cast<uint32_t>(bytes.size()));
  EXPECT_EQ(theirs.type(), Tins::ICMP::DEST_UNREACHABLE);
  EXPECT_EQ(theirs.code(), 4);
  EXPECT_EQ(theirs.mtu(), 1400);
  EXPECT_EQ(Icmp4::Parse(bytes)->mtu(), 1400);
  EXPECT_TRUE(Icmp4::Parse(bytes)->IsError());
  EXPECT_TRUE(Icmp4::Parse(bytes)->ChecksumHolds());
}

TEST(Icmp4, KnowsErrorsFromQuestions) {
  for (const int type : {3, 4, 5, 11, 12}) EXPECT_TRUE(IsIcmpError(static_cast<IcmpType>(type)));
  for (const int type : {0, 8, 9, 10, 13, 14, 17, 18, 255}) {
    EXPECT_FALSE(IsIcmpError(static_cast<IcmpType>(type))) << type;
  }
  EXPECT_EQ(NameOf(IcmpType::kTimeExceeded), "time exceeded");
  EXPECT_EQ(NameOf(UnreachableCode::kPort), "port unreachable");
}

TEST(Esp, ReadsAndWrites) {
  Bytes bytes(12, std::byte{0xee});
  WriteEsp(bytes, 0xc0ffee01, 42);
  EXPECT_EQ(ToHex(bytes), "c0ffee010000002aeeeeeeee");
  const auto esp = Esp::Parse(bytes);
  ASSERT_TRUE(esp);
  EXPECT_EQ(esp->spi(), 0xc0ffee01U);
  EXPECT_EQ(esp->sequence(), 42U);
  EXPECT_EQ(esp->payload().size(), 4U);
  EXPECT_EQ(Esp::Parse(ByteView(bytes).first(7)).error(), Drop::kTruncated);
  const Tins::IPSecESP theirs(AsU8(ByteView(bytes)), static_cast<uint32_t>(bytes.size()));
  EXPECT_EQ(theirs.spi(), 0xc0ffee01U);
  EXPECT_EQ(theirs.seq_number(), 42U);
}

}  // namespace
}  // namespace stack::wire
