// IKE's events: logins, ESP SAs and rekeying.
//
// Whose is a new pair of SAs? That of the peer its phase 1 is bound to. A client that rekeys phase
// 1 comes with new cookies: his pair stands alone until it has proved that he got our second
// message, and is joined with his older ones then (moving.cc).
#include <algorithm>
#include <string>
#include <utility>

#include "gateway/esp_suite.h"
#include "gateway/shard/peers.h"
#include "gateway/shard/read_along.h"

namespace gateway::shard {
namespace {

using io::Level;
using stack::Drop;

// A client rekeys before the old pair runs out; more at once than this is no client of ours.
constexpr size_t kMaxChildren = 8;
// What we allow beyond the lifetime agreed on, because the client is the one that rekeys.
constexpr absl::Duration kLifetimeMargin = absl::Seconds(90);
// And beyond the kilobytes: the client counts other octets than we (its own, with headers), and
// carries on while it rekeys.
constexpr uint64_t kOctetMargin = 8;  // an eighth
// A client moves no more often: each move is news for home.
constexpr absl::Duration kMovePause = absl::Seconds(1);

std::string ListOf(const std::vector<ike::PhaseOneSuite>& suites) {
  std::string text;
  for (const auto& suite : suites) text += (text.empty() ? "" : ", ") + ike::Text(suite);
  return text.empty() ? "nothing" : text;
}
std::string ListOf(const std::vector<ike::EspSuite>& suites) {
  std::string text;
  for (const auto& suite : suites) text += (text.empty() ? "" : ", ") + ike::Text(suite);
  return text.empty() ? "nothing" : text;
}

std::string WordsOf(ike::Failure why, ike::NotifyType notify) {
  using F = ike::Failure;
  switch (why) {
    case F::kNoCommonProposal:
      return "no common proposal";
    case F::kNoPreSharedKey:
      return "no pre-shared key is configured for this address";
    case F::kBadPublicValue:
      return "the client's Diffie-Hellman value is illegal";
    case F::kWrongPreSharedKey:
      return "wrong pre-shared key suspected: the client's identity decrypts to garbage";
    case F::kAuthentication:
      return "the client's authentication hash is wrong";
    case F::kTimeout:
      return "the client fell silent";
    case F::kRefusedByPeer:
      return "the client refused: " + std::string(ike::NameOf(notify));
    case F::kRefusedHere:
      return "refused here: the gateway is shutting down or full";
    case F::kIllegalMessage:
      return "the client broke the protocol";
    case F::kCrowdedOut:
      return "too many logins at the same time: the oldest unproven one had to go";
  }
  return "unknown reason";
}

// Where an SA ends; 0 kilobytes, and none named, are no limit.
uint64_t OctetsOf(const ike::Lifetime& lifetime) {
  const uint64_t octets = uint64_t{lifetime.kilobytes.value_or(0)} * 1024;
  return octets == 0 ? esp::kNoLimit : octets + octets / kOctetMargin;
}

// Which way a step of the timeline reads.
std::string WordsOf(const ike::StepKind& what) {
  return std::visit(
      stack::Overloaded{
          [](const ike::FirstMessage& first) {
            return "first message: " + std::to_string(first.transforms) + " transforms offered";
          },
          [](const ike::ProposalChosen& chosen) {
            return "phase 1 chosen: " + ike::Text(chosen.suite);
          },
          [](const ike::NatDetected& nat) -> std::string {
            const std::string found = nat.peer && nat.local ? "NAT on both sides"
                                      : nat.peer            ? "client is behind a NAT"
                                      : nat.local           ? "we are behind a NAT"
                                                            : "no NAT on the way";
            return found + (nat.forced && !nat.peer ? ", UDP encapsulation forced" : "");
          },
          [](const ike::KeysAgreed&) -> std::string { return "keys agreed"; },
          [](const ike::QuickModeStarted&) -> std::string { return "quick mode started"; },
      },
      what);
}

}  // namespace

void Peers::OnIke(absl::Time now, IkeItem& item) {
  auto out = ike_outs_.Take();
  responder_.OnPacket(now, {std::as_const(item.message).bytes(), item.from, item.to}, *out);
  CarryOut(now, *out);
}

void Peers::OnDh(absl::Time now, crew::Answer answer) {
  ike::DhAnswer to;
  to.ticket = answer.ticket;
  to.outcome =
      answer.status.ok() ? ike::DhAnswer::Outcome::kDone : ike::DhAnswer::Outcome::kBadPublicValue;
  to.own_public = std::move(answer.own_public);
  to.shared = std::move(answer.shared);
  auto out = ike_outs_.Take();
  responder_.OnDh(now, std::move(to), *out);
  CarryOut(now, *out);
}

// Frames and facts in their order; questions are answered when the list is through, so that the
// machine is never called while its last words are still being read.
void Peers::CarryOut(absl::Time now, ike::Out& out) {
  std::vector<ike::NeedDh> keys;
  std::vector<ike::NeedSpi> spis;
  for (auto& item : out.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      sealer_.SendIke(now, frame->address, std::move(frame->buf));
      continue;
    }
    std::visit(
        stack::Overloaded{
            [this](Drop drop) { tables_.stats.Drop(drop); },
            [&keys](ike::NeedDh& need) { keys.push_back(std::move(need)); },
            [&spis](ike::NeedSpi& need) { spis.push_back(std::move(need)); },
            [](ike::NeedKeyPair&) {},  // the initiator's questions: never asked by a responder
            [](ike::NeedAgreement&) {},
            [this, now](auto& event) { On(now, event); },
        },
        std::get<1>(item));
  }
  out.Clear();
  for (ike::NeedDh& need : keys) AskForKey(now, need);
  for (const ike::NeedSpi& need : spis) AnswerSpi(now, need);
  ScheduleIke();
}

