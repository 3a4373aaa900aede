// The seven laws of the sans-IO machines, to be run on each of them.
//
//   1 no ambient world     the same script and seed give the same octets, events and times
//
//   2 early is harmless    OnDeadline before NextDeadline changes nothing
//
//   3 progress             after OnDeadline(now), on time or late, NextDeadline > now; fed only
//                          deadlines, a machine ends
//
//   4 rubbish is inert     input that does not parse or authenticate changes only counters
//
//   5 no amplification     bounded answers to duplicates, no answer larger than allowed, bounded
//                          queues
//
//   6 one call, then drain a machine appends to the outbox and does not touch what is in it
//
//   7 questions            an answer to an unknown or late ticket is inert
//
// A machine is brought by a fixture, which also plays its peer:
//
// clang-format off
//   struct Fixture {
//     using Machine = ...;                 // a stack::Machine
//     using Event = ...;                   // of Machine::Out
//     explicit Fixture(uint64_t seed);     // a fresh machine, which begins at absl::UnixEpoch(); its Rng from the seed
//     Machine& machine();
//     size_t Steps() const;                // a valid course of its life, or a part of it
//     absl::Duration At(size_t step) const;                                   // since the beginning, never back
//     size_t Run(size_t step, absl::Time now, Machine::Out& out);             // feeds an input or gives a command;
//                                          // the octets fed, 0 for a command. Called again for an input, it feeds
//                                          // the same octets again.
//     void Rubbish(test::FixedRng& dice, absl::Time now, Machine::Out& out);  // feeds one bad input
//     std::string Text(const Event& event) const;                             // all there is in it
//     bool IsDrop(const Event& event) const;
//     bool IsOver();                       // ended, or at rest where it may rest for ever
//
//     void Saw(stack::ByteView frame);     // optional: what the machine has sent, to answer it
//     void Stale(test::FixedRng& dice, absl::Time now, Machine::Out& out);    // optional: an unknown ticket
//     static constexpr absl::Duration kEndlessPause;  // optional, law 3: its protocol asks for ever, but in the
//                                                     // long run no more often than this on average
//     static constexpr size_t kLargestAnswer;         // optional, law 5: octets in answer to one duplicate, where
//                                                     // the protocol asks for more than came in
//     static constexpr size_t kUnauthenticatedSteps;  // optional, law 5: in these steps it sends no more than it
//                                                     // has received, and nothing unasked
//     static constexpr size_t kHeldBuffers;           // optional, law 5: packet buffers it may keep
//   };
// clang-format on
//
// Each law is a function that gives "" or what was found; tests/laws/laws_test.cc breaks every one
// of them.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "stack/base/machine.h"
#include "tests/support/rng.h"

namespace test::laws {

inline constexpr int kManySteps = 10000;  // deadlines until an end; more is for ever
inline constexpr int kDuplicates = 100;
inline constexpr int kRubbishAtATime = 20;
inline constexpr int kEndlessSteps = 500;  // deadlines of a machine that asks for ever
inline constexpr size_t kSlots = 4096;

template <class F>
inline constexpr bool kIsEndless = requires {
  F::kEndlessPause;
};

// One run of a fixture along its course. Every frame and event becomes a line with its time.
template <class F>
class Course {
 public:
  using Out = typename F::Machine::Out;
  using Disturbance = std::function<void(Course&)>;

  explicit Course(uint64_t seed) : fixture_(seed) {}

  // Runs the first `steps` steps. `disturb` is called wherever time stands: before each step and
  // deadline.
  void Run(size_t steps, const Disturbance& disturb = nullptr) {
    for (; step_ < steps; ++step_) {
      const absl::Time at = absl::UnixEpoch() + fixture_.At(step_);
      ServeUntil(at, disturb);
      now_ = at;
      if (disturb) disturb(*this);
      fed_ += fixture_.Run(step_, now_, out_);
      Drain();
    }
  }
  void RunAll(const Disturbance& disturb = nullptr) { Run(fixture_.Steps(), disturb); }

  // Every deadline is served this much too late.
  void BeLate(absl::Duration by) { late_ = by; }

  // Serves deadlines until the machine is over or too many of them have passed. False if it did not
  // end.
  bool RunOut(const Disturbance& disturb = nullptr) {
    const int limit = kIsEndless<F> ? kEndlessSteps : kManySteps;
    for (int i = 0; i < limit; ++i) {
      if (Next() == absl::InfiniteFuture()) return fixture_.IsOver();
      Serve(disturb);
    }
    return false;
  }
  void ServeUntil(absl::Time end, const Disturbance& disturb = nullptr) {
    for (int i = 0; i < kManySteps && Next() <= end; ++i) Serve(disturb);
  }
  // Lets the next deadline come.
  void Serve(const Disturbance& disturb = nullptr) {
    const absl::Time due = std::max(now_, Next()) + late_;
    if (disturb) {
      now_ = std::max(now_, due - absl::Nanoseconds(1));
      disturb(*this);
    }
    now_ = due;
    fixture_.machine().OnDeadline(now_, out_);
    Drain();
    if (Next() <= now_ && stuck_.empty()) stuck_ = absl::StrCat("after OnDeadline at ", Clock());
  }

