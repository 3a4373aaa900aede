// Frames as the kernel hands them over, with what it left undone, and what must become of them.
// libtins computes the checksums anew.
#include "gateway/shard/segment.h"

#include <tins/tins.h>

#include <vector>

#include "gtest/gtest.h"
#include "stack/base/checksum.h"
#include "tests/support/frames.h"

namespace gateway::shard {
namespace {

using io::VnetHdr;
using stack::Bytes;
using stack::ByteView;
using stack::Drop;
using stack::Endpoint;

constexpr size_t kEthernet = 14, kIp = 20;
constexpr uint8_t kFin = 1, kPsh = 8, kAck = 0x10, kEce = 0x40, kCwr = 0x80;

const Endpoint kFrom{{0xc0000250}, 443}, kTo{{0xc6120001}, 40000};

Bytes Framed(const Bytes& packet) {
  return test::EthernetFrame({{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}, 0x0800, packet);
}

// The checksum field as Linux leaves it: the folded sum of the pseudo-header.
void MakePartial(Bytes& frame, uint8_t protocol, size_t offset) {
  const auto length = static_cast<uint16_t>(frame.size() - kEthernet - kIp);
  const stack::Sum sum = stack::PseudoHeaderSum(kFrom.ip, kTo.ip, protocol, length);
  stack::Store16(&frame[kEthernet + kIp + offset], stack::Fold(sum));
}

std::vector<Bytes> Segments(const Bytes& frame, const VnetHdr& vnet) {
  stack::PacketPool pool(256, 4);
  Segmenter segmenter(frame, vnet);
  EXPECT_EQ(segmenter.drop(), Drop::kNone);
  std::vector<Bytes> out;
  for (size_t i = 0; i < segmenter.count(); ++i) {
    out.push_back(stack::ToBytes(segmenter.Next(pool).bytes()));
  }
  return out;
}

// A frame is as it should be if libtins, which fills in lengths and checksums, makes the same of
// it.
void ExpectSound(const Bytes& frame) {
  Tins::EthernetII parsed(stack::AsU8(ByteView(frame)), static_cast<uint32_t>(frame.size()));
  const auto again = parsed.serialize();
  EXPECT_EQ(stack::ToHex(frame), stack::ToHex(stack::AsBytes(again.data(), again.size())));
}

constexpr VnetHdr Tcp(uint16_t size) {
  return {.flags = VnetHdr::kNeedsChecksum,
          .gso_type = VnetHdr::kGsoTcp4,
          .hdr_len = 54,
          .gso_size = size,
          .csum_start = 34,
          .csum_offset = 16};
}
constexpr VnetHdr Udp(uint16_t size) {
  return {.flags = VnetHdr::kNeedsChecksum,
          .gso_type = VnetHdr::kGsoUdp4,
          .hdr_len = 42,
          .gso_size = size,
          .csum_start = 34,
          .csum_offset = 6};
}

TEST(Segment, TcpIsCutAtTheSegmentSize) {
  const Bytes data = test::Pattern(3000);
  Bytes frame = Framed(test::TcpPacket(kFrom, kTo, kAck | kPsh | kFin | kCwr | kEce, data));
  MakePartial(frame, 6, 16);
  const std::vector<Bytes> segments = Segments(frame, Tcp(1448));
  ASSERT_EQ(segments.size(), 3U);
  // CWR belongs to the first segment (RFC 3168 section 6.1.2), FIN and PSH to the last.
  const uint8_t flags[] = {kAck | kCwr | kEce, kAck | kEce, kAck | kEce | kPsh | kFin};
  const size_t sizes[] = {1448, 1448, 104};
  Bytes got;
  for (size_t i = 0; i < 3; ++i) {
    SCOPED_TRACE(i);
    ExpectSound(segments[i]);
    ASSERT_EQ(segments[i].size(), 54 + sizes[i]);
    EXPECT_EQ(stack::Load16(&segments[i][18]), 1 + i);  // IP id
    EXPECT_EQ(stack::Load32(&segments[i][38]), 0x01020304 + got.size());
    EXPECT_EQ(static_cast<uint8_t>(segments[i][47]), flags[i]);
    got.insert(got.end(), segments[i].begin() + 54, segments[i].end());
  }
  EXPECT_EQ(got, data);
}

TEST(Segment, TcpOptionsStandInEverySegment) {
  Bytes frame = Framed(test::TcpPacket(kFrom, kTo, kAck, test::Pattern(100), 1460));
  MakePartial(frame, 6, 16);
  const std::vector<Bytes> segments = Segments(frame, Tcp(64));
  ASSERT_EQ(segments.size(), 2U);
  for (const Bytes& segment : segments) {
    ExpectSound(segment);
    EXPECT_EQ(Bytes(segment.begin() + 54, segment.begin() + 62),
              Bytes(frame.begin() + 54, frame.begin() + 62));
  }
}

TEST(Segment, UdpIsCutIntoDatagrams) {
  const Bytes data = test::Pattern(2500);
  Bytes frame = Framed(test::UdpPacket(kFrom, kTo, data));
  MakePartial(frame, 17, 6);
  const std::vector<Bytes> segments = Segments(frame, Udp(1200));
  ASSERT_EQ(segments.size(), 3U);
  Bytes got;
  for (const Bytes& segment : segments) {
    ExpectSound(segment);
    got.insert(got.end(), segment.begin() + 42, segment.end());
  }
  EXPECT_EQ(segments[2].size(), 42U + 100U);
  EXPECT_EQ(got, data);
}

TEST(Segment, APartialChecksumIsFinished) {
  for (size_t size = 60; size < 64; ++size) {
    const Bytes whole = Framed(test::TcpPacket(kFrom, kTo, kAck, test::Pattern(size)));
    Bytes partial = whole;
    MakePartial(partial, 6, 16);
    const VnetHdr vnet{.flags = VnetHdr::kNeedsChecksum, .csum_start = 34, .csum_offset = 16};
    EXPECT_EQ(Segments(partial, vnet), std::vector<Bytes>{whole});
    const Bytes datagram = Framed(test::UdpPacket(kFrom, kTo, test::Pattern(size)));
    partial = datagram;
    MakePartial(partial, 17, 6);
    const VnetHdr udp{.flags = VnetHdr::kNeedsChecksum, .csum_start = 34, .csum_offset = 6};
    EXPECT_EQ(Segments(partial, udp), std::vector<Bytes>{datagram});
  }
}

TEST(Segment, AnOrdinaryFrameStaysAsItIs) {
  const Bytes frame = Framed(test::UdpPacket(kFrom, kTo, test::Pattern(100)));
  EXPECT_EQ(Segments(frame, {}), std::vector<Bytes>{frame});
  EXPECT_EQ(Segments(frame, {.flags = VnetHdr::kDataValid}), std::vector<Bytes>{frame});
}

// Every lie a neighbour could tell in the header, and every frame that ends too soon.
TEST(Segment, NonsenseIsRefused) {
  Bytes tcp = Framed(test::TcpPacket(kFrom, kTo, kAck, test::Pattern(3000)));
  const auto drop = [](const Bytes& frame, const VnetHdr& vnet) {
    return Segmenter(frame, vnet).drop();
  };
  EXPECT_EQ(drop(tcp, Tcp(1448)), Drop::kNone);
  EXPECT_EQ(drop(tcp, Udp(1448)), Drop::kBadSuperframe);
  EXPECT_EQ(drop(tcp, Tcp(0)), Drop::kBadSuperframe);
  EXPECT_EQ(drop(tcp, Tcp(31)), Drop::kBadSuperframe);
  for (const uint8_t type :
       {VnetHdr::kGsoUdpFragments, VnetHdr::kGsoTcp6, uint8_t{2}, uint8_t{77}}) {
    EXPECT_EQ(drop(tcp, {.gso_type = type, .gso_size = 1448}), Drop::kBadSuperframe);
  }
  const VnetHdr outside{.flags = VnetHdr::kNeedsChecksum, .csum_start = 60000, .csum_offset = 16};
  EXPECT_EQ(drop(tcp, outside), Drop::kBadSuperframe);
  for (size_t size = 0; size < 54; ++size) {
    EXPECT_EQ(drop(Bytes(tcp.begin(), tcp.begin() + static_cast<ptrdiff_t>(size)), Tcp(1448)),
              Drop::kBadSuperframe)
        << size;
  }
  Bytes fragment = tcp;
  fragment[kEthernet + 6] = std::byte{0x20};
  EXPECT_EQ(drop(fragment, Tcp(1448)), Drop::kBadSuperframe);
  Bytes offset = tcp;
  offset[kEthernet + kIp + 12] = std::byte{0x40};
  EXPECT_EQ(drop(offset, Tcp(1448)), Drop::kBadSuperframe);
}

}  // namespace
}  // namespace gateway::shard
