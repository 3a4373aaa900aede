// What egress hands to a port that takes superframes, and to one that refuses them.
#include "gateway/shard/egress.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "stack/base/checksum.h"
#include "tests/support/frames.h"

namespace gateway::shard {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::Ip4;

constexpr Ip4 kHop{0xcb007150};
const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);

// Takes note of what it is given, and refuses what it is told to.
class FakePort : public io::Port {
 public:
  enum class Refuses { kNothing, kAsUnfit, kForNow, kEverything };
  Refuses refuses = Refuses::kNothing;
  bool takes_udp = true;
  std::vector<Bytes> frames;  // taken, without their pieces
  size_t superframes = 0, refused = 0;

  size_t Receive(std::span<io::RxFrame>) override { return 0; }
  void Release() override {}
  size_t Send(std::span<io::TxFrame> batch) override {
    size_t sent = 0;
    for (io::TxFrame& frame : batch) {
      const bool super = frame.vnet.IsSuperframe();
      frame.ok = refuses == Refuses::kNothing || (refuses != Refuses::kEverything && !super);
      frame.unfit = !frame.ok && refuses == Refuses::kAsUnfit;
      if (!frame.ok) {
        ++refused;
        continue;
      }
      ++sent;
      superframes += super ? 1 : 0;
      frames.push_back(stack::ToBytes(frame.bytes));
    }
    return sent;
  }
  std::span<const int> fds() const override { return {}; }
  absl::Status Steer(const io::SteeringRules&) override { return absl::OkStatus(); }
  bool TakesUdpSuperframes() const override { return takes_udp; }
  const std::string& name() const override { return name_; }
  io::PortStats stats() override { return {}; }

 private:
  const std::string name_ = "fake";
};

struct EgressTest : testing::Test {
  FakePort port;
  Settings settings;
  stack::PacketPool pool{512, 4};
  Stats stats;
  IpIds ids{0, 1, 0};
  std::unique_ptr<Egress> egress;
  uint16_t sequence = 0;

  void Open(bool superframes = true) {
    settings.interfaces.resize(1);
    settings.superframes = superframes;
    egress = std::make_unique<Egress>(settings, std::vector<io::Port*>{&port},
                                      Egress::Shared{pool, stats, ids});
    egress->OnNeighbor({0, kHop, {{2, 0, 0, 0, 0, 9}}}, kNow);
  }
  // `count` datagrams of one flow in one flush. ESP has no checksum.
  void SendDatagrams(size_t count, bool own_esp = false) {
    for (size_t i = 0; i < count; ++i) {
      ++sequence;
      Bytes packet =
          test::UdpPacket({kHop, 4500}, {kHop, 4500},
                          test::Pattern(100, static_cast<uint8_t>(sequence)), {.id = sequence});
      if (own_esp) stack::Store16(&packet[26], 0);
      stack::PacketBuf buf = pool.Copy(packet);
      ASSERT_EQ(egress->Send(kNow, buf, 0, kHop, own_esp), Drop::kNone);
    }
    egress->Flush();
  }
  void SendSegments(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      Bytes packet = test::TcpPacket({kHop, 80}, {kHop, 8080}, 0x10, test::Pattern(100), 0,
                                     {.dont_fragment = true});
      const uint32_t before = stack::Load32(&packet[24]);
      const auto after = static_cast<uint32_t>(before + 100 * i);
      stack::Store32(&packet[24], after);
      stack::Store16(&packet[36], stack::Update32(stack::Load16(&packet[36]), before, after));
      stack::PacketBuf buf = pool.Copy(packet);
      ASSERT_EQ(egress->Send(kNow, buf, 0, kHop), Drop::kNone);
    }
    egress->Flush();
  }
  std::vector<SuperframesRefused> Refusals() {
    std::vector<SuperframesRefused> refusals;
    for (const Control& question : egress->TakeQuestions()) {
      refusals.push_back(std::get<SuperframesRefused>(question));
    }
    return refusals;
  }
};

