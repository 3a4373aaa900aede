// PPP's events: who the user is, which address he gets, and what becomes of the session.
#include <algorithm>
#include <utility>

#include "gateway/shard/peers.h"

namespace gateway::shard {
namespace {

using io::Level;
using stack::Drop;
namespace l2tp = stack::l2tp;
namespace ppp = stack::ppp;

// The smallest MTU a link is run with: RFC 791 lets every host send 576.
constexpr uint16_t kMinTunnelMtu = 576;

l2tp::CdnResult ResultOf(ppp::DownReason reason) {
  return reason == ppp::DownReason::kPeerTerminated ? l2tp::CdnResult::kLossOfCarrier
                                                    : l2tp::CdnResult::kAdministrative;
}

}  // namespace

void Peers::OnPpp(absl::Time now, PppItem& item) {
  Session* session = FindSession(HopOf(item.tunnel, item.session));
  if (session == nullptr) return tables_.stats.Drop(Drop::kUnknownSession);
  if (session->ending) return tables_.stats.Drop(Drop::kPeerGone);
  auto out = link_outs_.Take();
  session->link.OnPacket(now, std::as_const(item.frame).bytes(), *out);
  CarryOut(now, *session, *out);
}

void Peers::CarryOut(absl::Time now, Session& session, LinkOut& out) {
  std::vector<ppp::NeedVerify> to_verify;
  std::optional<ppp::Down> down;
  for (auto& item : out.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      sealer_.SendPpp(now, session, std::move(frame->buf));
      continue;
    }
    std::visit(stack::Overloaded{
                   [this](Drop drop) { tables_.stats.Drop(drop); },
                   [&](const ppp::NeedVerify& need) { to_verify.push_back(need); },
                   [&](const ppp::Suspended&) { Suspend(session); },
                   [&](const ppp::Down& event) { down = event; },
                   [&](const auto& event) { On(now, session, event); },
               },
               std::get<1>(item));
  }
  out.Clear();
  Schedule(session);
  for (const ppp::NeedVerify& need : to_verify) Verify(now, session, need);
  if (down) HangUp(now, session, *down);
}

void Peers::Schedule(Session& session) {
  wheel_.Schedule(session, session.ending ? absl::InfiniteFuture() : session.link.NextDeadline());
}

void Peers::On(absl::Time now, Session& session, const ppp::Step& step) {
  const Peer& peer = session.tunnel.peer;
  std::string text(ppp::NameOf(step.kind));
  std::replace(text.begin(), text.end(), '_', ' ');
  Say(Level::kInfo, now, "login_step", peer.began, peer.path.remote, "PPP " + text);
}

void Peers::Verify(absl::Time now, Session& session, const ppp::NeedVerify& need) {
  const Peer& peer = session.tunnel.peer;
  const auth::Answer answer = tables_.settings.users->Verify({need.name, need.proof});
  ppp::Verdict verdict = ppp::Refused{};
  if (answer.accepted()) {
    session.user = answer.user;
    session.fixed = answer.grants.address;
    verdict = ppp::Accepted{answer.authenticator_response};
  } else {
    const bool unknown = answer.refusal == auth::Refusal::kUnknownUser;
    tables_.log.LineLimited(
        now, Level::kWarning, "login_failed",
        {{"peer", peer.path.remote},
         {"step", "authentication"},
         {"reason", auth::NameOf(answer.refusal)},
         {"user", need.name},
         {"after", now - peer.began}},
        unknown ? "login failed: unknown user" : "login failed: wrong password");
  }
  auto out = link_outs_.Take();
  session.link.OnVerified(now, need.ticket, verdict, *out);
  CarryOut(now, session, *out);
}

void Peers::On(absl::Time, Session& session, const ppp::NeedAddress& need) {
  session.address_ticket = ++last_ticket_;
  session.ppp_ticket = need.ticket;
  address_tickets_[session.address_ticket] = {session.tunnel.machine.own(), session.own};
  mail_.push_back(NeedAddress{tables_.shard, session.address_ticket, session.user, session.fixed});
}

