// Are the laws any good? A small machine keeps them all, and each mutation of it breaks one: the
// check of that law must say so.
#include <memory>
#include <optional>

#include "stack/base/drop.h"
#include "tests/laws/machine_laws.h"

namespace test::laws {
namespace {

enum class Fault {
  kNone,
  kAmbient,         // 1: remembers something outside itself
  kEarly,           // 2: acts on any OnDeadline
  kStuck,           // 3: leaves a deadline that is due
  kEndless,         // 3: never gives up
  kNoNext,          // 3: leaves a second deadline due when it is late
  kTalksToRubbish,  // 4: answers what does not parse
  kSilentRubbish,   // 4: drops without a name
  kDisturbed,       // 4: loses its state over it
  kManyAnswers,     // 5: four frames for a duplicate
  kLargeAnswer,     // 5: more octets out than in
  kUnasked,         // 5: resends to one it does not know yet
  kHoards,          // 5: keeps a buffer for each duplicate
  kClearsList,      // 6: takes back what it said before
  kTrustsTickets,   // 7: takes any answer
};

struct NeedKey {
  uint32_t ticket;
};
struct Gone {};
using Event = std::variant<NeedKey, Gone, stack::Drop>;

int ambient = 0;

// A door: "K<n>" knocks and asks for a key; the answer opens it and is sent as "O<key>"; a knock
// that is heard again gets it again; three HELLOs "H" later it gives up. A stranger (before the
// key) gets nothing.
template <Fault kFault>
class Door {
 public:
  using In = stack::ByteView;
  using Out = stack::Outbox<Event>;

  Door(absl::Time now, stack::Rng& rng) : rng_(rng), next_(now + absl::Seconds(5)) {}

  void OnPacket(absl::Time now, const In& in, Out& out) {
    if (in.size() != 4 || in[0] != std::byte{'K'}) return OnRubbish(out);
    if (kFault == Fault::kClearsList) out.Clear();
    if (over_) return out.Tell(stack::Drop::kPeerGone);
    if (key_) return Answer(out);
    if (!ticket_) ticket_ = rng_.U32();
    out.Tell(NeedKey{*ticket_});
    next_ = now + absl::Seconds(5);
  }
  void OnKey(absl::Time now, uint32_t ticket, uint32_t key, Out& out) {
    if (kFault != Fault::kTrustsTickets && ticket_ != ticket) return;
    ticket_.reset();
    key_ = key;
    Answer(out);
    next_ = now + absl::Seconds(5);
  }
  void OnDeadline(absl::Time now, Out& out) {
    if (kFault != Fault::kEarly && next_ > now) return;
    const absl::Time due = next_;
    const bool tired = !key_ || ++hellos_ > 3;
    if (kFault == Fault::kUnasked && !key_) Send('H', 1, out);
    if (tired && kFault != Fault::kEndless) return End(out);
    Send('H', 1, out);
    next_ = kFault == Fault::kStuck ? now : now + absl::Seconds(5);
    if (kFault == Fault::kNoNext) next_ = due + absl::Seconds(5);
    if (kFault == Fault::kStuck && ++stuck_ > 3) End(out);
  }
  absl::Time NextDeadline() const { return next_; }
  bool over() const { return over_; }

 private:
  void OnRubbish(Out& out) {
    if (kFault == Fault::kTalksToRubbish) Send('?', 1, out);
    if (kFault == Fault::kDisturbed) key_.reset();
    if (kFault != Fault::kSilentRubbish) out.Tell(stack::Drop::kIkeMalformed);
  }
  void Answer(Out& out) {
    for (int i = kFault == Fault::kManyAnswers ? 0 : 3; i < 4; ++i) {
      Send('O', kFault == Fault::kLargeAnswer ? 5 : kFault == Fault::kManyAnswers ? 1 : 4, out);
    }
    if (kFault == Fault::kHoards) hoard_.push_back(out.pool().Get());
  }
  void Send(char letter, size_t size, Out& out) {
    stack::PacketBuf* frame = out.Frame(16);
    if (frame == nullptr) return;
    stack::Writer writer(frame->Append(size));
    writer.U8(static_cast<uint8_t>(letter));
    if (size > 3) writer.U16(static_cast<uint16_t>(key_.value_or(0)));
    writer.Zeros(size - writer.used());
    if (kFault == Fault::kAmbient) frame->bytes()[0] = static_cast<std::byte>(ambient++);
  }
  void End(Out& out) {
    over_ = true;
    next_ = absl::InfiniteFuture();
    out.Tell(Gone{});
  }

