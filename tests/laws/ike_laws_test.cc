// The seven laws on IKE: the responder and its Main Mode under a login by our initiator through a
// NAT, and the initiator under the answers of our responder; from the first message over a Quick
// Mode with PFS and dead peer detection to the DELETE of phase 1.
//
// Key agreements are made up: both ends are given the same "secret", so that nothing is random.
#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "crypto/ike/initiator.h"
#include "crypto/ike/main_mode.h"
#include "crypto/ike/payload.h"
#include "crypto/ike/responder.h"
#include "tests/laws/machine_laws.h"

namespace test::laws {
namespace {

namespace ike = crypto::ike;
using crypto::Secret;
using stack::Drop;

constexpr stack::Ip4 kServerIp{0xcb007101}, kInsideIp{0xc0a8320a}, kNatIp{0xcb007102};
constexpr uint16_t kNatOffset = 1000;  // added to the client's port

std::shared_ptr<const crypto::DhKeyPair> Pair() {
  static const auto pair = std::make_shared<const crypto::DhKeyPair>(
      *crypto::LoadDh(crypto::Group::kModp2048, stack::Bytes(32, std::byte{0x5a})));
  return pair;
}
Secret Shared() { return Secret(stack::AsBytes("agreed upon")); }
ike::DhAnswer DhAnswerTo(ike::Ticket ticket) {
  return {ticket, ike::DhAnswer::Outcome::kDone, stack::ToBytes(Pair()->public_value()), Shared()};
}
std::shared_ptr<const ike::PskStore> Psks() {
  auto psks = std::make_shared<ike::PskStore>();
  psks->SetWildcard(Secret(stack::AsBytes("psk")));
  return psks;
}
ike::InitiatorOptions ClientOptions() {
  auto options = ike::InitiatorOptions::Default(Secret(stack::AsBytes("psk")));
  options.pfs_group = crypto::Group::kModp2048;
  return options;
}
std::string Hex(const Secret& secret) { return stack::ToHex(secret.view()); }
std::string Text(const ike::Path& path) { return path.local.Text() + "-" + path.remote.Text(); }

// The tickets of the last questions, and how to say an event with all that is in it.
struct IkeText {
  using Event = ike::Event;
  using Out = ike::Out;

  std::string Text(const Event& event) const {
    return absl::StrCat(event.index(), " ",
                        std::visit([this](const auto& e) { return Say(e); }, event));
  }
  // A notice that somebody sent garbage in place of MM5 is no more than a counter.
  bool IsDrop(const Event& event) const {
    return std::holds_alternative<Drop>(event) ||
           std::holds_alternative<ike::WrongPskSuspected>(event);
  }

  std::string Say(const Drop& e) const { return std::string(stack::NameOf(e)); }
  std::string Say(const ike::NeedDh& e) const {
    dh = e.ticket;
    return absl::StrCat("dh? ", e.ticket, " ", stack::ToHex(e.peer_public), " ", e.established);
  }
  std::string Say(const ike::NeedKeyPair& e) const {
    pair = e.ticket;
    return absl::StrCat("pair? ", e.ticket);
  }
  std::string Say(const ike::NeedAgreement& e) const {
    dh = e.ticket;
    return absl::StrCat("agreement? ", e.ticket, " ", stack::ToHex(e.peer_public));
  }
  std::string Say(const ike::NeedSpi& e) const {
    spi = e.ticket;
    return absl::StrCat("spi? ", e.ticket, " ", e.idci.Text(), " ", e.idcr.Text(), " ",
                        laws::Text(e.path));
  }
  std::string Say(const ike::Step& e) const {
    return absl::StrCat("step ", e.what.index(), " ", e.sa.cookie, " ", laws::Text(e.path));
  }
  std::string Say(const ike::PhaseOneUp& e) const {
    return absl::StrCat("up ", e.sa.cookie, " ", laws::Text(e.path), " ", e.peer.Text(), " ",
                        ike::Text(e.suite), " ", absl::FormatTime(e.expires));
  }
  std::string Say(const ike::KeyLog& e) const {
    return absl::StrCat("key ", e.sa.cookie, " ", e.initiator_cookie, " ", Hex(e.key));
  }
  std::string Say(const ike::PhaseOneFailed& e) const {
    ended = true;
    return absl::StrCat("failed ", e.sa.cookie, " ", std::string(ike::NameOf(e.why)));
  }
  std::string Say(const ike::PhaseOneGone& e) const {
    ended = true;
    return absl::StrCat("gone ", e.sa.cookie, " ", static_cast<int>(e.why));
  }
  std::string Say(const ike::ChildReady& e) const {
    return absl::StrCat("child ready ", e.message_id, " ", e.spi_in.value, " ", e.spi_out.value,
                        " ", ike::Text(e.suite), " ", Hex(e.in.cipher), " ", Hex(e.in.auth), " ",
                        Hex(e.out.cipher), " ", Hex(e.out.auth), " ", laws::Text(e.path));
  }
  std::string Say(const ike::ChildUp& e) const { return absl::StrCat("child up ", e.spi_in.value); }
  std::string Say(const ike::ChildFailed& e) const {
    return absl::StrCat("child failed ", e.message_id, " ", std::string(ike::NameOf(e.why)));
  }
  std::string Say(const ike::ChildDeleted& e) const {
    std::string text = "child deleted";
    for (const ike::EspSpi spi_out : e.spi_out) absl::StrAppend(&text, " ", spi_out.value);
    return text;
  }
  std::string Say(const ike::PathChanged& e) const { return "path " + laws::Text(e.path); }
  std::string Say(const ike::PeerAlive&) const { return "alive"; }
  std::string Say(const ike::PeerDead&) const { return "dead"; }
  std::string Say(const ike::WrongPskSuspected&) const { return "wrong key?"; }
  std::string Say(const ike::InitialContact&) const { return "initial contact"; }

