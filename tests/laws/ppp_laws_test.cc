// The seven laws on both halves of a PPP link, from the first Configure-Request to Terminate-Ack.
#include "tests/laws/machine_laws.h"
#include "tests/stack/ppp/script.h"

namespace test::laws {
namespace {

namespace ppp = stack::ppp;
using stack::wire::PppProtocol;

// Frames that no link may act upon: noise that is no LCP packet, broken lengths, broken options,
// answers to requests that were never sent, packets of layers that do not run.
// `carrier`: of the authentication that was agreed on; the other one is rejected, as it should be.
stack::Bytes BadFrame(test::FixedRng& dice, PppProtocol carrier = PppProtocol::kChap) {
  switch (dice.Below(6)) {
    case 0: {
      stack::Bytes noise(2 + dice.Below(80));
      dice.Fill(noise);
      noise[0] = std::byte{0xff};
      noise[1] = std::byte{0x04};  // no control field
      return noise;
    }
    case 1: {
      stack::Bytes cut = LcpPacket(1, 1, "01040578050611223344");
      cut.resize(dice.Below(cut.size()));
      return cut;
    }
    case 2:
      return LcpPacket(1, 1, dice.Below(2) == 0 ? "0100" : "01040578050711223344");
    case 3:
      return LcpPacket(static_cast<uint8_t>(2 + dice.Below(3)), 200, "01040578");
    case 4:
      return Control(carrier, static_cast<uint8_t>(dice.Below(2) == 0 ? 2 : 4), 250, "31");
    default:
      return LcpPacket(dice.Below(2) == 0 ? 12 : 11, 1, "11223344");
  }
}

struct ProofText {
  std::string operator()(const ppp::MsChapV2Proof& p) const {
    return absl::StrCat(stack::ToHex(p.challenge), " ", stack::ToHex(p.response.peer_challenge),
                        stack::ToHex(p.response.nt_response));
  }
  std::string operator()(const ppp::ChapMd5Proof& p) const {
    return absl::StrCat(p.id, stack::ToHex(p.challenge), " ", stack::ToHex(p.response));
  }
  std::string operator()(const ppp::PapProof& p) const { return stack::ToHex(p.password.view()); }
};

// Every field of an event, since EventText leaves some out.
struct PppText {
  template <class Event>
  std::string Text(const Event& event) const {
    std::string text = std::visit(EventText(), event);
    if constexpr (std::is_same_v<Event, ppp::LnsEvent>) {
      if (const auto* e = std::get_if<ppp::NeedVerify>(&event)) {
        text += absl::StrCat(" ", e->ticket, " ", std::visit(ProofText(), e->proof));
      }
    } else if (const auto* e = std::get_if<ppp::NeedResponse>(&event)) {
      text += absl::StrCat(" ", e->ticket, " ", e->id, " ", stack::ToHex(e->challenge));
    }
    return text;
  }
  template <class Event>
  bool IsDrop(const Event& event) const {
    return std::holds_alternative<stack::Drop>(event);
  }
};

// A login, one new negotiation, an end. Tickets count from 1 in the order of the questions.
struct LnsFixture : PppText {
  using Machine = ppp::LnsLink;
  using Event = ppp::LnsEvent;
  using Out = Machine::Out;
  // The answer to a duplicate Configure-Request in Opened is a request and an Ack; a Success is
  // longer than a Response.
  static constexpr size_t kLargestAnswer = 96;