  stack::Rng& rng_;
  absl::Time next_;
  std::optional<uint32_t> ticket_, key_;
  int hellos_ = 0, stuck_ = 0;
  bool over_ = false;
  std::vector<stack::PacketBuf> hoard_;
};

template <Fault kFault>
struct DoorFixture {
  using Machine = Door<kFault>;
  using Event = laws::Event;
  using Out = typename Machine::Out;
  static constexpr size_t kUnauthenticatedSteps = 1;

  explicit DoorFixture(uint64_t seed) : rng(seed), door(absl::UnixEpoch(), rng) {}
  Machine& machine() { return door; }
  size_t Steps() const { return 3; }
  absl::Duration At(size_t step) const { return absl::Seconds(static_cast<int64_t>(step)); }
  size_t Run(size_t step, absl::Time now, Out& out) {
    if (step == 1) {
      door.OnKey(now, ticket, 42, out);
      return 0;
    }
    door.OnPacket(now, stack::AsBytes("Kxyz"), out);
    return 4;
  }
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) {
    stack::Bytes bytes(dice.Below(4));
    dice.Fill(bytes);
    door.OnPacket(now, bytes, out);
  }
  void Stale(test::FixedRng& dice, absl::Time now, Out& out) {
    door.OnKey(now, dice.U32(), 7, out);
  }
  std::string Text(const Event& event) const {
    if (const auto* need = std::get_if<NeedKey>(&event)) {
      ticket = need->ticket;
      return absl::StrCat("key? ", need->ticket);
    }
    return absl::StrCat("event ", event.index());
  }
  bool IsDrop(const Event& event) const { return event.index() == 2; }
  bool IsOver() const { return door.over(); }

  test::FixedRng rng;
  Machine door;
  mutable uint32_t ticket = 0;
};

// A machine that may ask for ever, at its own pace of 5 s or not.
template <int kSeconds>
struct EndlessFixture : DoorFixture<Fault::kEndless> {
  static constexpr absl::Duration kEndlessPause = absl::Seconds(kSeconds);
  using DoorFixture<Fault::kEndless>::DoorFixture;
};

TEST(MachineLaws, AreKeptByAMachineThatKeepsThem) { CheckLaws<DoorFixture<Fault::kNone>>(); }

TEST(MachineLaws, LetAMachineAskForEverIfItAsksSeldom) {
  EXPECT_EQ(Progress<EndlessFixture<5>>(1), "");
  EXPECT_EQ(Progress<EndlessFixture<6>>(1).substr(0, 14), "asks too often");
}

TEST(MachineLaws, EachMutationIsCaughtByItsLaw) {
  EXPECT_NE(NoAmbientWorld<DoorFixture<Fault::kAmbient>>(1), "");
  EXPECT_NE(EarlyIsHarmless<DoorFixture<Fault::kEarly>>(1), "");
  EXPECT_NE(Progress<DoorFixture<Fault::kStuck>>(1), "");
  EXPECT_NE(Progress<DoorFixture<Fault::kEndless>>(1), "");
  EXPECT_NE(Progress<DoorFixture<Fault::kNoNext>>(1), "");
  EXPECT_NE(RubbishIsInert<DoorFixture<Fault::kTalksToRubbish>>(1), "");
  EXPECT_NE(RubbishIsInert<DoorFixture<Fault::kSilentRubbish>>(1), "");
  EXPECT_NE(RubbishIsInert<DoorFixture<Fault::kDisturbed>>(1), "");
  EXPECT_NE(NoAmplification<DoorFixture<Fault::kManyAnswers>>(1), "");
  EXPECT_NE(NoAmplification<DoorFixture<Fault::kLargeAnswer>>(1), "");
  EXPECT_NE(NoAmplification<DoorFixture<Fault::kUnasked>>(1), "");
  EXPECT_NE(NoAmplification<DoorFixture<Fault::kHoards>>(1), "");
  EXPECT_NE(OnlyAppends<DoorFixture<Fault::kClearsList>>(1), "");
  EXPECT_NE(StaleAnswersAreInert<DoorFixture<Fault::kTrustsTickets>>(1), "");
}

}  // namespace
}  // namespace test::laws
