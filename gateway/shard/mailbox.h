// Mailbox: the only way from one thread to another. One for each ordered pair of threads, made
// before they start; `From` writes, `To` reads, nobody waits.
//
// It carries packets (copied; the reader copies them into a buffer of its own pool) and control
// objects (moved). `Meta` is what goes with a packet: where it enters the reader's list of stages,
// which peer. `Control` is typically a std::variant of questions, answers and notices. When packets
// pile up they die as kMailboxFull; control has places that only answers and teardown may use, so
// that these always arrive: give the mailbox as many reserved places as answers can be outstanding.
//
// The writer collects during a round and calls Flush() at its end: what was put in becomes visible
// at once and the reader is woken if it sleeps. The reader's loop:
//
//   for (Mailbox& box : boxes) { box.TakeControl(...); box.TakePackets(...); }
//   waker.BeginSleep();
//   loop.Wait(any box not empty() ? absl::ZeroDuration() : timeout);
//   waker.EndSleep();
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "gateway/io/event_loop.h"
#include "gateway/io/spsc_ring.h"
#include "stack/base/bytes.h"

namespace gateway::shard {

struct MailboxSizes {
  size_t packet_bytes = 1 << 20;
  size_t control = 1024;  // places for control objects, the reserved ones included
  size_t reserved = 256;  // of these only for Room::kReserved
};

enum class Room : uint8_t {
  kOrdinary,  // may be refused: whoever asked asks again
  kReserved,  // answers and teardown
};

template <class Meta, class Control>
class Mailbox {
  static_assert(std::is_trivially_copyable_v<Meta>, "meta travels as bytes");

 public:
  // `reader` is the Waker of the thread that reads, and outlives the mailbox.
  explicit Mailbox(io::Waker& reader, const MailboxSizes& sizes = {})
      : reader_(reader),
        reserved_(sizes.reserved),
        packets_(sizes.packet_bytes),
        control_(sizes.control) {}

  // --- writer ---

  // Copies the packet in. False if there is no room: count Drop::kMailboxFull.
  [[nodiscard]] bool PutPacket(const Meta& meta, stack::ByteView packet) {
    const stack::ByteSpan record = packets_.Push(sizeof(Meta) + packet.size());
    if (record.empty()) return false;
    std::memcpy(record.data(), &meta, sizeof(Meta));
    if (!packet.empty()) std::memcpy(record.data() + sizeof(Meta), packet.data(), packet.size());
    pending_ = true;
    return true;
  }
  // False, and `control` untouched, if there is no room.
  [[nodiscard]] bool PutControl(Control&& control, Room room = Room::kOrdinary) {
    if (!control_.Push(std::move(control), room == Room::kOrdinary ? reserved_ : 0)) return false;
    pending_ = true;
    return true;
  }
  // Makes everything put in visible, and wakes the reader if it sleeps. Free if there is nothing
  // new.
  void Flush() {
    if (!pending_) return;
    pending_ = false;
    control_.Publish();
    packets_.Publish();
    reader_.Wake();
  }

  // --- reader ---

  // Calls take(const Meta&, ByteSpan packet) for up to `limit` packets, oldest first; the bytes may
  // be worked on in place and are good for the call. Returns how many there were.
  template <class F>
  size_t TakePackets(F&& take, size_t limit) {
    size_t taken = 0;
    for (; taken < limit; ++taken) {
      const stack::ByteSpan record = packets_.Front();
      if (record.empty()) break;
      Meta meta;
      std::memcpy(&meta, record.data(), sizeof(Meta));
      take(std::as_const(meta), record.subspan(sizeof(Meta)));
      packets_.Pop();
    }
    return taken;
  }
  // Calls take(Control&&) for up to `limit` objects, oldest first. Returns how many there were.
  template <class F>
  size_t TakeControl(F&& take, size_t limit) {
    size_t taken = 0;
    for (; taken < limit; ++taken) {
      Control* control = control_.Front();
      if (control == nullptr) break;
      take(std::move(*control));
      control_.Pop();
    }
    return taken;
  }
  bool empty() const { return control_.empty() && packets_.empty(); }

 private:
  io::Waker& reader_;
  const size_t reserved_;
  io::SpscByteRing packets_;
  io::SpscQueue<Control> control_;
  bool pending_ = false;  // writer's own
};

}  // namespace gateway::shard
