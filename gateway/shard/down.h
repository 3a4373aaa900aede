// The way down, internet -> client, from a checked IPv4 packet to the tunnel (stages 5 to 7; the
// rest is sealer.h).
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "gateway/shard/packet.h"
#include "gateway/shard/post.h"
#include "gateway/shard/sealer.h"
#include "gateway/shard/tables.h"

namespace gateway::shard {

class Peers;

class Down {
 public:
  Down(Tables& tables, Peers& peers, Sealer& sealer, Post& post)
      : tables_(tables),
        peers_(peers),
        sealer_(sealer),
        post_(post),
        arrivals_(tables.stats),
        routed_(tables.stats),
        ready_(tables.stats) {}

  // A whole packet from the network for one of our NAT addresses, or for a client, and what follows
  // it. That is borrowed: TakeOver must be called before it is released.
  void AddArrival(absl::Time now, stack::PacketBuf packet, uint8_t interface,
                  const Train& rest = {});
  // A packet for a client, with the router behind it: from another client, from another shard
  // (`mailed`), or made here.
  void AddRouted(absl::Time now, stack::PacketBuf packet, bool mailed = false);
  // A packet to one of our NAT addresses whose source is one, too: to the shard that has the
  // mapping. Moves from `packet` only if it answers kNone.
  [[nodiscard]] stack::Drop TurnBack(absl::Time now, stack::PacketBuf& packet);
  // Makes packets of our own of everything borrowed.
  void TakeOver(absl::Time now);
  // Runs everything added to its end: sealed and handed to the link.
  void Run(absl::Time now);

 private:
  stack::Drop Translate(absl::Time now, Packet& packet);
  stack::Drop Route(absl::Time now, Packet& packet);
  stack::Drop FindClient(Packet& packet);
  stack::Drop PassOn(Packet& packet, uint8_t owner);
  stack::Drop Fit(absl::Time now, Packet& packet);
  stack::Drop FitOne(absl::Time now, stack::PacketBuf& packet, Session& session);
  stack::Drop FitLarge(absl::Time now, stack::PacketBuf& packet, Session& session);
  void RunArrivals(absl::Time now);
  void RunRouted(absl::Time now);
  void AddReady(absl::Time now, stack::PacketBuf packet, Session& session);
  void Report(absl::Time now, stack::PacketBuf error, stack::Ip4 client);
  void SendReports(absl::Time now);

  Tables& tables_;
  Peers& peers_;
  Sealer& sealer_;
  Post& post_;
  Batch arrivals_, routed_, ready_;
  bool borrows_ = false;  // some packet in arrivals_ or routed_ has others behind it
  std::vector<stack::PacketBuf> fragments_;
  std::vector<stack::PacketBuf> reports_;  // ICMP errors for clients, for the end of Run
};

}  // namespace gateway::shard
