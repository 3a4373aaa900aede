// Frames on their way out: merged where that is wanted, put aside and sent later, and booked when
// they have left.
#include "gateway/load/outlet.h"

#include <gtest/gtest.h>

#include <utility>

#include "gateway/io/memory_port.h"
#include "gateway/load/lan.h"
#include "gateway/shard/segment.h"
#include "stack/ip/ip4_out.h"
#include "stack/ip/udp_ports.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"

namespace gateway::load {
namespace {

const stack::Mac kOurs{{2, 0, 0, 0, 0, 1}}, kTheirs{{2, 0, 0, 0, 0, 2}};
const stack::Ip4 kFrom{0xc0000205}, kTo{0xc0000201};

class OutletTest : public testing::Test {
 protected:
  OutletTest() : pool_(512, 32) {
    auto [port, other] = io::MemoryPort::Pair("a", "b", 16);
    port_ = std::move(port);
    other_ = std::move(other);
  }

  // ESP in UDP, with `size` octets of `fill`.
  stack::PacketBuf Frame(size_t size, uint8_t fill) {
    stack::PacketBuf frame = pool_.Get();
    const stack::ByteSpan bytes = frame.Append(size);
    std::fill(bytes.begin(), bytes.end(), std::byte{fill});
    EXPECT_EQ(
        stack::ip::PushUdp(frame, {kFrom, 4500}, {kTo, 4500}, stack::ip::UdpChecksum::kIgnore),
        stack::Drop::kNone);
    stack::wire::Ip4Fields fields;
    fields.source = kFrom;
    fields.destination = kTo;
    EXPECT_EQ(stack::ip::Push(frame, fields), stack::Drop::kNone);
    stack::wire::WriteEthernet(frame.Push(14), kTheirs, kOurs, stack::wire::EtherType::kIp4);
    return frame;
  }
  void Add(Outlet& outlet, size_t size, uint8_t fill) {
    const uint32_t number = track_.Next();
    outlet.Add(Frame(size, fill), {}, {&track_, &tally_, number + 1, 1, 1000});
  }
  // What arrived: payloads, as a receiver cuts them out; how many frames they came in.
  std::vector<stack::Bytes> Received() {
    std::vector<stack::Bytes> payloads;
    std::array<io::RxFrame, io::kBatch> frames;
    const size_t count = other_->Receive(frames);
    frames_ += count;
    for (const io::RxFrame& frame : std::span(frames).first(count)) {
      shard::Segmenter segments(frame.bytes, frame.vnet);
      EXPECT_EQ(segments.drop(), stack::Drop::kNone);
      for (size_t i = 0; i < segments.count(); ++i) {
        stack::PacketBuf one = segments.Next(pool_);
        one.Pull(14);
        EXPECT_TRUE(stack::wire::Ip4Packet::Parse(one.bytes())->ChecksumHolds());
        one.Pull(20);
        EXPECT_TRUE(stack::ip::PullUdp(one, kFrom, kTo, stack::ip::UdpChecksum::kHonest).ok());
        payloads.push_back(stack::ToBytes(std::as_const(one).bytes()));
      }
    }
    other_->Release();
    return payloads;
  }

