// Two real machines wired to each other in one thread and in virtual time, over a wire that loses,
// delays, doubles and reorders by seed. Works for any two machines of the sans-IO contract
// (stack/base/machine.h).
//
//   Pipe<Initiator, Responder> pipe(start, initiator, responder, faults);
//   pipe.carry_to_b = ...     a frame of a's, as b receives it; carry_to_a likewise
//   pipe.a().on_event = ...   answers questions, notes facts
//   pipe.DoA([&](absl::Time now, auto& out) { initiator.Start(now, out); });
//   EXPECT_TRUE(pipe.RunUntil([&] { return up; }, absl::Seconds(30)));
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "stack/base/bytes.h"
#include "stack/base/machine.h"
#include "stack/base/packet_buf.h"
#include "tests/support/rng.h"

namespace test {

struct Faults {
  int loss_percent = 0, duplicate_percent = 0;
  absl::Duration least_delay = absl::Milliseconds(10);
  absl::Duration most_delay =
      absl::Milliseconds(10);  // above the least: frames overtake each other
  uint64_t seed = 1;
};

template <class M>
class PipeEnd {
 public:
  using Out = typename M::Out;
  using Item = std::remove_cvref_t<decltype(std::declval<Out&>().items().front())>;
  using Frame = std::variant_alternative_t<0, Item>;
  using Event = std::variant_alternative_t<1, Item>;
  using Address = decltype(Frame::address);

  PipeEnd(M& machine, stack::PacketPool& pool) : out(pool), machine_(machine) {}

  std::function<void(absl::Time, Event, Out&)> on_event;  // unset: events are dropped
  Out out;
  uint64_t sent = 0, octets = 0;  // before any loss

 private:
  template <class, class>
  friend class Pipe;
  M& machine_;
};

template <class A, class B>
class Pipe {
 public:
  Pipe(absl::Time start, A& a, B& b, Faults faults = {})
      : now_(start), faults_(faults), rng_(faults.seed), a_(a, pool_), b_(b, pool_) {}

  PipeEnd<A>& a() { return a_; }
  PipeEnd<B>& b() { return b_; }
  absl::Time now() const { return now_; }
  Faults& faults() { return faults_; }
  void DeliverAlso(absl::Duration after, std::function<void()> what) {
    wire_.emplace(now_ + after, std::move(what));
  }

  // How a frame reaches the other end: `deliver` gets the input made of its bytes and address.
  // Leave it uncalled to lose the frame. Set both before the first frame.
  std::function<void(stack::ByteView, const typename PipeEnd<A>::Address&,
                     const std::function<void(const typename B::In&)>& deliver)>
      carry_to_b;
  std::function<void(stack::ByteView, const typename PipeEnd<B>::Address&,
                     const std::function<void(const typename A::In&)>& deliver)>
      carry_to_a;

  // Calls into a machine and works through what came of it.
  template <class F>
  void DoA(F&& f) {
    f(now_, a_.out);
    Drain();
  }
  template <class F>
  void DoB(F&& f) {
    f(now_, b_.out);
    Drain();
  }

  // Lets time pass until `done`, or for `limit`. Gives what `done` says in the end.
  bool RunUntil(const std::function<bool()>& done, absl::Duration limit) {
    const absl::Time end = now_ + limit;
    while (!done()) {
      const absl::Time next = Next();
      if (next > end) {
        now_ = end;
        return false;
      }
      now_ = std::max(now_, next);
      Step();
    }
    return true;
  }
  void RunFor(absl::Duration time) {
    RunUntil([] { return false; }, time);
  }

 private:
  absl::Time Next() const {
    const absl::Time machines = std::min(a_.machine_.NextDeadline(), b_.machine_.NextDeadline());
    return wire_.empty() ? machines : std::min(machines, wire_.begin()->first);
  }

  void Step() {
    while (!wire_.empty() && wire_.begin()->first <= now_) {
      const auto deliver = std::move(wire_.begin()->second);
      wire_.erase(wire_.begin());
      deliver();
      Drain();
    }
    if (a_.machine_.NextDeadline() <= now_) a_.machine_.OnDeadline(now_, a_.out);
    if (b_.machine_.NextDeadline() <= now_) b_.machine_.OnDeadline(now_, b_.out);
    Drain();
  }

  void Drain() {
    while (!a_.out.empty() || !b_.out.empty()) {
      DrainOne(a_, b_, carry_to_b);
      DrainOne(b_, a_, carry_to_a);
    }
  }

  template <class From, class To, class Carry>
  void DrainOne(PipeEnd<From>& from, PipeEnd<To>& to, const Carry& carry) {
    auto items = std::move(from.out.items());
    from.out.items().clear();
    for (auto& item : items) {
      if (auto* frame = std::get_if<0>(&item)) {
        ++from.sent;
        from.octets += frame->buf.size();
        Put(stack::ToBytes(frame->buf.bytes()), frame->address, to, carry);
      } else if (from.on_event) {
        from.on_event(now_, std::move(std::get<1>(item)), from.out);
      }
    }
  }

  template <class Address, class To, class Carry>
  void Put(const stack::Bytes& bytes, const Address& address, PipeEnd<To>& to, const Carry& carry) {
    const bool twice = Chance(faults_.duplicate_percent);
    for (int copies = twice ? 2 : 1; copies > 0; --copies) {
      if (Chance(faults_.loss_percent)) continue;
      wire_.emplace(now_ + Delay(), [this, bytes, address, &to, &carry] {
        carry(bytes, address,
              [&](const typename To::In& in) { to.machine_.OnPacket(now_, in, to.out); });
      });
    }
  }

  bool Chance(int percent) { return rng_.Below(100) < static_cast<uint64_t>(percent); }
  absl::Duration Delay() {
    const int64_t range = absl::ToInt64Microseconds(faults_.most_delay - faults_.least_delay);
    if (range <= 0) return faults_.least_delay;
    const auto extra = static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(range)));
    return faults_.least_delay + absl::Microseconds(extra);
  }
  absl::Time now_;
  Faults faults_;
  FixedRng rng_;
  stack::PacketPool pool_{512, 8};
  PipeEnd<A> a_;
  PipeEnd<B> b_;
  std::multimap<absl::Time, std::function<void()>> wire_;  // equal times: in the order put
};

}  // namespace test
