// IKE's events: logins, ESP SAs and rekeying.
//
// Whose is a new pair of SAs? A client that rekeys phase 1 comes with new cookies, so his older SAs
// and tunnels are found again at Quick Mode: the same phase-1 identity, the same IDci and the same
// outer end, address and port. Anything less would hand one client's traffic to another: behind a
// NAT with a group key all of it but the port is equal.
#include <algorithm>
#include <string>
#include <utility>

#include "gateway/shard/peers.h"

namespace gateway::shard {
namespace {

using io::Level;
using stack::Drop;

// A client rekeys before the old pair runs out; more at once than this is no client of ours.
constexpr size_t kMaxChildren = 8;
// What we allow beyond the lifetime agreed on, because the client is the one that rekeys.
constexpr absl::Duration kLifetimeMargin = absl::Seconds(90);

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

esp::Suite Translate(const ike::EspSuite& suite) {
  esp::Suite to;
  to.key_octets = suite.key_bits / 8U;
  to.auth = suite.auth == ike::EspAuth::kHmacSha1       ? crypto::HashId::kSha1
            : suite.auth == ike::EspAuth::kHmacSha2_256 ? crypto::HashId::kSha256
            : suite.auth == ike::EspAuth::kHmacSha2_384 ? crypto::HashId::kSha384
                                                        : crypto::HashId::kSha512;
  return to;
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
            if (nat.forced) return "no NAT found, UDP encapsulation forced";
            if (nat.peer && nat.local) return "NAT on both sides";
            if (nat.peer) return "client is behind a NAT";
            return nat.local ? "we are behind a NAT" : "no NAT on the way";
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
  crew::Job job;
  job.ticket = need.ticket;
  job.established = need.established;
  job.work = crew::Respond{need.group, std::move(need.peer_public)};
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
                          "login: " + WordsOf(step.what));
}

void Peers::On(absl::Time now, const ike::PhaseOneUp& up) {
  Login& login = logins_[up.sa];
  login.path = up.path;
  login.identity = up.peer;
  Say(Level::kInfo, now, "phase1_up", login.began, up.path.remote,
      "phase 1 up, client is " + up.peer.Text());
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
    text += "; offered: " + ListOf(failed.offered) + "; allowed here: " + ListOf(failed.acceptable);
  }
  tables_.log.LineLimited(now, Level::kWarning, "login_failed",
                          {{"peer", failed.path.remote},
                           {"step", "phase1"},
                           {"reason", ike::NameOf(failed.why)},
                           {"after", now - began}},
                          text);
  if (it != logins_.end()) logins_.erase(it);
}

void Peers::On(absl::Time now, const ike::PhaseOneGone& gone) {
  const auto it = logins_.find(gone.sa);
  if (it == logins_.end()) return;
  const char* why = gone.why == ike::PhaseOneGone::Why::kDeletedByPeer ? "deleted by the client"
                    : gone.why == ike::PhaseOneGone::Why::kDeletedHere ? "deleted here"
                                                                       : "expired";
  Say(Level::kInfo, now, "phase1_gone", it->second.began, it->second.path.remote,
      std::string("phase 1 ended: ") + why);
  logins_.erase(it);
}

// The client remembers no SAs. His older ones go; the tunnel inside may go on over the new ones
// (Apple after sleep). Only what shows the same identity from the same outer end is his: an address
// may be a whole office.
void Peers::On(absl::Time now, const ike::InitialContact& contact) {
  const auto login = logins_.find(contact.sa);
  if (login == logins_.end()) return;
  const auto found = by_remote_.find(login->second.path.remote);
  if (found == by_remote_.end()) return;
  for (const uint32_t id : std::vector<uint32_t>(found->second)) {
    Peer* peer = FindPeer(id);
    if (peer == nullptr || !(peer->identity == login->second.identity)) continue;
    for (const auto& child : peer->children) {
      if (child->phase_one != contact.sa && !child->deleted()) Retire(now, *peer, *child);
    }
    NoteDesertion(now, *peer);
  }
}

void Peers::On(absl::Time, const ike::PathChanged& changed) {
  const auto it = logins_.find(changed.sa);
  if (it == logins_.end()) return;
  it->second.path = changed.path;
  if (Peer* peer = FindPeer(it->second.peer)) MoveTo(*peer, changed.path);
}