void Peers::ScheduleIke() { wheel_.Schedule(ike_timer_, responder_.NextDeadline()); }

void Peers::AskForKey(absl::Time now, ike::NeedDh& need) {
  crew::Job job{need.ticket, need.established,
                crew::Respond{need.group, std::move(need.peer_public)}};
  if (ask_crew_(std::move(job))) return;
  ike::DhAnswer busy;
  busy.ticket = need.ticket;
  auto out = ike_outs_.Take();
  responder_.OnDh(now, std::move(busy), *out);
  CarryOut(now, *out);
}

void Peers::On(absl::Time now, const ike::Step& step) {
  auto [it, is_new] = logins_.try_emplace(step.sa);
  Login& login = it->second;
  if (is_new) login.began = now;
  login.path = step.path;
  // Strangers get this far: each kind of step has its own limit.
  static constexpr std::string_view kEvents[] = {"ike_first_message", "ike_chosen", "ike_nat",
                                                 "ike_keys", "quick_mode"};
  tables_.log.LineLimited(now, Level::kInfo, kEvents[step.what.index()],
                          {{"peer", step.path.remote}, {"after", now - login.began}},
                          [&step] { return "login: " + WordsOf(step.what); });
}

void Peers::On(absl::Time now, const ike::PhaseOneUp& up) {
  Login& login = logins_[up.sa];
  login.path = up.path;
  login.identity = up.peer;
  login.local_natted = up.local_natted;
  Say(Level::kInfo, now, "phase1_up", login.began, up.path.remote,
      "phase 1 up, client is " + up.peer.Text());
  const std::string weakness = ike::WeaknessOf(up.suite);
  if (!weakness.empty()) {
    tables_.log.LineLimited(now, Level::kWarning, "weak_phase1", {{"peer", up.path.remote}},
                            "login of " + up.peer.Text() + ": " + weakness);
  }
  Watch(now, up.sa);
  FindOwner(now, up.sa, login);
}

void Peers::On(absl::Time, const ike::KeyLog& keys) {
  if (tables_.keylog != nullptr) WriteKeys(*tables_.keylog, keys);
}

void Peers::On(absl::Time now, const ike::WrongPskSuspected& wrong) {
  const auto it = logins_.find(wrong.sa);
  const absl::Time began = it == logins_.end() ? now : it->second.began;
  tables_.log.LineLimited(
      now, Level::kWarning, "wrong_psk_suspected",
      {{"peer", wrong.path.remote}, {"after", now - began}},
      "login: wrong pre-shared key suspected: the client's identity decrypts to garbage");
}