  mutable ike::Ticket dh = 0, pair = 0, spi = 0;
  mutable bool ended = false;
};

// The other end, which answers at once. Its questions are answered on the spot, its deadlines never
// come: what it says is kept, and said again by the fixture.
template <class M>
class Peer {
 public:
  template <class... A>
  explicit Peer(uint64_t seed, A&&... args)
      : rng_(seed + 1000), machine(absl::UnixEpoch(), std::forward<A>(args)..., rng_) {}

  // Does it, and gives the last message that came of it; empty if there is none.
  template <class Do>
  stack::Bytes After(absl::Time now, Do&& what) {
    stack::Bytes last;
    what(machine, out_);
    while (!out_.empty()) {
      auto items = std::move(out_.items());
      out_.Clear();
      for (auto& item : items) {
        if (auto* frame = std::get_if<0>(&item)) last = stack::ToBytes(frame->buf.bytes());
        if (auto* event = std::get_if<1>(&item)) Answer(now, *event);
      }
    }
    return last;
  }

 private:
  void Answer(absl::Time now, const ike::Event& event) {
    if (const auto* e = std::get_if<ike::NeedDh>(&event)) {
      machine.OnDh(now, DhAnswerTo(e->ticket), out_);
    } else if (const auto* agree = std::get_if<ike::NeedAgreement>(&event)) {
      machine.OnDh(now, DhAnswerTo(agree->ticket), out_);
    } else if (const auto* need = std::get_if<ike::NeedSpi>(&event)) {
      machine.OnSpi(now, {need->ticket, {0x2000}}, out_);
    } else if constexpr (requires { machine.OnKeyPair(now, ike::KeyPairAnswer{}, out_); }) {
      if (const auto* key = std::get_if<ike::NeedKeyPair>(&event)) {
        machine.OnKeyPair(now, {key->ticket, Pair()}, out_);
      }
    } else if (const auto* up = std::get_if<ike::PhaseOneUp>(&event)) {
      id = up->sa;
    }
  }

  FixedRng rng_;
  stack::PacketPool pool_{64, 4};
  ike::Out out_{pool_};

 public:
  M machine;
  ike::PhaseOneId id;  // of the responder
};

// What both courses have in common: every message is made once, by the peer, from what the machine
// has sent up to then.
template <class P>
class IkeCourse : public IkeText {
 public:
  template <class... A>
  explicit IkeCourse(uint64_t seed, A&&... args)
      : rng(seed), peer(seed, std::forward<A>(args)...) {}

  void Saw(stack::ByteView frame) { inbox.push_back(stack::ToBytes(frame)); }