  explicit LnsFixture(uint64_t seed, const ppp::LnsOptions& options = {})
      : rng(seed), link(options, rng) {
    link.Start(absl::UnixEpoch(), first);
    Saw(std::get<0>(first.items().at(0)).buf.bytes());
    first.Clear();
  }
  Machine& machine() { return link; }
  size_t Steps() const { return 12; }
  absl::Duration At(size_t step) const {
    return absl::Milliseconds(200 + 100 * static_cast<int64_t>(step));
  }
  size_t Run(size_t step, absl::Time now, Out& out) {
    const ppp::Assignment address{{0x0a63000a}, {0x0a630001}, {stack::Ip4{0x09090909}}};
    switch (step) {
      case 4:
        return link.OnVerified(now, 1, ppp::Accepted{kGoodResponse}, out), 0;
      case 5:
        return link.OnAddress(now, 2, address, out), 0;
      case 9:
        return link.OnLifeSign(now), 0;
      default:
        return Feed(Frame(step), now, out);
    }
  }
  size_t Feed(const stack::Bytes& frame, absl::Time now, Out& out) {
    link.OnPacket(now, frame, out);
    return frame.size();
  }
  stack::Bytes Frame(size_t step) {
    switch (step) {
      case 0:
        return LcpPacket(1, 1,
                         "01040578050611223344"
                         "0d0306");
      case 1:
        return LcpPacket(1, 2, "01040578050611223344");
      case 2:
        return AckOf(lcp_request);
      case 3:
        return Control(PppProtocol::kChap, 2, 1, "31" + std::string(98, '5') + "616c696365");
      case 6:
        return IpcpPacket(1, 1, "030600000000");
      case 7:
        return IpcpPacket(1, 2, "03060a63000a");
      case 8:
        return IpcpPacket(2, 1, "03060a630001");
      case 10:
        return LcpPacket(9, 7, "11223344");
      default:
        return LcpPacket(5, 8, "");
    }
  }
  void Saw(stack::ByteView frame) {
    const bool is_lcp_request =
        frame.size() > 4 && stack::Load32(frame.data()) == 0xff03c021 && frame[4] == std::byte{1};
    if (is_lcp_request) lcp_request = stack::ToBytes(frame);
  }
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) { Feed(BadFrame(dice), now, out); }
  void Stale(test::FixedRng& dice, absl::Time now, Out& out) {
    const auto ticket =
        static_cast<uint32_t>(100 + dice.Below(1000)) * static_cast<uint32_t>(dice.Below(2));
    link.OnVerified(now, ticket, ppp::Refused{}, out);
    link.OnAddress(now, ticket, ppp::NotAdmitted{}, out);
  }
  bool IsOver() const { return !link.is_up(); }

  test::FixedRng rng;
  stack::PacketPool pool{4, 1};
  Out first{pool};
  Machine link;
  stack::Bytes lcp_request;
};

struct ClientFixture : PppText {
  using Machine = ppp::ClientLink;
  using Event = ppp::ClientEvent;
  using Out = Machine::Out;
  static constexpr size_t kLargestAnswer = 96;

  explicit ClientFixture(uint64_t seed, const ppp::ClientOptions& options = {"alice", 1400, {}})
      : rng(seed), link(options, rng) {
    link.Start(absl::UnixEpoch(), first);
    Saw(std::get<0>(first.items().at(0)).buf.bytes());
    first.Clear();
  }
  Machine& machine() { return link; }
  size_t Steps() const { return 11; }
  absl::Duration At(size_t step) const {
    return absl::Milliseconds(200 + 100 * static_cast<int64_t>(step));
  }
  size_t Run(size_t step, absl::Time now, Out& out) {
    switch (step) {
      case 4:
        return link.OnResponse(now, 1, stack::wire::MsChapV2Response{}, out), 0;
      case 6:
        return link.OnSuccessChecked(now, 2, true, out), 0;
      default:
        return Feed(Frame(step), now, out);
    }
  }
  size_t Feed(const stack::Bytes& frame, absl::Time now, Out& out) {
    link.OnPacket(now, frame, out);
    return frame.size();
  }
  stack::Bytes Frame(size_t step) {
    switch (step) {
      case 0:
        return LcpPacket(1, 1, "0304c023050611223344");
      case 1:
        return LcpPacket(1, 2, "0305c22381050611223344");
      case 2:
        return AckOf(lcp_request);
      case 3:
        return Control(PppProtocol::kChap, 1, 1, "10" + std::string(32, '7') + "616469");
      case 5:
        return Control(PppProtocol::kChap, 3, 1, stack::ToHex(stack::AsBytes(kGoodResponse)));
      case 7:
        return IpcpPacket(3, 1, "03060a63000a810609090909");
      case 8:
        return IpcpPacket(1, 1, "03060a630001");
      case 9:
        return IpcpPacket(2, 2, "03060a63000a810609090909830600000000");
      default:
        return LcpPacket(5, 8, "");
    }
  }
  void Saw(stack::ByteView frame) {
    const bool is_lcp_request =
        frame.size() > 4 && stack::Load32(frame.data()) == 0xff03c021 && frame[4] == std::byte{1};
    if (is_lcp_request) lcp_request = stack::ToBytes(frame);
  }
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) { Feed(BadFrame(dice), now, out); }
  void Stale(test::FixedRng& dice, absl::Time now, Out& out) {
    const auto ticket =
        static_cast<uint32_t>(100 + dice.Below(1000)) * static_cast<uint32_t>(dice.Below(2));
    link.OnResponse(now, ticket, ppp::ChapMd5Response{}, out);
    link.OnSuccessChecked(now, ticket, false, out);
  }
  bool IsOver() const { return !link.is_up(); }

