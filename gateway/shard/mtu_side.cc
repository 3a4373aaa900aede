// How large a packet for a client may be: what his end takes, what the ESP around it leaves of the
// path, and what routers said about that path.
#include <algorithm>

#include "gateway/shard/peers.h"

namespace gateway::shard {
namespace {

// The tunnel is never taken for smaller: RFC 791 lets every host send 576. What does not fit then
// is fragmented outside.
constexpr uint16_t kMinTunnelMtu = 576;
// Every module must be able to forward 68 octets without fragmentation (RFC 791 section 3.2): no
// MRU is taken for less.
constexpr uint16_t kMinMtu = 68;
// RFC 1191 section 6.3: a path may have become better after this.
constexpr absl::Duration kPathMtuAge = absl::Minutes(10);
constexpr uint16_t kMinPathMtu = 576;
constexpr uint16_t kIkePort = 500;

}  // namespace

uint16_t Peers::MtuTowards(const Session& session) const {
  const Peer& peer = session.tunnel.peer;
  const nat::Hop hop = tables_.router.Lookup(peer.path.remote.ip);
  uint16_t mtu = session.mru;
  if (peer.current != nullptr && hop.kind == nat::Hop::Kind::kInterface) {
    const uint16_t outer =
        std::min(tables_.egress.mtu(static_cast<uint8_t>(hop.index)), peer.path_mtu);
    mtu = std::min(mtu, std::max(Sealer::TunnelMtu(*peer.current, outer), kMinTunnelMtu));
  }
  return std::max(mtu, kMinMtu);
}

// After anything that MtuTowards looks at has changed: another suite, another path.
void Peers::Refit(Peer& peer) {
  if (peer.current == nullptr) return;
  for (const auto& tunnel : peer.tunnels) {
    for (const auto& session : tunnel->sessions) {
      if (session->up) session->mtu = MtuTowards(*session);
    }
  }
}

// It may come from anybody who has guessed where a client is: it can make his packets smaller, for
// some time, and nothing else.
void Peers::OnPathTooBig(absl::Time now, const PathTooBig& path) {
  const bool is_udp = path.remote.port != 0;
  const auto found = places_.find(is_udp ? path.remote : stack::Endpoint{path.remote.ip, kIkePort});
  if (found == places_.end()) return;
  const uint16_t mtu = std::max(path.mtu, kMinPathMtu);
  for (const uint32_t id : found->second) {
    Peer* peer = FindPeer(id);
    if (peer == nullptr || peer->current == nullptr || mtu > peer->path_mtu) continue;
    if (is_udp != peer->current->udp_encapsulated) continue;
    if (!is_udp && peer->current->out->spi.value != path.spi) continue;
    peer->path_mtu = mtu;
    peer->path_mtu_until = now + kPathMtuAge;
    Refit(*peer);
    Schedule(*peer);
  }
}

void Peers::ForgetPathMtu(Peer& peer) {
  peer.path_mtu = kAnyMtu;
  peer.path_mtu_until = absl::InfiniteFuture();
  Refit(peer);
}

}  // namespace gateway::shard
