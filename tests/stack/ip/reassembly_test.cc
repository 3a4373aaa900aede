#include "stack/ip/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "stack/ip/ip4_out.h"
#include "tests/support/frames.h"
#include "tests/support/rng.h"

namespace stack::ip {
namespace {

const Endpoint kFrom = test::At("192.0.2.1:1"), kTo = test::At("203.0.113.200:2");
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

class ReassemblyTest : public testing::Test {
 protected:
  // The fragments of a datagram with `payload` octets.
  std::vector<PacketBuf> Cut(const Bytes& packet, size_t mtu) {
    std::vector<PacketBuf> out;
    EXPECT_EQ(Fragment(source_.Copy(packet), mtu, source_, out), Drop::kNone);
    return out;
  }
  static Bytes Datagram(size_t payload, uint16_t id = 1) {
    return test::UdpPacket(kFrom, kTo, test::Pattern(payload), {.id = id});
  }
  PacketBuf Add(ByteView fragment) { return reassembly_.Add(now_, source_.Copy(fragment)); }
  // A fragment with octets [begin, end) of some datagram.
  PacketBuf Part(uint16_t id, size_t begin, size_t end, bool more, uint8_t fill = 0,
                 const char* from = "192.0.2.1") {
    return Add(test::IpPacket(
        test::Ip(from), kTo.ip, 17, test::Pattern(end - begin, fill),
        {.id = id, .fragment_offset = static_cast<uint16_t>(begin / 8), .more_fragments = more}));
  }
  void ExpectAllGivenBack() {
    EXPECT_EQ(reassembly_.bytes(), 0U);
    EXPECT_EQ(reassembly_.datagrams(), 0U);
    EXPECT_EQ(pool_.free_small(), pool_.small_slots());
    EXPECT_EQ(pool_.free_large(), pool_.large_slots());
  }