void Peers::On(absl::Time now, const ike::PhaseOneFailed& failed) {
  const auto it = logins_.find(failed.sa);
  const absl::Time began = it == logins_.end() ? now : it->second.began;
  std::string text = "login failed in phase 1: " + WordsOf(failed.why, failed.notify);
  if (failed.why == ike::Failure::kNoCommonProposal) {
    text += "; offered: " + ListOf(failed.offered) + "; allowed here: " + ike::Text(failed.allowed);
  }
  tables_.log.LineLimited(now, Level::kWarning, "login_failed",
                          {{"peer", failed.path.remote},
                           {"step", "phase1"},
                           {"reason", ike::NameOf(failed.why)},
                           {"after", now - began}},
                          text);
  Forget(failed.sa);
}

void Peers::On(absl::Time now, const ike::PhaseOneGone& gone) {
  const auto it = logins_.find(gone.sa);
  if (it == logins_.end()) return;
  const char* why = gone.why == ike::PhaseOneGone::Why::kDeletedByPeer ? "deleted by the client"
                    : gone.why == ike::PhaseOneGone::Why::kDeletedHere ? "deleted here"
                    : gone.why == ike::PhaseOneGone::Why::kCrowdedOut
                        ? "this client began too many others"
                        : "expired";
  Say(Level::kInfo, now, "phase1_gone", it->second.began, it->second.path.remote,
      std::string("phase 1 ended: ") + why);
  const uint32_t owner = it->second.peer;
  Forget(gone.sa);
  if (Peer* peer = FindPeer(owner)) NoteDesertion(now, *peer);
}

void Peers::Forget(ike::PhaseOneId sa) {
  const auto it = logins_.find(sa);
  if (it == logins_.end()) return;
  if (Peer* peer = FindPeer(it->second.peer)) std::erase(peer->phase_ones, sa);
  logins_.erase(it);
  const uint8_t born_on = ShardOf(sa.cookie);
  if (born_on != tables_.shard) letters_.push_back({born_on, MovedEnded{sa, {}}});
}

// The client remembers no SAs: his older ones go, as soon as he has proved where he is.
void Peers::On(absl::Time now, const ike::InitialContact& contact) {
  const auto login = logins_.find(contact.sa);
  if (login == logins_.end()) return;
  Peer* peer = FindPeer(login->second.peer);
  if (peer != nullptr && peer->current != nullptr) return RetireOlder(now, *peer, contact.sa);
  login->second.initial_contact = true;
}

// The tunnel inside may go on over the new SAs (Apple after sleep). Only what shows the same
// identity at the same place is this client's: an address may be a whole office.
void Peers::RetireOlder(absl::Time now, Peer& peer, ike::PhaseOneId newest) {
  std::vector<Peer*> mine = {&peer};
  if (const auto found = places_.find(peer.reached); found != places_.end()) {
    for (const uint32_t id : found->second) {
      Peer* other = FindPeer(id);
      if (other != &peer && other->identity == peer.identity) mine.push_back(other);
    }
  }
  for (Peer* each : mine) {
    for (const auto& child : each->children) {
      if (child->phase_one != newest && !child->deleted()) Retire(now, *each, *child);
    }
    NoteDesertion(now, *each);
  }
}

void Peers::On(absl::Time now, const ike::PathChanged& changed) {
  const auto it = logins_.find(changed.sa);
  if (it == logins_.end()) return;
  it->second.path = changed.path;
  Peer* peer = FindPeer(it->second.peer);
  if (peer == nullptr || now - peer->moved < kMovePause) return;
  peer->moved = now;
  MoveTo(*peer, changed.path);
}

void Peers::On(absl::Time now, const ike::PeerAlive& alive) {
  const auto it = logins_.find(alive.sa);
  if (it == logins_.end()) return;
  if (alive.answered) OnAnswered(now, alive.sa, it->second);
  if (Peer* peer = FindPeer(it->second.peer)) peer->last_heard = now;
}

