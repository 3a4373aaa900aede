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

// How long a client whose session is in somebody's way is given for a life sign, and how often it
// is looked for: three losses in a row are rare, and the other one waits meanwhile.
constexpr absl::Duration kProbeLimit = absl::Seconds(5);
constexpr absl::Duration kProbeInterval = absl::Seconds(1);

// RFC 2661 section 4.4.2. 4 is "lack of appropriate facilities, temporary".
l2tp::CdnResult ResultOf(ppp::DownReason reason) {
  switch (reason) {
    case ppp::DownReason::kPeerTerminated:
      return l2tp::CdnResult::kLossOfCarrier;
    case ppp::DownReason::kFull:
    case ppp::DownReason::kNoAddress:
      return l2tp::CdnResult::kNoFacilitiesNow;
    default:
      return l2tp::CdnResult::kAdministrative;
  }
}

std::string_view WordsOf(auth::Refusal refusal) {
  switch (refusal) {
    case auth::Refusal::kUnknownUser:
      return "unknown user";
    case auth::Refusal::kNoPassword:
      return "CHAP-MD5 is not allowed any more";
    default:
      return "wrong password";
  }
}

// What a login that home turned away is logged as, and ended with.
struct TurnedAway {
  const char *reason, *text;
  ppp::DownReason down;
};
TurnedAway TurnedAwayFor(AddressGranted::Why why) {
  switch (why) {
    case AddressGranted::Why::kLoggedIn:
      return {"logged_in", "this user is logged in already", ppp::DownReason::kLoggedIn};
    case AddressGranted::Why::kFull:
      return {"full", "the gateway is full (limits.sessions)", ppp::DownReason::kFull};
    default:
      return {"no_address", "no address left", ppp::DownReason::kNoAddress};
  }
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
                   [&](ppp::NeedVerify& need) { to_verify.push_back(std::move(need)); },
                   [&](ppp::Suspended&) { Suspend(session); },
                   [&](ppp::Down& event) { down = std::move(event); },
                   [&](auto& event) { On(now, session, event); },
               },
               std::get<1>(item));
  }
  out.Clear();
  Schedule(session);
  for (const ppp::NeedVerify& need : to_verify) Verify(now, session, need);
  if (down) HangUp(now, session, *down);
}

void Peers::Schedule(Session& session) {
  const absl::Time next = std::min(session.link.NextDeadline(), session.look_at);
  wheel_.Schedule(session, session.ending ? absl::InfiniteFuture() : next);
}

void Peers::On(absl::Time now, Session& session, const ppp::Step& step) {
  const Peer& peer = session.tunnel.peer;
  std::string text(ppp::NameOf(step.kind));
  std::replace(text.begin(), text.end(), '_', ' ');
  Say(Level::kInfo, now, "login_step", peer.began, peer.path.remote, "PPP " + text);
}

void Peers::Verify(absl::Time now, Session& session, const ppp::NeedVerify& need) {
  const Peer& peer = session.tunnel.peer;
  auth::Answer answer = Ask({need.name, need.proof});
  ppp::Verdict verdict = ppp::Refused{};
  if (answer.accepted()) {
    session.user = std::move(answer.user);
    session.grants = answer.grants;
    verdict = ppp::Accepted{std::move(answer.authenticator_response)};
  } else {
    tables_.log.LineLimited(now, Level::kWarning, "login_failed",
                            {{"peer", peer.path.remote},
                             {"step", "authentication"},
                             {"reason", auth::NameOf(answer.refusal)},
                             {"user", need.name},
                             {"after", now - peer.began}},
                            "login failed: " + std::string(WordsOf(answer.refusal)));
  }
  auto out = link_outs_.Take();
  session.link.OnVerified(now, need.ticket, verdict, *out);
  CarryOut(now, session, *out);
}

auth::Answer Peers::Ask(const auth::Question& question) const {
  return credentials_->users.Verify(question);
}