  test::FixedRng rng;
  stack::PacketPool pool{4, 1};
  Out first{pool};
  Machine link;
  stack::Bytes lcp_request;
};

// The same with PAP, which the client demands by a Nak.
struct LnsPapFixture : LnsFixture {
  explicit LnsPapFixture(uint64_t seed) : LnsFixture(seed, kEither) {}
  static inline const ppp::LnsOptions kEither = {
      .timing = {}, .authentication = {ppp::AuthProtocol::kMsChapV2, ppp::AuthProtocol::kPap}};
  size_t Run(size_t step, absl::Time now, Out& out) {
    if (step == 0) return Feed(LcpPacket(3, 1, "0304c023"), now, out);
    if (step == 3) {
      return Feed(Control(PppProtocol::kPap, 1, 1, "05616c69636503707764"), now, out);
    }
    if (step == 4) return link.OnVerified(now, 1, ppp::Accepted{}, out), 0;
    return LnsFixture::Run(step, now, out);
  }
};

struct ClientPapFixture : ClientFixture {
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) {
    Feed(BadFrame(dice, PppProtocol::kPap), now, out);
  }
  explicit ClientPapFixture(uint64_t seed)
      : ClientFixture(seed, {"alice", 1400, {}, {ppp::AuthProtocol::kPap}}) {}
  size_t Run(size_t step, absl::Time now, Out& out) {
    switch (step) {
      case 0:
        return Feed(LcpPacket(1, 1, "0305c22381050611223344"), now, out);
      case 1:
        return Feed(LcpPacket(1, 2, "0304c023050611223344"), now, out);
      case 3:
        return Feed(Control(PppProtocol::kPap, 3, 9, "00"), now, out);  // to nothing of ours
      case 4:
        return link.OnResponse(now, 1, ppp::Password(stack::AsBytes("pwd")), out), 0;
      case 5:
        return Feed(Control(PppProtocol::kPap, 2, 1, "00"), now, out);
      case 6:
        return 0;
      default:
        return ClientFixture::Run(step, now, out);
    }
  }
};

TEST(PppLaws, LnsLink) { CheckLaws<LnsFixture>(); }
TEST(PppLaws, LnsLinkWithPap) { CheckLaws<LnsPapFixture>(); }
TEST(PppLaws, ClientLinkWithPap) { CheckLaws<ClientPapFixture>(); }
TEST(PppLaws, ClientLink) { CheckLaws<ClientFixture>(); }

// The courses do lead through a whole life; else the laws would be kept by doing nothing.
TEST(PppLaws, TheCoursesReachTheEnd) {
  Course<LnsFixture> lns(1);
  lns.RunAll();
  Course<ClientFixture> client(1);
  client.RunAll();
  Course<LnsPapFixture> lns_pap(1);
  lns_pap.RunAll();
  Course<ClientPapFixture> client_pap(1);
  client_pap.RunAll();
  const auto told = [](const auto& lines, const std::string& what) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const auto& line) { return line.find(what) != std::string::npos; });
  };
  for (const char* what :
       {"step lcp_opened", "step authenticated", "Up 10.99.0.10", "Down peer_terminated"}) {
    EXPECT_TRUE(told(lns.lines(), what)) << what;
    EXPECT_TRUE(told(client.lines(), what)) << what;
    EXPECT_TRUE(told(lns_pap.lines(), what)) << what;
    EXPECT_TRUE(told(client_pap.lines(), what)) << what;
  }
}

}  // namespace
}  // namespace test::laws