TEST_F(EgressTest, OneFlushIsOneSuperframeAndIsCounted) {
  Open();
  SendDatagrams(10);
  SendSegments(20);
  EXPECT_EQ(port.frames.size(), 2U);
  EXPECT_EQ(stats.frames_out, 2U);
  EXPECT_EQ(stats.superframes_out, 2U);
  EXPECT_EQ(stats.segments_out, 30U);
  SendDatagrams(10, true);
  EXPECT_EQ(stats.superframes_out, 3U);
  SendDatagrams(1);
  EXPECT_EQ(stats.frames_out, 4U);
  EXPECT_EQ(stats.superframes_out, 3U);
  EXPECT_EQ(stats.segments_out, 40U);
  EXPECT_TRUE(Refusals().empty());
}

TEST_F(EgressTest, TheSwitchIsObeyed) {
  Open(false);
  SendDatagrams(10);
  SendSegments(10);
  EXPECT_EQ(port.frames.size(), 20U);
  EXPECT_EQ(port.superframes, 0U);
  EXPECT_TRUE(Refusals().empty());  // nobody wants any, so there is nothing to say
}

TEST_F(EgressTest, AKernelWithoutUdpSuperframesIsKnownFromTheStart) {
  port.takes_udp = false;
  Open();
  const auto refusals = Refusals();
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_FALSE(refusals[0].tcp);
  SendDatagrams(10, true);
  EXPECT_EQ(port.frames.size(), 10U);
  EXPECT_EQ(port.refused, 0U);
  SendSegments(10);
  EXPECT_EQ(port.superframes, 1U);
}

// Refused for what it is: its packets leave as they were, and no more are tried.
TEST_F(EgressTest, ARefusedSuperframeLeavesAsPackets) {
  Open();
  port.refuses = FakePort::Refuses::kAsUnfit;
  SendDatagrams(10, true);
  ASSERT_EQ(port.frames.size(), 10U);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(port.frames[i].size(), 14U + 128);
    EXPECT_EQ(stack::Load16(&port.frames[i][18]), 1 + i);  // in order, with their own ids
    EXPECT_EQ(stack::Load16(&port.frames[i][40]), 0);      // and no checksum
  }
  EXPECT_EQ(port.refused, 1U);
  SendDatagrams(10, true);
  EXPECT_EQ(port.refused, 1U);
  EXPECT_EQ(stats.frames_out, 20U);
  EXPECT_EQ(stats.superframes_out, 0U);
  EXPECT_EQ(stats.drops[Drop::kSendFailed], 0U);
  // Each kind for itself, and each is told once.
  SendSegments(10);
  SendSegments(10);
  EXPECT_EQ(port.refused, 2U);
  EXPECT_EQ(port.frames.size(), 40U);
  const auto refusals = Refusals();
  ASSERT_EQ(refusals.size(), 2U);
  EXPECT_FALSE(refusals[0].tcp);
  EXPECT_TRUE(refusals[1].tcp);
}

// A full queue is no reason to give up; a driver that never takes one is, whatever it says.
TEST_F(EgressTest, SuperframesRefusedTimeAndAgainAreGivenUp) {
  Open();
  port.refuses = FakePort::Refuses::kForNow;
  for (int i = 0; i < 7; ++i) SendDatagrams(10);
  port.refuses = FakePort::Refuses::kNothing;
  SendDatagrams(10);
  EXPECT_EQ(port.superframes, 1U);
  port.refuses = FakePort::Refuses::kForNow;
  for (int i = 0; i < 7; ++i) SendDatagrams(10);
  EXPECT_TRUE(Refusals().empty());
  SendDatagrams(10);
  EXPECT_EQ(Refusals().size(), 1U);
  EXPECT_EQ(port.refused, 15U);
  SendDatagrams(10);
  EXPECT_EQ(port.refused, 15U);
  EXPECT_EQ(stats.drops[Drop::kSendFailed], 0U);
  EXPECT_EQ(stats.frames_out, 161U);
}

TEST_F(EgressTest, WhatIsLostIsCountedPacketByPacket) {
  Open();
  port.refuses = FakePort::Refuses::kEverything;
  for (int i = 0; i < 20; ++i) SendDatagrams(10);
  EXPECT_EQ(stats.drops[Drop::kSendFailed], 200U);
  EXPECT_TRUE(Refusals().empty());  // it was not for being superframes
}

}  // namespace
}  // namespace gateway::shard