void Peers::On(absl::Time now, const ike::PeerDead& dead) {
  const auto it = logins_.find(dead.sa);
  if (it == logins_.end()) return;
  Peer* peer = FindPeer(it->second.peer);
  // ESP is as good an answer (RFC 3706 section 5.5): the client may have lost only its phase 1.
  if (peer == nullptr || now - peer->last_heard < tables_.settings.dpd) return;
  DeleteSas(now, *peer);
  RemovePeer(now, *peer, "dead_peer");
}

void Peers::AnswerSpi(absl::Time now, const ike::NeedSpi& need) {
  const auto login = logins_.find(need.sa);
  if (login != logins_.end() && login->second.asks_home && !login->second.waiting) {
    login->second.waiting = need;  // it may belong to another shard
    return;
  }
  ike::SpiAnswer answer;
  answer.ticket = need.ticket;
  const bool is_new = login != logins_.end() && login->second.peer == 0;
  const bool is_full = is_new && peers_.size() >= tables_.settings.peers_a_shard;
  if (is_full) tables_.stats.Drop(Drop::kPeerLimit);
  if (login != logins_.end() && !is_full && !draining_) {
    // Any bucket of ours: bucket mod shards is this shard.
    const uint32_t count =
        (256U - tables_.shard + tables_.settings.shards - 1U) / tables_.settings.shards;
    const uint32_t bucket = tables_.shard + (tables_.rng.U32() % count) * tables_.settings.shards;
    const auto spi = tables_.sad.Allocate(static_cast<uint8_t>(bucket), tables_.rng);
    if (spi) {
      tables_.sad.Remove(*spi);  // the quick mode may still fail, and would not say so
      if (!ElsewhereOf(*spi)) answer.spi = {spi->value};
    }
  }
  auto out = ike_outs_.Take();
  responder_.OnSpi(now, answer, *out);
  CarryOut(now, *out);
}

// The subscriber a new pair belongs to. A new one, for the time being, if the phase 1 is new.
Peer& Peers::PeerFor(absl::Time now, const ike::ChildReady& ready, Login& login) {
  if (Peer* known = FindPeer(login.peer)) return *known;
  auto fresh = std::make_unique<Peer>(++last_peer_, login.began);
  Peer& peer = *fresh;
  peers_.emplace(peer.id, std::move(fresh));
  peer.identity = login.identity;
  peer.idci = ready.idci;
  peer.last_heard = now;
  Bind(ready.sa, login, peer);
  MoveTo(peer, ready.path);
  NoteDesertion(now, peer);
  return peer;
}

void Peers::Bind(ike::PhaseOneId sa, Login& login, Peer& peer) {
  login.peer = peer.id;
  peer.phase_ones.push_back(sa);
  peer.local_natted = login.local_natted;
}

// Null if there is no such SA.
Peer* Peers::PeerOf(esp::Spi spi_in) const {
  const esp::InboundSa* sa = tables_.sad.Find(spi_in);
  return sa == nullptr ? nullptr : FindPeer(sa->peer);
}

void Peers::On(absl::Time now, ike::ChildReady& ready) {
  const auto login = logins_.find(ready.sa);
  if (login == logins_.end() || draining_) return;
  Peer& peer = PeerFor(now, ready, login->second);
  if (tables_.keylog != nullptr) WriteKeys(*tables_.keylog, ready);
  std::unique_ptr<Child> child = MakeChild(now, ready, peer);
  if (child == nullptr) return;
  MakeRoom(peer);
  peer.children.push_back(std::move(child));
  if (peer.current == nullptr) MoveTo(peer, ready.path);
  NoteDesertion(now, peer);
  Say(Level::kInfo, now, "child_ready", peer.began, ready.path.remote,
      "ESP SA agreed: " + ike::Text(ready.suite));
}

