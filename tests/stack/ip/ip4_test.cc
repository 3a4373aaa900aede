// The IPv4 gate, the header put on, and fragmentation; libtins puts the fragments together again.
#include <gtest/gtest.h>
#include <tins/tins.h>

#include "stack/ip/ip4_in.h"
#include "stack/ip/ip4_out.h"
#include "tests/support/frames.h"

namespace stack::ip {
namespace {

const Ip4 kFrom = test::Ip("192.0.2.1"), kTo = test::Ip("203.0.113.200");

class Ip4Test : public testing::Test {
 protected:
  Drop InDrop(const Bytes& bytes) {
    PacketBuf buf = pool_.Copy(bytes);
    const auto arrival = In(buf);
    return arrival ? Drop::kNone : arrival.error();
  }
  Drop Between(const char* from, const char* to) {
    return InDrop(test::IpPacket(test::Ip(from), test::Ip(to), 17, test::Pattern(8)));
  }
  std::vector<PacketBuf> Cut(const Bytes& packet, size_t mtu) {
    std::vector<PacketBuf> out;
    EXPECT_EQ(Fragment(pool_.Copy(packet), mtu, pool_, out), Drop::kNone);
    for (const PacketBuf& fragment : out) {
      EXPECT_LE(fragment.size(), mtu);
      EXPECT_EQ(fragment.headroom(), kHeadroom);
      const auto ip = wire::Ip4Packet::Parse(fragment.bytes());
      EXPECT_TRUE(ip && ip->ChecksumHolds() && ip->total_length() == fragment.size());
    }
    return out;
  }

