// The control FIFO: what the ways only divert, and machines work on after the batch is flushed.
// Items name their machine by numbers, not by pointers: an earlier item may have ended it.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <variant>

#include "gateway/shard/messages.h"
#include "stack/base/address.h"
#include "stack/base/packet_buf.h"
#include "stack/l2tp/event.h"

namespace gateway::shard {

struct IkeItem {  // an ISAKMP message, without marker
  stack::PacketBuf message;
  stack::Endpoint from, to;
};
struct L2tpItem {  // an L2TP control message that came out of this peer's ESP
  stack::PacketBuf message;
  uint32_t peer = 0;
  uint16_t port = 0;  // the client's
};
struct PppItem {  // a PPP frame that is not IPv4
  stack::PacketBuf frame;
  stack::l2tp::TunnelId tunnel;
  stack::l2tp::SessionId session;
};
// A PPP frame for a tunnel that is not this peer's; the frame of an IPv4 packet is left out.
struct StrayItem {
  stack::PacketBuf frame;
  uint32_t peer = 0;
  uint16_t port = 0;  // the client's
  stack::l2tp::TunnelId tunnel;
  stack::l2tp::SessionId session;
};
struct ArpItem {
  stack::PacketBuf packet;
  uint8_t interface = 0;
};
struct DhcpItem {  // payload of a datagram to port 68
  stack::PacketBuf payload;
  uint8_t interface = 0;
};
using ControlItem =
    std::variant<IkeItem, L2tpItem, PppItem, StrayItem, ArpItem, DhcpItem, PathTooBig>;

class Fifo {
 public:
  // Strangers can fill it; more than this in one round is a flood.
  static constexpr size_t kLimit = 512;

  // False, and the item is lost (kFifoFull), if there are too many already.
  [[nodiscard]] bool Push(ControlItem item) {
    if (items_.size() >= kLimit) return false;
    items_.push_back(std::move(item));
    return true;
  }
  bool empty() const { return items_.empty(); }
  ControlItem Pop() {
    ControlItem item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  std::deque<ControlItem> items_;
};

}  // namespace gateway::shard
