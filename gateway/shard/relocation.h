// A subscriber, or only a phase 1 of his, on the way to another shard: everything this shard had of
// him, keys included, moved by mailbox. moving.cc tells when and why.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "crypto/esp/sa.h"
#include "crypto/ike/responder.h"
#include "gateway/shard/peer.h"

namespace gateway::shard {

// A phase 1 on its way, or done, as its shard sees it.
struct Login {
  absl::Time began;
  ike::Path path;
  ike::Identification identity;
  uint32_t peer = 0;             // whose it is beyond doubt; 0: not known yet
  bool initial_contact = false;  // was said, and waits for that
  bool local_natted = false;     // we are behind a NAT, seen from this client
  // An R-U-THERE went there, to find out whether it is the peer's who is there.
  std::optional<stack::Endpoint> asked_at;
  // While home is asked which shard it belongs to: a quick mode that has begun.
  bool asks_home = false;
  std::optional<ike::NeedSpi> waiting;
};

struct Relocation {
  struct PhaseOne {
    ike::Transfer transfer;
    Login login;
  };
  std::vector<PhaseOne> phase_ones;
  std::unique_ptr<Peer> peer;  // null: there is none yet
  std::vector<std::unique_ptr<esp::InboundSa>> inbound;
  // The tunnel of which he spoke, and from which of his ports.
  stack::l2tp::TunnelId tunnel;
  uint16_t port = 0;
};

}  // namespace gateway::shard