 protected:
  // Gives the peer all that the machine sent, and then does `what`, to get the message of `step`.
  template <class Do>
  const stack::Bytes& Message(size_t step, absl::Time now, const stack::Datagram& way, Do&& what) {
    if (const auto made = messages.find(step); made != messages.end()) return made->second;
    stack::Bytes message = peer.After(now, [&](auto& machine, auto& out) {
      for (const stack::Bytes& bytes : std::exchange(inbox, {})) {
        machine.OnPacket(now, {bytes, way.from, way.to}, out);
      }
      what(machine, out);
    });
    EXPECT_FALSE(message.empty()) << "step " << step;
    return messages[step] = std::move(message);
  }

  // A message that nobody may act upon: noise, cut ones, other cookies, other exchanges, a first
  // message without SA, garbage in place of ciphertext, a genuine one with its HASH disturbed.
  stack::Bytes Bad(FixedRng& dice) const {
    stack::Bytes bad = Genuine(dice);
    const bool encrypted = bad[19] == std::byte{1};
    switch (dice.Below(7)) {
      case 0:
        bad.resize(dice.Below(80));
        dice.Fill(bad);
        break;
      case 1:
        bad.resize(dice.Below(bad.size()));
        break;
      case 2:
        bad[dice.Below(8)] ^= std::byte{0x10};
        bad[8 + dice.Below(8)] ^= std::byte{0x10};
        break;
      case 3:
        bad[18] = static_cast<std::byte>(40 + dice.Below(200));
        break;
      case 4:
        return NoSa();
      case 5:
        return Garbage(dice, stack::ByteView(bad).first(16));
      default:
        if (!encrypted) return NoSa();
        bad[28 + dice.Below(16)] ^= std::byte{4};
    }
    return bad;
  }

  FixedRng rng;
  Peer<P> peer;
  std::vector<stack::Bytes> inbox;
  std::map<size_t, stack::Bytes> messages;

 private:
  stack::Bytes Genuine(FixedRng& dice) const {
    if (messages.empty()) return NoSa();
    return std::next(messages.begin(), static_cast<ptrdiff_t>(dice.Below(messages.size())))->second;
  }
  static stack::Bytes NoSa() {
    ike::PayloadList payloads;
    payloads.Add(ike::PayloadType::kVendorId, stack::AsBytes("sixteen octets.."));
    return ike::ClearMessage({77, 0}, ike::ExchangeType::kIdentityProtection, 0, payloads);
  }
  static stack::Bytes Garbage(FixedRng& dice, stack::ByteView cookies) {
    stack::Bytes message(28 + 16 * (1 + dice.Below(8)));
    dice.Fill(message);
    std::copy(cookies.begin(), cookies.end(), message.begin());
    message[16] = std::byte{8};
    message[17] = std::byte{0x10};
    const uint8_t exchange = std::array<uint8_t, 3>{2, 5, 32}[dice.Below(3)];
    message[18] = static_cast<std::byte>(exchange);
    message[19] = std::byte{1};
    if (exchange == 2) stack::Store32(message.data() + 20, 0);
    stack::Store32(message.data() + 24, static_cast<uint32_t>(message.size()));
    return message;
  }
};

uint16_t PortAt(bool floated) { return floated ? ike::kFloatedPort : ike::kIkePort; }
stack::Datagram ToClient(bool floated) {
  const uint16_t port = PortAt(floated);
  return {{}, {kServerIp, port}, {kInsideIp, port}};
}
stack::Datagram ToServer(bool floated) {
  const uint16_t port = PortAt(floated);
  return {{}, {kNatIp, static_cast<uint16_t>(port + kNatOffset)}, {kServerIp, port}};
}
const ike::Path kFromInside{{kInsideIp, ike::kIkePort}, {kServerIp, ike::kIkePort}};

absl::Duration StepTime(size_t step, size_t quiet) {
  const auto n = static_cast<int64_t>(step);
  return absl::Milliseconds(200) * n +
         (step < quiet ? absl::ZeroDuration() : absl::Seconds(20) * n);
}

// ---- The responder's side
// ------------------------------------------------------------------------

// The client of the responder's courses.
class ClientCourse : public IkeCourse<ike::Initiator> {
 protected:
  explicit ClientCourse(uint64_t seed) : IkeCourse(seed, ClientOptions(), kFromInside) {
    options.psks = Psks();
    options.keylog = true;
  }
  // Main Mode: 0 MM1, 1 MM3, 3 MM5. Then 4 QM1, 7 QM3, 8 R-U-THERE, 10 its ACK, 12 DELETE of the
  // child, 13 DELETE of phase 1.
  const stack::Bytes& ClientMessage(size_t step, absl::Time now) {
    const auto way = ToClient(step > 3);
    return Message(step, now, way, [&](ike::Initiator& client, ike::Out& out) {
      if (step == 0) client.Start(now, out);
      if (step == 4) client.StartQuickMode(now, out);
      if (step == 8) client.StartDpd(now, out);
      if (step == 12) client.DeleteChild(now, {0x2000}, out);
      if (step == 13) client.DeletePhase1(now, out);
    });
  }
  template <class M>
  size_t Feed(M& machine, size_t step, absl::Time now, Out& out) {
    stack::Datagram in = ToServer(step >= 3);
    in.bytes = ClientMessage(step, now);
    machine.OnPacket(now, in, out);
    return in.bytes.size();
  }
  template <class M>
  void FeedBad(M& machine, FixedRng& dice, absl::Time now, Out& out) const {
    const stack::Bytes bad = Bad(dice);
    stack::Datagram in = ToServer(dice.Below(2) == 0);
    in.bytes = bad;
    machine.OnPacket(now, in, out);
  }

