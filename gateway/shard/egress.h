// The last stages of both ways: packets to the MAC address of their next hop, and out of the
// interface, once a batch, as superframes where they may be (coalesce.h).
//
// Every shard keeps a replica of the neighbours it sends to. A miss parks the packet and puts a
// question for home on a list, which the shard takes to home when the round is over.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "gateway/io/port.h"
#include "gateway/shard/coalesce.h"
#include "gateway/shard/ip_ids.h"
#include "gateway/shard/messages.h"
#include "gateway/shard/settings.h"
#include "gateway/shard/stats.h"
#include "stack/base/packet_buf.h"
#include "stack/link/wait_queue.h"

namespace gateway::shard {

class Egress {
 public:
  // What an egress shares with its shard.
  struct Shared {
    stack::PacketPool& pool;
    Stats& stats;
    IpIds& ip_ids;
  };
  // ports[i] belongs to settings.interfaces[i]; all arguments outlive the object.
  Egress(const Settings& settings, const std::vector<io::Port*>& ports, const Shared& shared);

  // Sends an IPv4 packet to a station on the interface's link; cut into fragments if it is larger
  // than the MTU. Moves from `packet` only if it answers kNone; kTooBig (it may not be fragmented)
  // leaves it to be reported. `own_esp`: see Outgoing.
  [[nodiscard]] stack::Drop Send(absl::Time now, stack::PacketBuf& packet, uint8_t interface,
                                 stack::Ip4 next_hop, bool own_esp = false);
  // Sends a whole Ethernet frame.
  void SendFrame(stack::PacketBuf frame, uint8_t interface);
  // Hands everything collected to the kernel. Once a round, and before anything that was promised
  // to be sent is destroyed.
  void Flush();

  void OnNeighbor(const NeighborKnown& known, absl::Time now);
  void OnNeighborLost(const NeighborLost& lost);
  // Drops what waited for too long. To be called now and then.
  void Expire(absl::Time now);

  // What came up, for home: NeedNeighbor, SuperframesRefused.
  std::vector<Control> TakeQuestions() { return std::exchange(questions_, {}); }
  bool has_questions() const { return !questions_.empty(); }

  uint16_t mtu(uint8_t interface) const { return lanes_[interface].mtu; }
  // As DHCP says, but not more than the interface's own; 0: that.
  void SetMtu(uint8_t interface, uint16_t mtu);

 private:
  struct Neighbor {
    stack::Mac mac;
    absl::Time asked;  // home forgets neighbours that nobody asks for
  };
  struct Lane {
    io::Port* port;
    const InterfaceSettings* settings;
    uint16_t mtu;
    absl::flat_hash_map<stack::Ip4, Neighbor> neighbors;
    stack::link::WaitQueue waiting;
    std::vector<Outgoing> frames;
    Coalescer::Kinds kinds;                // of superframes that are sent here
    int tcp_refused = 0, udp_refused = 0;  // in a row, whose packets were taken one by one
  };

  void SendTo(absl::Time now, Outgoing packet, uint8_t interface, stack::Ip4 next_hop);
  void Collect(Outgoing packet, Lane& lane, stack::Mac to);
  void Flush(Lane& lane);
  void Account(Lane& lane, const io::TxFrame& frame, size_t index);
  void SendApart(Lane& lane, const io::TxFrame& refused, size_t index);
  void GiveUp(Lane& lane, bool tcp);

  stack::PacketPool& pool_;
  Stats& stats_;
  Coalescer coalescer_;
  std::vector<Lane> lanes_;
  std::vector<Control> questions_;
  std::vector<stack::PacketBuf> fragments_;
};

}  // namespace gateway::shard
