// Bursts through the whole gateway, in superframes and out as such, with the switch on and off: the
// ends see the same packets.
#include <tuple>

#include "stack/wire/ip4.h"
#include "tests/gateway/shard/forwarding.h"

namespace test {
namespace {

constexpr uint8_t kPsh = 0x08;
constexpr size_t kSegment = 1200, kSegments = 50;
constexpr Endpoint kWeb{kHost, 443};

using Parameters = std::tuple<int, bool>;  // shards, switch

struct Superframes : Forwarding, testing::WithParamInterface<Parameters> {
  Superframes()
      : Forwarding({.shards = static_cast<uint8_t>(std::get<0>(GetParam())),
                    .configure = [](conf::Model& model) {
                      model.io.superframes = std::get<1>(GetParam());
                    }}) {}
  bool on() const { return std::get<1>(GetParam()); }
  uint64_t Count(uint64_t gateway::shard::Stats::*what) {
    uint64_t sum = 0;
    for (uint8_t i = 0; i < world.shards(); ++i) sum += world.shard(i).stats().*what;
    return sum;
  }
  // The segments of `data`, one by one.
  static std::vector<Bytes> Segments(Endpoint from, Endpoint to, const Bytes& data) {
    std::vector<Bytes> out;
    for (size_t at = 0; at < data.size(); at += kSegment) {
      const size_t size = std::min(kSegment, data.size() - at);
      const uint8_t flags = at + size == data.size() ? kAck | kPsh : kAck;
      Bytes packet =
          TcpPacket(from, to, flags, ByteView(data).subspan(at, size), 0, {.dont_fragment = true});
      const uint32_t before = Load32(&packet[24]);
      const auto after = static_cast<uint32_t>(before + at);
      stack::Store32(&packet[24], after);
      stack::Store16(&packet[36], stack::Update32(Load16(&packet[36]), before, after));
      out.push_back(std::move(packet));
    }
    return out;
  }
  // What they carry, if each is as it should be and stands behind the one before.
  static Bytes Carried(const std::vector<Bytes>& packets) {
    Bytes data;
    for (const Bytes& packet : packets) {
      Tins::IP ip(stack::AsU8(ByteView(packet)), static_cast<uint32_t>(packet.size()));
      const auto again = ip.serialize();  // with checksums of its own
      EXPECT_EQ(stack::ToHex(packet), stack::ToHex(stack::AsBytes(again.data(), again.size())));
      EXPECT_EQ(ip.rfind_pdu<Tins::TCP>().seq(), 0x01020304 + data.size());
      data.insert(data.end(), packet.begin() + 40, packet.end());
    }
    return data;
  }
  // A connection of the caller's; its outside.
  Endpoint Connect(Caller& caller) {
    Send(caller, TcpPacket({caller.up->address, 40000}, kWeb, kSyn, {}));
    EXPECT_EQ(world.internet.size(), 1U);
    const Endpoint outside = SourceOf(world.internet.at(0));
    world.internet.clear();
    return outside;
  }

