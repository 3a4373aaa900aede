// L2TP's events: tunnels and calls inside a peer's ESP.
#include <utility>

#include "gateway/shard/peers.h"

namespace gateway::shard {
namespace {

using io::Level;
using stack::Drop;
namespace l2tp = stack::l2tp;

// A client has one; two while a new one replaces a stale one.
constexpr size_t kMaxTunnels = 4;

std::string EndText(l2tp::End why, const l2tp::ResultCode& code) {
  std::string text(l2tp::NameOf(why));
  if (code.result != 0) text += " (result " + std::to_string(code.result) + ")";
  if (!code.message.empty()) text += ": " + code.message;
  return text;
}

}  // namespace

void Peers::OnL2tp(absl::Time now, L2tpItem& item) {
  Peer* peer = FindPeer(item.peer);
  if (peer == nullptr) return tables_.stats.Drop(Drop::kPeerGone);
  const stack::ByteView message = std::as_const(item.message).bytes();
  const auto header = stack::wire::L2tp::Parse(message);
  if (!header.ok()) return tables_.stats.Drop(header.error());
  Tunnel* tunnel = header->tunnel().value == 0 ? TunnelForSccrq(now, *peer, item.port, message)
                                               : FindTunnel(header->tunnel());
  if (tunnel == nullptr || &tunnel->peer != peer || tunnel->port != item.port) {
    tables_.stats.Drop(tunnel == nullptr ? Drop::kUnknownTunnel : Drop::kForeignTunnel);
    const l2tp::TunnelId named = header->tunnel();
    if (named.value != 0 && MayStray(now, *peer, false)) Stray(now, *peer, named, item.port);
    return;
  }
  auto out = tunnel_outs_.Take();
  tunnel->machine.OnPacket(now, message, *out);
  CarryOut(now, *tunnel, *out);
}

// A first message is addressed to tunnel 0. The same one again goes to its tunnel; the same id
// afresh means that the client has forgotten the tunnel, and so do we.
Tunnel* Peers::TunnelForSccrq(absl::Time now, Peer& peer, uint16_t port, stack::ByteView message) {
  const auto sccrq = l2tp::TunnelLns::Identify(message);
  if (!sccrq || draining_ || peer.closing) return nullptr;
  for (const auto& tunnel : peer.tunnels) {
    if (tunnel->machine.peer() != sccrq->assigned) continue;
    if (tunnel->port == port && tunnel->machine.IsRepetition(now, *sccrq)) return tunnel.get();
    AbandonTunnel(now, *tunnel);
    break;
  }
  return OpenTunnel(now, peer, port);
}

void Peers::AbandonTunnel(absl::Time now, Tunnel& tunnel) {
  auto out = tunnel_outs_.Take();
  tunnel.machine.Abandon(now, *out);
  CarryOut(now, tunnel, *out);
}

// Makes room for a client that dials in again and again: a tunnel without a session goes first (it
// lingers for its last acknowledgements), else the oldest, of which a client that crashed knows
// nothing any more. It can hurt nobody but himself.
void Peers::AbandonOldest(absl::Time now, Peer& peer) {
  for (const auto& tunnel : peer.tunnels) {  // oldest first
    if (tunnel->sessions.empty()) return AbandonTunnel(now, *tunnel);
  }
  AbandonTunnel(now, *peer.tunnels.front());
}

Tunnel* Peers::OpenTunnel(absl::Time now, Peer& peer, uint16_t port) {
  if (peer.tunnels.size() >= kMaxTunnels) AbandonOldest(now, peer);
  const uint32_t shards = tables_.settings.shards;
  for (int tries = 0; tries < 64; ++tries) {
    const uint32_t draw = tables_.rng.U32();
    const uint32_t bucket = (draw & 0xff) - (draw & 0xff) % shards + tables_.shard;
    const l2tp::TunnelId id{static_cast<uint16_t>((draw & 0xff00) | (bucket & 0xff))};
    if (bucket > 0xff || id.value == 0 || tunnels_.contains(id)) continue;
    peer.tunnels.push_back(
        std::make_unique<Tunnel>(peer, port, now, tables_.settings.l2tp, id, tables_.rng));
    tunnels_[id] = peer.tunnels.back().get();
    peer.had_tunnel = true;
    peer.claim.reset();
    NoteDesertion(now, peer);
    return peer.tunnels.back().get();
  }
  return nullptr;
}

void Peers::CarryOut(absl::Time now, Tunnel& tunnel, TunnelOut& out) {
  Peer& peer = tunnel.peer;
  bool gone = false;
  for (auto& item : out.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      sealer_.SendL2tp(now, peer, tunnel.port, std::move(frame->buf));
      continue;
    }
    std::visit(stack::Overloaded{
                   [this](Drop drop) { tables_.stats.Drop(drop); },
                   [&](const l2tp::Step& step) {
                     Say(Level::kInfo, now, "login_step", peer.began, peer.path.remote,
                         std::string(step.sent ? "sent " : "received ") +
                             std::string(stack::wire::NameOf(step.message)));
                   },
                   [&](const l2tp::TunnelUp& up) {
                     std::string text = "L2TP tunnel up";
                     if (!up.host_name.empty()) text += ", client calls itself " + up.host_name;
                     if (!up.vendor_name.empty()) text += " (" + up.vendor_name + ")";
                     Say(Level::kInfo, now, "tunnel_up", peer.began, peer.path.remote, text);
                   },
                   [&](const l2tp::CallUp& call) { StartSession(now, tunnel, call); },
                   [&](const l2tp::CallDown& down) {
                     if (Session* session = tunnel.Find(down.own)) {
                       EndSession(now, *session, EndText(down.why, down.code));
                     }
                   },
                   [&](const l2tp::TunnelDown& down) {
                     Say(Level::kInfo, now, "tunnel_down", now, peer.path.remote,
                         "L2TP tunnel down: " + EndText(down.why, down.code));
                   },
                   [&gone](const l2tp::Gone&) { gone = true; },
               },
               std::get<1>(item));
  }
  out.Clear();
  if (gone) return RemoveTunnel(tunnel);
  if (peer.closing && tunnel.sessions.empty()) return CloseTunnel(now, tunnel);
  Schedule(tunnel);
}

