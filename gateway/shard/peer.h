// A subscriber as his shard keeps him: the ESP SAs he negotiated, the L2TP tunnels inside them, the
// PPP sessions inside those. Data and lookups only; what happens to it is decided in peers.h.
//
//   Peer --< Child    a pair of ESP SAs; one is current, older ones linger so that nothing under
//   way is lost
//        --< Tunnel   an L2TP control connection, pinned to the client's UDP port
//                --< Session   a PPP link in a call: the user, his address, his counters
//
// Everything is found by the numbers we gave out (SPI, tunnel id, session id) and never by address:
// clients behind one NAT share the outer address, the inner address and port 1701.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "crypto/esp/sa.h"
#include "crypto/ike/event.h"
#include "gateway/auth/verifier.h"
#include "stack/base/wheel.h"
#include "stack/l2tp/tunnel_lns.h"
#include "stack/ppp/chap.h"
#include "stack/ppp/lns_link.h"

namespace gateway::shard {

namespace esp = crypto::esp;
namespace ike = crypto::ike;

class Peer;
class Tunnel;

// A peer that speaks of another peer's tunnel, and is asked for the password of its user:
// moving.cc.
struct Claim {
  explicit Claim(const stack::ppp::Timing& timing) : chap(timing) {}

  stack::l2tp::TunnelId tunnel;
  stack::l2tp::SessionId session;
  uint16_t port = 0;  // from which he speaks of it
  stack::ppp::ChapAuthenticator chap;
  absl::Time give_up;
};
inline constexpr uint16_t kAnyMtu = 0xffff;

// Something with a deadline, in the shard's wheel.
class Timed : public stack::WheelEntry {
 public:
  enum class Kind : uint8_t { kIke, kLogins, kPeer, kTunnel, kSession };
  explicit Timed(Kind kind) : kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// A pair of ESP SAs. The inbound half lives in the shard's SAD, under `spi_in`.
struct Child {
  ike::PhaseOneId phase_one;
  stack::Endpoint agreed_at;  // where the second message of its quick mode went
  esp::Spi spi_in;
  std::unique_ptr<esp::OutboundSa> out;
  bool udp_encapsulated = false;
  bool proven = false;  // the client showed that it receives: QM3, or ESP that opened
  absl::Time remove_at = absl::InfiniteFuture();  // deleted, and lingers until then
  absl::Time expires = absl::InfiniteFuture();    // hard limit by time

  bool deleted() const { return remove_at != absl::InfiniteFuture(); }
};

// A PPP session in an L2TP call.
class Session : public Timed {
 public:
  Session(Tunnel& its_tunnel, stack::l2tp::SessionId own_id, stack::l2tp::SessionId peer_id,
          const stack::ppp::LnsOptions& options, stack::Rng& rng, absl::Time now)
      : Timed(Kind::kSession),
        tunnel(its_tunnel),
        own(own_id),
        peer(peer_id),
        link(options, rng),
        started(now) {}

  Tunnel& tunnel;
  const stack::l2tp::SessionId own, peer;
  stack::ppp::LnsLink link;
  bool sequencing = false;  // the client wants Ns in data
  uint16_t next_ns = 0;
  bool up = false;      // IPv4 may pass
  bool ending = false;  // PPP is down already: the call follows
  std::string user;
  auth::Grants grants;                // what the user has of his own
  std::optional<stack::Ip4> granted;  // ours to give back
  uint64_t address_ticket = 0;        // the question to home, while it is open
  uint32_t ppp_ticket = 0;            // and the link's question behind it
  stack::Ip4 address, gateway;        // while up
  std::array<stack::Ip4, 2> dns{};    // name servers it was told
  uint8_t pool = 0;                   // index of the pool all this comes from
  // Home wants to know whether the client lives: asked for a life sign then, looked at next.
  absl::Time probed = absl::InfiniteFuture(), look_at = absl::InfiniteFuture();
  uint16_t mru = 1500;  // what the client takes
  uint16_t mtu = 0;     // largest IPv4 packet towards the client: mtu_side.cc

  absl::Time started;
  uint64_t up_packets = 0, up_bytes = 0, down_packets = 0, down_bytes = 0;
};

class Tunnel : public Timed {
 public:
  Tunnel(Peer& its_peer, uint16_t its_port, absl::Time now,
         const stack::l2tp::TunnelOptions& options, stack::l2tp::TunnelId own, stack::Rng& rng)
      : Timed(Kind::kTunnel), peer(its_peer), port(its_port), machine(now, options, own, rng) {}

  Session* Find(stack::l2tp::SessionId own) const {
    for (const auto& session : sessions) {
      if (session->own == own) return session.get();
    }
    return nullptr;
  }

  Peer& peer;
  uint16_t port;  // the client's UDP port, as its SCCRQ showed it (RFC 3193 section 4)
  stack::l2tp::TunnelLns machine;
  std::vector<std::unique_ptr<Session>> sessions;
};

class Peer : public Timed {
 public:
  Peer(uint32_t its_id, absl::Time now)
      : Timed(Kind::kPeer), id(its_id), began(now), last_heard(now) {}

  Child* Find(esp::Spi spi_in) const {
    for (const auto& child : children) {
      if (child->spi_in == spi_in) return child.get();
    }
    return nullptr;
  }

  uint32_t id;     // another one on another shard
  ike::Path path;  // where its ESP goes; follows authenticated packets (RFC 3947 section 7)
  // Where it showed that it receives, too. The source of a packet may be forged, even if the packet
  // is authentic: with a group key everybody can send one.
  stack::Endpoint reached;
  // Both at once: here home and the shard find it. None while it speaks from elsewhere.
  std::optional<stack::Endpoint> place;
  absl::Time moved = absl::InfinitePast();
  uint16_t path_mtu = kAnyMtu;  // of the outer path, as routers say; until when it is believed
  absl::Time path_mtu_until = absl::InfiniteFuture();
  std::vector<ike::PhaseOneId> phase_ones;       // that are its own beyond doubt
  ike::Identification identity;                  // phase 1
  ike::Identification idci;                      // its end of the traffic, as the quick mode said
  std::vector<std::unique_ptr<Child>> children;  // oldest first
  Child* current = nullptr;                      // packets to the client leave on it
  std::vector<std::unique_ptr<Tunnel>> tunnels;
  absl::Time began;       // first IKE message of the login, for the timeline
  absl::Time last_heard;  // last packet that opened
  absl::Time dpd_asked = absl::InfinitePast();
  absl::Time deserted = absl::InfiniteFuture();  // without SAs, or without a tunnel, since
  bool had_tunnel = false;
  bool closing = false;    // we are ending it in order
  bool relocated = false;  // it came from another shard

  std::unique_ptr<Claim> claim;
  absl::Time next_stray = absl::InfinitePast();  // when data in a foreign tunnel counts again
  // We are behind a NAT, which must not forget this client (RFC 3948 section 4).
  bool local_natted = false;
  absl::Time keepalive_at = absl::InfiniteFuture();
  absl::Time last_sent = absl::InfinitePast();  // in ESP
};

}  // namespace gateway::shard
