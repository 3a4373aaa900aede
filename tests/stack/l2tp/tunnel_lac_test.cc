// The LAC half by script, and both halves wired together over a line that loses, doubles and
// reorders.
#include "stack/l2tp/tunnel_lac.h"

#include <algorithm>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/stack/l2tp/recorded.h"
#include "tests/stack/l2tp/script.h"
#include "tests/support/rng.h"

namespace stack::l2tp {
namespace {

using test::Control;
using test::Lines;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using Lac = test::Rig<TunnelLac>;
namespace recorded = test::recorded;

Lines Start(Lac& lac) {
  lac.tunnel.Start(lac.now, lac.out);
  return test::Drain(lac.out);
}
Control Sccrp(uint16_t own, uint16_t window) {
  return Control(2, 0, 1)
      .To(own)
      .Avp16(2, 0x100)
      .Avp32(3, 3)
      .Text(7, "server")
      .Avp16(9, 7)
      .Avp16(10, window);
}
void Open(Lac& lac) {
  Start(lac);
  lac.In(Sccrp(256, 4));
  lac.In(Control::Zlb(1, 3).To(256));
  ASSERT_THAT(lac.In(Control(11, 1, 3).To(256, 0x5001).Avp16(14, 9)),
              Contains("CallUp 20481-9 serial1"));
  lac.In(Control::Zlb(2, 4).To(256));
}

TEST(TunnelLac, DialsInStepByStep) {
  Lac lac;
  EXPECT_THAT(Start(lac), ElementsAre("sent SCCRQ", "SCCRQ 0/0 ns0 nr0"));
  EXPECT_THAT(lac.In(Sccrp(256, 4)),
              ElementsAre("got SCCRP", "sent SCCCN", "SCCCN 7/0 ns1 nr1", "TunnelUp 256-7 server ",
                          "sent ICRQ", "ICRQ 7/0 ns2 nr1"));
  EXPECT_THAT(lac.In(Control(11, 1, 3).To(256, 0x5001).Avp16(14, 9)),
              ElementsAre("got ICRP", "sent ICCN", "ICCN 7/9 ns3 nr2", "CallUp 20481-9 serial1"));
}

TEST(TunnelLac, WaitsForAServerWithAWindowOfOne) {
  Lac lac;
  Start(lac);
  EXPECT_THAT(lac.In(Sccrp(256, 1)), ElementsAre("got SCCRP", "sent SCCCN", "SCCCN 7/0 ns1 nr1",
                                                 "TunnelUp 256-7 server ", "sent ICRQ"));
  EXPECT_THAT(lac.In(Control::Zlb(1, 2).To(256)), ElementsAre("ICRQ 7/0 ns2 nr1"));
}

TEST(TunnelLac, DialsInToTheRecordedServer) {
  Lac lac({}, 0xcf53);
  lac.rng.next_ = 0x7553;
  Start(lac);
  EXPECT_THAT(lac.InHex(recorded::kSccrp), Contains("TunnelUp 53075-50051 srv xelerance.com"));
  EXPECT_THAT(lac.InHex(recorded::kZlbOfScccn), IsEmpty());
  EXPECT_THAT(lac.InHex(recorded::kZlbOfIcrq), IsEmpty());
  EXPECT_THAT(lac.InHex(recorded::kIcrp), Contains("CallUp 30035-37551 serial1"));
}

TEST(TunnelLac, RepeatsSccrqAndGivesUp) {
  Lac lac;
  Start(lac);
  const Lines lines = lac.Until(200);
  EXPECT_EQ(lines.front(), "@1 SCCRQ 0/0 ns0 nr0");
  EXPECT_THAT(lines, Contains("@60 TunnelDown timed_out 1/0"));
  EXPECT_EQ(lines.back(), "@60 Gone");
}

TEST(TunnelLac, IsRefusedByStopCcnOrCdn) {
  Lac lac;
  Start(lac);
  EXPECT_THAT(lac.In(Control(4, 0, 1).To(256).Avp16(9, 7).Avp16(1, 4)),
              ElementsAre("got StopCCN", "ZLB 7/0 ns1 nr1", "TunnelDown refused 4/0"));
  Lac other;
  Start(other);
  other.In(Sccrp(256, 4));
  EXPECT_THAT(other.In(Control(14, 1, 3).To(256, 0x5001).Avp32(1, 0x00040000).Avp16(14, 0)),
              ElementsAre("got CDN", "ZLB 7/0 ns3 nr2", "CallDown 20481 refused 4/0"));
}

TEST(TunnelLac, AChallengeOrABadSccrpEndsIt) {
  Lac lac;
  Start(lac);
  EXPECT_THAT(lac.In(Sccrp(256, 4).Avp(11, Bytes(16))), Contains("TunnelDown refused 4/0"));
  Lac other;
  Start(other);
  EXPECT_THAT(other.In(Sccrp(256, 4).Avp16(99, 1)),
              ElementsAre("got SCCRP", "sent StopCCN", "StopCCN=2/8 7/0 ns1 nr1",
                          "TunnelDown protocol_error 2/8"));
  Lac third;
  Start(third);
  EXPECT_THAT(third.In(Control(2, 0, 1).To(256).Avp16(2, 0x100)),
              ElementsAre("got SCCRP", "TunnelDown protocol_error 2/3", "Gone"));
}

TEST(TunnelLac, TakesNoCalls) {
  Lac lac;
  Open(lac);
  EXPECT_THAT(lac.In(Control(10, 2, 4).To(256).Avp16(14, 30).Avp32(15, 1)),
              Contains("CDN=5/0 7/30 ns4 nr3"));
  EXPECT_EQ(lac.tunnel.calls(), 1U);
}

TEST(TunnelLac, ACallThatIsNotAnsweredIsGivenUp) {
  Lac lac;
  Start(lac);
  lac.In(Sccrp(256, 4));
  lac.In(Control::Zlb(1, 3).To(256));
  EXPECT_THAT(lac.Until(30), ElementsAre("@30 sent CDN", "@30 CDN=10/0 7/0 ns3 nr1",
                                         "@30 CallDown 20481 timed_out 10/0"));
}

TEST(TunnelLac, HangsUpAndCloses) {
  Lac lac;
  Open(lac);
  lac.tunnel.HangUp(lac.now, {0x5001}, Code(CdnResult::kAdministrative), lac.out);
  EXPECT_THAT(test::Drain(lac.out),
              ElementsAre("sent CDN", "CDN=3/0 7/9 ns4 nr2", "CallDown 20481 hung_up 3/0"));
  lac.tunnel.Close(lac.now, Code(StopCcnResult::kClear), lac.out);
  EXPECT_THAT(test::Drain(lac.out),
              ElementsAre("sent StopCCN", "StopCCN=1/0 7/0 ns5 nr2", "TunnelDown hung_up 1/0"));
  EXPECT_THAT(lac.In(Control::Zlb(2, 6).To(256)), ElementsAre("Gone"));
}

// A line between the two halves: every frame may be lost, doubled or delayed, by seed.
class Wired {
 public:
  explicit Wired(uint64_t seed, unsigned loss_percent) : dice_(seed), loss_percent_(loss_percent) {
    TunnelOptions options;
    options.hello_interval = absl::Seconds(20);
    options.call_limit = options.no_call_limit = absl::Seconds(120);  // for the bad luck of it
    lac_.emplace(now_, options, TunnelId{0x77}, rng_);
    lns_.emplace(now_, options, TunnelId{0x100}, rng_);
    lac_->Start(now_, out_);
    Carry(false);
  }