void Peers::On(absl::Time now, const ike::PeerAlive& alive) {
  const auto it = logins_.find(alive.sa);
  if (it == logins_.end()) return;
  if (Peer* peer = FindPeer(it->second.peer)) peer->last_heard = now;
}

void Peers::On(absl::Time now, const ike::PeerDead& dead) {
  const auto it = logins_.find(dead.sa);
  if (it == logins_.end()) return;
  if (Peer* peer = FindPeer(it->second.peer)) {
    DeleteSas(now, *peer);
    RemovePeer(now, *peer, "dead_peer");
  }
}

void Peers::AnswerSpi(absl::Time now, const ike::NeedSpi& need) {
  ike::SpiAnswer answer;
  answer.ticket = need.ticket;
  const auto it = logins_.find(need.sa);
  if (it != logins_.end() && !draining_) {
    PeerFor(now, need, it->second);
    // Any bucket of ours: bucket mod shards is this shard.
    const uint32_t count =
        (256U - tables_.shard + tables_.settings.shards - 1U) / tables_.settings.shards;
    const uint32_t bucket = tables_.shard + (tables_.rng.U32() % count) * tables_.settings.shards;
    const auto spi = tables_.sad.Allocate(static_cast<uint8_t>(bucket), tables_.rng);
    if (spi) answer.spi = {spi->value};
  }
  auto out = ike_outs_.Take();
  responder_.OnSpi(now, answer, *out);
  CarryOut(now, *out);
}

Peer& Peers::PeerFor(absl::Time now, const ike::NeedSpi& need, Login& login) {
  if (Peer* known = FindPeer(login.peer)) return *known;
  if (const auto found = by_remote_.find(need.path.remote); found != by_remote_.end()) {
    for (const uint32_t id : found->second) {
      Peer* peer = FindPeer(id);
      if (peer->identity == login.identity && peer->idci == need.idci && !peer->closing) {
        login.peer = id;
        return *peer;
      }
    }
  }
  auto fresh = std::make_unique<Peer>(++last_peer_, login.began);
  Peer& peer = *fresh;
  peers_.emplace(peer.id, std::move(fresh));
  peer.identity = login.identity;
  peer.idci = need.idci;
  peer.last_heard = now;
  login.peer = peer.id;
  MoveTo(peer, need.path);
  NoteDesertion(now, peer);
  return peer;
}

void Peers::On(absl::Time now, ike::ChildReady& ready) {
  const auto login = logins_.find(ready.sa);
  Peer* peer = login == logins_.end() ? nullptr : FindPeer(login->second.peer);
  if (peer == nullptr) {
    tables_.sad.Remove({ready.spi_in.value});
    return;
  }
  const esp::Suite suite = Translate(ready.suite);
  esp::SaParameters in{.spi = {ready.spi_in.value},
                       .suite = suite,
                       .keys = {std::move(ready.in.cipher), std::move(ready.in.auth)},
                       .lifetime = {},
                       .peer = peer->id,
                       .replay_window = tables_.settings.replay_window};
  esp::SaParameters out{.spi = {ready.spi_out.value},
                        .suite = suite,
                        .keys = {std::move(ready.out.cipher), std::move(ready.out.auth)},
                        .lifetime = {},
                        .peer = peer->id};
  auto inbound = esp::MakeInboundSa(std::move(in));
  auto outbound = esp::MakeOutboundSa(std::move(out), tables_.rng);
  if (!inbound.ok() || !outbound.ok()) {
    tables_.sad.Remove({ready.spi_in.value});
    Say(Level::kError, now, "child_failed", login->second.began, ready.path.remote,
        "ESP SA cannot be made: " +
            std::string((inbound.ok() ? outbound.status() : inbound.status()).message()));
    return;
  }
  tables_.sad.Insert(*std::move(inbound));
  auto child = std::make_unique<Child>();
  child->phase_one = ready.sa;
  child->spi_in = {ready.spi_in.value};
  child->out = *std::move(outbound);
  child->udp_encapsulated = ready.udp_encapsulated;
  const uint32_t seconds = ready.suite.lifetime.seconds.value_or(0);  // 0 and absent: no limit
  if (seconds != 0) child->expires = now + absl::Seconds(seconds) + kLifetimeMargin;
  if (peer->children.size() >= kMaxChildren) {
    const bool first_is_current = peer->children.front().get() == peer->current;
    RemoveChild(*peer, peer->children[first_is_current ? 1 : 0]->spi_in);
  }
  peer->children.push_back(std::move(child));
  if (peer->current == nullptr) MoveTo(*peer, ready.path);
  NoteDesertion(now, *peer);
  Say(Level::kInfo, now, "child_ready", peer->began, ready.path.remote,
      "ESP SA agreed: " + ike::Text(ready.suite));
}

