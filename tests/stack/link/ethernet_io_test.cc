#include "stack/link/ethernet_io.h"

#include <gtest/gtest.h>

#include "tests/support/frames.h"

namespace stack::link {
namespace {

const Mac kOwn = *Mac::Parse("02:00:00:00:00:01"), kPeer = *Mac::Parse("02:00:00:00:00:02");

TEST(Pull, TakesTheHeaderOff) {
  PacketPool pool(1, 0);
  PacketBuf buf = pool.Copy(test::EthernetFrame(kOwn, kPeer, 0x0800, test::Pattern(50)));
  const auto pulled = Pull(buf, kOwn);
  ASSERT_TRUE(pulled);
  EXPECT_EQ(pulled->type, wire::EtherType::kIp4);
  EXPECT_EQ(pulled->source, kPeer);
  EXPECT_FALSE(pulled->broadcast);
  EXPECT_EQ(ToBytes(buf.bytes()), test::Pattern(50));
}

TEST(Pull, TakesBroadcastsAndSaysSo) {
  PacketPool pool(1, 0);
  PacketBuf buf =
      pool.Copy(test::EthernetFrame(Mac::Broadcast(), kPeer, 0x0806, test::Pattern(46)));
  const auto pulled = Pull(buf, kOwn);
  ASSERT_TRUE(pulled);
  EXPECT_EQ(pulled->type, wire::EtherType::kArp);
  EXPECT_TRUE(pulled->broadcast);
}

TEST(Pull, RefusesTheRestByName) {
  PacketPool pool(1, 0);
  const auto drop = [&pool](const Bytes& frame) {
    PacketBuf buf = pool.Copy(frame);
    const auto pulled = Pull(buf, kOwn);
    EXPECT_EQ(buf.size(), frame.size());  // untouched
    return pulled ? Drop::kNone : pulled.error();
  };
  const Mac multicast = *Mac::Parse("01:00:5e:00:00:fb");
  EXPECT_EQ(drop(Bytes(13)), Drop::kTruncated);
  EXPECT_EQ(drop(test::EthernetFrame(kPeer, kPeer, 0x0800, test::Pattern(46))), Drop::kNotOurMac);
  EXPECT_EQ(drop(test::EthernetFrame(multicast, kPeer, 0x0800, test::Pattern(46))),
            Drop::kNotOurMac);
  for (const uint16_t type : std::initializer_list<uint16_t>{0x8100, 0x86dd, 0x88cc, 0x0026}) {
    EXPECT_EQ(drop(test::EthernetFrame(kOwn, kPeer, type, test::Pattern(46))), Drop::kEtherType);
  }
}

TEST(Push, PutsTheHeaderOnIfThereIsRoom) {
  PacketPool pool(1, 0);
  PacketBuf buf = pool.Copy(test::Pattern(46));
  ASSERT_TRUE(Push(buf, kPeer, kOwn, wire::EtherType::kIp4));
  EXPECT_EQ(ToBytes(buf.bytes()), test::EthernetFrame(kPeer, kOwn, 0x0800, test::Pattern(46)));
  buf.Push(buf.headroom() - 13);
  const size_t size = buf.size();
  EXPECT_FALSE(Push(buf, kPeer, kOwn, wire::EtherType::kIp4));
  EXPECT_EQ(buf.size(), size);
}

}  // namespace
}  // namespace stack::link
