#include <gtest/gtest.h>
#include <tins/tins.h>

#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "tests/support/frames.h"

namespace stack::wire {
namespace {

const Mac kA = *Mac::Parse("02:00:00:00:00:0a"), kB = *Mac::Parse("02:00:00:00:00:0b");

TEST(Ethernet, ReadsWhatLibtinsBuilds) {
  const Bytes bytes = test::EthernetFrame(kA, kB, 0x0800, test::Pattern(60));
  const auto frame = Ethernet::Parse(bytes);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->destination(), kA);
  EXPECT_EQ(frame->source(), kB);
  EXPECT_EQ(frame->type(), EtherType::kIp4);
  EXPECT_EQ(ToBytes(frame->payload()), test::Pattern(60));
}

TEST(Ethernet, NeedsAWholeHeader) {
  const Bytes bytes(14);
  EXPECT_TRUE(Ethernet::Parse(bytes));
  EXPECT_EQ(Ethernet::Parse(ByteView(bytes).first(13)).error(), Drop::kTruncated);
  EXPECT_EQ(Ethernet::Parse({}).error(), Drop::kTruncated);
}

TEST(Ethernet, WritesTheHeader) {
  Bytes out(14);
  WriteEthernet(out, Mac::Broadcast(), kA, EtherType::kArp);
  EXPECT_EQ(ToHex(out), "ffffffffffff02000000000a0806");
  EXPECT_EQ(NameOf(EtherType::kArp), "ARP");
  EXPECT_EQ(NameOf(static_cast<EtherType>(0x88cc)), "unknown");
}

TEST(Arp, ReadsWhatLibtinsBuilds) {
  const Bytes bytes =
      test::ArpFrame(true, kA, test::Ip("192.0.2.1"), kB, test::Ip("192.0.2.2"), kB);
  const auto arp = Arp::Parse(Ethernet::Parse(bytes)->payload());
  ASSERT_TRUE(arp);
  EXPECT_EQ(*arp,
            (Arp{ArpOperation::kReply, kA, test::Ip("192.0.2.1"), kB, test::Ip("192.0.2.2")}));
}

TEST(Arp, LibtinsReadsWhatItWrites) {
  const Arp arp{ArpOperation::kRequest, kA, test::Ip("192.0.2.1"), {}, test::Ip("192.0.2.9")};
  Bytes out(Arp::kSize);
  arp.Write(out);
  Tins::ARP theirs(AsU8(ByteView(out)), static_cast<uint32_t>(out.size()));
  EXPECT_EQ(theirs.opcode(), Tins::ARP::REQUEST);
  EXPECT_EQ(theirs.sender_hw_addr().to_string(), kA.Text());
  EXPECT_EQ(theirs.sender_ip_addr().to_string(), "192.0.2.1");
  EXPECT_EQ(theirs.target_ip_addr().to_string(), "192.0.2.9");
  EXPECT_EQ(theirs.hw_addr_format(), 1);
  EXPECT_EQ(*Arp::Parse(out), arp);
}

TEST(Arp, RefusesOtherFamiliesLengthsAndOperations) {
  const Bytes good = FromHex("0001 0800 06 04 0001 02000000000a c0000201 000000000000 c0000202");
  ASSERT_TRUE(Arp::Parse(good));
  EXPECT_EQ(Arp::Parse(ByteView(good).first(27)).error(), Drop::kTruncated);
  for (const size_t at : {0, 1, 2, 3, 4, 5, 6, 7}) {
    Bytes bad = good;
    bad[at] = std::byte{0x77};
    EXPECT_EQ(Arp::Parse(bad).error(), Drop::kArpMalformed) << at;
  }
}

}  // namespace
}  // namespace stack::wire
