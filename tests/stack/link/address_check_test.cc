// The check of a new address under virtual time, with libtins to read the probes.
#include "stack/link/address_check.h"

#include <gtest/gtest.h>
#include <tins/tins.h>

#include <string>

#include "tests/support/frames.h"

namespace stack::link {
namespace {

using wire::Arp;
using wire::ArpOperation;

const Mac kOwn = *Mac::Parse("02:00:00:00:00:01"), kOther = *Mac::Parse("02:00:00:00:00:02");
const Ip4 kWanted = test::Ip("192.0.2.50"), kElse = test::Ip("192.0.2.51");

class AddressCheckTest : public testing::Test {
 protected:
  // "probe", "free", "taken:MAC" or the name of a drop, as they come.
  std::string Said() {
    std::string text;
    for (auto& item : out_.items()) {
      if (!text.empty()) text += " ";
      if (const auto* frame = std::get_if<0>(&item)) {
        text += Read(frame->buf.bytes());
        continue;
      }
      text += std::visit(Overloaded{[](const AddressFree&) { return std::string("free"); },
                                    [](const AddressTaken& t) { return "taken:" + t.mac.Text(); },
                                    [](Drop drop) { return std::string(NameOf(drop)); }},
                         std::get<1>(item));
    }
    out_.Clear();
    return text;
  }
  std::string Read(ByteView frame) {
    const Tins::EthernetII ethernet(AsU8(frame), static_cast<uint32_t>(frame.size()));
    const auto& arp = ethernet.rfind_pdu<Tins::ARP>();
    EXPECT_TRUE(ethernet.dst_addr().is_broadcast());
    EXPECT_EQ(ethernet.src_addr().to_string(), kOwn.Text());
    EXPECT_EQ(arp.sender_hw_addr().to_string(), kOwn.Text());
    EXPECT_EQ(arp.sender_ip_addr().to_string(), "0.0.0.0");
    EXPECT_EQ(arp.opcode(), Tins::ARP::REQUEST);
    EXPECT_EQ(arp.target_ip_addr().to_string(), kWanted.Text());
    return "probe";
  }
  void Tick() {
    now_ = check_.NextDeadline();
    check_.OnDeadline(now_, out_);
  }
  void Hear(const Arp& arp) {
    Bytes bytes(Arp::kSize);
    arp.Write(bytes);
    check_.OnPacket(now_, bytes, out_);
  }

  PacketPool pool_{8, 0};
  AddressCheck::Out out_{pool_};
  AddressCheck check_{kOwn};
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
};

TEST_F(AddressCheckTest, SilenceMeansFree) {
  EXPECT_EQ(check_.NextDeadline(), absl::InfiniteFuture());
  const absl::Time start = now_;
  check_.Start(now_, kWanted, out_);
  EXPECT_EQ(Said(), "probe");
  check_.OnDeadline(now_ + absl::Milliseconds(299), out_);
  EXPECT_EQ(Said(), "");
  Tick();
  EXPECT_EQ(Said(), "probe");
  Tick();
  EXPECT_EQ(Said(), "probe");
  Tick();
  EXPECT_EQ(Said(), "free");
  EXPECT_EQ(now_ - start, absl::Seconds(1));
  EXPECT_EQ(check_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(AddressCheckTest, WhoeverHasItHasIt) {
  for (const ArpOperation operation : {ArpOperation::kReply, ArpOperation::kRequest}) {
    check_.Start(now_, kWanted, out_);
    Tick();
    Hear({operation, kOther, kWanted, {}, kElse});
    EXPECT_EQ(Said(), "probe probe taken:02:00:00:00:00:02");
    EXPECT_EQ(check_.NextDeadline(), absl::InfiniteFuture());
    Hear({operation, kOther, kWanted, {}, kElse});
    EXPECT_EQ(Said(), "");  // told once
  }
}

TEST_F(AddressCheckTest, SomebodyElseWhoProbesForItCountsToo) {
  check_.Start(now_, kWanted, out_);
  Hear({ArpOperation::kRequest, kOther, {}, {}, kWanted});
  EXPECT_EQ(Said(), "probe taken:02:00:00:00:00:02");
}

TEST_F(AddressCheckTest, WhatSaysNothingAboutItIsPassedOver) {
  check_.Start(now_, kWanted, out_);
  Hear({ArpOperation::kRequest, kOwn, {}, {}, kWanted});       // our own, thrown back by a switch
  Hear({ArpOperation::kRequest, kOther, kElse, {}, kWanted});  // asks for it only
  Hear({ArpOperation::kReply, kOther, kElse, kOwn, kWanted});  // another address
  Hear({ArpOperation::kRequest, kOther, {}, {}, kElse});       // a probe for another
  check_.OnPacket(now_, Bytes(20), out_);
  EXPECT_EQ(Said(), "probe swallowed truncated");
  EXPECT_TRUE(check_.busy());
}

TEST_F(AddressCheckTest, ANewQuestionReplacesTheOldOne) {
  check_.Start(now_, kElse, out_);
  out_.Clear();
  check_.Start(now_, kWanted, out_);
  Hear({ArpOperation::kReply, kOther, kElse, {}, {}});
  EXPECT_EQ(Said(), "probe");
}

}  // namespace
}  // namespace stack::link