  const Bytes data = Pattern(kSegment * kSegments - 100);
};
INSTANTIATE_TEST_SUITE_P(, Superframes,
                         testing::Combine(testing::Values(1, 2, 4), testing::Bool()));

TEST_P(Superframes, ABurstOfAClientLeavesAsOne) {
  for (Caller* caller : {a, b}) {
    const uint64_t before = Count(&gateway::shard::Stats::segments_out);
    const Endpoint outside = Connect(*caller);
    for (const Bytes& packet : Segments({caller->up->address, 40000}, kWeb, data)) {
      world.Send(*caller, packet);
    }
    world.Settle();
    EXPECT_EQ(Carried(world.internet), data) << world.Drops();
    EXPECT_EQ(SourceOf(world.internet.at(0)), outside);
    EXPECT_EQ(Count(&gateway::shard::Stats::segments_out) - before, on() ? kSegments : 0);
    world.internet.clear();
  }
}

TEST_P(Superframes, ABurstForAClientLeavesAsFewFrames) {
  for (Caller* caller : {a, b}) {
    const Endpoint outside = Connect(*caller);
    caller->received.clear();
    const uint64_t frames = Count(&gateway::shard::Stats::frames_out);
    const uint64_t segments = Count(&gateway::shard::Stats::segments_out);
    for (const Bytes& packet : Segments(kWeb, outside, data)) world.FromInternet(packet);
    world.Settle();
    EXPECT_EQ(Carried({caller->received.begin(), caller->received.end()}), data) << world.Drops();
    // ESP in UDP merges; protocol 50 has no superframes.
    const bool merges = on() && caller == b;
    EXPECT_EQ(Count(&gateway::shard::Stats::segments_out) - segments, merges ? kSegments : 0);
    EXPECT_EQ(Count(&gateway::shard::Stats::frames_out) - frames, merges ? 1 : kSegments);
  }
}

TEST_P(Superframes, ASuperframeForAClientArrivesAsItsSegments) {
  for (Caller* caller : {a, b}) {
    const Endpoint outside = Connect(*caller);
    caller->received.clear();
    const uint64_t segments = Count(&gateway::shard::Stats::segments_in);
    Bytes super = TcpPacket(kWeb, outside, kAck | kPsh, data, 0, {.dont_fragment = true});
    stack::Store16(&super[36],
                   stack::Fold(stack::PseudoHeaderSum(kWeb.ip, outside.ip, 6,
                                                      static_cast<uint16_t>(20 + data.size()))));
    Arrive(super, {.flags = VnetHdr::kNeedsChecksum,
                   .gso_type = VnetHdr::kGsoTcp4,
                   .hdr_len = 54,
                   .gso_size = kSegment,
                   .csum_start = 34,
                   .csum_offset = 16});
    EXPECT_EQ(Carried({caller->received.begin(), caller->received.end()}), data) << world.Drops();
    EXPECT_EQ(Count(&gateway::shard::Stats::segments_in) - segments, kSegments);
  }
}

// ESP in a superframe, among it an IKE message and what a NAT likes to hear: each goes its way.
TEST_P(Superframes, ASuperframeOfAClientIsTakenApart) {
  Connect(*b);
  world.deaf = true;
  for (const Bytes& packet : Segments({b->up->address, 40000}, kWeb, data)) Send(*b, packet);
  world.deaf = false;
  const size_t first = b->sent.size() - kSegments;
  for (const bool odd_one : {false, true}) {
    world.internet.clear();
    Bytes super = b->sent[first];
    const auto size = static_cast<uint16_t>(super.size() - 28);
    const size_t count = odd_one ? kSegments - 10 : kSegments;  // 64 KB at most
    for (size_t i = first + 1; i < first + count; ++i) {
      if (odd_one && i == first + 20) super.insert(super.end(), size, std::byte{0});
      super.insert(super.end(), b->sent[i].begin() + 28, b->sent[i].end());
    }
    stack::Store16(&super[2], static_cast<uint16_t>(super.size()));
    stack::Store16(&super[24], static_cast<uint16_t>(super.size() - 20));
    stack::wire::FillIp4Checksum(super);
    world.ThroughNat(*b, super);
    world.Frame(kServeSide, super,
                {.flags = 0, .gso_type = VnetHdr::kGsoUdp4, .hdr_len = 42, .gso_size = size});
    world.Settle();
    if (odd_one) {
      EXPECT_TRUE(world.internet.empty());
      EXPECT_EQ(world.Dropped(Drop::kReplayed), count) << world.Drops();
    } else {
      EXPECT_EQ(Carried(world.internet), data) << world.Drops();
    }
  }
}

// What becomes of the head becomes of all: each is counted, one is reported.
TEST_P(Superframes, ARefusedSuperframeIsCountedWhole) {
  Connect(*b);
  const VnetHdr vnet{.flags = VnetHdr::kNeedsChecksum,
                     .gso_type = VnetHdr::kGsoTcp4,
                     .hdr_len = 54,
                     .gso_size = kSegment,
                     .csum_start = 34,
                     .csum_offset = 16};
  Arrive(TcpPacket(kWeb, {kWan, 1}, kAck, data), vnet);
  EXPECT_EQ(world.Dropped(Drop::kNatNoMapping), kSegments) << world.Drops();
  Arrive(TcpPacket(kWeb, {kWan, 1}, kAck, data, 0, {.ttl = 1}), vnet);
  EXPECT_EQ(world.Dropped(Drop::kNatNoMapping), 2 * kSegments);
  Arrive(TcpPacket({a->up->address, 5}, {kWan, 1}, kAck, data), vnet);
  EXPECT_EQ(world.Dropped(Drop::kSpoofedSource), kSegments) << world.Drops();
}

TEST_P(Superframes, SegmentsTooLargeForTheTunnelAreReportedOnce) {
  const Endpoint outside = Connect(*b);
  b->received.clear();
  VnetHdr vnet{.flags = VnetHdr::kNeedsChecksum,
               .gso_type = VnetHdr::kGsoTcp4,
               .hdr_len = 54,
               .gso_size = 1460,
               .csum_start = 34,
               .csum_offset = 16};
  const size_t count = (data.size() + 1459) / 1460;
  Bytes super = TcpPacket(kWeb, outside, kAck, data, 0, {.dont_fragment = true});
  Arrive(super, vnet);
  EXPECT_EQ(world.Dropped(Drop::kTooBig), count) << world.Drops();
  EXPECT_EQ(world.internet.size(), 1U);
  EXPECT_TRUE(b->received.empty());
  // They may be cut instead.
  super = TcpPacket(kWeb, outside, kAck, data);
  stack::Store16(&super[36], stack::Fold(stack::PseudoHeaderSum(
                                 kWeb.ip, outside.ip, 6, static_cast<uint16_t>(20 + data.size()))));
  Arrive(super, vnet);
  EXPECT_EQ(b->received.size(), 2 * count - 1) << world.Drops();
}

// A frame on a shard that has no part in it goes on by mail.
TEST_P(Superframes, OnAWrongShardTheyFindTheirWay) {
  const Endpoint outside = Connect(*b);
  b->received.clear();
  Bytes super = TcpPacket(kWeb, outside, kAck | kPsh, data, 0, {.dont_fragment = true});
  stack::Store16(&super[36], stack::Fold(stack::PseudoHeaderSum(
                                 kWeb.ip, outside.ip, 6, static_cast<uint16_t>(20 + data.size()))));
  for (uint8_t shard = 0; shard < world.shards(); ++shard) {
    b->received.clear();
    world.Frame(kWanSide, super,
                {.flags = VnetHdr::kNeedsChecksum,
                 .gso_type = VnetHdr::kGsoTcp4,
                 .hdr_len = 54,
                 .gso_size = kSegment,
                 .csum_start = 34,
                 .csum_offset = 16},
                shard);
    world.Settle();
    EXPECT_EQ(Carried({b->received.begin(), b->received.end()}), data) << world.Drops();
  }
}

}  // namespace
}  // namespace test