void Peers::On(absl::Time, Session& session, const ppp::NeedAddress& need) {
  session.address_ticket = ++last_ticket_;
  session.ppp_ticket = need.ticket;
  address_tickets_[session.address_ticket] = {session.tunnel.machine.own(), session.own};
  const Peer& peer = session.tunnel.peer;
  mail_.push_back(NeedAddress{tables_.shard, session.address_ticket, session.user, session.grants,
                              peer.path.remote.ip, peer.identity.Text()});
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
  ppp::Admission admission;
  if (granted.ip) {
    const PoolSettings& pool = tables_.settings.pools[granted.pool];
    session->granted = granted.ip;
    session->dns = granted.dns;
    session->pool = granted.pool;
    by_address_[*granted.ip] = {session->tunnel.machine.own(), session->own};
    admission = ppp::Assignment{*granted.ip, pool.gateway, granted.dns};
  } else {
    const TurnedAway away = TurnedAwayFor(granted.why);
    admission = ppp::NotAdmitted{away.down};
    const Peer& peer = session->tunnel.peer;
    tables_.log.LineLimited(now, Level::kWarning, "login_failed",
                            {{"peer", peer.path.remote},
                             {"step", "admission"},
                             {"reason", away.reason},
                             {"user", session->user},
                             {"after", now - peer.began}},
                            std::string("login failed: ") + away.text);
  }
  auto out = link_outs_.Take();
  session->link.OnAddress(now, session->ppp_ticket, admission, *out);
  CarryOut(now, *session, *out);
}

void Peers::OnMakeWay(absl::Time now, const MakeWay& make_way) {
  const auto it = by_address_.find(make_way.ip);
  if (it == by_address_.end()) return;  // the address is on its way home
  Session* session = FindSession(HopOf(it->second.tunnel, it->second.session));
  if (session == nullptr) return;
  if (!make_way.only_if_dead) return Replace(now, *session);
  if (session->look_at != absl::InfiniteFuture()) return;  // asked a moment ago
  session->probed = now;
  session->look_at = now + kProbeInterval;
  auto out = link_outs_.Take();
  session->link.Probe(*out);
  CarryOut(now, *session, *out);
}

// Everything that opens in ESP is a sign of life, and so is an answer of its IKE.
void Peers::LookForLife(absl::Time now, Session& session) {
  session.look_at = absl::InfiniteFuture();
  if (session.tunnel.peer.last_heard > session.probed) {
    if (session.granted) mail_.push_back(StaysOn{*session.granted});
  } else if (now - session.probed >= kProbeLimit) {
    return Replace(now, session);
  } else {
    session.look_at = now + kProbeInterval;
    auto out = link_outs_.Take();
    session.link.Probe(*out);
    return CarryOut(now, session, *out);
  }
  Schedule(session);
}

// The address goes back at once, so that the new login need not wait for this one's farewell.
void Peers::Replace(absl::Time now, Session& session) {
  ReturnAddressOf(now, session);
  auto out = link_outs_.Take();
  session.link.Terminate(now, ppp::DownReason::kReplaced, *out);
  CarryOut(now, session, *out);
}

void Peers::ReturnAddressOf(absl::Time now, Session& session) {
  if (!session.granted) return;
  tables_.translator.RemoveClient(*session.granted, Seconds(now));
  by_address_.erase(*session.granted);
  mail_.push_back(ReturnAddress{*session.granted});
  session.granted.reset();
}

void Peers::On(absl::Time now, Session& session, const ppp::Up& up) {
  const Peer& peer = session.tunnel.peer;
  session.address = up.client;
  session.gateway = up.gateway;
  session.mru = up.peer_mru;
  session.mtu = MtuTowards(session);
  session.up = true;
  tables_.router.Add({up.client, 32},
                     {nat::Hop::Kind::kPeer, HopOf(session.tunnel.machine.own(), session.own), {}});
  SayWith(Level::kInfo, now, "session_up",
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
    SayWith(Level::kInfo, now, "ppp_down",
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
  ReturnAddressOf(now, session);
  SayWith(Level::kInfo, now, "session_down",
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