  ike::Options options;
};

struct ResponderFixture : ClientCourse {
  using Machine = ike::Responder;
  static constexpr size_t kUnauthenticatedSteps = 3;

  explicit ResponderFixture(uint64_t seed)
      : ClientCourse(seed), responder(absl::UnixEpoch(), options, rng) {}
  Machine& machine() { return responder; }
  size_t Steps() const { return 14; }
  absl::Duration At(size_t step) const { return StepTime(step, 8); }
  size_t Run(size_t step, absl::Time now, Out& out) {
    switch (step) {
      case 2:
      case 6:
        return responder.OnDh(now, DhAnswerTo(dh), out), 0;
      case 5:
        return responder.OnSpi(now, {spi, {0x1000}}, out), 0;
      case 9:
        EXPECT_TRUE(responder.StartDpd(now, Id(), out));
        return 0;
      case 11:
        return responder.DeleteChild(now, Id(), {0x1000}, out), 0;
      default:
        return Feed(responder, step, now, out);
    }
  }
  void Rubbish(FixedRng& dice, absl::Time now, Out& out) { FeedBad(responder, dice, now, out); }
  // Invented tickets, used ones, and commands for a phase 1 that never was.
  void Stale(FixedRng& dice, absl::Time now, Out& out) {
    const ike::Ticket none = dice.Below(2) == 0 ? 0 : 1000 + dice.Below(1000);
    responder.OnDh(now, DhAnswerTo(none), out);
    responder.OnSpi(now, {none, {0x3000}}, out);
    if (responder.established() > 0) responder.OnDh(now, DhAnswerTo(1), out);
    const ike::PhaseOneId nobody{dice.Next()};
    responder.DeleteChild(now, nobody, {0x1000}, out);
    responder.DeletePhase1(now, nobody, out);
    EXPECT_FALSE(responder.StartDpd(now, nobody, out));
    responder.OnEspSeen(now, nobody, {0x1000});
  }
  bool IsOver() const { return responder.half_open() == 0 && responder.established() == 0; }
  ike::PhaseOneId Id() const { return {stack::Load64(messages.at(1).data() + 8)}; }

  Machine responder;
};

struct MainModeFixture : ClientCourse {
  using Machine = ike::MainMode;
  static constexpr size_t kUnauthenticatedSteps = 3;

  explicit MainModeFixture(uint64_t seed)
      : ClientCourse(seed), main_mode(absl::UnixEpoch(), {0x99}, options, tickets, rng) {}
  Machine& machine() { return main_mode; }
  size_t Steps() const { return 4; }
  absl::Duration At(size_t step) const { return StepTime(step, 8); }
  size_t Run(size_t step, absl::Time now, Out& out) {
    if (step != 2) return Feed(main_mode, step, now, out);
    return main_mode.OnDh(now, DhAnswerTo(dh), out), 0;
  }
  void Rubbish(FixedRng& dice, absl::Time now, Out& out) { FeedBad(main_mode, dice, now, out); }
  void Stale(FixedRng& dice, absl::Time now, Out& out) {
    main_mode.OnDh(now, DhAnswerTo(dice.Below(2) == 0 ? 0 : 1000 + dice.Below(1000)), out);
    if (main_mode.up()) main_mode.OnDh(now, DhAnswerTo(dh), out);
  }
  bool IsOver() const { return main_mode.up() || main_mode.failed(); }