  void RunUntil(double seconds) {
    const absl::Time end = absl::UnixEpoch() + absl::Seconds(seconds);
    for (;;) {
      absl::Time next = std::min(lac_->NextDeadline(), lns_->NextDeadline());
      if (!air_.empty()) next = std::min(next, air_.begin()->first);
      if (next > end) break;
      now_ = std::max(now_, next);
      Turn();
    }
    now_ = end;
  }
  void Turn() {
    if (!air_.empty() && air_.begin()->first <= now_) {
      const Flight flight = air_.begin()->second;
      air_.erase(air_.begin());
      if (flight.to_lns) lns_->OnPacket(now_, flight.bytes, out_);
      if (!flight.to_lns) lac_->OnPacket(now_, flight.bytes, out_);
      return Carry(!flight.to_lns ? false : true);
    }
    if (lac_->NextDeadline() <= now_) {
      lac_->OnDeadline(now_, out_);
      Carry(false);
    }
    if (lns_->NextDeadline() <= now_) {
      lns_->OnDeadline(now_, out_);
      Carry(true);
    }
  }
  // Hands what a machine said to the air and to the record.
  void Carry(bool from_lns) {
    for (auto& item : out_.items()) {
      if (auto* frame = std::get_if<0>(&item)) {
        const uint64_t copies = Percent(loss_percent_) ? 0 : Percent(10) ? 2 : 1;
        for (uint64_t i = 0; i < copies; ++i) {
          air_.emplace(now_ + absl::Milliseconds(1 + dice_.Below(Percent(20) ? 2500 : 50)),
                       Flight{!from_lns, ToBytes(std::as_const(frame->buf).bytes())});
        }
      } else {
        (from_lns ? lns_lines_ : lac_lines_).push_back(test::EventText(std::get<1>(item)));
      }
    }
    out_.Clear();
  }
  bool Percent(unsigned percent) { return dice_.Below(100) < percent; }
  static size_t Count(const Lines& lines, std::string_view start) {
    return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
      return std::string_view(line).substr(0, start.size()) == start;
    }));
  }

  struct Flight {
    bool to_lns;
    Bytes bytes;
  };
  test::FixedRng dice_;
  unsigned loss_percent_;
  test::CountingRng rng_;
  absl::Time now_ = absl::UnixEpoch();
  PacketPool pool_{256, 1};
  Out out_{pool_};
  std::optional<TunnelLac> lac_;
  std::optional<TunnelLns> lns_;
  std::multimap<absl::Time, Flight> air_;
  Lines lac_lines_, lns_lines_;
};

