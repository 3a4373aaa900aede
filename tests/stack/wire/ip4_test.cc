#include "stack/wire/ip4.h"

#include <gtest/gtest.h>
#include <tins/tins.h>

#include "tests/support/frames.h"
#include "tests/support/rng.h"

namespace stack::wire {
namespace {

const Ip4 kFrom = test::Ip("192.0.2.1"), kTo = test::Ip("203.0.113.200");

TEST(Ip4Packet, ReadsWhatLibtinsBuilds) {
  const Bytes bytes = test::IpPacket(kFrom, kTo, 50, test::Pattern(31),
                                     {.ttl = 7, .tos = 0xb8, .id = 0xabcd, .dont_fragment = true});
  const auto ip = Ip4Packet::Parse(bytes);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->header_size(), 20U);
  EXPECT_EQ(ip->total_length(), 51);
  EXPECT_EQ(ip->tos(), 0xb8);
  EXPECT_EQ(ip->id(), 0xabcd);
  EXPECT_TRUE(ip->dont_fragment());
  EXPECT_FALSE(ip->is_fragment());
  EXPECT_EQ(ip->ttl(), 7);
  EXPECT_EQ(ip->protocol(), IpProtocol::kEsp);
  EXPECT_EQ(ip->source(), kFrom);
  EXPECT_EQ(ip->destination(), kTo);
  EXPECT_TRUE(ip->ChecksumHolds());
  EXPECT_EQ(ToBytes(ip->payload()), test::Pattern(31));
}

TEST(Ip4Packet, ReadsFragmentFields) {
  const Bytes first = test::IpPacket(kFrom, kTo, 17, test::Pattern(16), {.more_fragments = true});
  EXPECT_TRUE(Ip4Packet::Parse(first)->is_fragment());
  EXPECT_TRUE(Ip4Packet::Parse(first)->more_fragments());
  EXPECT_EQ(Ip4Packet::Parse(first)->fragment_offset(), 0U);
  const Bytes last = test::IpPacket(kFrom, kTo, 17, test::Pattern(16), {.fragment_offset = 8191});
  EXPECT_TRUE(Ip4Packet::Parse(last)->is_fragment());
  EXPECT_FALSE(Ip4Packet::Parse(last)->more_fragments());
  EXPECT_EQ(Ip4Packet::Parse(last)->fragment_offset(), 65528U);
}

TEST(Ip4Packet, ReadsOptionsAndCutsPadding) {
  Bytes bytes = FromHex(
      "4600 001d 0001 0000 40fd 0000 c0000201 cb0071c8 94040000"  // with Router Alert (RFC 2113)
      "6162636465"
      "0000000000000000000000000000000000");  // Ethernet padding
  FillIp4Checksum(bytes);
  EXPECT_EQ(Tins::IP(AsU8(ByteView(bytes)), 29).options().size(), 1U);
  const auto ip = Ip4Packet::Parse(bytes);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->header_size(), 24U);
  EXPECT_EQ(ToHex(ip->options()), "94040000");
  EXPECT_EQ(AsText(ip->payload()), "abcde");
  EXPECT_TRUE(ip->ChecksumHolds());
}

TEST(Ip4Packet, RefusesEachFaultByItsName) {
  const Bytes good = test::IpPacket(kFrom, kTo, 17, test::Pattern(8));
  const auto with = [&good](size_t at, uint8_t value) {
    Bytes bytes = good;
    bytes[at] = std::byte{value};
    const auto ip = Ip4Packet::Parse(bytes);
    if (!ip) return ip.error();
    return ip->ChecksumHolds() ? Drop::kNone : Drop::kBadChecksum;
  };
  EXPECT_EQ(Ip4Packet::Parse({}).error(), Drop::kTruncated);
  EXPECT_EQ(Ip4Packet::Parse(ByteView(good).first(19)).error(), Drop::kTruncated);
  EXPECT_EQ(Ip4Packet::Parse(ByteView(good).first(27)).error(), Drop::kTruncated);
  EXPECT_EQ(with(0, 0x65), Drop::kBadVersion);
  EXPECT_EQ(with(0, 0x44), Drop::kBadHeaderLength);
  EXPECT_EQ(with(0, 0x48), Drop::kBadHeaderLength);  // header 32 > total 28
  EXPECT_EQ(with(3, 19), Drop::kBadHeaderLength);
  EXPECT_EQ(with(3, 29), Drop::kTruncated);
  EXPECT_EQ(with(8, 1), Drop::kBadChecksum);
  EXPECT_EQ(with(8, 64), Drop::kNone);
}