  ike::Tickets tickets;
  Machine main_mode;
};

// ---- The initiator's side
// ------------------------------------------------------------------------

struct PskOfServer {
  PskOfServer() { options.psks = Psks(); }
  ike::Options options;
};

struct InitiatorFixture : private PskOfServer, IkeCourse<ike::Responder> {
  using Machine = ike::Initiator;

  explicit InitiatorFixture(uint64_t seed)
      : IkeCourse(seed, options), initiator(absl::UnixEpoch(), ClientOptions(), kFromInside, rng) {}
  Machine& machine() { return initiator; }
  size_t Steps() const { return 17; }
  absl::Duration At(size_t step) const { return StepTime(step, 11); }
  size_t Run(size_t step, absl::Time now, Out& out) {
    started = true;
    switch (step) {
      case 0:
        return initiator.Start(now, out), 0;
      case 2:
      case 8:
        return initiator.OnKeyPair(now, {pair, Pair()}, out), 0;
      case 4:
      case 10:
        return initiator.OnDh(now, DhAnswerTo(dh), out), 0;
      case 6:
        EXPECT_NE(initiator.StartQuickMode(now, out), 0U);
        return 0;
      case 7:
        return initiator.OnSpi(now, {spi, {0x1000}}, out), 0;
      case 12:
        EXPECT_TRUE(initiator.StartDpd(now, out));
        return 0;
      case 14:
        return initiator.DeleteChild(now, {0x1000}, out), 0;
      default:
        return Feed(step, now, out);
    }
  }
  // 1 MM2, 3 MM4, 5 MM6, 9 QM2, 11 R-U-THERE, 13 its ACK, 15 DELETE of the child, 16 DELETE of
  // phase 1.
  size_t Feed(size_t step, absl::Time now, Out& out) {
    const bool floated = step >= 5;
    stack::Datagram in = ToClient(floated);
    in.bytes = Message(step, now, ToServer(floated), [&](ike::Responder& server, ike::Out& to) {
      if (step == 11) server.StartDpd(now, peer.id, to);
      if (step == 15) server.DeleteChild(now, peer.id, {0x2000}, to);
      if (step == 16) server.DeletePhase1(now, peer.id, to);
    });
    initiator.OnPacket(now, in, out);
    return in.bytes.size();
  }
  void Rubbish(FixedRng& dice, absl::Time now, Out& out) {
    const stack::Bytes bad = Bad(dice);
    stack::Datagram in = ToClient(dice.Below(2) == 0);
    in.bytes = bad;
    initiator.OnPacket(now, in, out);
  }
  void Stale(FixedRng& dice, absl::Time now, Out& out) {
    const ike::Ticket none = dice.Below(2) == 0 ? 0 : 1000 + dice.Below(1000);
    initiator.OnKeyPair(now, {none, Pair()}, out);
    initiator.OnDh(now, DhAnswerTo(none), out);
    initiator.OnSpi(now, {none, {0x3000}}, out);
    if (initiator.sa() != nullptr) initiator.OnDh(now, DhAnswerTo(2), out);
  }
  bool IsOver() const { return ended || !started; }

  Machine initiator;
  bool started = false;
};

TEST(IkeLaws, Responder) { CheckLaws<ResponderFixture>(); }
TEST(IkeLaws, MainMode) { CheckLaws<MainModeFixture>(); }
TEST(IkeLaws, Initiator) { CheckLaws<InitiatorFixture>(); }

// The courses do lead through a whole life; else the laws would be kept by doing nothing.
TEST(IkeLaws, TheCoursesReachTheEnd) {
  Course<ResponderFixture> responder(1);
  responder.RunAll();
  Course<MainModeFixture> main_mode(1);
  main_mode.RunAll();
  Course<InitiatorFixture> initiator(1);
  initiator.RunAll();
  const auto told = [](const auto& course, const std::string& what) {
    return std::any_of(course.lines().begin(), course.lines().end(),
                       [&](const auto& line) { return line.find(what) != std::string::npos; });
  };
  EXPECT_TRUE(told(main_mode, " up "));
  for (const char* what : {" up ", "child ready", "child up", "alive", "child deleted", "gone"}) {
    EXPECT_TRUE(told(responder, what)) << what;
    EXPECT_TRUE(told(initiator, what)) << what;
  }
}

}  // namespace
}  // namespace test::laws