// Both halves, the inbound one in the SAD; null, and said why, if they cannot be made.
std::unique_ptr<Child> Peers::MakeChild(absl::Time now, ike::ChildReady& ready, Peer& peer) {
  const esp::Suite suite = EspSuiteOf(ready.suite);
  const uint64_t octets = OctetsOf(ready.suite.lifetime);
  esp::SaParameters in{.spi = {ready.spi_in.value},
                       .suite = suite,
                       .keys = {std::move(ready.in.cipher), std::move(ready.in.auth)},
                       .hard_octets = octets,
                       .peer = peer.id,
                       .replay_window = tables_.settings.replay_window};
  esp::SaParameters out{.spi = {ready.spi_out.value},
                        .suite = suite,
                        .keys = {std::move(ready.out.cipher), std::move(ready.out.auth)},
                        .hard_octets = octets,
                        .peer = peer.id};
  auto inbound = esp::MakeInboundSa(std::move(in), *tables_.esp);
  auto outbound = esp::MakeOutboundSa(std::move(out), *tables_.esp);
  std::string fault;
  if (!inbound.ok()) {
    fault = std::string(inbound.status().message());
  } else if (!outbound.ok()) {
    fault = std::string(outbound.status().message());
  } else if (!tables_.sad.Insert(*std::move(inbound))) {
    fault = "its SPI is in use";
  }
  if (!fault.empty()) {
    Say(Level::kError, now, "child_failed", peer.began, ready.path.remote,
        "ESP SA cannot be made: " + fault);
    return nullptr;
  }
  auto child = std::make_unique<Child>();
  child->phase_one = ready.sa;
  child->agreed_at = ready.path.remote;
  child->spi_in = {ready.spi_in.value};
  child->out = *std::move(outbound);
  child->udp_encapsulated = ready.udp_encapsulated;
  const uint32_t seconds = ready.suite.lifetime.seconds.value_or(0);  // 0 and absent: no limit
  if (seconds != 0) child->expires = now + absl::Seconds(seconds) + kLifetimeMargin;
  return child;
}

// For one more child: the oldest that lingers goes, else the oldest that has proved nothing, else
// the oldest; never the one in use.
void Peers::MakeRoom(Peer& peer) {
  if (peer.children.size() < kMaxChildren) return;
  const Child* victim = nullptr;
  const auto worth = [](const Child& child) { return child.deleted() ? 0 : child.proven ? 2 : 1; };
  for (const auto& child : peer.children) {
    if (child.get() == peer.current) continue;
    if (victim == nullptr || worth(*child) < worth(*victim)) victim = child.get();
  }
  RemoveChild(peer, victim->spi_in);
}

void Peers::On(absl::Time now, const ike::ChildUp& up) {
  Peer* peer = PeerOf({up.spi_in.value});
  if (peer == nullptr) return;
  if (Child* child = peer->Find({up.spi_in.value})) Prove(now, *peer, *child);
}

// The client receives on this pair, and got our second message where that was sent: now the pair is
// his. The newest such pair carries what we send. Gives the peer it belongs to from now on; ends
// nothing.
Peer& Peers::Prove(absl::Time now, Peer& seen, Child& child) {
  if (child.proven || child.deleted()) return seen;
  child.proven = true;
  responder_.OnEspSeen(now, child.phase_one, {child.spi_in.value});
  ScheduleIke();
  Peer& peer = Recognize(now, seen, child);
  const bool is_rekey = &peer != &seen || peer.current != nullptr;
  peer.reached = child.agreed_at;
  UpdatePlace(peer);
  ChooseCurrent(peer);
  if (const auto it = logins_.find(child.phase_one); it != logins_.end()) {
    if (std::exchange(it->second.initial_contact, false)) RetireOlder(now, peer, it->first);
  }
  NoteDesertion(now, peer);
  Say(Level::kInfo, now, is_rekey ? "esp_rekeyed" : "esp_up", is_rekey ? now : peer.began,
      peer.path.remote, is_rekey ? "ESP rekeyed" : "ESP up");
  return peer;
}

void Peers::ChooseCurrent(Peer& peer) {
  peer.current = nullptr;
  for (const auto& child : peer.children) {  // oldest first
    if (child->proven && !child->deleted()) peer.current = child.get();
  }
  Refit(peer);
}

