// Subscribers that come from another place, and those that belong to another shard.
//
// A place is an outer endpoint, address and port, where a peer was reached: it answered what was
// sent there. A new phase 1 or pair of SAs that proves to be at a peer's place, under his identity,
// is his. Nothing less is believed, because behind a NAT with a group key all but the port is equal
// and everybody can send an authentic packet with a forged source.
//
// A client that comes from elsewhere (another network, another port of its NAT) and goes on with
// its old tunnel is asked for the password of the tunnel's user, by a fresh CHAP challenge over the
// new SAs (RFC 1994 section 2 allows one at any time), once the old ones have been silent. Until it
// has answered, its data is that of a stranger (kForeignTunnel) and the tunnel's own peer notices
// nothing.
//
// Shards: numbers that we gave out name the shard, but a phase 1 begins where its first message
// happened to fall. If home knows the place on another shard, the phase 1 moves there; if a peer
// speaks of a tunnel of another shard, the peer does. What still arrives here for the old numbers
// is passed on as it came, until the new owner says that they have ended.
#include <algorithm>
#include <utility>
#include <variant>

#include "gateway/shard/peers.h"
#include "stack/l2tp/data.h"
#include "stack/wire/ppp.h"

namespace gateway::shard {
namespace {

using io::Level;
using stack::Drop;
namespace l2tp = stack::l2tp;
namespace ppp = stack::ppp;

// A tunnel whose peer was heard so recently is not asked for by anybody else.
constexpr absl::Duration kOldPathSilent = absl::Seconds(2);
// How long a challenge may take, and how long the next one is away if it came to nothing.
constexpr absl::Duration kClaimLimit = absl::Seconds(15);
constexpr absl::Duration kClaimPause = absl::Seconds(5);
// Data in a foreign tunnel is looked at this often.
constexpr absl::Duration kStrayPause = absl::Seconds(1);

using ClaimOut = stack::Outbox<Drop>;

// PAP has no challenge: a client that logged in by it can only be asked by the CHAP that most
// clients know.
ppp::AuthProtocol ChapFor(ppp::AuthProtocol login) {
  return login == ppp::AuthProtocol::kPap ? ppp::AuthProtocol::kMsChapV2 : login;
}

}  // namespace

// ---- Places -----------------------------------------------------------------------------------

void Peers::MoveTo(Peer& peer, const ike::Path& path) {
  const bool moves = peer.path.remote != path.remote;
  peer.path = path;
  if (moves) ForgetPathMtu(peer);
  UpdatePlace(peer);
}

// Home hears of each place once, however many peers are there: a client that dials in anew is there
// twice.
void Peers::UpdatePlace(Peer& peer) {
  const bool is_placed = peer.reached == peer.path.remote && !peer.reached.ip.IsZero();
  if (is_placed && peer.place == peer.reached) return;
  LeavePlace(peer);
  if (!is_placed) return;
  peer.place = peer.reached;
  std::vector<uint32_t>& here = places_[*peer.place];
  if (here.empty()) mail_.push_back(PeerAt{*peer.place, tables_.shard});
  here.push_back(peer.id);
}

void Peers::LeavePlace(Peer& peer) {
  if (!peer.place) return;
  const auto it = places_.find(*peer.place);
  std::erase(it->second, peer.id);
  if (it->second.empty()) {
    mail_.push_back(PeerLeft{*peer.place, tables_.shard});
    places_.erase(it);
  }
  peer.place.reset();
}

// The peer at this place under this identity; `idci` null: whatever its end of the traffic is.
Peer* Peers::FindAt(const stack::Endpoint& place, const ike::Identification& identity,
                    const ike::Identification* idci, const Peer* except) const {
  const auto found = places_.find(place);
  if (found == places_.end()) return nullptr;
  for (auto id = found->second.rbegin(); id != found->second.rend(); ++id) {
    Peer* peer = FindPeer(*id);
    if (peer != except && !peer->closing && peer->identity == identity &&
        (idci == nullptr || peer->idci == *idci)) {
      return peer;
    }
  }
  return nullptr;
}

// ---- Whose is a phase 1? ----------------------------------------------------------------------

// It is up. What is not bound to a peer in time was never followed by a quick mode.
void Peers::FindOwner(absl::Time now, ike::PhaseOneId sa, Login& login) {
  const bool is_own = ShardOf(sa.cookie) == tables_.shard;
  if (is_own && tables_.settings.shards > 1 && !places_.contains(login.path.remote)) {
    login.asks_home = true;
    mail_.push_back(FindPlace{tables_.shard, sa, login.path.remote});
    return;
  }
  AskIfPeer(now, sa, login);
}

void Peers::OnPlaceFound(absl::Time now, const PlaceFound& found) {
  const auto it = logins_.find(found.sa);
  if (it == logins_.end() || !std::exchange(it->second.asks_home, false)) return;
  const bool is_elsewhere = found.shard && *found.shard != tables_.shard;
  if (is_elsewhere && it->second.peer == 0) return SendAway(now, found.sa, *found.shard);
  const std::optional<ike::NeedSpi> waiting = std::exchange(it->second.waiting, std::nullopt);
  AskIfPeer(now, found.sa, it->second);
  if (waiting) AnswerSpi(now, *waiting);
}

// A client may renew its phase 1 and nothing else. It is the one who is at this place if it answers
// an R-U-THERE that is sent there.
void Peers::AskIfPeer(absl::Time now, ike::PhaseOneId sa, Login& login) {
  if (login.peer != 0 || FindAt(login.path.remote, login.identity, nullptr, nullptr) == nullptr) {
    return;
  }
  login.asked_at = login.path.remote;
  auto out = ike_outs_.Take();
  responder_.StartDpd(now, sa, *out);
  CarryOut(now, *out);
}

// It answered; and still says that it is where it was asked, so that is where it was reached.
void Peers::OnAnswered(absl::Time now, ike::PhaseOneId sa, Login& login) {
  if (login.peer != 0 || login.asked_at != login.path.remote) return;
  Peer* peer = FindAt(*login.asked_at, login.identity, nullptr, nullptr);
  if (peer == nullptr) return;
  Bind(sa, login, *peer);
  Say(Level::kInfo, now, "phase1_rekeyed", now, login.path.remote, "phase 1 rekeyed");
}

// A pair of SAs proved for the first time where its peer is. If there is one already, he has
// renewed his phase 1.
Peer& Peers::Recognize(absl::Time now, Peer& fresh, const Child& child) {
  if (!fresh.reached.ip.IsZero() || !fresh.tunnels.empty()) return fresh;
  Peer* known = FindAt(child.agreed_at, fresh.identity, &fresh.idci, &fresh);
  if (known == nullptr) return fresh;
  Join(now, *known, fresh);
  return *known;
}

// They are one: what the newcomer has becomes the owner's. Ends nothing but the newcomer itself,
// which stays readable until Bury().
void Peers::Join(absl::Time now, Peer& owner, Peer& newcomer) {
  for (auto& child : newcomer.children) {
    if (esp::InboundSa* sa = tables_.sad.Find(child->spi_in)) sa->peer = owner.id;
    child->out->peer = owner.id;
    MakeRoom(owner);
    owner.children.push_back(std::move(child));
  }
  newcomer.children.clear();
  newcomer.current = nullptr;
  for (const ike::PhaseOneId id : newcomer.phase_ones) {
    owner.phase_ones.push_back(id);
    if (const auto it = logins_.find(id); it != logins_.end()) it->second.peer = owner.id;
  }
  newcomer.phase_ones.clear();
  LeavePlace(newcomer);
  owner.identity = newcomer.identity;
  owner.idci = newcomer.idci;
  owner.local_natted = newcomer.local_natted;
  owner.last_heard = std::max(owner.last_heard, newcomer.last_heard);
  if (!newcomer.reached.ip.IsZero()) owner.reached = newcomer.reached;
  MoveTo(owner, newcomer.path);
  ChooseCurrent(owner);
  NoteDesertion(now, owner);
  Erase(newcomer);
}

// ---- From shard to shard ----------------------------------------------------------------------

uint8_t Peers::ShardOf(uint64_t number) const {
  return io::ShardOfBucket(static_cast<uint8_t>(number), tables_.settings.shards);
}

std::optional<uint8_t> Peers::ElsewhereOf(esp::Spi spi) const {
  const auto it = sas_elsewhere_.find(spi);
  return it == sas_elsewhere_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<uint8_t> Peers::ElsewhereOf(ike::PhaseOneId sa) const {
  const auto it = phase_ones_elsewhere_.find(sa);
  return it == phase_ones_elsewhere_.end() ? std::nullopt : std::optional(it->second);
}

// A quick mode that has begun under it begins anew there, when the client repeats its first
// message.
void Peers::SendAway(absl::Time now, ike::PhaseOneId sa, uint8_t to) {
  const auto it = logins_.find(sa);
  auto transfer = responder_.Release(sa);
  if (it == logins_.end() || !transfer) return;
  const std::optional<ike::NeedSpi> waiting = std::exchange(it->second.waiting, std::nullopt);
  auto what = std::make_unique<Relocation>();
  what->phase_ones.push_back({*std::move(transfer), std::move(it->second)});
  logins_.erase(it);
  phase_ones_elsewhere_[sa] = to;
  letters_.push_back({to, Moved{std::move(what)}});
  ScheduleIke();
  if (!waiting) return;
  auto out = ike_outs_.Take();  // every question is answered
  responder_.OnSpi(now, {waiting->ticket, {}}, *out);
}

// With the tunnel he spoke of, so that he need not say it again.
void Peers::SendAway(Peer& peer, uint8_t to, l2tp::TunnelId tunnel, uint16_t port) {
  auto what = std::make_unique<Relocation>();
  what->tunnel = tunnel;
  what->port = port;
  for (const ike::PhaseOneId id : peer.phase_ones) {
    const auto it = logins_.find(id);
    auto transfer = responder_.Release(id);
    if (it == logins_.end() || !transfer) continue;
    what->phase_ones.push_back({*std::move(transfer), std::move(it->second)});
    logins_.erase(it);
    phase_ones_elsewhere_[id] = to;
  }
  peer.phase_ones.clear();
  for (const auto& child : peer.children) {
    if (auto sa = tables_.sad.Take(child->spi_in)) what->inbound.push_back(std::move(sa));
    sas_elsewhere_[child->spi_in] = to;
  }
  LeavePlace(peer);
  wheel_.Cancel(peer);
  peer.relocated = true;
  const auto it = peers_.find(peer.id);
  what->peer = std::move(it->second);
  peers_.erase(it);
  letters_.push_back({to, Moved{std::move(what)}});
  ScheduleIke();
}

void Peers::OnMoved(absl::Time now, Relocation what) {
  Peer* peer = what.peer.get();
  if (peer != nullptr) {
    peer->id = ++last_peer_;
    peers_.emplace(peer->id, std::move(what.peer));
    for (auto& sa : what.inbound) {
      sa->peer = peer->id;
      if (!tables_.sad.Insert(std::move(sa))) tables_.stats.Drop(Drop::kUnknownSpi);
    }
    for (const auto& child : peer->children) child->out->peer = peer->id;
    UpdatePlace(*peer);
    NoteDesertion(now, *peer);
  }
  for (auto& [transfer, moved_login] : what.phase_ones) {
    const ike::PhaseOneId id = transfer.id;
    moved_login.peer = 0;
    moved_login.asks_home = false;
    auto out = ike_outs_.Take();
    if (!responder_.Adopt(now, std::move(transfer), *out)) continue;
    Login& login = logins_[id] = std::move(moved_login);
    Watch(now, id);
    peer != nullptr ? Bind(id, login, *peer) : AskIfPeer(now, id, login);
    CarryOut(now, *out);
  }
  ScheduleIke();
  if (peer == nullptr) return;
  if (draining_) return Close(now, *peer);
  Stray(now, *peer, what.tunnel, what.port);
}

void Peers::OnMovedEnded(const MovedEnded& ended) {
  phase_ones_elsewhere_.erase(ended.sa);
  sas_elsewhere_.erase(ended.spi);
}

// ---- Tunnels of others ------------------------------------------------------------------------

// Called for every packet of a batch: answers yes seldom for data, so that a flood of it ends here.
bool Peers::MayStray(absl::Time now, Peer& peer, bool is_ip4) {
  if (!peer.tunnels.empty() || peer.closing) return false;
  if (peer.claim != nullptr) return !is_ip4;
  if (now < peer.next_stray) return false;
  peer.next_stray = now + kStrayPause;
  return true;
}

void Peers::OnStray(absl::Time now, StrayItem& item) {
  Peer* peer = FindPeer(item.peer);
  if (peer == nullptr) return tables_.stats.Drop(Drop::kPeerGone);
  const bool is_for_claim = peer->claim != nullptr && peer->claim->tunnel == item.tunnel &&
                            peer->claim->session == item.session && item.frame;
  if (is_for_claim) return OnClaimFrame(now, *peer, std::as_const(item.frame).bytes());
  tables_.stats.Drop(Drop::kForeignTunnel);
  Stray(now, *peer, item.tunnel, item.port);
}

// A peer without a tunnel of his own speaks of one that is not his. What he said is dropped: the
// client says it again, control messages by their resending and data by whoever sent it.
void Peers::Stray(absl::Time now, Peer& peer, l2tp::TunnelId id, uint16_t port) {
  if (peer.claim != nullptr || peer.current == nullptr || draining_) return;
  Tunnel* tunnel = FindTunnel(id);
  if (tunnel != nullptr) {
    const bool is_silent = now - tunnel->peer.last_heard >= kOldPathSilent;
    if (&tunnel->peer != &peer && is_silent) Challenge(now, peer, *tunnel, port);
    return;
  }
  const uint8_t owner = ShardOf(id.value);
  if (owner != tables_.shard && !peer.relocated && IsOwn(peer)) SendAway(peer, owner, id, port);
}

// Everything he has is of this shard: it was not moved here.
bool Peers::IsOwn(const Peer& peer) const {
  const auto is_own_sa = [this](const auto& child) {
    return ShardOf(child->spi_in.value) == tables_.shard;
  };
  const auto is_own_phase_one = [this](ike::PhaseOneId id) {
    return ShardOf(id.cookie) == tables_.shard;
  };
  return std::all_of(peer.children.begin(), peer.children.end(), is_own_sa) &&
         std::all_of(peer.phase_ones.begin(), peer.phase_ones.end(), is_own_phase_one);
}

void Peers::Challenge(absl::Time now, Peer& peer, Tunnel& tunnel, uint16_t port) {
  const auto session = std::find_if(tunnel.sessions.begin(), tunnel.sessions.end(),
                                    [](const auto& s) { return s->up && !s->ending; });
  if (session == tunnel.sessions.end()) return;
  peer.claim = std::make_unique<Claim>(tables_.settings.ppp.timing);
  peer.claim->tunnel = tunnel.machine.own();
  peer.claim->session = (*session)->own;
  peer.claim->port = port;
  peer.claim->give_up = now + kClaimLimit;
  ClaimOut out(tables_.pool);
  ppp::OutboxSink<Drop> sink(out);
  const ppp::AuthProtocol algorithm = ChapFor((*session)->link.authentication());
  peer.claim->chap.Begin(now, algorithm, tables_.settings.ppp.name, tables_.rng, sink);
  CarryOut(now, peer, out);
  Schedule(peer);
  tables_.log.LineLimited(now, Level::kInfo, "tunnel_claimed", {{"peer", peer.path.remote}},
                          "a client goes on with the tunnel of " + tunnel.peer.path.remote.Text() +
                              ": it is asked for the password");
}

// Null when the claim has lost its object.
Session* Peers::ClaimedBy(const Peer& peer) const {
  Session* session = FindSession(HopOf(peer.claim->tunnel, peer.claim->session));
  return session == nullptr || !session->up || session->ending || &session->tunnel.peer == &peer
             ? nullptr
             : session;
}

// Its frames travel in the tunnel in question, but over the SAs of the one who is asked.
void Peers::CarryOut(absl::Time now, Peer& peer, ClaimOut& out) {
  Session* session = ClaimedBy(peer);
  for (auto& item : out.items()) {
    auto* frame = std::get_if<0>(&item);
    if (frame == nullptr) {
      tables_.stats.Drop(std::get<1>(item));
      continue;
    }
    if (session == nullptr) continue;
    const l2tp::TunnelId tunnel = session->tunnel.machine.peer();
    const bool pushed =
        session->sequencing
            ? l2tp::PushSequencedData(frame->buf, tunnel, session->peer, session->next_ns++)
            : l2tp::PushData(frame->buf, tunnel, session->peer);
    if (pushed) sealer_.SendL2tp(now, peer, peer.claim->port, std::move(frame->buf));
  }
  out.Clear();
}

void Peers::OnClaimFrame(absl::Time now, Peer& peer, stack::ByteView bytes) {
  const auto frame = stack::wire::PppFrame::Parse(bytes);
  if (!frame.ok()) return tables_.stats.Drop(frame.error());
  Session* session = ClaimedBy(peer);
  if (frame->protocol != stack::wire::PppProtocol::kChap || session == nullptr) {
    return tables_.stats.Drop(Drop::kForeignTunnel);
  }
  const auto packet = stack::wire::PppControl::Parse(frame->payload);
  if (!packet.ok()) return tables_.stats.Drop(packet.error());
  ClaimOut out(tables_.pool);
  ppp::OutboxSink<Drop> sink(out);
  ppp::ChapAuthenticator& chap = peer.claim->chap;
  const auto said = chap.OnPacket(*packet, sink);
  if (!said) return CarryOut(now, peer, out);
  const auth::Answer answer = Ask(*said);
  const bool is_his = answer.accepted() && answer.user == session->user;
  const bool is_ms = std::holds_alternative<ppp::MsChapV2Proof>(said->proof);
  if (is_his) {
    chap.Succeed(is_ms ? answer.authenticator_response + " M=Access granted" : "Access granted",
                 sink);
  } else {
    ppp::ChapChallenge fresh;
    tables_.rng.Fill(fresh);
    chap.Fail(is_ms ? ppp::FailureMessage(691, fresh, "Access denied") : "Access denied", sink);
  }
  CarryOut(now, peer, out);
  const Claim claim = *std::exchange(peer.claim, nullptr);
  peer.next_stray = now + kClaimPause;
  if (is_his) return MoveTunnel(now, session->tunnel, peer, claim.port);
  tables_.log.LineLimited(now, Level::kWarning, "tunnel_refused", {{"peer", peer.path.remote}},
                          "a client that went on with another's tunnel does not know its password");
}

// Nobody but the user himself has both ends: the old one is of no use to him any more.
void Peers::MoveTunnel(absl::Time now, Tunnel& tunnel, Peer& to, uint16_t port) {
  Peer& owner = tunnel.peer;
  const stack::Endpoint before = owner.path.remote;
  std::vector<esp::Spi> old_sas;
  for (const auto& child : owner.children) old_sas.push_back(child->spi_in);
  const std::vector<ike::PhaseOneId> old_phase_ones = owner.phase_ones;
  tunnel.port = port;
  Join(now, owner, to);
  for (const esp::Spi spi : old_sas) {
    Child* child = owner.Find(spi);
    if (child == nullptr || child->deleted()) continue;
    DeleteChild(now, owner, *child);
    Retire(now, owner, *child);
  }
  auto out = ike_outs_.Take();
  for (const ike::PhaseOneId id : old_phase_ones) {
    responder_.DeletePhase1(now, id, *out);
    CarryOut(now, *out);
  }
  NoteDesertion(now, owner);
  SayWith(Level::kInfo, now, "tunnel_moved",
          {{"peer", owner.path.remote}, {"user", UserOf(owner)}, {"before", before}},
          "the client goes on from another place");
}

void Peers::OnClaimDue(absl::Time now, Peer& peer) {
  if (peer.claim == nullptr) return;
  ClaimOut out(tables_.pool);
  ppp::OutboxSink<Drop> sink(out);
  const bool is_over = peer.claim->chap.OnDeadline(now, sink) || peer.claim->give_up <= now ||
                       ClaimedBy(peer) == nullptr;
  CarryOut(now, peer, out);
  if (!is_over) return;
  peer.claim.reset();
  peer.next_stray = now + kClaimPause;
}

}  // namespace gateway::shard
