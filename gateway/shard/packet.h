// A packet on its way through a shard, and the batch it travels in.
//
// The two ways (up.cc, down.cc) are flat lists of stages over a batch. A stage looks at each packet
// in turn and says what became of it: alive (Drop::kNone, to the next stage), taken (its buffer was
// moved to somewhere else), or dead, with the reason, which is counted here and nowhere else.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "gateway/shard/cutter.h"
#include "gateway/shard/stats.h"
#include "stack/base/address.h"
#include "stack/base/packet_buf.h"

namespace crypto::esp {
struct InboundSa;
}

namespace gateway::shard {

class Peer;
class Session;
struct Child;

inline constexpr size_t kBatch = 64;

struct Packet {
  stack::PacketBuf buf;
  uint8_t interface = 0;          // where it came in, or where it leaves
  bool udp_encapsulated = false;  // up: ESP came in UDP 4500
  uint8_t next_header = 0;        // up: what ESP said is inside
  bool mailed = false;            // down: from another shard, which had no client of that address
  stack::Endpoint from, to;       // up: the outer ends
  stack::ByteView lies;           // up: where it lies until it is opened, if not in `buf`
  crypto::esp::InboundSa* sa = nullptr;
  Peer* peer = nullptr;        // the subscriber it comes from or goes to
  Session* session = nullptr;  // that subscriber's PPP session
  stack::Ip4 next_hop;         // where it leaves to, on `interface`
  Train rest;                  // down: what follows it, and shares its fate
};

class Batch {
 public:
  explicit Batch(Stats& stats) : stats_(stats) {}

  bool full() const { return size_ == kBatch; }
  bool empty() const { return size_ == 0; }
  std::span<Packet> packets() { return {packets_.data(), size_}; }
  // A fresh packet at the end. Precondition: !full().
  Packet& Add(stack::PacketBuf buf) {
    Packet& packet = packets_[size_++];
    packet = Packet{};
    packet.buf = std::move(buf);
    return packet;
  }
  void Clear() {
    for (Packet& packet : packets()) packet.buf.Release();
    size_ = 0;
  }
  // Runs `stage` (Packet& -> stack::Drop) over the living and keeps those that stay alive, in
  // order.
  template <class F>
  void Stage(F&& stage) {
    size_t kept = 0;
    for (size_t i = 0; i < size_; ++i) {
      Packet& packet = packets_[i];
      const stack::Drop drop = stage(packet);
      if (drop != stack::Drop::kNone) {
        stats_.Drop(drop, 1 + packet.rest.count());
        packet.buf.Release();
      }
      if (!packet.buf) continue;  // dead or taken
      if (kept != i) packets_[kept] = std::move(packet);
      ++kept;
    }
    size_ = kept;
  }

 private:
  Stats& stats_;
  std::array<Packet, kBatch> packets_;
  size_t size_ = 0;
};

}  // namespace gateway::shard
