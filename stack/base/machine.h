// The sans-IO contract: bytes, time and answers go in; frames, events and questions come out.
//
// A machine has no clock, socket, thread, randomness or log inside. It is called with `now`, writes
// what it wants of the world into an Outbox, and says with NextDeadline() when it wants to be
// called again. The caller drains the Outbox before the next call. The seven laws every machine
// keeps stand in tests/laws/machine_laws.h, and are run there on each of them.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "stack/base/address.h"
#include "stack/base/packet_buf.h"

namespace stack {

struct NoAddress {};  // frames of a machine that has only one place to send to

// A frame on its way out, and where it goes (IKE answers where a datagram came from).
template <class Address>
struct OutFrame {
  PacketBuf buf;
  [[no_unique_address]] Address address{};
};

// One ordered list of frames and events. The shard owns it, works through it after every call and
// uses it again: order matters (a CDN is sent before the session it ends is torn down).
template <class Event, class Address = NoAddress>
class Outbox {
 public:
  using Frame_ = OutFrame<Address>;
  using Item = std::variant<Frame_, Event>;

  explicit Outbox(PacketPool& pool) : pool_(&pool) { items_.reserve(16); }

  // A new empty frame at the end of the list, with headroom for every layer below and room for
  // `room` bytes. nullptr if the pool is dry: the machine goes on as if the frame were lost on the
  // wire. Good until the next call of Frame or Tell.
  PacketBuf* Frame(size_t room = 1024, Address to = {}) {
    PacketBuf buf = pool_->Get(room);
    if (!buf) return nullptr;
    items_.emplace_back(std::in_place_index<0>, Frame_{std::move(buf), std::move(to)});
    return &std::get<0>(items_.back()).buf;
  }
  // Takes the last frame back: what was to be said in it did not work out.
  void Retract() {
    if (!items_.empty() && items_.back().index() == 0) items_.pop_back();
  }
  // A fact or a question, as a value.
  void Tell(Event event) { items_.emplace_back(std::in_place_index<1>, std::move(event)); }

  std::vector<Item>& items() { return items_; }
  bool empty() const { return items_.empty(); }
  void Clear() { items_.clear(); }
  PacketPool& pool() { return *pool_; }

 private:
  PacketPool* pool_;
  std::vector<Item> items_;
};

// All deadlines of one machine; only the soonest leaves it. `Name` is an enum counting from 0.
template <class Name, size_t kCount>
class Deadlines {
 public:
  Deadlines() { at_.fill(absl::InfiniteFuture()); }

  void Arm(Name name, absl::Time at) { at_[Index(name)] = at; }
  void Disarm(Name name) { at_[Index(name)] = absl::InfiniteFuture(); }
  void DisarmAll() { at_.fill(absl::InfiniteFuture()); }
  bool IsArmed(Name name) const { return at_[Index(name)] != absl::InfiniteFuture(); }
  // True once, when it is due; the deadline is disarmed by it.
  bool TakeDue(Name name, absl::Time now) {
    if (at_[Index(name)] > now) return false;
    Disarm(name);
    return true;
  }
  // absl::InfiniteFuture() if none is armed.
  absl::Time Next() const {
    absl::Time next = at_[0];
    for (const absl::Time at : at_) next = at < next ? at : next;
    return next;
  }

 private:
  static constexpr size_t Index(Name name) { return static_cast<size_t>(name); }
  std::array<absl::Time, kCount> at_;
};

template <class M>
concept Machine = requires(M m, const M& c, absl::Time now, const typename M::In& in,
                           typename M::Out& out) {
  { m.OnPacket(now, in, out) } -> std::same_as<void>;
  { m.OnDeadline(now, out) } -> std::same_as<void>;
  { c.NextDeadline() } -> std::same_as<absl::Time>;
};

// std::visit over several lambdas: std::visit(Overloaded{[](A){}, [](B){}}, event).
template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace stack