  PacketPool pool_{200, 4};
};

TEST_F(Ip4Test, InCutsThePaddingAndTellsFragments) {
  Bytes bytes = test::IpPacket(kFrom, kTo, 17, test::Pattern(5));
  bytes.resize(46);
  PacketBuf buf = pool_.Copy(bytes);
  const auto arrival = In(buf);
  ASSERT_TRUE(arrival);
  EXPECT_EQ(buf.size(), 25U);
  EXPECT_EQ(arrival->packet.payload().size(), 5U);
  EXPECT_FALSE(arrival->is_fragment);
  PacketBuf fragment =
      pool_.Copy(test::IpPacket(kFrom, kTo, 17, test::Pattern(8), {.more_fragments = true}));
  EXPECT_TRUE(In(fragment)->is_fragment);
}

TEST_F(Ip4Test, InNamesWhatIsWrong) {
  Bytes bad = test::IpPacket(kFrom, kTo, 17, test::Pattern(8));
  bad[8] = std::byte{1};
  EXPECT_EQ(InDrop(bad), Drop::kBadChecksum);
  EXPECT_EQ(InDrop(Bytes(19)), Drop::kTruncated);
  EXPECT_EQ(InDrop(Bytes(20)), Drop::kBadVersion);
}

TEST_F(Ip4Test, InRefusesMartians) {
  for (const char* from : {"0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"}) {
    EXPECT_EQ(Between(from, "203.0.113.1"), Drop::kMartian) << from;
  }
  for (const char* to : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "240.0.0.1", "192.0.2.1"}) {
    EXPECT_EQ(Between("192.0.2.1", to), Drop::kMartian) << to;  // the last: to itself
  }
  for (const char* to :
       {"203.0.113.1", "224.0.0.1", "239.255.255.250", "255.255.255.255", "10.0.0.1"}) {
    EXPECT_EQ(Between("192.0.2.1", to), Drop::kNone) << to;
  }
  EXPECT_TRUE(IsMartian({0}, test::Ip("203.0.113.1")));
  EXPECT_FALSE(IsMartian({0}, test::Ip("255.255.255.255")));  // a DHCP client
}

TEST_F(Ip4Test, PushPutsTheHeaderOn) {
  PacketBuf buf = pool_.Copy(test::Pattern(100));
  ASSERT_EQ(
      Push(buf, {.source = kFrom, .destination = kTo, .protocol = wire::IpProtocol::kEsp, .id = 7}),
      Drop::kNone);
  EXPECT_EQ(ToBytes(buf.bytes()), test::IpPacket(kFrom, kTo, 50, test::Pattern(100), {.id = 7}));
}

TEST_F(Ip4Test, PushRefusesWhatNoPacketHolds) {
  PacketBuf most = pool_.Copy(test::Pattern(65515));
  EXPECT_EQ(Push(most, {}), Drop::kNone);
  EXPECT_EQ(most.size(), 65535U);
  PacketBuf more = pool_.Copy(test::Pattern(65516));
  EXPECT_EQ(Push(more, {}), Drop::kTooBig);
  EXPECT_EQ(more.size(), 65516U);
  PacketBuf no_room = pool_.Copy(test::Pattern(10));
  no_room.Push(kHeadroom - 19);
  EXPECT_EQ(Push(no_room, {}), Drop::kTooBig);
}

TEST_F(Ip4Test, FragmentLeavesAloneWhatFits) {
  const Bytes packet = test::UdpPacket({kFrom, 1}, {kTo, 2}, test::Pattern(1472));
  const auto out = Cut(packet, 1500);
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(ToBytes(out[0].bytes()), packet);
}

TEST_F(Ip4Test, LibtinsPutsTheFragmentsTogetherAgain) {
  for (const size_t payload : {1473U, 3000U, 8000U, 65507U}) {
    for (const size_t mtu : {576U, 1400U, 1499U}) {
      const Bytes packet =
          test::UdpPacket({kFrom, 1}, {kTo, 2}, test::Pattern(payload), {.id = 0x4242});
      Tins::IPv4Reassembler reassembler;
      const auto fragments = Cut(packet, mtu);
      ASSERT_GT(fragments.size(), payload / mtu);
      for (size_t i = 0; i < fragments.size(); ++i) {
        const ByteView bytes = fragments[i].bytes();
        if (i + 1 < fragments.size()) {
          EXPECT_GT(bytes.size() + 8, mtu);  // as few as possible
        }
        Tins::EthernetII frame =
            Tins::EthernetII() / Tins::IP(AsU8(bytes), static_cast<uint32_t>(bytes.size()));
        const auto status = reassembler.process(frame);
        ASSERT_EQ(status == Tins::IPv4Reassembler::REASSEMBLED, i + 1 == fragments.size());
        if (status != Tins::IPv4Reassembler::REASSEMBLED) continue;
        const auto& whole = frame.rfind_pdu<Tins::RawPDU>().payload();
        EXPECT_EQ(ToBytes(AsBytes(whole.data(), whole.size())), test::Pattern(payload));
      }
    }
  }
}

TEST_F(Ip4Test, FragmentsOfAFragmentKeepItsPlace) {
  const Bytes middle = test::IpPacket(kFrom, kTo, 17, test::Pattern(64),
                                      {.id = 9, .fragment_offset = 100, .more_fragments = true});
  const auto out = Cut(middle, 20 + 40);
  ASSERT_EQ(out.size(), 2U);
  const auto first = *wire::Ip4Packet::Parse(out[0].bytes()),
             second = *wire::Ip4Packet::Parse(out[1].bytes());
  EXPECT_EQ(first.fragment_offset(), 800U);
  EXPECT_EQ(second.fragment_offset(), 840U);
  EXPECT_TRUE(first.more_fragments());
  EXPECT_TRUE(second.more_fragments());
  EXPECT_EQ(second.id(), 9);
  const auto last =
      Cut(test::IpPacket(kFrom, kTo, 17, test::Pattern(64), {.fragment_offset = 3}), 60);
  EXPECT_FALSE(wire::Ip4Packet::Parse(last.back().bytes())->more_fragments());
}

TEST_F(Ip4Test, OnlyCopiedOptionsGoIntoEveryFragment) {
  Bytes packet = FromHex(
      "4900 0064 0001 0000 4011 0000 c0000201 cb0071c8"
      "07070400000000"  // Record Route: first fragment only
      "94040000"        // Router Alert: copied
      "01010100");
  packet.resize(100);
  Store16(packet.data() + 2, 100);
  packet[0] = std::byte{0x49};
  wire::FillIp4Checksum(packet);
  const auto out = Cut(packet, 68);
  ASSERT_GE(out.size(), 2U);
  EXPECT_EQ(ToHex(wire::Ip4Packet::Parse(out[0].bytes())->options()),
            "07070400000000940400000101010000");
  EXPECT_EQ(ToHex(wire::Ip4Packet::Parse(out[1].bytes())->options()), "94040000");
}

TEST_F(Ip4Test, FragmentRefusesAndLeavesAllAsItWas) {
  std::vector<PacketBuf> out;
  PacketBuf df =
      pool_.Copy(test::IpPacket(kFrom, kTo, 17, test::Pattern(100), {.dont_fragment = true}));
  EXPECT_EQ(Fragment(std::move(df), 100, pool_, out), Drop::kTooBig);
  EXPECT_EQ(df.size(), 120U);  // NOLINT: still the caller's, to be quoted
  PacketBuf buf = pool_.Copy(test::IpPacket(kFrom, kTo, 17, test::Pattern(100)));
  EXPECT_EQ(Fragment(std::move(buf), 27, pool_, out), Drop::kTooBig);
  PacketPool small(2, 0);
  EXPECT_EQ(Fragment(std::move(buf), 60, small, out), Drop::kPoolDry);
  EXPECT_EQ(buf.size(), 120U);  // NOLINT: ditto
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(small.free_small(), 2U);
}

}  // namespace
}  // namespace stack::ip