TEST(BothHalves, ComeUpOnceOverABadLineStayUpAndEndTogether) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Wired wired(seed, 25);
    wired.RunUntil(115);
    ASSERT_EQ(Wired::Count(wired.lac_lines_, "CallUp"), 1U) << seed;
    ASSERT_EQ(Wired::Count(wired.lns_lines_, "CallUp"), 1U) << seed;
    wired.RunUntil(600);  // HELLOs get through, and neither side gives up
    ASSERT_EQ(Wired::Count(wired.lac_lines_, "TunnelDown"), 0U) << seed;
    ASSERT_EQ(Wired::Count(wired.lns_lines_, "TunnelDown"), 0U) << seed;
    wired.lac_->Close(wired.now_, Code(StopCcnResult::kClear), wired.out_);
    wired.Carry(false);
    wired.RunUntil(900);
    ASSERT_TRUE(wired.lac_->IsGone()) << seed;
    ASSERT_TRUE(wired.lns_->IsGone()) << seed;
    ASSERT_EQ(Wired::Count(wired.lns_lines_, "CallDown"), 1U) << seed;
    ASSERT_EQ(Wired::Count(wired.lns_lines_, "TunnelDown"), 1U) << seed;
    ASSERT_EQ(wired.lns_lines_.back(), "Gone") << seed;
    ASSERT_EQ(wired.pool_.free_small(), wired.pool_.small_slots()) << seed;
  }
}

TEST(BothHalves, ACutLineEndsBoth) {
  Wired wired(1, 0);
  wired.RunUntil(10);
  ASSERT_EQ(Wired::Count(wired.lns_lines_, "CallUp"), 1U);
  wired.loss_percent_ = 100;
  wired.RunUntil(200);
  EXPECT_THAT(wired.lac_lines_, Contains("TunnelDown silent 0/0"));
  EXPECT_THAT(wired.lns_lines_, Contains("TunnelDown silent 0/0"));
  EXPECT_TRUE(wired.lac_->IsGone() && wired.lns_->IsGone());
}

}  // namespace
}  // namespace stack::l2tp