// Home's answer. If the session ended meanwhile the address goes straight back.
void Peers::OnAddress(absl::Time now, const AddressGranted& granted) {
  const auto it = address_tickets_.find(granted.ticket);
  Session* session = nullptr;
  if (it != address_tickets_.end()) {
    session = FindSession(HopOf(it->second.tunnel, it->second.session));
    address_tickets_.erase(it);
  }
  if (session == nullptr || session->ending || session->address_ticket != granted.ticket) {
    if (granted.ip) mail_.push_back(ReturnAddress{*granted.ip});
    return;
  }
  session->address_ticket = 0;
  session->granted = granted.ip;
  ppp::Admission admission;
  if (granted.ip) {
    const PoolSettings& pool = tables_.settings.pools[granted.pool];
    admission = ppp::Assignment{*granted.ip, pool.gateway, pool.dns};
  } else {
    admission = ppp::NotAdmitted{};
    const Peer& peer = session->tunnel.peer;
    tables_.log.LineLimited(now, Level::kWarning, "login_failed",
                            {{"peer", peer.path.remote},
                             {"step", "address"},
                             {"reason", "no_address"},
                             {"user", session->user},
                             {"after", now - peer.began}},
                            "login failed: no address left");
  }
  auto out = link_outs_.Take();
  session->link.OnAddress(now, session->ppp_ticket, admission, *out);
  CarryOut(now, *session, *out);
}

uint16_t Peers::MtuTowards(const Session& session, uint16_t peer_mru) const {
  const Peer& peer = session.tunnel.peer;
  uint16_t mtu = peer_mru;
  const nat::Hop hop = tables_.router.Lookup(peer.path.remote.ip);
  if (peer.current != nullptr && hop.kind == nat::Hop::Kind::kInterface) {
    const uint16_t outer = tables_.egress.mtu(static_cast<uint8_t>(hop.index));
    mtu = std::min(mtu, Sealer::TunnelMtu(*peer.current, outer));
  }
  return std::max(mtu, kMinTunnelMtu);
}

void Peers::On(absl::Time now, Session& session, const ppp::Up& up) {
  const Peer& peer = session.tunnel.peer;
  session.address = up.client;
  session.gateway = up.gateway;
  session.mtu = MtuTowards(session, up.peer_mru);
  session.up = true;
  tables_.router.Add({up.client, 32},
                     {nat::Hop::Kind::kPeer, HopOf(session.tunnel.machine.own(), session.own), {}});
  tables_.log.Info("session_up",
                   {{"peer", peer.path.remote},
                    {"user", session.user},
                    {"address", up.client},
                    {"mtu", session.mtu},
                    {"after", now - peer.began}},
                   "login: complete, the client is on line");
}

void Peers::Suspend(Session& session) {
  if (!session.up) return;
  session.up = false;
  tables_.router.Remove({session.address, 32});
}

// PPP is over: the call ends, and with it the session.
void Peers::HangUp(absl::Time now, Session& session, const ppp::Down& down) {
  if (session.ending) return;
  const ppp::DownReason reason = down.reason;
  const std::string text = "PPP ended: " + std::string(ppp::TextOf(reason)) +
                           (down.detail.empty() ? "" : ": " + down.detail);
  session.ending = true;
  Schedule(session);
  const Peer& peer = session.tunnel.peer;
  if (!session.up && reason != ppp::DownReason::kPeerTerminated &&
      reason != ppp::DownReason::kShutdown) {
    tables_.log.LineLimited(
        now, Level::kWarning, "ppp_failed",
        {{"peer", peer.path.remote}, {"reason", ppp::NameOf(reason)}, {"after", now - peer.began}},
        text);
  } else {
    tables_.log.Info(
        "ppp_down",
        {{"peer", peer.path.remote}, {"user", session.user}, {"reason", ppp::NameOf(reason)}},
        text);
  }
  Tunnel& tunnel = session.tunnel;
  const l2tp::SessionId own = session.own;
  auto out = tunnel_outs_.Take();
  tunnel.machine.HangUp(now, own, l2tp::Code(ResultOf(reason)), *out);
  CarryOut(now, tunnel, *out);
  // The tunnel may be closing, and then tells nothing of its calls any more.
  if (Session* left = tunnel.Find(own)) EndSession(now, *left, ppp::NameOf(reason));
}

void Peers::EndSession(absl::Time now, Session& session, std::string_view why) {
  Tunnel& tunnel = session.tunnel;
  const Peer& peer = tunnel.peer;
  session.ending = true;
  wheel_.Cancel(session);
  Suspend(session);
  if (session.granted) {
    tables_.translator.RemoveClient(*session.granted, Seconds(now));
    mail_.push_back(ReturnAddress{*session.granted});
  }
  tables_.log.Info("session_down",
                   {{"peer", peer.path.remote},
                    {"user", session.user},
                    {"address", session.address},
                    {"up_packets", session.up_packets},
                    {"up_bytes", session.up_bytes},
                    {"down_packets", session.down_packets},
                    {"down_bytes", session.down_bytes},
                    {"lasted", now - session.started},
                    {"reason", why}},
                   "session ended");
  for (auto it = tunnel.sessions.begin(); it != tunnel.sessions.end(); ++it) {
    if (it->get() != &session) continue;
    dead_sessions_.push_back(std::move(*it));
    tunnel.sessions.erase(it);
    return;
  }
}

}  // namespace gateway::shard
