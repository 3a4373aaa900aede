// Packets out of a superframe: its headers on each piece of its payload, with lengths,
// identification, sequence number, flags and checksums of their own.
//
// Everything about a header that is the same for all is summed once, so that a segment costs one
// copy of its payload and one look at it.
#pragma once

#include <array>
#include <cstdint>

#include "stack/base/bytes.h"
#include "stack/base/checksum.h"
#include "stack/base/packet_buf.h"

namespace gateway::shard {

// What stands behind the head of a superframe, the first of its packets: payload that still lies
// where the kernel has put it. The head goes the way of its flow alone; whoever knows where that
// leads makes the other packets with the headers the head has by then.
struct Train {
  stack::ByteView payload;  // borrowed until the port's Release
  uint16_t segment = 0;     // octets of each packet but the last
  bool push = false;        // TCP: PSH belongs to the last
  size_t count() const { return payload.empty() ? 0 : (payload.size() + segment - 1) / segment; }
};

class Cutter {
 public:
  struct Plan {
    size_t network = 0;    // where the IPv4 header begins
    size_t transport = 0;  // the TCP or UDP header
    size_t headers = 0;    // the payload
    bool tcp = false;
    size_t segment = 0;  // octets of payload in a packet, but the last
    // TCP flags that only the first packet keeps, and only the last.
    uint8_t first_only = 0, last_only = 0;
  };

  Cutter() = default;
  // For a whole superframe: `frame` was checked to hold what `plan` says, and is borrowed.
  Cutter(stack::ByteView frame, const Plan& plan);
  // For those behind `head`, an IPv4 packet as Segmenter has made it of the superframe's beginning,
  // whatever became of its addresses since. Its headers are copied, the payload is borrowed.
  Cutter(stack::ByteView head, const Train& train);

  size_t left() const { return count_ - next_; }
  // The next packet, in a buffer of `pool`; without a slot if the pool is dry (that one is lost,
  // later ones may not be). Precondition: left() > 0.
  stack::PacketBuf Next(stack::PacketPool& pool);
  // Those that Next() has not given yet, as the train of the last one it gave.
  Train Rest() const;

 private:
  // Ethernet, and IPv4 and TCP with all their options.
  static constexpr size_t kMaxHeaders = 14 + 60 + 60;

  void Prepare(stack::ByteView headers);
  void FixIp(stack::ByteSpan packet, size_t index) const;
  void FixTcp(stack::ByteSpan packet, size_t index) const;
  void FixUdp(stack::ByteSpan packet) const;

  Plan plan_;
  stack::ByteView payload_;  // of packets first_ to count_ - 1
  size_t first_ = 0, count_ = 0, next_ = 0;
  std::array<std::byte, kMaxHeaders> headers_;
  uint16_t id_ = 0;
  uint32_t sequence_ = 0;  // of packet 0
  uint16_t offset_and_flags_ = 0;
  // Without what Fix* put in.
  stack::Sum ip_sum_ = 0, transport_sum_ = 0;
};

}  // namespace gateway::shard
