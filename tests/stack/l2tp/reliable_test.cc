// Numbering, windows and resending, on the bare Reliable.
#include "stack/l2tp/reliable.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/stack/l2tp/script.h"

namespace stack::l2tp {
namespace {

using test::Control;
using test::Lines;
using testing::ElementsAre;
using testing::IsEmpty;
using Arrival = Reliable::Arrival;

class ReliableTest : public testing::Test {
 protected:
  Arrival In(const Control& message) {
    const auto header = wire::L2tp::Parse(message.bytes());
    return reliable_.OnArrival(now_, *header);
  }
  Lines Settle() {
    reliable_.Settle(now_, out_);
    return test::Drain(out_);
  }
  void Queue(int count = 1) {
    for (int i = 0; i < count; ++i) {
      const MessageWriter hello(MessageType::kHello);
      ASSERT_TRUE(reliable_.Queue(SessionId{}, hello.avps()));
    }
  }
  // What is resent until `seconds`, and whether the peer was given up.
  Lines Until(double seconds, bool* silent = nullptr) {
    Lines lines;
    const absl::Time end = absl::UnixEpoch() + absl::Seconds(seconds);
    while (reliable_.NextDeadline() <= end) {
      now_ = reliable_.NextDeadline();
      const bool given_up = reliable_.OnDeadline(now_, out_);
      if (silent != nullptr) *silent = given_up;
      for (const std::string& line : test::Drain(out_)) {
        lines.push_back(
            absl::StrCat("@", absl::ToDoubleSeconds(now_ - absl::UnixEpoch()), " ", line));
      }
    }
    now_ = end;
    return lines;
  }
  Control Hello(uint16_t ns, uint16_t nr = 0) { return Control(6, ns, nr); }
  // Brings both counters to `start`, as a long life would.
  void Age(uint16_t start) {
    for (uint16_t i = 0; i != start; ++i) {
      Queue();
      Settle();
      ASSERT_EQ(In(Hello(i, static_cast<uint16_t>(i + 1))), Arrival::kInOrder);
      reliable_.SendZlb(out_);
      out_.Clear();
    }
  }

