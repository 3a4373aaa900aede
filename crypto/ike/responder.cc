#include "crypto/ike/responder.h"

#include <algorithm>
#include <map>
#include <utility>

#include "crypto/ike/informational.h"
#include "crypto/ike/main_mode.h"
#include "crypto/ike/quick_mode.h"
#include "crypto/ike/resend.h"

namespace crypto::ike {

using stack::Drop;

// One phase 1 and all that happens under it. The wheel holds the soonest deadline of it all.
struct Responder::PhaseOne : stack::WheelEntry {
  PhaseOne(absl::Time now, uint64_t cookie, std::shared_ptr<const Options> opts, Tickets& tickets_,
           stack::Rng& rng_)
      : options(std::move(opts)),
        tickets(tickets_),
        rng(rng_),
        main_mode(std::make_unique<MainMode>(now, PhaseOneId{cookie}, *options, tickets_, rng_)),
        id{cookie} {}
  // One that another responder began.
  PhaseOne(Transfer transfer, std::shared_ptr<const Options> opts, Tickets& tickets_,
           stack::Rng& rng_)
      : options(std::move(opts)),
        tickets(tickets_),
        rng(rng_),
        last(std::move(transfer.last)),
        id(transfer.id),
        first{transfer.initiator_cookie, transfer.remote, 0},
        used_ids(std::move(transfer.quick_modes)) {
    Begin(std::move(transfer.sa), std::move(transfer.informational));
  }