  // Works through what is new in the outbox.
  void Drain() {
    auto& items = out_.items();
    for (; keep_ ? drained_ < items.size() : !items.empty(); ++drained_) {
      const size_t at = keep_ ? drained_ : 0;
      lines_.push_back(absl::StrCat("@", Clock(), " ", TextOf(items[at])));
      if (auto* frame = std::get_if<0>(&items[at])) {
        const stack::Bytes bytes = stack::ToBytes(std::as_const(frame->buf).bytes());
        ++frames_;
        sent_ += bytes.size();
        if constexpr (requires { fixture_.Saw(bytes); }) fixture_.Saw(bytes);
      }
      if (!keep_) items.erase(items.begin());
    }
  }
  std::string TextOf(const typename Out::Item& item) const {
    if (const auto* frame = std::get_if<0>(&item))
      return "frame " + stack::ToHex(frame->buf.bytes());
    return fixture_.Text(std::get<1>(item));
  }

  void KeepAll() { keep_ = true; }  // leaves everything in the outbox
  F& fixture() { return fixture_; }
  Out& out() { return out_; }
  absl::Time now() const { return now_; }
  absl::Time Next() { return fixture_.machine().NextDeadline(); }
  std::string Clock() const { return absl::FormatDuration(now_ - absl::UnixEpoch()); }
  size_t step() const { return step_; }
  size_t frames() const { return frames_; }
  size_t sent() const { return sent_; }  // octets out ...
  size_t fed() const { return fed_; }    // ... and in
  size_t held() const { return pool_.small_slots() - pool_.free_small(); }
  const std::vector<std::string>& lines() const { return lines_; }
  const std::string& stuck() const { return stuck_; }

 private:
  stack::PacketPool pool_{kSlots, 4};
  F fixture_;
  Out out_{pool_};
  absl::Time now_ = absl::UnixEpoch();
  absl::Duration late_;
  size_t step_ = 0, drained_ = 0, frames_ = 0, sent_ = 0, fed_ = 0;
  bool keep_ = false;
  std::vector<std::string> lines_;
  std::string stuck_;
};

// Where two records part, or "".
inline std::string Differ(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string left = i < a.size() ? a[i] : "(end)", right = i < b.size() ? b[i] : "(end)";
    if (left != right) return absl::StrCat("line ", i, ": ", left, " | ", right);
  }
  return "";
}

// The whole life without and with a disturbance; the records must be the same.
template <class F>
std::string Undisturbed(uint64_t seed, const typename Course<F>::Disturbance& disturb) {
  Course<F> plain(seed), disturbed(seed);
  plain.RunAll();
  plain.RunOut();
  disturbed.RunAll(disturb);
  disturbed.RunOut(disturb);
  return Differ(plain.lines(), disturbed.lines());
}

template <class F>
std::string NoAmbientWorld(uint64_t seed) {
  return Undisturbed<F>(seed, nullptr);
}

template <class F>
std::string EarlyIsHarmless(uint64_t seed) {
  std::string found;
  const std::string differ = Undisturbed<F>(seed, [&found](Course<F>& c) {
    const absl::Time next = c.Next();
    if (next <= c.now()) return;
    c.fixture().machine().OnDeadline(c.now(), c.out());
    if (c.Next() != next) found = absl::StrCat("deadline moved at ", c.Clock());
    if (!c.out().empty()) found = absl::StrCat("said something at ", c.Clock());
    c.out().Clear();
  });
  return found.empty() ? differ : found;
}

// Whether the rest of the course, fed only deadlines, keeps the law.
template <class F>
std::string Ends(Course<F>& course) {
  const absl::Time since = course.now();
  const bool over = course.RunOut();
  if (!course.stuck().empty()) return absl::StrCat("no later deadline ", course.stuck());
  if (over) return "";
  if constexpr (kIsEndless<F>) {
    // The first pause may have begun before.
    const absl::Duration least = (kEndlessSteps - 1) * F::kEndlessPause;
    if (course.now() - since < least) return "asks too often";
    return "";
  }
  return "does not end";
}

template <class F>
std::string Progress(uint64_t seed) {
  const size_t steps = F(seed).Steps();
  for (size_t prefix = 0; prefix <= steps; ++prefix) {
    for (const absl::Duration late : {absl::ZeroDuration(), absl::Minutes(1), absl::Hours(10)}) {
      Course<F> course(seed);
      course.Run(prefix);
      course.BeLate(late);
      const std::string found = Ends(course);
      if (found.empty()) continue;
      return absl::StrCat(found, " after step ", prefix, ", late by ", absl::FormatDuration(late));
    }
  }
  return "";
}