void Peers::On(absl::Time now, const ike::ChildFailed& failed) {
  const auto login = logins_.find(failed.sa);
  const absl::Time began = login == logins_.end() ? now : login->second.began;
  const stack::Endpoint remote =
      login == logins_.end() ? stack::Endpoint{} : login->second.path.remote;
  std::string text = "login failed in quick mode: " + WordsOf(failed.why, failed.notify);
  if (failed.why == ike::Failure::kNoCommonProposal) {
    text += "; offered: " + ListOf(failed.offered) + "; allowed here: " + ListOf(failed.acceptable);
  }
  tables_.log.LineLimited(now, Level::kWarning, "login_failed",
                          {{"peer", remote},
                           {"step", "quick_mode"},
                           {"reason", ike::NameOf(failed.why)},
                           {"after", now - began}},
                          text);
  Peer* peer = failed.spi_in.value == 0 ? nullptr : PeerOf({failed.spi_in.value});
  if (peer == nullptr) return;
  const Child* child = peer->Find({failed.spi_in.value});
  if (child != nullptr && !child->proven) RemoveChild(*peer, child->spi_in);
  NoteDesertion(now, *peer);
}

// Our outbound SAs of that name end at once; the inbound halves linger for what is still under way.
// Only this peer's own: with a group key everybody can send a DELETE that verifies.
void Peers::On(absl::Time now, const ike::ChildDeleted& deleted) {
  const auto login = logins_.find(deleted.sa);
  Peer* peer = login == logins_.end() ? nullptr : FindPeer(login->second.peer);
  if (peer == nullptr) return;
  for (const ike::EspSpi spi : deleted.spi_out) {
    for (const auto& child : peer->children) {
      if (child->out->spi.value != spi.value || child->deleted()) continue;
      Retire(now, *peer, *child);
      Say(Level::kInfo, now, "child_deleted", peer->began, peer->path.remote,
          "ESP SA deleted by the client");
    }
  }
  NoteDesertion(now, *peer);
}

void Peers::Retire(absl::Time now, Peer& peer, Child& child) {
  child.remove_at = now + tables_.settings.linger;
  if (peer.current == &child) ChooseCurrent(peer);
}

void Peers::RemoveChild(Peer& peer, esp::Spi spi_in) {
  tables_.sad.Remove(spi_in);
  const uint8_t born_on = ShardOf(spi_in.value);
  if (born_on != tables_.shard) letters_.push_back({born_on, MovedEnded{{}, spi_in}});
  const auto it = std::find_if(peer.children.begin(), peer.children.end(),
                               [spi_in](const auto& child) { return child->spi_in == spi_in; });
  if (it == peer.children.end()) return;
  const bool was_current = it->get() == peer.current;
  peer.children.erase(it);
  if (was_current) ChooseCurrent(peer);
}

// The common case, a packet on the current pair from the usual place, costs three comparisons.
Peer* Peers::OnOpened(absl::Time now, const esp::InboundSa& sa, const stack::Endpoint& from,
                      const stack::Endpoint& to, bool udp_encapsulated) {
  Peer* peer = FindPeer(sa.peer);
  if (peer == nullptr) return nullptr;
  peer->last_heard = now;
  if (peer->current == nullptr || peer->current->spi_in != sa.spi) {
    Child* child = peer->Find(sa.spi);
    if (child != nullptr) peer = &Prove(now, *peer, *child);
  }
  const bool moved = udp_encapsulated ? from != peer->path.remote : from.ip != peer->path.remote.ip;
  if (!moved || now - peer->moved < kMovePause) return peer;
  peer->moved = now;
  ike::Path path = peer->path;
  path.remote = udp_encapsulated ? from : stack::Endpoint{from.ip, peer->path.remote.port};
  path.local = udp_encapsulated ? to : stack::Endpoint{to.ip, peer->path.local.port};
  tables_.log.LineLimited(now, Level::kInfo, "peer_moved", {{"peer", from}},
                          "client moved here from " + peer->path.remote.Text());
  MoveTo(*peer, path);
  for (const ike::PhaseOneId id : peer->phase_ones) responder_.SetPath(id, path);
  return peer;
}

}  // namespace gateway::shard
