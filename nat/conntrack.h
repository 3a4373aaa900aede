// The flows behind the mappings: who talks to whom through each of them, and for how long yet.
//
// A mapping lives as long as one of its flows does (RFC 5382 section 5), so each flow is in two
// lists: the table by 5-tuple, as seen from the inside, and the chain of its mapping. Idle time is
// counted in coarse seconds. TCP flows are always kept here; UDP and ICMP ones only where inbound
// packets are filtered by them.
#pragma once

#include <cstdint>

#include "nat/flow.h"
#include "nat/index.h"
#include "nat/slab.h"
#include "nat/tcp_state.h"

namespace nat {

// Seconds of silence after which a flow or mapping is forgotten.
struct Timeouts {
  uint32_t udp_s = 300;               // RFC 4787 REQ-5
  uint32_t tcp_established_s = 7440;  // RFC 5382 REQ-5: 2 hours 4 minutes
  uint32_t tcp_transitory_s = 240;    // RFC 5382 REQ-5: opening, closing, reset
  uint32_t icmp_s = 60;               // RFC 5508 REQ-2
};

class Conntrack {
 public:
  struct Entry {
    Flow flow;                    // source is the inside endpoint
    uint32_t mapping = kNoIndex;  // the mapping it keeps alive
    uint32_t last_s = 0;          // when it was last refreshed
    TcpState state = TcpState::kClosed;
    uint32_t next = kNoIndex, previous = kNoIndex;  // the mapping's chain
    Link by_flow;
  };

  // At most `capacity` flows. `seed` is secret: strangers choose what is hashed.
  Conntrack(uint32_t capacity, const Timeouts& timeouts, uint64_t seed);

  // kNoIndex if there is none. What is found may have expired without having been swept yet.
  uint32_t Find(const Flow& flow) const;
  // Starts a flow at the head of a mapping's chain; kNoIndex when the table is full. Precondition:
  // it is not there yet.
  uint32_t Open(const Flow& flow, uint32_t mapping, uint32_t now_s, uint32_t& chain);
  // A packet of the flow passed. Inbound data does not refresh UDP and ICMP (RFC 4787 REQ-6), and
  // nothing but a new beginning refreshes a TCP connection that is over.
  void Touch(uint32_t index, uint8_t tcp_flags, Direction direction, uint32_t now_s);
  // Forgets it. `chain` is the head of the chain it is in.
  void Close(uint32_t index, uint32_t& chain);
  bool IsExpired(uint32_t index, uint32_t now_s) const;

  const Entry& operator[](uint32_t index) const { return entries_[index]; }
  bool IsLive(uint32_t index) const { return entries_.IsLive(index); }
  uint32_t extent() const { return entries_.extent(); }
  uint32_t size() const { return entries_.size(); }

 private:
  uint32_t TimeoutOf(const Entry& entry) const;
  uint32_t HashOf(const Flow& flow) const;

  const Timeouts timeouts_;
  const uint64_t seed_;
  Slab<Entry> entries_;
  Index<Entry, &Entry::by_flow> by_flow_;
};

}  // namespace nat