  absl::Time now_ = absl::UnixEpoch();
  PacketPool pool_{64, 1};
  Out out_{pool_};
  Reliable reliable_{now_, ReliableOptions{}};
};

TEST_F(ReliableTest, SlowStartOpensTheWindowUpToThePeers) {
  reliable_.SetPeer({7}, 4);
  Queue(12);
  EXPECT_THAT(Settle(), ElementsAre("HELLO 7/0 ns0 nr0"));
  EXPECT_THAT(Settle(), IsEmpty());
  In(Control::Zlb(0, 1));
  EXPECT_THAT(Settle(), ElementsAre("HELLO 7/0 ns1 nr0", "HELLO 7/0 ns2 nr0"));
  In(Control::Zlb(0, 3));
  EXPECT_EQ(Settle().size(), 4U);
  In(Control::Zlb(0, 4));
  EXPECT_EQ(Settle().size(), 1U);
  EXPECT_EQ(reliable_.in_flight(), 4U);  // never more than the peer takes
}

TEST_F(ReliableTest, NeverMoreThanOneInFlightToAWindowOfOne) {
  for (const uint16_t window : {uint16_t{1}, uint16_t{0}}) {
    Reliable reliable(now_, ReliableOptions{});
    reliable.SetPeer({7}, window);
    const MessageWriter hello(MessageType::kHello);
    for (int i = 0; i < 6; ++i) reliable.Queue(SessionId{}, hello.avps());
    for (uint16_t i = 0; i < 6; ++i) {
      reliable.Settle(now_, out_);
      EXPECT_EQ(reliable.in_flight(), 1U);
      EXPECT_EQ(test::Drain(out_).size(), 1U);
      const Control zlb = Control::Zlb(0, static_cast<uint16_t>(i + 1));
      reliable.OnArrival(now_, *wire::L2tp::Parse(zlb.bytes()));
    }
  }
}

TEST_F(ReliableTest, ResendsWithBackoffAndThenTheWindowStartsAgain) {
  reliable_.SetPeer({7}, 4);
  Queue(9);
  Settle();
  In(Control::Zlb(0, 1));
  Settle();  // 1 and 2 are under way
  EXPECT_THAT(Until(8),
              ElementsAre("@1 HELLO 7/0 ns1 nr0", "@3 HELLO 7/0 ns1 nr0", "@7 HELLO 7/0 ns1 nr0"));
  EXPECT_EQ(reliable_.in_flight(), 1U);
  // The acknowledgement may cover more than what is counted as under way.
  EXPECT_EQ(In(Control::Zlb(0, 3)), Arrival::kZlb);
  EXPECT_THAT(Settle(), ElementsAre("HELLO 7/0 ns3 nr0", "HELLO 7/0 ns4 nr0"));
  EXPECT_THAT(Until(9), ElementsAre("@9 HELLO 7/0 ns3 nr0"));  // from one second again
}

TEST_F(ReliableTest, GivesUpAfterFiveResendsAndAMinuteOfSilence) {
  reliable_.SetPeer({7}, 4);
  Queue();
  Settle();
  bool silent = false;
  const Lines lines = Until(500, &silent);
  EXPECT_EQ(lines.size(), 9U);  // at 1, 3, 7, 15, 23, 31, 39, 47, 55; at 63 it is silent
  EXPECT_TRUE(silent);
  EXPECT_TRUE(reliable_.idle());
  EXPECT_EQ(reliable_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(ReliableTest, AResentMessageCarriesTheNewestNr) {
  reliable_.SetPeer({7}, 4);
  Queue();
  EXPECT_THAT(Settle(), ElementsAre("HELLO 7/0 ns0 nr0"));
  EXPECT_EQ(In(Hello(0)), Arrival::kInOrder);
  Settle();
  EXPECT_THAT(Until(1), ElementsAre("@1 HELLO 7/0 ns0 nr1"));
}

TEST_F(ReliableTest, AcknowledgesAtOnceAndDuplicatesAgain) {
  reliable_.SetPeer({7}, 4);
  EXPECT_EQ(In(Hello(0)), Arrival::kInOrder);
  EXPECT_THAT(Settle(), ElementsAre("ZLB 7/0 ns0 nr1"));
  EXPECT_THAT(Settle(), IsEmpty());
  EXPECT_EQ(In(Hello(0)), Arrival::kDuplicate);
  EXPECT_THAT(Settle(), ElementsAre("ZLB 7/0 ns0 nr1"));
  EXPECT_EQ(In(Hello(40000)), Arrival::kDuplicate);  // the half of the circle that lies behind
}

TEST_F(ReliableTest, AnAnswerCarriesTheAcknowledgement) {
  reliable_.SetPeer({7}, 4);
  In(Hello(0));
  Queue();
  EXPECT_THAT(Settle(), ElementsAre("HELLO 7/0 ns0 nr1"));
}

TEST_F(ReliableTest, EarlyMessagesWaitForTheGapToClose) {
  EXPECT_EQ(In(Hello(2)), Arrival::kEarly);
  EXPECT_EQ(In(Hello(1)), Arrival::kEarly);
  EXPECT_EQ(In(Hello(2)), Arrival::kEarly);
  EXPECT_FALSE(reliable_.TakeEarly());
  EXPECT_EQ(In(Hello(0)), Arrival::kInOrder);
  EXPECT_TRUE(reliable_.TakeEarly());
  EXPECT_TRUE(reliable_.TakeEarly());
  EXPECT_FALSE(reliable_.TakeEarly());
  EXPECT_EQ(reliable_.next_expected(), 3);
  EXPECT_EQ(In(Hello(2)), Arrival::kDuplicate);
}

TEST_F(ReliableTest, OurOwnWindowOfFourBoundsWhatIsKept) {
  EXPECT_EQ(In(Hello(3)), Arrival::kEarly);
  EXPECT_EQ(In(Hello(4)), Arrival::kOutOfWindow);
  EXPECT_EQ(In(Hello(32767)), Arrival::kOutOfWindow);
  const Bytes large(Reliable::kMaxEarlySize);
  EXPECT_EQ(In(Hello(1).Avp(7, ByteView(large).first(900)).Avp(7, ByteView(large).first(900))),
            Arrival::kOutOfWindow);
}

TEST_F(ReliableTest, AnNrOfWhatWasNeverSentIsRefused) {
  reliable_.SetPeer({7}, 4);
  EXPECT_EQ(In(Control::Zlb(0, 1)), Arrival::kOutOfWindow);
  Queue(2);
  Settle();
  EXPECT_EQ(In(Control::Zlb(0, 2)), Arrival::kOutOfWindow);  // queued, not sent
  EXPECT_EQ(In(Hello(0, 9)), Arrival::kOutOfWindow);
  EXPECT_EQ(reliable_.next_expected(), 0);
  EXPECT_EQ(In(Control::Zlb(0, 1)), Arrival::kZlb);
  EXPECT_EQ(In(Control::Zlb(0, 0)), Arrival::kZlb);  // old news
}

TEST_F(ReliableTest, CountsAcrossTheEndOfSixteenBits) {
  reliable_.SetPeer({7}, 4);
  Age(65535);
  Queue(3);
  EXPECT_EQ(Settle().front(), "HELLO 7/0 ns65535 nr65535");
  EXPECT_EQ(In(Hello(0, 65535)), Arrival::kEarly);
  EXPECT_EQ(In(Hello(65535, 0)), Arrival::kInOrder);
  EXPECT_TRUE(reliable_.TakeEarly());
  EXPECT_EQ(reliable_.next_expected(), 1);
  EXPECT_EQ(In(Hello(65535, 0)), Arrival::kDuplicate);
  EXPECT_EQ(In(Control::Zlb(1, 2)), Arrival::kZlb);
  EXPECT_TRUE(reliable_.idle());
}

TEST_F(ReliableTest, CutsWhatWasNeverSentAndReusesItsNumber) {
  reliable_.SetPeer({7}, 1);
  Queue(5);
  Settle();
  reliable_.CutUnsent();
  Queue();
  In(Control::Zlb(0, 1));
  EXPECT_THAT(Settle(), ElementsAre("HELLO 7/0 ns1 nr0"));
}

TEST_F(ReliableTest, TheQueueIsBounded) {
  reliable_.SetPeer({7}, 65535);
  Queue(static_cast<int>(Reliable::kMaxQueued));
  const MessageWriter hello(MessageType::kHello);
  EXPECT_FALSE(reliable_.Queue(SessionId{}, hello.avps()));
  EXPECT_EQ(In(Hello(0)), Arrival::kOutOfWindow);  // nothing more is taken until it drains
}

}  // namespace
}  // namespace stack::l2tp