  PacketPool source_{300, 4};  // what arrives; the assemblies stand in pool_
  PacketPool pool_{16, 4};
  DropCounters drops_;
  Reassembly reassembly_{{.datagrams = 8, .per_source = 4, .bytes = 3 * kLargeSlot}, pool_, drops_};
  absl::Time now_ = kStart;
};

TEST_F(ReassemblyTest, PutsTogetherInAnyOrder) {
  test::FixedRng rng(5);
  for (const size_t payload : {100U, 1700U, 1800U, 3000U, 20000U, 65507U}) {
    for (int round = 0; round < 6; ++round) {
      const Bytes packet = Datagram(payload, static_cast<uint16_t>(round));
      std::vector<PacketBuf> parts = Cut(packet, payload > 3000 ? 1500 : 92);
      if (parts.size() > Reassembly::kMaxFragments) continue;
      if (round == 1) std::reverse(parts.begin(), parts.end());
      if (round == 2) std::rotate(parts.begin(), parts.end() - 1, parts.end());  // last first
      for (size_t i = parts.size() - 1; round > 2 && i > 0; --i)
        std::swap(parts[i], parts[rng.Below(i + 1)]);
      for (size_t i = 0; i < parts.size(); ++i) {
        const PacketBuf whole = reassembly_.Add(now_, std::move(parts[i]));
        ASSERT_EQ(static_cast<bool>(whole), i + 1 == parts.size()) << payload << " " << round;
        if (!whole) continue;
        ASSERT_EQ(ToBytes(whole.bytes()), packet);  // up to the checksum
        ASSERT_GE(whole.headroom(), kHeadroom);
      }
    }
  }
  ExpectAllGivenBack();
}

TEST_F(ReassemblyTest, ManyTinyFragmentsCostOneSlot) {
  const Bytes packet = Datagram(Reassembly::kMaxFragments * 8 - 8);
  std::vector<PacketBuf> parts = Cut(packet, 28);
  ASSERT_EQ(parts.size(), Reassembly::kMaxFragments);
  const PacketBuf last = std::move(parts.back());
  parts.pop_back();
  for (PacketBuf& part : parts) EXPECT_FALSE(reassembly_.Add(now_, std::move(part)));
  EXPECT_EQ(reassembly_.bytes(), kSmallSlot);
  EXPECT_EQ(ToBytes(Add(last.bytes()).bytes()), packet);
}

TEST_F(ReassemblyTest, TooManyFragmentsKillTheDatagram) {
  for (uint16_t i = 0; i <= Reassembly::kMaxFragments; ++i) {
    EXPECT_FALSE(Part(1, i * 16U, i * 16U + 8, true));
  }
  EXPECT_EQ(drops_[Drop::kFragmentLimit], Reassembly::kMaxFragments + 1);
  EXPECT_EQ(reassembly_.bytes(), 0U);
}

TEST_F(ReassemblyTest, ToleratesExactDuplicates) {
  EXPECT_FALSE(Part(1, 0, 64, true));
  EXPECT_FALSE(Part(1, 0, 64, true));
  EXPECT_FALSE(Part(1, 128, 150, false));
  EXPECT_FALSE(Part(1, 128, 150, false));
  const PacketBuf whole = Part(1, 64, 128, true);
  EXPECT_EQ(whole.size(), 170U);
  EXPECT_EQ(drops_[Drop::kFragmentOverlap], 0U);
}

TEST_F(ReassemblyTest, ADuplicateWithOtherContentsKills) {
  EXPECT_FALSE(Part(1, 0, 64, true));
  EXPECT_FALSE(Part(1, 0, 64, true, 0x77));
  EXPECT_FALSE(Part(1, 64, 80, false));
  EXPECT_EQ(drops_[Drop::kFragmentOverlap], 3U);
}

TEST_F(ReassemblyTest, EveryKindOfOverlapKillsTheWholeDatagramAndWhatFollows) {
  struct Case {
    size_t begin, end;
    bool more;
  };
  // [64, 128) and [256, 320) are there.
  const Case cases[] = {{0, 72, true},     {120, 256, true}, {72, 80, true},   {64, 72, true},
                        {0, 400, true},    {64, 136, true},  {248, 264, true}, {120, 136, true},
                        {128, 200, false}, {64, 100, false}};
  uint16_t id = 0;
  for (const Case& c : cases) {
    ++id;
    drops_ = {};
    EXPECT_FALSE(Part(id, 64, 128, true));
    EXPECT_FALSE(Part(id, 256, 320, true));
    EXPECT_FALSE(Part(id, c.begin, c.end, c.more));
    EXPECT_EQ(drops_[Drop::kFragmentOverlap], 3U) << c.begin << ".." << c.end;
    EXPECT_FALSE(Part(id, 0, 64, true));  // its other fragments start nothing new
    EXPECT_EQ(drops_[Drop::kFragmentOverlap], 4U);
    EXPECT_EQ(reassembly_.bytes(), 0U);
    now_ += absl::Seconds(16);
  }
}

TEST_F(ReassemblyTest, TwoEndsAreAContradiction) {
  EXPECT_FALSE(Part(1, 64, 100, false));
  EXPECT_FALSE(Part(1, 128, 140, false));
  EXPECT_EQ(drops_[Drop::kFragmentOverlap], 2U);
  EXPECT_FALSE(Part(2, 64, 100, false));
  EXPECT_FALSE(Part(2, 104, 112, true));  // beyond the end
  EXPECT_EQ(drops_[Drop::kFragmentOverlap], 4U);
}

TEST_F(ReassemblyTest, PingOfDeathIsMalformed) {
  EXPECT_FALSE(Part(1, 65528, 65528 + 100, false));
  EXPECT_FALSE(Part(1, 65512, 65512 + 8, false));
  EXPECT_EQ(drops_[Drop::kFragmentMalformed], 2U);
  EXPECT_EQ(reassembly_.datagrams(), 0U);
}

TEST_F(ReassemblyTest, OptionsMayNotPushTheWholePastTheLimitEither) {
  Bytes first = FromHex("4f00 0054 0001 2000 4011 0000 c0000201 cb0071c8");  // header 60, 24 octets
  first.resize(84);
  wire::FillIp4Checksum(first);
  EXPECT_FALSE(Add(first));
  for (size_t at = 24; at < 65504; at += 1488) {
    EXPECT_FALSE(Part(1, at, std::min<size_t>(at + 1488, 65504), true));
  }
  EXPECT_FALSE(Part(1, 65504, 65512, false));  // fits with a header of 20, not with 60
  EXPECT_EQ(drops_[Drop::kFragmentMalformed], 47U);
  ExpectAllGivenBack();
}

TEST_F(ReassemblyTest, KeepsTheHeaderOfTheFirstFragment) {
  Bytes first =
      FromHex("4600 0020 0001 2000 3311 0000 c0000201 cb0071c8 94040000 0102030405060708");
  wire::FillIp4Checksum(first);
  EXPECT_FALSE(Part(1, 8, 20, false));
  const PacketBuf whole = Add(first);
  const auto ip = wire::Ip4Packet::Parse(whole.bytes());
  ASSERT_TRUE(ip);
  EXPECT_TRUE(ip->ChecksumHolds());
  EXPECT_FALSE(ip->is_fragment());
  EXPECT_EQ(ip->ttl(), 0x33);
  EXPECT_EQ(ToHex(ip->options()), "94040000");
  EXPECT_EQ(ip->payload().size(), 20U);
}

TEST_F(ReassemblyTest, MalformedFragmentsDisturbNothing) {
  EXPECT_FALSE(Part(1, 0, 64, true));
  EXPECT_FALSE(Part(1, 64, 69, true));  // no multiple of 8
  EXPECT_FALSE(Part(1, 64, 64, true));  // empty
  EXPECT_EQ(drops_[Drop::kFragmentMalformed], 2U);
  EXPECT_TRUE(Part(1, 64, 69, false));
}

TEST_F(ReassemblyTest, DatagramsThatDifferInAnyKeyFieldDoNotMix) {
  EXPECT_FALSE(Part(1, 0, 8, true));
  EXPECT_FALSE(Part(2, 8, 16, false));
  EXPECT_FALSE(Part(1, 8, 16, false, 0, "192.0.2.2"));
  EXPECT_FALSE(Add(test::IpPacket(kFrom.ip, test::Ip("203.0.113.1"), 17, test::Pattern(8),
                                  {.id = 1, .fragment_offset = 1})));
  EXPECT_FALSE(
      Add(test::IpPacket(kFrom.ip, kTo.ip, 50, test::Pattern(8), {.id = 1, .fragment_offset = 1})));
  EXPECT_TRUE(Part(1, 8, 16, false));
}

TEST_F(ReassemblyTest, GivesUpAfterItsTime) {
  EXPECT_EQ(reassembly_.NextDeadline(), absl::InfiniteFuture());
  Part(1, 0, 8, true);
  Part(1, 8, 16, true);
  now_ += absl::Seconds(5);
  Part(2, 0, 8, true);
  EXPECT_EQ(reassembly_.NextDeadline(), kStart + absl::Seconds(15));
  reassembly_.Expire(kStart + absl::Seconds(15) - absl::Nanoseconds(1));
  EXPECT_EQ(drops_[Drop::kFragmentTimeout], 0U);
  reassembly_.Expire(kStart + absl::Seconds(15));
  EXPECT_EQ(drops_[Drop::kFragmentTimeout], 2U);
  const std::vector<PacketBuf> late = reassembly_.TakeLate();
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(ToBytes(late[0].bytes()), test::IpPacket(kFrom.ip, kTo.ip, 17, test::Pattern(8, 0),
                                                     {.id = 1, .more_fragments = true}));
  EXPECT_TRUE(reassembly_.TakeLate().empty());
  EXPECT_EQ(reassembly_.NextDeadline(), kStart + absl::Seconds(20));
  now_ = kStart + absl::Seconds(20);
  EXPECT_FALSE(
      Part(2, 8, 16, false));  // late: the first half is gone, even before anybody called Expire
  EXPECT_EQ(drops_[Drop::kFragmentTimeout], 3U);
}

TEST_F(ReassemblyTest, OneSourceCannotPushOthersOut) {
  EXPECT_FALSE(Part(1, 0, 8, true, 0, "198.51.100.1"));
  for (uint16_t id = 0; id < 100; ++id) {
    now_ += absl::Milliseconds(1);
    EXPECT_FALSE(Part(id, 0, 8, true));
  }
  EXPECT_EQ(reassembly_.datagrams(), 5U);
  EXPECT_EQ(drops_[Drop::kFragmentLimit], 96U);
  EXPECT_TRUE(Part(1, 8, 16, false, 0, "198.51.100.1"));
  EXPECT_TRUE(Part(99, 8, 16, false));  // the newest of the flood still works
}

TEST_F(ReassemblyTest, ManySourcesPushOutTheOldest) {
  for (uint32_t i = 0; i < 20; ++i) {
    now_ += absl::Milliseconds(1);
    EXPECT_FALSE(Part(1, 0, 8, true, 0, Ip4{0xc6336400 + i}.Text().c_str()));
  }
  EXPECT_EQ(reassembly_.datagrams(), 8U);
  EXPECT_EQ(drops_[Drop::kFragmentLimit], 12U);
  EXPECT_TRUE(Part(1, 8, 16, false, 0, "198.51.100.19"));
}

TEST_F(ReassemblyTest, MemoryIsBounded) {
  for (uint16_t id = 0; id < 8; ++id) {
    now_ += absl::Milliseconds(1);
    EXPECT_FALSE(
        Part(id, 4000, 4008, true, 0, id < 4 ? "192.0.2.1" : "192.0.2.2"));  // a large slot each
    EXPECT_LE(reassembly_.bytes(), 3 * kLargeSlot);
  }
  EXPECT_EQ(drops_[Drop::kFragmentLimit], 5U);
  EXPECT_EQ(reassembly_.datagrams(), 3U);
}

TEST_F(ReassemblyTest, ADryPoolKillsTheDatagramByName) {
  std::vector<PacketBuf> taken;
  while (PacketBuf buf = pool_.Get(5000)) taken.push_back(std::move(buf));
  EXPECT_FALSE(Part(1, 0, 8, true));
  EXPECT_FALSE(Part(1, 4000, 4008, true));
  EXPECT_EQ(drops_[Drop::kPoolDry], 2U);
  taken.clear();
  now_ += absl::Seconds(16);
  reassembly_.Expire(now_);
  ExpectAllGivenBack();
}

TEST_F(ReassemblyTest, AWholePacketPassesThrough) {
  const Bytes packet = Datagram(10);
  EXPECT_EQ(ToBytes(Add(packet).bytes()), packet);
}

// Those who use up the places make room for one who has hardly any.
TEST_F(ReassemblyTest, WhoHasMostMakesRoom) {
  EXPECT_FALSE(Part(1, 0, 8, true, 0, "192.0.2.5"));  // oldest of all, and alone
  for (uint16_t id = 1; id <= 4; ++id) {
    now_ += absl::Milliseconds(1);
    EXPECT_FALSE(Part(id, 0, 8, true, 0, "192.0.2.6"));
  }
  for (uint16_t id = 1; id <= 3; ++id) EXPECT_FALSE(Part(id, 0, 8, true, 0, "192.0.2.7"));
  EXPECT_EQ(reassembly_.datagrams(), 8U);
  EXPECT_FALSE(Part(1, 0, 8, true, 0, "192.0.2.8"));
  EXPECT_EQ(drops_[Drop::kFragmentLimit], 1U);
  EXPECT_TRUE(Part(1, 8, 16, false, 0, "192.0.2.5"));
  EXPECT_TRUE(Part(1, 8, 16, false, 0, "192.0.2.8"));
  EXPECT_TRUE(Part(2, 8, 16, false, 0, "192.0.2.6")) << "only its oldest is gone";
  EXPECT_FALSE(Part(1, 8, 16, false, 0, "192.0.2.6"));
}

}  // namespace
}  // namespace stack::ip
