#include "gateway/shard/peers.h"

#include <algorithm>
#include <utility>

namespace gateway::shard {
namespace {

using io::Level;
namespace l2tp = stack::l2tp;

// How long a peer may be without a tunnel, or without SAs to reach it on, before we end it.
constexpr absl::Duration kDesertedLimit = absl::Seconds(60);
// Of a phase 1 that no quick mode followed.
constexpr absl::Duration kUnclaimedLimit = absl::Seconds(60);
// RFC 3948 section 4: the NAT in front of us must not forget a client.
constexpr absl::Duration kKeepalive = absl::Seconds(20);
// Deadlines a round; the rest waits for the next, so that packets are not held up.
constexpr int kDeadlinesARound = 64;

ike::Options IkeOptions(const Tables& tables, const std::shared_ptr<const Credentials>& from) {
  ike::Options options = tables.settings.ike;
  options.keylog = tables.keylog != nullptr;
  options.psks = from->psks;
  for (uint32_t bucket = tables.shard; bucket < 256; bucket += tables.settings.shards) {
    options.buckets.push_back(static_cast<uint8_t>(bucket));
  }
  return options;
}

}  // namespace

Peers::Peers(absl::Time now, Tables& tables, Sealer& sealer, AskCrew ask_crew)
    : tables_(tables),
      sealer_(sealer),
      ask_crew_(std::move(ask_crew)),
      credentials_(tables.settings.credentials),
      responder_(now, IkeOptions(tables, credentials_), tables.rng),
      wheel_(now),
      ike_outs_(tables.pool),
      tunnel_outs_(tables.pool),
      link_outs_(tables.pool) {}

void Peers::SetCredentials(std::shared_ptr<const Credentials> credentials) {
  credentials_ = std::move(credentials);
  responder_.SetPsks(credentials_->psks);
}

Peer* Peers::FindPeer(uint32_t id) const {
  const auto it = peers_.find(id);
  return it == peers_.end() ? nullptr : it->second.get();
}

Tunnel* Peers::FindTunnel(l2tp::TunnelId own) const {
  const auto it = tunnels_.find(own);
  return it == tunnels_.end() ? nullptr : it->second;
}

Session* Peers::FindSession(uint32_t hop_index) const {
  const Tunnel* tunnel = FindTunnel({static_cast<uint16_t>(hop_index >> 16)});
  return tunnel == nullptr ? nullptr : tunnel->Find({static_cast<uint16_t>(hop_index)});
}

void Peers::OnDeadline(absl::Time now) {
  wheel_.Advance(
      now,
      [this, now](stack::WheelEntry& entry) {
        auto& timed = static_cast<Timed&>(entry);
        switch (timed.kind()) {
          case Timed::Kind::kIke: {
            auto out = ike_outs_.Take();
            responder_.OnDeadline(now, *out);
            CarryOut(now, *out);
            break;
          }
          case Timed::Kind::kLogins:
            EndUnclaimed(now);
            break;
          case Timed::Kind::kPeer:
            OnPeerDue(now, static_cast<Peer&>(timed));
            break;
          case Timed::Kind::kTunnel: {
            auto& tunnel = static_cast<Tunnel&>(timed);
            auto out = tunnel_outs_.Take();
            tunnel.machine.OnDeadline(now, *out);
            CarryOut(now, tunnel, *out);
            break;
          }
          case Timed::Kind::kSession: {
            auto& session = static_cast<Session&>(timed);
            auto out = link_outs_.Take();
            session.link.OnDeadline(now, *out);
            CarryOut(now, session, *out);
            if (!session.ending && session.look_at <= now) LookForLife(now, session);
            break;
          }
        }
      },
      kDeadlinesARound);
}

void Peers::EndSpentSas(absl::Time now) {
  for (size_t i = 0; i < tables_.with_ended_sa.size(); ++i) {
    if (Peer* peer = FindPeer(tables_.with_ended_sa[i])) OnPeerDue(now, *peer);
  }
  tables_.with_ended_sa.clear();
}

// By time, octets or sequence numbers.
bool Peers::HasEnded(absl::Time now, const Child& child) const {
  const esp::InboundSa* in = tables_.sad.Find(child.spi_in);
  return child.expires <= now || child.out->has_ended() || (in != nullptr && in->has_ended());
}

// Renewing an SA is the client's business; we only see to it that none outlives its limits. The
// client is told, and what lives inside may go on over a pair that he makes in time.
void Peers::EndChildren(absl::Time now, Peer& peer) {
  for (const auto& child : peer.children) {
    if (child->deleted() || !HasEnded(now, *child)) continue;
    DeleteChild(now, peer, *child);
    Retire(now, peer, *child);
    Say(Level::kInfo, now, "esp_expired", peer.began, peer.path.remote,
        "ESP SA came to its hard limit: deleted");
  }
}

// Everything a peer itself waits for: SAs that linger or run out, being deserted, and silence.
void Peers::OnPeerDue(absl::Time now, Peer& peer) {
  EndChildren(now, peer);
  std::vector<esp::Spi> over;
  for (const auto& child : peer.children) {
    if (child->remove_at <= now) over.push_back(child->spi_in);
  }
  for (const esp::Spi spi : over) RemoveChild(peer, spi);
  if (!over.empty() && peer.children.empty()) {
    DeleteSas(now, peer);
    return RemovePeer(now, peer, "no_sa");
  }
  if (peer.closing && peer.tunnels.empty()) {
    DeleteSas(now, peer);
    return RemovePeer(now, peer, "closed");
  }
  if (peer.path_mtu_until <= now) ForgetPathMtu(peer);
  NoteDesertion(now, peer);
  if (peer.deserted + DesertionLimit(peer) <= now) {
    DeleteSas(now, peer);
    return RemovePeer(now, peer, peer.tunnels.empty() ? "no_tunnel" : "no_sa");
  }
  OnClaimDue(now, peer);
  KeepAlive(now, peer);
  AskForLife(now, peer);
  Schedule(peer);
}

// A client that has hung up is gone; one that has not dialled yet may be slow.
absl::Duration Peers::DesertionLimit(const Peer& peer) const {
  return peer.had_tunnel ? std::min(kDesertedLimit, tables_.settings.linger) : kDesertedLimit;
}

// Over the newest phase 1 that knows dead peer detection. The answer, or its absence, comes later.
void Peers::AskForLife(absl::Time now, Peer& peer) {
  const absl::Duration dpd = tables_.settings.dpd;
  if (dpd == absl::ZeroDuration() || peer.current == nullptr ||
      std::max(peer.last_heard, peer.dpd_asked) + dpd > now) {
    return;
  }
  peer.dpd_asked = now;
  auto out = ike_outs_.Take();
  const auto asked = [&](ike::PhaseOneId id) { return responder_.StartDpd(now, id, *out); };
  std::find_if(peer.phase_ones.rbegin(), peer.phase_ones.rend(), asked);
  CarryOut(now, *out);
}

// One octet, unless something was sent to the client meanwhile.
void Peers::KeepAlive(absl::Time now, Peer& peer) {
  if (peer.keepalive_at > now || peer.current == nullptr) return;
  if (peer.last_sent + kKeepalive <= now) {
    sealer_.SendKeepalive(now, peer.path);
    peer.last_sent = now;
  }
  peer.keepalive_at = peer.last_sent + kKeepalive;
}

void Peers::Watch(absl::Time now, ike::PhaseOneId sa) {
  unclaimed_.push_back({now + kUnclaimedLimit, sa});
  if (!login_timer_.scheduled()) wheel_.Schedule(login_timer_, unclaimed_.front().due);
}

// A phase 1 that belongs to no peer has had its time, unless it comes from a peer's own place: then
// it is a renewal, by a client that does not know dead peer detection, and waits for a quick mode.
void Peers::EndUnclaimed(absl::Time now) {
  while (!unclaimed_.empty() && unclaimed_.front().due <= now) {
    const ike::PhaseOneId sa = unclaimed_.front().sa;
    unclaimed_.pop_front();
    const auto it = logins_.find(sa);
    if (it == logins_.end() || it->second.peer != 0) continue;
    const Login& login = it->second;
    if (FindAt(login.path.remote, login.identity, nullptr, nullptr) != nullptr) {
      unclaimed_.push_back({now + kUnclaimedLimit, sa});
      continue;
    }
    auto out = ike_outs_.Take();
    responder_.DeletePhase1(now, sa, *out);
    CarryOut(now, *out);
  }
  if (!unclaimed_.empty()) wheel_.Schedule(login_timer_, unclaimed_.front().due);
}

void Peers::Schedule(Peer& peer) {
  absl::Time next =
      std::min({peer.deserted + DesertionLimit(peer), peer.keepalive_at, peer.path_mtu_until});
  if (peer.claim != nullptr) {
    next = std::min({next, peer.claim->give_up, peer.claim->chap.NextDeadline()});
  }
  for (const auto& child : peer.children) {
    next = std::min(next, child->deleted() ? child->remove_at : child->expires);
  }
  if (tables_.settings.dpd > absl::ZeroDuration() && peer.current != nullptr) {
    next = std::min(next, std::max(peer.last_heard, peer.dpd_asked) + tables_.settings.dpd);
  }
  wheel_.Schedule(peer, next);
}

// A peer without a tunnel, or without an SA to send on, is given some time and no more.
void Peers::NoteDesertion(absl::Time now, Peer& peer) {
  const bool deserted = peer.tunnels.empty() || peer.current == nullptr;
  if (!deserted) {
    peer.deserted = absl::InfiniteFuture();
  } else if (peer.deserted == absl::InfiniteFuture()) {
    peer.deserted = now;
  }
  const auto has_session = [](const auto& tunnel) { return !tunnel->sessions.empty(); };
  const bool hung_up = peer.current == nullptr && peer.phase_ones.empty() &&
                       std::none_of(peer.tunnels.begin(), peer.tunnels.end(), has_session);
  if (hung_up) LeavePlace(peer);  // who comes from there next has nothing to do with it
  const bool needs_keepalive =
      peer.local_natted && peer.current != nullptr && peer.current->udp_encapsulated;
  if (!needs_keepalive) {
    peer.keepalive_at = absl::InfiniteFuture();
  } else if (peer.keepalive_at == absl::InfiniteFuture()) {
    peer.keepalive_at = now + kKeepalive;
  }
  Schedule(peer);
}

// DELETE for a pair, over its own phase 1 or whatever other is left.
void Peers::DeleteChild(absl::Time now, const Peer& peer, const Child& child) {
  const std::vector<ike::PhaseOneId>& mine = peer.phase_ones;
  if (mine.empty()) return;
  const bool own_is_left = std::find(mine.begin(), mine.end(), child.phase_one) != mine.end();
  auto out = ike_outs_.Take();
  responder_.DeleteChild(now, own_is_left ? child.phase_one : mine.back(), {child.spi_in.value},
                         *out);
  CarryOut(now, *out);
}

// DELETE for what the client still has, ESP first (RFC 2408 section 3.15).
void Peers::DeleteSas(absl::Time now, Peer& peer) {
  for (const auto& child : peer.children) {
    if (!child->deleted()) DeleteChild(now, peer, *child);
  }
  const std::vector<ike::PhaseOneId> mine = peer.phase_ones;  // gets shorter meanwhile
  auto out = ike_outs_.Take();
  for (const ike::PhaseOneId id : mine) {
    responder_.DeletePhase1(now, id, *out);
    CarryOut(now, *out);
  }
}

void Peers::RemovePeer(absl::Time now, Peer& peer, std::string_view why) {
  while (!peer.tunnels.empty()) {
    Tunnel& tunnel = *peer.tunnels.back();
    while (!tunnel.sessions.empty()) EndSession(now, *tunnel.sessions.back(), why);
    RemoveTunnel(tunnel);
  }
  while (!peer.children.empty()) RemoveChild(peer, peer.children.back()->spi_in);
  for (const ike::PhaseOneId id : peer.phase_ones) {
    if (const auto it = logins_.find(id); it != logins_.end()) it->second.peer = 0;
  }
  SayWith(Level::kInfo, now, "peer_gone", {{"peer", peer.path.remote}, {"reason", why}},
          "client is gone");
  Erase(peer);
}

// Off the tables; the object stays until Bury().
void Peers::Erase(Peer& peer) {
  wheel_.Cancel(peer);
  LeavePlace(peer);
  const auto it = peers_.find(peer.id);
  dead_peers_.push_back(std::move(it->second));
  peers_.erase(it);
}

// LCP Terminate first; what follows, follows from the events.
void Peers::Close(absl::Time now, Peer& peer) {
  peer.closing = true;
  if (peer.current == nullptr) {  // nothing can be said to it any more
    DeleteSas(now, peer);
    return RemovePeer(now, peer, "closed");
  }
  std::vector<std::pair<l2tp::TunnelId, std::vector<l2tp::SessionId>>> open;
  for (const auto& tunnel : peer.tunnels) {
    auto& entry = open.emplace_back(tunnel->machine.own(), std::vector<l2tp::SessionId>{});
    for (const auto& session : tunnel->sessions) entry.second.push_back(session->own);
  }
  for (const auto& [tunnel_id, sessions] : open) {
    for (const l2tp::SessionId own : sessions) {
      Session* session = FindSession(HopOf(tunnel_id, own));
      if (session == nullptr || session->ending) continue;
      auto out = link_outs_.Take();
      session->link.Terminate(now, stack::ppp::DownReason::kShutdown, *out);
      CarryOut(now, *session, *out);
    }
    Tunnel* tunnel = FindTunnel(tunnel_id);
    if (tunnel != nullptr && tunnel->sessions.empty()) CloseTunnel(now, *tunnel);
  }
  if (peer.tunnels.empty()) {
    DeleteSas(now, peer);
    RemovePeer(now, peer, "closed");
  }
}

void Peers::Drain(absl::Time now) {
  if (std::exchange(draining_, true)) return;
  std::vector<uint32_t> ids;
  for (const auto& [id, peer] : peers_) ids.push_back(id);
  for (const uint32_t id : ids) {
    if (Peer* peer = FindPeer(id)) Close(now, *peer);
  }
}

void Peers::Abandon(absl::Time now) {
  while (!peers_.empty()) {
    Peer& peer = *peers_.begin()->second;
    DeleteSas(now, peer);
    RemovePeer(now, peer, "abandoned");
  }
}

// DELETE is all there is time for: what needs an answer would wait for it in vain.
void Peers::LeaveAddress(absl::Time now, stack::Ip4 own, std::string_view why) {
  std::vector<uint32_t> ids;
  for (const auto& [id, peer] : peers_) {
    if (peer->path.local.ip == own) ids.push_back(id);
  }
  for (const uint32_t id : ids) {
    Peer* peer = FindPeer(id);
    if (peer == nullptr) continue;
    DeleteSas(now, *peer);
    RemovePeer(now, *peer, why);
  }
}

void Peers::Bury() {
  dead_sessions_.clear();
  dead_tunnels_.clear();
  dead_peers_.clear();
}

std::string_view Peers::UserOf(const Peer& peer) const {
  for (const auto& tunnel : peer.tunnels) {
    for (const auto& session : tunnel->sessions) {
      if (!session->user.empty()) return session->user;
    }
  }
  return "-";
}

void Peers::ListSessions(absl::Time now) const {
  for (const auto& [id, peer] : peers_) {
    for (const auto& tunnel : peer->tunnels) {
      for (const auto& session : tunnel->sessions) {
        tables_.log.Info(
            "session",
            {{"user", session->user},
             {"address", session->address},
             {"peer", peer->path.remote},
             {"shard", tables_.shard},
             {"state", session->up ? "up" : "connecting"},
             {"udp_encapsulated", peer->current != nullptr && peer->current->udp_encapsulated},
             {"mtu", session->mtu},
             {"up_packets", session->up_packets},
             {"up_bytes", session->up_bytes},
             {"down_packets", session->down_packets},
             {"down_bytes", session->down_bytes},
             {"age", now - session->started}},
            "session");
      }
    }
    if (peer->tunnels.empty()) {
      tables_.log.Info(
          "session",
          {{"user", UserOf(*peer)}, {"peer", peer->path.remote}, {"state", "ipsec only"}},
          "session");
    }
  }
}

Peers::Counts Peers::counts() const {
  Counts counts;
  counts.peers = peers_.size();
  counts.tunnels = tunnels_.size();
  counts.logins = logins_.size();
  counts.phase_ones = responder_.half_open() + responder_.established();
  counts.tickets = address_tickets_.size();
  counts.places = places_.size();
  counts.elsewhere = phase_ones_elsewhere_.size() + sas_elsewhere_.size();
  const auto timers = [](const Timed& timed) { return timed.scheduled() ? size_t{1} : size_t{0}; };
  for (const auto& [id, peer] : peers_) {
    counts.children += peer->children.size();
    counts.timers += timers(*peer);
    for (const auto& tunnel : peer->tunnels) {
      counts.sessions += tunnel->sessions.size();
      counts.timers += timers(*tunnel);
      for (const auto& session : tunnel->sessions) counts.timers += timers(*session);
    }
  }
  return counts;
}

void Peers::Say(Level level, absl::Time now, std::string_view event, absl::Time began,
                const stack::Endpoint& remote, const std::string& text) {
  SayWith(level, now, event, {{"peer", remote}, {"after", now - began}}, "login: " + text);
}

void Peers::SayWith(Level level, absl::Time now, std::string_view event, io::Log::Fields fields,
                    std::string_view text) {
  if (lines_.Take(now)) {
    tables_.log.Line(level, event, fields, text);
  } else {
    tables_.log.LineLimited(now, level, event, fields, text);
  }
}

}  // namespace gateway::shard