void Peers::Schedule(Tunnel& tunnel) { wheel_.Schedule(tunnel, tunnel.machine.NextDeadline()); }

void Peers::StartSession(absl::Time now, Tunnel& tunnel, const l2tp::CallUp& call) {
  stack::ppp::LnsOptions options = tables_.settings.ppp;
  options.authentication = credentials_->authentication;
  tunnel.sessions.push_back(
      std::make_unique<Session>(tunnel, call.own, call.peer, options, tables_.rng, now));
  Session& session = *tunnel.sessions.back();
  session.sequencing = call.sequencing_required;
  auto out = link_outs_.Take();
  session.link.Start(now, *out);
  CarryOut(now, session, *out);
}

// Our own end of a tunnel. Asked again while the StopCCN waits for its acknowledgement, it does
// nothing.
void Peers::CloseTunnel(absl::Time now, Tunnel& tunnel) {
  auto out = tunnel_outs_.Take();
  tunnel.machine.Close(now, l2tp::Code(l2tp::StopCcnResult::kShuttingDown), *out);
  const bool said_something = !out->empty();
  if (said_something) return CarryOut(now, tunnel, *out);
  Schedule(tunnel);
}

void Peers::RemoveTunnel(Tunnel& tunnel) {
  Peer& peer = tunnel.peer;
  wheel_.Cancel(tunnel);
  tunnels_.erase(tunnel.machine.own());
  for (auto it = peer.tunnels.begin(); it != peer.tunnels.end(); ++it) {
    if (it->get() != &tunnel) continue;
    dead_tunnels_.push_back(std::move(*it));
    peer.tunnels.erase(it);
    break;
  }
  peer.deserted = absl::InfiniteFuture();  // NoteDesertion begins anew at the peer's next turn
  wheel_.Schedule(peer, absl::UnixEpoch());
}

}  // namespace gateway::shard