TEST(Ip4Packet, AQuotedPacketMayBeCutOff) {
  const Bytes good = test::IpPacket(kFrom, kTo, 17, test::Pattern(100));
  EXPECT_FALSE(Ip4Packet::Parse(ByteView(good).first(28)));
  const auto quoted = Ip4Packet::ParseQuoted(ByteView(good).first(28));
  ASSERT_TRUE(quoted);
  EXPECT_EQ(quoted->total_length(), 120);
  EXPECT_EQ(quoted->payload().size(), 8U);
  EXPECT_EQ(Ip4Packet::ParseQuoted(ByteView(good).first(19)).error(), Drop::kTruncated);
  Bytes options = good;
  options[0] = std::byte{0x4f};
  EXPECT_EQ(Ip4Packet::ParseQuoted(ByteView(options).first(28)).error(), Drop::kTruncated);
}

TEST(WriteIp4, LibtinsReadsIt) {
  Bytes bytes = test::Pattern(20 + 9);
  WriteIp4(bytes,
           {.source = kFrom,
            .destination = kTo,
            .protocol = IpProtocol::kGre,
            .ttl = 3,
            .tos = 0x20,
            .id = 0x1234,
            .dont_fragment = true},
           9);
  const Tins::IP theirs(AsU8(ByteView(bytes)), static_cast<uint32_t>(bytes.size()));
  EXPECT_EQ(theirs.src_addr().to_string(), kFrom.Text());
  EXPECT_EQ(theirs.dst_addr().to_string(), kTo.Text());
  EXPECT_EQ(theirs.protocol(), 47);
  EXPECT_EQ(theirs.ttl(), 3);
  EXPECT_EQ(theirs.tos(), 0x20);
  EXPECT_EQ(theirs.id(), 0x1234);
  EXPECT_EQ(theirs.flags(), Tins::IP::DONT_FRAGMENT);
  EXPECT_EQ(theirs.tot_len(), 29);
  EXPECT_TRUE(Ip4Packet::Parse(bytes)->ChecksumHolds());
  EXPECT_EQ(theirs.checksum(), Ip4Packet::Parse(bytes)->checksum());
}

TEST(SetFields, KeepTheChecksumRight) {
  test::FixedRng rng(9);
  Bytes bytes = test::IpPacket(kFrom, kTo, 6, test::Pattern(20));
  for (int i = 0; i < 5000; ++i) {
    const Ip4 source{static_cast<uint32_t>(rng.Next())},
        destination{static_cast<uint32_t>(rng.Next())};
    SetSource(bytes, source);
    SetDestination(bytes, destination);
    SetTtl(bytes, static_cast<uint8_t>(i));
    SetTos(bytes, static_cast<uint8_t>(i * 7));
    const auto ip = Ip4Packet::Parse(bytes);
    ASSERT_TRUE(ip && ip->ChecksumHolds()) << i;
    ASSERT_EQ(ip->source(), source);
    ASSERT_EQ(ip->destination(), destination);
    ASSERT_EQ(ip->ttl(), static_cast<uint8_t>(i));
    ASSERT_EQ(ip->tos(), static_cast<uint8_t>(i * 7));
    ASSERT_EQ(ip->protocol(), IpProtocol::kTcp);
  }
}

TEST(Ip4OptionCursor, StepsThroughOptionsAndStopsAtNonsense) {
  const auto walk = [](const char* hex) {
    const Bytes bytes = FromHex(hex);
    Ip4OptionCursor cursor(bytes);
    std::string text;
    for (ByteView o = cursor.Next(); !o.empty(); o = cursor.Next()) text += ToHex(o) + " ";
    return text;
  };
  EXPECT_EQ(walk("01 94040000 0703ff 00 77"), "01 94040000 0703ff ");
  EXPECT_EQ(walk("0700 0101"), "");  // length 0 would never end
  EXPECT_EQ(walk("0701 0101"), "");
  EXPECT_EQ(walk("01 0705 0101"), "01 ");  // runs over the end
  EXPECT_EQ(walk("0101 07"), "01 01 ");
  EXPECT_EQ(walk(""), "");
}

TEST(IpProtocol, HasNames) {
  EXPECT_EQ(NameOf(IpProtocol::kEsp), "ESP");
  EXPECT_EQ(NameOf(static_cast<IpProtocol>(200)), "unknown");
}

}  // namespace
}  // namespace stack::wire