// What one bad input or stale answer left: nothing but drops, and the deadline where it was.
template <class F>
std::string Inert(Course<F>& c, absl::Time next, bool must_name) {
  std::string found;
  if (must_name && c.out().empty()) found = absl::StrCat("nothing told at ", c.Clock());
  for (const auto& item : c.out().items()) {
    const auto* event = std::get_if<1>(&item);
    if (event == nullptr || !c.fixture().IsDrop(*event)) {
      found = absl::StrCat("at ", c.Clock(), ": ", c.TextOf(item));
    }
  }
  c.out().Clear();
  if (c.Next() != next) found = absl::StrCat("deadline moved at ", c.Clock());
  return found;
}

template <class F>
std::string RubbishIsInert(uint64_t seed) {
  std::string found;
  test::FixedRng dice(seed);
  const std::string differ = Undisturbed<F>(seed, [&](Course<F>& c) {
    for (int i = 0; i < kRubbishAtATime && found.empty(); ++i) {
      const absl::Time next = c.Next();
      c.fixture().Rubbish(dice, c.now(), c.out());
      found = Inert(c, next, true);
    }
  });
  return found.empty() ? differ : found;
}

template <class F>
std::string DuplicatesAreBounded(uint64_t seed) {
  const size_t steps = F(seed).Steps();
  for (size_t step = 0; step < steps; ++step) {
    Course<F> c(seed);
    c.Run(step);
    const size_t fed_before = c.fed();
    c.Run(step + 1);
    const size_t size = c.fed() - fed_before;
    if (size == 0) continue;  // a command
    size_t allowed = size;
    if constexpr (requires { F::kLargestAnswer; }) allowed = std::max(allowed, F::kLargestAnswer);
    const size_t frames = c.frames(), sent = c.sent();
    for (int i = 0; i < kDuplicates; ++i) {
      c.fixture().Run(step, c.now(), c.out());
      c.Drain();
    }
    if (c.frames() - frames > 3 * kDuplicates) return absl::StrCat("frames at step ", step);
    if (c.sent() - sent > allowed * kDuplicates) return absl::StrCat("octets at step ", step);
    size_t may_hold = 0;
    if constexpr (requires { F::kHeldBuffers; }) may_hold = F::kHeldBuffers;
    if (c.held() > may_hold) return absl::StrCat("holds buffers at step ", step);
  }
  return "";
}

template <class F>
std::string NoAmplification(uint64_t seed) {
  if constexpr (requires { F::kUnauthenticatedSteps; }) {
    for (size_t steps = 1; steps <= F::kUnauthenticatedSteps; ++steps) {
      Course<F> c(seed);
      c.Run(steps);
      if (c.sent() > c.fed()) return absl::StrCat("sends more than it got by step ", steps);
      const size_t frames = c.frames();
      c.RunOut();
      if (c.frames() != frames) return absl::StrCat("sends unasked after step ", steps);
    }
  }
  return DuplicatesAreBounded<F>(seed);
}

template <class F>
std::string OnlyAppends(uint64_t seed) {
  Course<F> drained(seed), kept(seed);
  drained.RunAll();
  kept.KeepAll();
  kept.RunAll();
  if (std::string differ = Differ(drained.lines(), kept.lines()); !differ.empty()) return differ;
  if (kept.out().items().size() != kept.lines().size()) return "took something out of the list";
  for (size_t i = 0; i < kept.lines().size(); ++i) {
    const std::string& line = kept.lines()[i];
    if (line.substr(line.find(' ') + 1) != kept.TextOf(kept.out().items()[i])) {
      return absl::StrCat("changed what was in the list: ", line);
    }
  }
  return "";
}

template <class F>
std::string StaleAnswersAreInert(uint64_t seed) {
  std::string found;
  if constexpr (requires(F f, test::FixedRng & r, typename F::Machine::Out & o) {
                  f.Stale(r, absl::Time(), o);
                }) {
    test::FixedRng dice(seed);
    const std::string differ = Undisturbed<F>(seed, [&](Course<F>& c) {
      const absl::Time next = c.Next();
      c.fixture().Stale(dice, c.now(), c.out());
      const std::string seen = Inert(c, next, false);
      if (found.empty()) found = seen;
    });
    if (found.empty()) found = differ;
  }
  return found;
}

// All seven, for one machine; one line in a test.
template <class F>
void CheckLaws(std::initializer_list<uint64_t> seeds = {1, 2, 3}) {
  static_assert(stack::Machine<typename F::Machine>);
  for (const uint64_t seed : seeds) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    EXPECT_EQ(NoAmbientWorld<F>(seed), "");
    EXPECT_EQ(EarlyIsHarmless<F>(seed), "");
    EXPECT_EQ(Progress<F>(seed), "");
    EXPECT_EQ(RubbishIsInert<F>(seed), "");
    EXPECT_EQ(NoAmplification<F>(seed), "");
    EXPECT_EQ(OnlyAppends<F>(seed), "");
    EXPECT_EQ(StaleAnswersAreInert<F>(seed), "");
  }
}

}  // namespace test::laws