  stack::PacketPool pool_;
  std::unique_ptr<io::MemoryPort> port_, other_;
  Track track_;
  Tally tally_;
  size_t frames_ = 0;
};

stack::Bytes Filled(size_t size, uint8_t fill) { return stack::Bytes(size, std::byte{fill}); }

TEST_F(OutletTest, SendsOneByOneUnlessItIsToMerge) {
  Outlet outlet(*port_, false);
  for (uint8_t i = 1; i <= 3; ++i) Add(outlet, 100, i);
  EXPECT_TRUE(Received().empty()) << "nothing leaves before Flush";
  outlet.Flush();
  EXPECT_EQ(Received(), (std::vector{Filled(100, 1), Filled(100, 2), Filled(100, 3)}));
  EXPECT_EQ(frames_, 3U);
  EXPECT_EQ(tally_.sent, 3U);
  EXPECT_EQ(tally_.sent_octets, 3000U);
}

TEST_F(OutletTest, MergesEqualNeighboursOfATrackAndNothingElse) {
  Outlet outlet(*port_, true);
  Add(outlet, 100, 1);
  Add(outlet, 100, 2);
  Add(outlet, 100, 3);
  Add(outlet, 101, 4);
  outlet.Add(Frame(101, 5));  // control
  Add(outlet, 101, 6);
  outlet.Flush();
  EXPECT_EQ(Received(), (std::vector{Filled(100, 1), Filled(100, 2), Filled(100, 3), Filled(101, 4),
                                     Filled(101, 5), Filled(101, 6)}));
  EXPECT_EQ(frames_, 4U);
  EXPECT_EQ(tally_.sent, 5U);
}

TEST_F(OutletTest, ASuperframeIsWithinWhatTheKernelTakes) {
  Outlet outlet(*port_, true);
  for (int i = 0; i < 100; ++i) Add(outlet, 40, 7);
  for (int i = 0; i < 50; ++i) Add(outlet, 1472, 8);
  outlet.Flush();
  EXPECT_EQ(Received().size(), 150U);
  EXPECT_EQ(frames_, 2U + 2U);  // 64 + 36, 44 + 6
}

TEST_F(OutletTest, WhatThePortRefusesIsNotBookedAsSent) {
  Outlet outlet(*port_, false);
  for (int i = 0; i < 20; ++i) Add(outlet, 100, 1);  // the port has room for 16
  outlet.Flush();
  EXPECT_EQ(tally_.sent, 16U);
  EXPECT_EQ(tally_.refused, 4U);
  EXPECT_EQ(outlet.refused(), 4U);
}

TEST_F(OutletTest, PutAsideItLeavesLaterAndCountsThen) {
  Outlet outlet(*port_, true);
  Prepared prepared;
  outlet.PutAside(&prepared);
  for (uint8_t i = 1; i <= 6; ++i) Add(outlet, 100, i < 4 ? 1 : 2);
  Add(outlet, 200, 3);
  outlet.PutAside(nullptr);
  EXPECT_EQ(prepared.packets(), 7U);
  EXPECT_EQ(tally_.sent, 0U);
  EXPECT_EQ(pool_.free_small(), pool_.small_slots()) << "the pool has its slots back";
  EXPECT_EQ(prepared.Send(1, outlet), 6U) << "a superframe leaves whole";
  outlet.Flush();
  EXPECT_EQ(Received().size(), 6U);
  EXPECT_EQ(tally_.sent, 6U);
  EXPECT_EQ(prepared.Send(100, outlet), 1U);
  EXPECT_TRUE(prepared.empty());
  outlet.Flush();
  EXPECT_EQ(Received(), std::vector<stack::Bytes>{Filled(200, 3)});
  prepared.Clear();
  EXPECT_EQ(prepared.packets(), 0U);
}

// ---- ARP --------------------------------------------------------------------------------------

class LanTest : public OutletTest {
 protected:
  LanTest() : outlet_(*port_, false) {}
  std::vector<stack::wire::Arp> Said() {
    outlet_.Flush();
    std::vector<stack::wire::Arp> said;
    std::array<io::RxFrame, io::kBatch> frames;
    for (const io::RxFrame& frame : std::span(frames).first(other_->Receive(frames))) {
      said.push_back(*stack::wire::Arp::Parse(frame.bytes.subspan(14)));
    }
    other_->Release();
    return said;
  }
  static stack::Bytes Request(stack::Ip4 from, stack::Ip4 to) {
    stack::Bytes bytes(28);
    stack::wire::Arp{stack::wire::ArpOperation::kRequest, kTheirs, from, {}, to}.Write(bytes);
    return bytes;
  }
  Outlet outlet_;
};

TEST_F(LanTest, AsksForTheHopUntilItAnswers) {
  Lan lan({kOurs, kFrom, kFrom, kTo}, pool_, outlet_);
  absl::Time now = absl::UnixEpoch();
  lan.OnDeadline(now);
  ASSERT_EQ(Said().size(), 1U);
  lan.OnDeadline(now);
  EXPECT_TRUE(Said().empty());
  now = lan.NextDeadline();
  lan.OnDeadline(now);
  const auto said = Said();
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].target_ip, kTo);
  EXPECT_EQ(said[0].sender_ip, kFrom);
  EXPECT_FALSE(lan.hop().has_value());
  stack::Bytes reply(28);
  stack::wire::Arp{stack::wire::ArpOperation::kReply, kTheirs, kTo, kOurs, kFrom}.Write(reply);
  lan.OnArp(reply);
  EXPECT_EQ(lan.hop(), kTheirs);
  EXPECT_EQ(lan.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(LanTest, AnswersForItsAddressesAndNoOther) {
  Lan lan({kOurs, kFrom, {kFrom.value + 9}, std::nullopt}, pool_, outlet_);
  for (const uint32_t n : {0U, 4U, 9U}) lan.OnArp(Request(kTo, {kFrom.value + n}));
  const auto said = Said();
  ASSERT_EQ(said.size(), 3U);
  EXPECT_EQ(said[1].operation, stack::wire::ArpOperation::kReply);
  EXPECT_EQ(said[1].sender_ip.value, kFrom.value + 4);
  EXPECT_EQ(said[1].sender_mac, kOurs);
  EXPECT_EQ(said[1].target_mac, kTheirs);
  lan.OnArp(Request(kTo, {kFrom.value + 10}));
  lan.OnArp(Request(kFrom, kFrom));  // an announcement
  lan.OnArp({});
  EXPECT_TRUE(Said().empty());
}

}  // namespace
}  // namespace gateway::load
