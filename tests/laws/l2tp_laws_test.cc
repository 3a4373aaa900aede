// The seven laws on both halves of a tunnel, from SCCRQ to StopCCN.
#include "tests/laws/machine_laws.h"
#include "tests/stack/l2tp/script.h"

namespace test::laws {
namespace {

namespace l2tp = stack::l2tp;

// Messages that no tunnel 256 may act upon: noise, broken headers, broken AVPs, other tunnels,
// numbers that cannot be.
stack::Bytes BadMessage(test::FixedRng& dice) {
  const auto tail = static_cast<uint16_t>(dice.Below(0x400));
  stack::Bytes hello = stack::ToBytes(Control(6, 1, 0).To(256).Avp16(99, tail, false).bytes());
  switch (dice.Below(8)) {
    case 0: {
      stack::Bytes noise(dice.Below(80));
      dice.Fill(noise);
      return noise;
    }
    case 1:
      hello.resize(dice.Below(hello.size()));  // shorter than its Length
      break;
    case 2:
      hello[1] = std::byte{3};  // version
      break;
    case 3:
      stack::Store16(hello.data() + 12,
                     static_cast<uint16_t>(0x8000 | dice.Below(6)));  // AVP length
      break;
    case 4:
      stack::Store16(hello.data() + 20, 0x03ff);  // AVP past the end
      break;
    case 5:
      stack::Store16(hello.data() + 4, static_cast<uint16_t>(257 + dice.Below(60000)));  // tunnel
      break;
    case 6:
      stack::Store16(hello.data() + 4, 0);  // HELLO for tunnel 0: Apple
      break;
    default:
      stack::Store16(hello.data() + 10, static_cast<uint16_t>(100 + dice.Below(32000)));  // Nr
  }
  return hello;
}

struct L2tpText {
  using Event = l2tp::Event;
  std::string Text(const Event& event) const { return test::EventText(event); }
  bool IsDrop(const Event& event) const { return std::holds_alternative<stack::Drop>(event); }
};

struct LnsFixture : L2tpText {
  using Machine = l2tp::TunnelLns;
  using Out = l2tp::Out;
  static constexpr size_t kLargestAnswer = 128;  // SCCRP, to a peer that IPsec has authenticated

  explicit LnsFixture(uint64_t seed)
      : rng(seed), tunnel(absl::UnixEpoch(), {}, l2tp::TunnelId{256}, rng) {}
  Machine& machine() { return tunnel; }
  size_t Steps() const { return 8; }
  absl::Duration At(size_t step) const {
    return absl::Seconds(std::array{0.0, 0.2, 0.4, 0.5, 2.0, 100.0, 101.0, 101.5}[step]);
  }
  size_t Run(size_t step, absl::Time now, Out& out) {
    if (step == 4) {
      tunnel.OnLifeSign(now);
      return 0;
    }
    const Control message = Message(step);
    tunnel.OnPacket(now, message.bytes(), out);
    return message.bytes().size();
  }
  Control Message(size_t step) const {
    switch (step) {
      case 0:
        return Control(1, 0, 0).Avp16(2, 0x100).Avp32(3, 3).Text(7, "host").Avp16(9, 7);
      case 1:
        return Control(3, 1, 1).To(256);
      case 2:
        return Control(10, 2, 1).To(256).Avp16(14, 9).Avp32(15, 1);
      case 3:
        return Control(12, 3, 2).To(256, session).Avp32(24, 1000000).Avp32(19, 3);
      case 5:
        return Control(6, 4, 2).To(256);
      case 6:
        return Control(14, 5, 2).To(256, session).Avp16(1, 3).Avp16(14, 9);
      default:
        return Control(4, 6, 2).To(256).Avp16(9, 7).Avp16(1, 1);
    }
  }
  void Saw(stack::ByteView frame) {  // learns our session id from ICRP
    const auto header = stack::wire::L2tp::Parse(frame);
    if (!header.ok() || header->is_zlb()) return;
    const auto message = l2tp::ReadMessage(header->payload());
    if (message.ok() && message->assigned_session) session = message->assigned_session->value;
  }
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) {
    const stack::Bytes bad = BadMessage(dice);
    tunnel.OnPacket(now, bad, out);
  }
  bool IsOver() const { return tunnel.IsGone(); }

  test::FixedRng rng;
  Machine tunnel;
  uint16_t session = 0;
};

struct LacFixture : L2tpText {
  using Machine = l2tp::TunnelLac;
  using Out = l2tp::Out;
  static constexpr size_t kLargestAnswer = 128;

  explicit LacFixture(uint64_t seed)
      : rng(seed), tunnel(absl::UnixEpoch(), {}, l2tp::TunnelId{256}, rng) {}
  Machine& machine() { return tunnel; }
  size_t Steps() const { return 7; }
  absl::Duration At(size_t step) const {
    return absl::Seconds(std::array{0.0, 0.2, 0.3, 0.4, 0.5, 30.0, 31.0}[step]);
  }
  size_t Run(size_t step, absl::Time now, Out& out) {
    if (step == 0) tunnel.Start(now, out);
    if (step == 6) tunnel.Close(now, l2tp::Code(l2tp::StopCcnResult::kClear), out);
    if (step == 0 || step == 6) return 0;
    const Control message = Message(step);
    tunnel.OnPacket(now, message.bytes(), out);
    return message.bytes().size();
  }
  Control Message(size_t step) const {
    switch (step) {
      case 1:
        return Control(2, 0, 1).To(256).Avp16(2, 0x100).Avp32(3, 3).Text(7, "lns").Avp16(9, 7);
      case 2:
        return Control::Zlb(1, 3).To(256);
      case 3:
        return Control(11, 1, 3).To(256, session).Avp16(14, 9);
      case 4:
        return Control::Zlb(2, 4).To(256);
      default:
        return Control(6, 2, 4).To(256);
    }
  }
  void Saw(stack::ByteView frame) {  // learns its session id from ICRQ
    const auto header = stack::wire::L2tp::Parse(frame);
    if (!header.ok() || header->is_zlb()) return;
    const auto message = l2tp::ReadMessage(header->payload());
    if (message.ok() && message->assigned_session) session = message->assigned_session->value;
  }
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) {
    const stack::Bytes bad = BadMessage(dice);
    tunnel.OnPacket(now, bad, out);
  }
  // Before Start it waits for its owner, but not for ever.
  bool IsOver() const { return tunnel.IsGone(); }

  test::FixedRng rng;
  Machine tunnel;
  uint16_t session = 0;
};

TEST(L2tpLaws, TunnelLns) { CheckLaws<LnsFixture>(); }
TEST(L2tpLaws, TunnelLac) { CheckLaws<LacFixture>(); }

// The courses do lead through a whole life; else the laws would be kept by doing nothing.
TEST(L2tpLaws, TheCoursesReachTheEnd) {
  Course<LnsFixture> lns(1);
  lns.RunAll();
  lns.RunOut();
  Course<LacFixture> lac(1);
  lac.RunAll();
  lac.RunOut();
  const auto told = [](const auto& lines, const std::string& what) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const auto& line) { return line.find(what) != std::string::npos; });
  };
  for (const char* what : {"TunnelUp", "CallUp", "CallDown", "TunnelDown", "Gone"}) {
    EXPECT_TRUE(told(lns.lines(), what)) << what;
    EXPECT_TRUE(told(lac.lines(), what)) << what;
  }
}

}  // namespace
}  // namespace test::laws