void Peers::On(absl::Time now, const ike::ChildUp& up) {
  const auto login = logins_.find(up.sa);
  Peer* peer = login == logins_.end() ? nullptr : FindPeer(login->second.peer);
  if (peer == nullptr) return;
  if (Child* child = peer->Find({up.spi_in.value})) Prove(now, *peer, *child);
}

// The client receives on this pair. The newest pair that is known to work carries what we send.
void Peers::Prove(absl::Time now, Peer& peer, Child& child) {
  if (child.proven || child.deleted()) return;
  child.proven = true;
  responder_.OnEspSeen(now, child.phase_one, {child.spi_in.value});
  ScheduleIke();
  const bool is_rekey = peer.current != nullptr;
  ChooseCurrent(peer);
  Say(Level::kInfo, now, is_rekey ? "esp_rekeyed" : "esp_up", is_rekey ? now : peer.began,
      peer.path.remote, is_rekey ? "ESP rekeyed" : "ESP up");
}

void Peers::ChooseCurrent(Peer& peer) {
  peer.current = nullptr;
  for (const auto& child : peer.children) {  // oldest first
    if (child->proven && !child->deleted()) peer.current = child.get();
  }
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
  if (failed.spi_in.value == 0 || login == logins_.end()) return;
  Peer* peer = FindPeer(login->second.peer);
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
  const auto it = std::find_if(peer.children.begin(), peer.children.end(),
                               [spi_in](const auto& child) { return child->spi_in == spi_in; });
  if (it == peer.children.end()) return;
  const bool was_current = it->get() == peer.current;
  peer.children.erase(it);
  if (was_current) ChooseCurrent(peer);
}

// Tells home, who sends the client's next first message here, and keeps the index.
void Peers::MoveTo(Peer& peer, const ike::Path& path) {
  const stack::Endpoint before = peer.path.remote;
  peer.path = path;
  if (before == path.remote) return;
  if (const auto it = by_remote_.find(before); it != by_remote_.end()) {
    std::erase(it->second, peer.id);
    if (it->second.empty()) by_remote_.erase(it);
    mail_.push_back(PeerLeft{before, tables_.shard});
  }
  by_remote_[path.remote].push_back(peer.id);
  mail_.push_back(PeerAt{path.remote, tables_.shard});
}

// The common case, a packet on the current pair from the usual place, costs three comparisons.
Peer* Peers::OnOpened(absl::Time now, const esp::InboundSa& sa, const stack::Endpoint& from,
                      const stack::Endpoint& to, bool udp_encapsulated) {
  Peer* peer = FindPeer(sa.peer);
  if (peer == nullptr) return nullptr;
  peer->last_heard = now;
  if (peer->current == nullptr || peer->current->spi_in != sa.spi) {
    Child* child = peer->Find(sa.spi);
    if (child != nullptr) Prove(now, *peer, *child);
  }
  const bool moved = udp_encapsulated ? from != peer->path.remote : from.ip != peer->path.remote.ip;
  if (!moved) return peer;
  ike::Path path = peer->path;
  path.remote = udp_encapsulated ? from : stack::Endpoint{from.ip, peer->path.remote.port};
  path.local = udp_encapsulated ? to : stack::Endpoint{to.ip, peer->path.local.port};
  Say(Level::kInfo, now, "peer_moved", now, from,
      "client moved here from " + peer->path.remote.Text());
  MoveTo(*peer, path);
  if (peer->current != nullptr) responder_.SetPath(peer->current->phase_one, path);
  return peer;
}

}  // namespace gateway::shard
