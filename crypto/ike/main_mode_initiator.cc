#include "crypto/ike/main_mode_initiator.h"

#include <utility>

#include "crypto/ike/proposal.h"

namespace crypto::ike {
namespace {

using stack::Drop;

constexpr size_t kOurNonce = 32;
constexpr absl::Duration kBusyPause = absl::Seconds(1);
constexpr absl::Duration kCrewTime = absl::Seconds(60);  // for a key pair, or an agreement

}  // namespace

MainModeInitiator::MainModeInitiator(const InitiatorOptions& options, const Path& path,
                                     Tickets& tickets, stack::Rng& rng)
    : options_(options), tickets_(tickets), rng_(rng), path_(path) {
  while (cookies_.initiator == 0) cookies_.initiator = rng.U64();
}

void MainModeInitiator::SendAndWait(absl::Time now, Bytes message, Out& out) {
  Send(message, path_, out);
  resend_.Arm(now, std::move(message), options_.first_resend, options_.tries);
}

// ---- MM1
// -----------------------------------------------------------------------------------------

void MainModeInitiator::Start(absl::Time now, Out& out) {
  if (!std::holds_alternative<Idle>(state_)) return;
  sai_ = OfferPhaseOne(options_.phase_one);
  PayloadList mm1;
  mm1.Add(PayloadType::kSa, sai_);
  AddVendorIds(options_.nat_traversal ? &NattRfc() : nullptr, options_.dpd, mm1);
  state_ = WaitChoice{};
  SendAndWait(now, ClearMessage(cookies_, ExchangeType::kIdentityProtection, 0, mm1), out);
}

void MainModeInitiator::OnPacket(absl::Time now, const In& in, Out& out) {
  const auto message = Isakmp::Parse(in.bytes);
  if (!message.ok()) return out.Tell(message.error());
  const IsakmpHeader& header = message->header;
  const bool first = std::holds_alternative<WaitChoice>(state_);
  if (header.initiator_cookie != cookies_.initiator ||
      (!first && header.responder_cookie != cookies_.responder)) {
    return out.Tell(Drop::kIkeUnknownCookie);
  }
  if (header.exchange == ExchangeType::kInformational && !header.encrypted()) {
    return OnRefusal(*message, out);
  }
  if (header.exchange != ExchangeType::kIdentityProtection || header.message_id != 0) {
    return out.Tell(Drop::kIkeExchange);
  }
  if (first && !header.encrypted()) return OnChoice(now, *message, out);
  if (std::holds_alternative<WaitKey>(state_) && !header.encrypted()) {
    return OnKey(now, *message, out);
  }
  if (std::holds_alternative<WaitIdentity>(state_) && header.encrypted()) {
    return OnIdentity(now, *message, in, out);
  }
  out.Tell(Drop::kIkeDuplicate);  // the answer to something answered already
}

// Anybody may have sent it: remembered, not believed.
void MainModeInitiator::OnRefusal(const Isakmp& message, Out& out) {
  const auto payloads = PayloadChain::Parse(message.header.next_payload, message.body);
  const auto body = payloads ? payloads->Only(PayloadType::kNotify) : std::nullopt;
  const auto notify = body ? DecodeNotify(*body) : Decoded<Notify>(NotifyType::kPayloadMalformed);
  if (!notify.ok()) return out.Tell(Drop::kIkeMalformed);
  if (up() || failed()) return out.Tell(Drop::kIkeExchange);
  why_ = Failure::kRefusedByPeer;
  notify_ = notify->type;
  out.Tell(Drop::kIkeRefused);
}

// ---- MM2 -> MM3
// ----------------------------------------------------------------------------------

void MainModeInitiator::OnChoice(absl::Time now, const Isakmp& message, Out& out) {
  const auto payloads = PayloadChain::Parse(message.header.next_payload, message.body);
  const auto sa = payloads ? payloads->Only(PayloadType::kSa) : std::nullopt;
  const auto reply = sa ? DecodeSa(*sa) : Decoded<SaOffer>(NotifyType::kPayloadMalformed);
  if (!reply.ok() || message.header.responder_cookie == 0) return out.Tell(Drop::kIkeMalformed);
  const auto choice = AcceptPhaseOne(*reply, options_.phase_one);
  if (!choice) return out.Tell(Drop::kIkeRefused);
  cookies_.responder = message.header.responder_cookie;
  suite_ = choice->suite;
  seen_ = ReadVendorIds(*payloads);
  // Only what was announced can have been agreed on.
  if (!options_.nat_traversal || seen_.natt != &NattRfc()) seen_.natt = nullptr;
  resend_.Disarm();
  out.Tell(Step{id(), path_, ProposalChosen{suite_}});
  timers_.Arm(Timer::kGiveUp, now + kCrewTime);
  AskForKey(now, out);
}

void MainModeInitiator::AskForKey(absl::Time, Out& out) {
  const Ticket ticket = tickets_.Issue(id(), 0);
  out.Tell(NeedKeyPair{ticket, suite_.group});
  state_ = MakingKey{ticket};
}

void MainModeInitiator::OnKeyPair(absl::Time now, const KeyPairAnswer& answer, Out& out) {
  const auto* making = std::get_if<MakingKey>(&state_);
  if (making == nullptr || making->ticket != answer.ticket || answer.ticket == 0) return;
  if (answer.pair == nullptr) {
    state_ = MakingKey{};
    return timers_.Arm(Timer::kAskAgain, now + kBusyPause);
  }
  timers_.Disarm(Timer::kGiveUp);
  WaitKey state;
  state.pair = answer.pair;
  state.publics.cookies = cookies_;
  state.publics.g_xi = stack::ToBytes(answer.pair->public_value());
  state.publics.ni.resize(kOurNonce);
  rng_.Fill(state.publics.ni);
  SendKey(now, state, out);
  state_ = std::move(state);
}

void MainModeInitiator::SendKey(absl::Time now, const WaitKey& state, Out& out) {
  PayloadList mm3;
  mm3.Add(PayloadType::kKeyExchange, state.publics.g_xi);
  mm3.Add(PayloadType::kNonce, state.publics.ni);
  if (seen_.natt != nullptr) {
    const HashId hash = *PrimOf(suite_.hash);
    Digest local = NatD(hash, cookies_, path_.local);
    if (options_.force_udp_encapsulation) rng_.Fill(local.span());
    mm3.Add(seen_.natt->nat_d, NatD(hash, cookies_, path_.remote).view());
    mm3.Add(seen_.natt->nat_d, local.view());
  }
  SendAndWait(now, ClearMessage(cookies_, ExchangeType::kIdentityProtection, 0, mm3), out);
}

// ---- MM4 -> MM5
// ----------------------------------------------------------------------------------

void MainModeInitiator::OnKey(absl::Time now, const Isakmp& message, Out& out) {
  auto& state = std::get<WaitKey>(state_);
  const auto payloads = PayloadChain::Parse(message.header.next_payload, message.body);
  const auto ke = payloads ? payloads->Only(PayloadType::kKeyExchange) : std::nullopt;
  const auto nonce = payloads ? payloads->Only(PayloadType::kNonce) : std::nullopt;
  if (!ke || !nonce || !IsNonceSize(nonce->size()) || ke->size() != PublicValueSize(suite_.group)) {
    return out.Tell(Drop::kIkeMalformed);
  }
  Agreeing next{0, std::move(state.pair), std::move(state.publics), {}};
  next.publics.g_xr = stack::ToBytes(*ke);
  next.publics.nr = stack::ToBytes(*nonce);
  if (seen_.natt != nullptr) {
    next.nat = CompareNatD(*payloads, *seen_.natt, *PrimOf(suite_.hash), cookies_, path_);
    const bool forced = next.nat.told && options_.force_udp_encapsulation;
    out.Tell(Step{id(), path_, NatDetected{next.nat.peer, next.nat.local, forced}});
    next.nat.local = next.nat.local || forced;
  }
  resend_.Disarm();
  timers_.Arm(Timer::kGiveUp, now + kCrewTime);
  state_ = std::move(next);
  AskForAgreement(now, out);
}

void MainModeInitiator::AskForAgreement(absl::Time, Out& out) {
  auto& state = std::get<Agreeing>(state_);
  state.ticket = tickets_.Issue(id(), 0);
  out.Tell(NeedAgreement{state.ticket, state.pair, state.publics.g_xr});
}

void MainModeInitiator::OnDh(absl::Time now, DhAnswer answer, Out& out) {
  auto* asked = std::get_if<Agreeing>(&state_);
  if (asked == nullptr || asked->ticket != answer.ticket || answer.ticket == 0) return;
  if (answer.outcome == DhAnswer::Outcome::kBusy) {
    asked->ticket = 0;
    return timers_.Arm(Timer::kAskAgain, now + kBusyPause);
  }
  timers_.Disarm(Timer::kGiveUp);
  if (answer.outcome == DhAnswer::Outcome::kBadPublicValue) {
    // Whoever sent MM4, the peer's own is lost on us now.
    out.Tell(PhaseOneFailed{id(), path_, Failure::kBadPublicValue, {}, {}, {}});
    state_ = Failed{};
    return;
  }
  const HashId prf = *PrimOf(suite_.hash);
  const CipherShape shape = *PrimOf(suite_.cipher, suite_.key_bits);
  Publics publics = std::move(asked->publics);
  const NatFindings nat = asked->nat;
  PhaseOneKeys keys = DerivePhaseOne(prf, options_.psk, publics, answer.shared);
  auto cipher =
      MessageCipher::Create(shape, DeriveMessageKey(prf, keys.skeyid_e, shape.key_octets));
  if (!cipher) return;
  out.Tell(Step{id(), path_, KeysAgreed{}});
  if (nat.peer || nat.local) {
    path_.local.port = options_.float_from;
    path_.remote.port = options_.float_to;
  }
  Iv iv = FirstIv(prf, publics, BlockSize(shape.id));
  SendAndWait(now, SealIdentity(publics, keys, *cipher, iv), out);
  state_ = WaitIdentity{std::move(publics), std::move(keys), *std::move(cipher), iv, nat};
}

Bytes MainModeInitiator::SealIdentity(const Publics& publics, const PhaseOneKeys& keys,
                                      MessageCipher& cipher, Iv& iv) {
  const Bytes id = EncodeId(options_.identity.value_or(Identification::OfAddress(path_.local.ip)));
  const auto spi = cookies_.Octets();
  PayloadList mm5;
  mm5.Add(PayloadType::kId, id);
  mm5.Add(PayloadType::kHash, HashI(*PrimOf(suite_.hash), keys.skeyid, publics, sai_, id).view());
  if (options_.initial_contact) {
    mm5.Add(PayloadType::kNotify,
            EncodeNotify({kProtocolIsakmp, NotifyType::kInitialContact, spi, {}}));
  }
  IsakmpHeader header;
  header.initiator_cookie = cookies_.initiator;
  header.responder_cookie = cookies_.responder;
  header.next_payload = mm5.first();
  header.exchange = ExchangeType::kIdentityProtection;
  return cipher.Seal(header, mm5.bytes(), iv);
}

// ---- MM6
// -----------------------------------------------------------------------------------------

void MainModeInitiator::OnIdentity(absl::Time now, const Isakmp& message, const In& in, Out& out) {
  auto& state = std::get<WaitIdentity>(state_);
  const auto opened = state.cipher.Open(message, state.iv);
  if (!opened.ok()) return out.Tell(opened.error());
  const auto id = opened->payloads.Only(PayloadType::kId);
  const auto hash = opened->payloads.Only(PayloadType::kHash);
  if (!id || !hash) return out.Tell(Drop::kIkeUndecryptable);
  const Secret mine = HashR(*PrimOf(suite_.hash), state.keys.skeyid, state.publics, sai_, *id);
  if (!ConstantTimeEqual(mine.view(), *hash)) return out.Tell(Drop::kIkeBadHash);
  Finish(now, state, *opened, in, out);
}

void MainModeInitiator::Finish(absl::Time now, WaitIdentity& state, const Opened& opened,
                               const In& in, Out& out) {
  const auto peer = DecodeId(*opened.payloads.Only(PayloadType::kId));
  if (!peer.ok()) return out.Tell(Drop::kIkeMalformed);
  resend_.Disarm();
  path_ = {in.to, in.from};
  const uint32_t seconds = suite_.lifetime.seconds.value_or(0);
  auto sa = std::make_unique<IsakmpSa>(IsakmpSa{
      .id = id(),
      .cookies = cookies_,
      .suite = suite_,
      .prf = *PrimOf(suite_.hash),
      .skeyid_d = std::move(state.keys.skeyid_d),
      .skeyid_a = std::move(state.keys.skeyid_a),
      .cipher = std::move(state.cipher),
      .last_block = opened.next_iv,
      .natt = state.nat.told ? seen_.natt : nullptr,
      .peer_natted = state.nat.peer,
      .local_natted = state.nat.local,
      .vendors = seen_.vendors,
      .peer = *peer,
      .path = path_,
      .expires = seconds == 0 ? absl::InfiniteFuture() : now + absl::Seconds(seconds),
  });
  out.Tell(PhaseOneUp{id(), path_, *peer, suite_, seen_.vendors, sa->peer_natted, sa->local_natted,
                      sa->expires});
  state_ = Up{std::move(sa)};
}

// ---- Time
// ----------------------------------------------------------------------------------------

void MainModeInitiator::OnDeadline(absl::Time now, Out& out) {
  const bool gave_up = timers_.TakeDue(Timer::kGiveUp, now);
  if (timers_.TakeDue(Timer::kAskAgain, now) && !gave_up) {
    if (std::holds_alternative<MakingKey>(state_)) AskForKey(now, out);
    if (std::holds_alternative<Agreeing>(state_)) AskForAgreement(now, out);
  }
  if (!gave_up && (resend_.Next() > now || resend_.OnDeadline(now, path_, out))) return;
  out.Tell(PhaseOneFailed{id(), path_, why_, notify_, {}, {}});
  state_ = Failed{};
}

std::unique_ptr<IsakmpSa> MainModeInitiator::TakeSa() {
  auto* state = std::get_if<Up>(&state_);
  return state == nullptr ? nullptr : std::move(state->sa);
}

}  // namespace crypto::ike