  absl::Time NextDeadline() const {
    absl::Time next = main_mode ? main_mode->NextDeadline() : sa->expires;
    if (informational) next = std::min(next, informational->NextDeadline());
    for (const auto& [message_id, mode] : quick_modes) next = std::min(next, mode->NextDeadline());
    return next;
  }
  void OnMainMode(absl::Time now, const In& in, Out& out);
  void AfterMainMode();
  void Begin(std::unique_ptr<IsakmpSa> its_sa, SeenIds informational_ids);
  bool MayGoOn(absl::Time now, Out& out);
  void OnQuickMode(absl::Time now, uint32_t message_id, const In& in, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  QuickMode* RoomForQuickMode(absl::Time now, uint32_t message_id);
  void Prune();
  QuickMode* Of(uint32_t message_id) {
    const auto it = quick_modes.find(message_id);
    return it == quick_modes.end() ? nullptr : it->second.get();
  }

  const std::shared_ptr<const Options> options;
  Tickets& tickets;
  stack::Rng& rng;
  std::unique_ptr<MainMode> main_mode;  // null once it has come to an SA
  LastReply last;                       // then, for repetitions of MM5
  const PhaseOneId id;
  FirstKey first{};
  HalfOpen::Place place;  // until there is an SA

  std::unique_ptr<IsakmpSa> sa;
  bool established = false;  // counts as such
  std::unique_ptr<Informational> informational;
  std::map<uint32_t, std::unique_ptr<QuickMode>> quick_modes;  // few: at most max_quick_modes
  SeenIds used_ids;
  bool expired = false, deleted_here = false;
};

void Responder::PhaseOne::OnMainMode(absl::Time now, const In& in, Out& out) {
  if (main_mode != nullptr) return main_mode->OnPacket(now, in, out);
  out.Tell(last.Repeats(in.bytes, {in.to, in.from}, out) ? Drop::kIkeDuplicate
                                                         : Drop::kIkeExchange);
}

// Takes over when the peer is authenticated.
void Responder::PhaseOne::AfterMainMode() {
  if (main_mode == nullptr || !main_mode->up()) return;
  Begin(main_mode->TakeSa(), {});
  last = main_mode->TakeLastReply();
  main_mode.reset();
}

void Responder::PhaseOne::Begin(std::unique_ptr<IsakmpSa> its_sa, SeenIds informational_ids) {
  sa = std::move(its_sa);
  informational = std::make_unique<Informational>(
      *sa, DpdOptions{options->dpd, options->dpd_retry, options->dpd_tries}, rng,
      std::move(informational_ids));
}

// A finished quick mode is kept for repetitions until its place is needed.
QuickMode* Responder::PhaseOne::RoomForQuickMode(absl::Time now, uint32_t message_id) {
  if (quick_modes.size() >= options->max_quick_modes) {
    const auto finished = std::find_if(quick_modes.begin(), quick_modes.end(),
                                       [](const auto& entry) { return entry.second->up(); });
    if (finished == quick_modes.end()) return nullptr;
    used_ids.Add(finished->first);
    quick_modes.erase(finished);
  }
  auto mode = std::make_unique<QuickMode>(now, message_id, *sa, *options, tickets, rng);
  return quick_modes.emplace(message_id, std::move(mode)).first->second.get();
}

void Responder::PhaseOne::OnQuickMode(absl::Time now, uint32_t message_id, const In& in, Out& out) {
  if (message_id == 0) return out.Tell(Drop::kIkeMalformed);
  QuickMode* mode = Of(message_id);
  if (mode == nullptr) {
    if (used_ids.Contains(message_id)) return out.Tell(Drop::kIkeDuplicate);
    mode = RoomForQuickMode(now, message_id);
    if (mode == nullptr) return out.Tell(Drop::kHalfOpenLimit);
  }
  mode->OnPacket(now, in, out);
}

// Lets go of quick modes that are over, and of ones whose first message was not authentic.
void Responder::PhaseOne::Prune() {
  for (auto it = quick_modes.begin(); it != quick_modes.end();) {
    const QuickMode& mode = *it->second;
    if (mode.over() && mode.started()) used_ids.Add(it->first);
    it = mode.over() || !mode.started() ? quick_modes.erase(it) : std::next(it);
  }
}

void Responder::PhaseOne::OnDeadline(absl::Time now, Out& out) {
  if (main_mode != nullptr) return main_mode->OnDeadline(now, out);
  informational->OnDeadline(now, out);
  for (auto& [message_id, mode] : quick_modes) mode->OnDeadline(now, out);
  if (sa->expires <= now && !MayGoOn(now, out)) expired = true;
}

// A peer that asked for no limit will not renew the SA. It keeps it for as long as it shows a sign
// of life when its time is up.
bool Responder::PhaseOne::MayGoOn(absl::Time now, Out& out) {
  if (sa->suite.lifetime.seconds != 0u || informational->silent()) return false;
  if (!informational->StartDpd(now, out)) return false;
  sa->expires = now + options->default_lifetime;
  return true;
}

// ---- Responder
// -----------------------------------------------------------------------------------

Responder::Responder(absl::Time now, const Options& options, stack::Rng& rng)
    : options_(std::make_shared<const Options>(options)),
      rng_(rng),
      wheel_(now),
      half_open_(rng.U64()) {}

Responder::~Responder() = default;

void Responder::SetOptions(const Options& options) {
  options_ = std::make_shared<const Options>(options);
}

void Responder::SetPsks(std::shared_ptr<const PskStore> psks) {
  Options options = *options_;
  options.psks = std::move(psks);
  SetOptions(options);
}

void Responder::OnPacket(absl::Time now, const In& in, Out& out) {
  const auto message = stack::wire::Isakmp::Parse(in.bytes);
  if (!message.ok()) return out.Tell(message.error());
  const auto& header = message->header;
  if (header.responder_cookie == 0) return OnFirst(now, in, out);
  PhaseOne* phase_one = Of({header.responder_cookie});
  if (phase_one == nullptr || phase_one->first.initiator_cookie != header.initiator_cookie) {
    return out.Tell(Drop::kIkeUnknownCookie);
  }
  switch (header.exchange) {
    case ExchangeType::kIdentityProtection:
      phase_one->OnMainMode(now, in, out);
      break;
    case ExchangeType::kQuickMode:
      if (phase_one->sa == nullptr) return out.Tell(Drop::kIkeExchange);
      phase_one->OnQuickMode(now, header.message_id, in, out);
      break;
    case ExchangeType::kInformational:
      if (phase_one->sa == nullptr) return out.Tell(Drop::kIkeExchange);
      phase_one->informational->OnPacket(now, in, out);
      break;
    default:
      return out.Tell(Drop::kIkeExchange);
  }
  Settle(now, *phase_one, out);
}

// The first message of a login, or the same once more.
void Responder::OnFirst(absl::Time now, const In& in, Out& out) {
  const Isakmp message = *Isakmp::Parse(in.bytes);
  const IsakmpHeader& header = message.header;
  if (header.exchange != ExchangeType::kIdentityProtection || header.message_id != 0 ||
      header.encrypted()) {
    return out.Tell(Drop::kIkeExchange);
  }
  const FirstKey key{header.initiator_cookie, in.from.ip, FingerprintOf(in.bytes)};
  if (const auto known = by_first_.find(key); known != by_first_.end()) {
    PhaseOne& phase_one = *Of({known->second});
    if (phase_one.main_mode == nullptr) return out.Tell(Drop::kIkeDuplicate);
    return phase_one.OnMainMode(now, in, out);
  }
  if (!MainMode::IsFirst(message)) return out.Tell(Drop::kIkeMalformed);  // takes nobody's place
  const bool renewal = established_.Knows(in.from.ip);
  if (!MakeRoom(now, in.from.ip, renewal, out)) return out.Tell(Drop::kHalfOpenLimit);

  const uint64_t cookie = NewCookie();
  auto phase_one = std::make_unique<PhaseOne>(now, cookie, options_, tickets_, rng_);
  phase_one->main_mode->OnPacket(now, in, out);
  if (!phase_one->main_mode->started()) return;  // refused: nothing is kept
  phase_one->first = key;
  by_first_.emplace(key, cookie);
  phase_one->place = half_open_.Enter(in.from.ip, renewal, cookie);
  PhaseOne& kept = *phase_ones_.emplace(cookie, std::move(phase_one)).first->second;
  Settle(now, kept, out);
}

// Whether one more half-open phase 1 may begin: see half_open.h for who goes for it.
bool Responder::MakeRoom(absl::Time now, stack::Ip4 remote, bool known, Out& out) {
  const HalfOpen::Answer answer = half_open_.Ask(now, remote, known, half_open_limits());
  if (!answer.victim) return answer.welcome;
  PhaseOne& victim = *Of({*answer.victim});
  out.Tell(PhaseOneFailed{victim.id, victim.main_mode->path(), Failure::kCrowdedOut, {}, {}, {}});
  Remove(victim, HalfOpen::End::kCrowdedOut);
  return true;
}

uint64_t Responder::NewCookie() {
  for (;;) {
    uint64_t cookie = rng_.U64();
    if (!options_->buckets.empty()) {
      const uint8_t bucket = options_->buckets[rng_.U32() % options_->buckets.size()];
      cookie = (cookie & ~uint64_t{0xff}) | bucket;
    }
    if (cookie >> 8 != 0 && !phase_ones_.contains(cookie)) return cookie;
  }
}

void Responder::OnDh(absl::Time now, DhAnswer answer, Out& out) {
  const auto owner = tickets_.Redeem(answer.ticket);
  PhaseOne* phase_one = owner ? Of(owner->sa) : nullptr;
  if (phase_one == nullptr) return;
  if (owner->message_id == 0) {
    if (phase_one->main_mode != nullptr) phase_one->main_mode->OnDh(now, std::move(answer), out);
  } else if (QuickMode* mode = phase_one->Of(owner->message_id)) {
    mode->OnDh(now, std::move(answer), out);
  }
  Settle(now, *phase_one, out);
}

void Responder::OnSpi(absl::Time now, const SpiAnswer& answer, Out& out) {
  const auto owner = tickets_.Redeem(answer.ticket);
  PhaseOne* phase_one = owner ? Of(owner->sa) : nullptr;
  QuickMode* mode = phase_one == nullptr ? nullptr : phase_one->Of(owner->message_id);
  if (mode == nullptr) return;
  mode->OnSpi(now, answer, out);
  Settle(now, *phase_one, out);
}

void Responder::OnDeadline(absl::Time now, Out& out) {
  wheel_.Advance(now, [&](stack::WheelEntry& entry) {
    auto& phase_one = static_cast<PhaseOne&>(entry);
    phase_one.OnDeadline(now, out);
    Settle(now, phase_one, out);
  });
}

absl::Time Responder::NextDeadline() const { return wheel_.Next(); }

// ---- Commands
// ------------------------------------------------------------------------------------

void Responder::DeleteChild(absl::Time, PhaseOneId sa, EspSpi spi_in, Out& out) {
  PhaseOne* phase_one = Of(sa);
  if (phase_one != nullptr && phase_one->sa) SendDeleteChild(*phase_one->sa, spi_in, rng_, out);
}

void Responder::DeletePhase1(absl::Time now, PhaseOneId sa, Out& out) {
  PhaseOne* phase_one = Of(sa);
  if (phase_one == nullptr || phase_one->sa == nullptr) return;
  phase_one->deleted_here = true;
  Settle(now, *phase_one, out);
}

bool Responder::StartDpd(absl::Time now, PhaseOneId sa, Out& out) {
  PhaseOne* phase_one = Of(sa);
  if (phase_one == nullptr || phase_one->sa == nullptr) return false;
  const bool started = phase_one->informational->StartDpd(now, out);
  Settle(now, *phase_one, out);
  return started;
}

void Responder::SetPath(PhaseOneId sa, const Path& path) {
  PhaseOne* phase_one = Of(sa);
  if (phase_one != nullptr && phase_one->sa) phase_one->sa->path = path;
}

void Responder::OnEspSeen(absl::Time now, PhaseOneId sa, EspSpi spi_in) {
  PhaseOne* phase_one = Of(sa);
  if (phase_one == nullptr) return;
  for (auto& [message_id, mode] : phase_one->quick_modes) {
    if (mode->spi_in() == spi_in) mode->OnEspSeen(now);
  }
  wheel_.Schedule(*phase_one, phase_one->NextDeadline());
}

std::optional<Transfer> Responder::Release(PhaseOneId sa) {
  PhaseOne* phase_one = Of(sa);
  if (phase_one == nullptr || phase_one->sa == nullptr) return std::nullopt;
  for (const auto& [message_id, mode] : phase_one->quick_modes) {
    if (mode->up()) phase_one->used_ids.Add(message_id);
  }
  Transfer transfer{sa,
                    phase_one->first.initiator_cookie,
                    phase_one->first.remote,
                    std::move(phase_one->sa),
                    std::move(phase_one->last),
                    std::move(phase_one->used_ids),
                    phase_one->informational->TakeSeen()};
  Remove(*phase_one);
  return transfer;
}

bool Responder::Adopt(absl::Time now, Transfer transfer, Out& out) {
  const uint64_t cookie = transfer.id.cookie;
  if (transfer.sa == nullptr || phase_ones_.contains(cookie)) return false;
  auto phase_one = std::make_unique<PhaseOne>(std::move(transfer), options_, tickets_, rng_);
  PhaseOne& kept = *phase_ones_.emplace(cookie, std::move(phase_one)).first->second;
  Enlist(kept, out);
  wheel_.Schedule(kept, std::max(kept.NextDeadline(), now));
  return true;
}

const IsakmpSa* Responder::Find(PhaseOneId sa) const {
  const PhaseOne* phase_one = Of(sa);
  return phase_one == nullptr ? nullptr : phase_one->sa.get();
}

// ---- Book-keeping
// --------------------------------------------------------------------------------

Responder::PhaseOne* Responder::Of(PhaseOneId sa) const {
  const auto it = phase_ones_.find(sa.cookie);
  return it == phase_ones_.end() ? nullptr : it->second.get();
}

// After every call on a phase 1: what has changed by it, and when it wants to be called again. May
// destroy it.
void Responder::Settle(absl::Time now, PhaseOne& phase_one, Out& out) {
  phase_one.AfterMainMode();
  phase_one.Prune();
  if (phase_one.main_mode != nullptr) {
    if (phase_one.main_mode->failed()) return Remove(phase_one);
    if (phase_one.main_mode->proven()) half_open_.Prove(phase_one.place);
  }
  if (phase_one.sa != nullptr) {
    using enum PhaseOneGone::Why;
    if (!phase_one.established) Establish(phase_one, out);
    if (phase_one.informational->deleted_by_peer()) return Gone(phase_one, kDeletedByPeer, out);
    if (phase_one.expired) return Gone(phase_one, kExpired, out);
    if (phase_one.deleted_here) return Gone(phase_one, kDeletedHere, out);
  }
  wheel_.Schedule(phase_one, std::max(phase_one.NextDeadline(), now));
}

// The peer is authenticated.
void Responder::Establish(PhaseOne& phase_one, Out& out) {
  half_open_.Leave(phase_one.place, HalfOpen::End::kSuccess, half_open_limits());
  Enlist(phase_one, out);
}

// One of the peer's older phase 1s may have to go: silently, because behind a translator from IPv6
// many telephones show the same identity at the same address, and a DELETE would end what the other
// one still uses.
void Responder::Enlist(PhaseOne& phase_one, Out& out) {
  phase_one.established = true;
  const auto victim =
      established_.Add(phase_one.first.remote, phase_one.sa->peer, phase_one.id.cookie,
                       {options_->max_phase_ones, options_->max_phase_ones_of_identity});
  if (victim) Gone(*Of({*victim}), PhaseOneGone::Why::kCrowdedOut, out);
}

void Responder::Gone(PhaseOne& phase_one, PhaseOneGone::Why why, Out& out) {
  using enum PhaseOneGone::Why;
  const bool tells = why == kExpired || why == kDeletedHere;
  if (tells) SendDeletePhaseOne(*phase_one.sa, rng_, out);
  out.Tell(PhaseOneGone{phase_one.id, why});
  Remove(phase_one);
}

void Responder::Remove(PhaseOne& phase_one, HalfOpen::End end) {
  if (phase_one.established) {
    established_.Remove(phase_one.first.remote, phase_one.id.cookie);
  } else {
    half_open_.Leave(phase_one.place, end, half_open_limits());
  }
  by_first_.erase(phase_one.first);
  phase_ones_.erase(phase_one.id.cookie);
}

}  // namespace crypto::ike
