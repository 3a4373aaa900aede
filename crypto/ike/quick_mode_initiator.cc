#include "crypto/ike/quick_mode_initiator.h"

#include <algorithm>
#include <utility>

namespace crypto::ike {
namespace {

using stack::Drop;

constexpr size_t kOurNonce = 32;
constexpr absl::Duration kGiveUp = absl::Seconds(120);
constexpr absl::Duration kLinger = absl::Seconds(60);  // for repetitions of QM2
constexpr absl::Duration kBusyPause = absl::Seconds(1);
constexpr uint8_t kUdp = 17;
constexpr uint16_t kL2tpPort = 1701;

}  // namespace

QuickModeInitiator::QuickModeInitiator(uint32_t message_id, IsakmpSa& sa,
                                       const InitiatorOptions& options, Tickets& tickets,
                                       stack::Rng& rng)
    : message_id_(message_id), sa_(sa), options_(options), tickets_(tickets), rng_(rng) {}

Identification QuickModeInitiator::Idci() const {
  return options_.idci.value_or(Identification::OfAddress(sa_.path.local.ip, kUdp, kL2tpPort));
}

Identification QuickModeInitiator::Idcr() const {
  return options_.idcr.value_or(Identification::OfAddress(sa_.path.remote.ip, kUdp, kL2tpPort));
}

// The suites of the options with what this phase 1 settles.
std::vector<EspSuite> QuickModeInitiator::Offered() const {
  const bool udp = sa_.natt != nullptr && sa_.behind_nat();
  std::vector<EspSuite> suites = options_.esp;
  for (EspSuite& suite : suites) {
    suite.mode = udp ? sa_.natt->udp_transport : EncapsulationMode::kTransport;
    suite.pfs_group = options_.pfs_group;
  }
  return suites;
}

// ---- QM1
// -----------------------------------------------------------------------------------------

void QuickModeInitiator::Start(absl::Time now, Out& out) {
  Asking asked;
  asked.spi_ticket = tickets_.Issue(sa_.id, message_id_);
  const EncapsulationMode mode =
      options_.esp.empty() ? EncapsulationMode::kNone : Offered().front().mode;
  out.Tell(NeedSpi{asked.spi_ticket, sa_.id, Idci(), Idcr(), sa_.path, mode});
  if (options_.pfs_group) {
    asked.pair_ticket = tickets_.Issue(sa_.id, message_id_);
    out.Tell(NeedKeyPair{asked.pair_ticket, *options_.pfs_group});
  }
  state_ = std::move(asked);
  timers_.Arm(Timer::kGiveUp, now + kGiveUp);
}

QuickModeInitiator::Asking* QuickModeInitiator::AskingIf(Ticket ticket, Ticket Asking::*which) {
  auto* asked = std::get_if<Asking>(&state_);
  return asked != nullptr && ticket != 0 && asked->*which == ticket ? asked : nullptr;
}

void QuickModeInitiator::OnSpi(absl::Time now, const SpiAnswer& answer, Out& out) {
  Asking* asked = AskingIf(answer.ticket, &Asking::spi_ticket);
  if (asked == nullptr) return;
  if (answer.spi.value == 0) return Fail(Failure::kRefusedHere, {}, out);
  asked->spi_ticket = 0;
  asked->spi = answer.spi;
  if (asked->pair || !options_.pfs_group) SendFirst(now, std::move(*asked), out);
}

void QuickModeInitiator::OnKeyPair(absl::Time now, const KeyPairAnswer& answer, Out& out) {
  Asking* asked = AskingIf(answer.ticket, &Asking::pair_ticket);
  if (asked == nullptr) return;
  asked->pair_ticket = 0;
  if (answer.pair == nullptr) return timers_.Arm(Timer::kAskAgain, now + kBusyPause);
  asked->pair = answer.pair;
  if (asked->spi.value != 0) SendFirst(now, std::move(*asked), out);
}

void QuickModeInitiator::SendFirst(absl::Time now, Asking asked, Out& out) {
  WaitSecond state{asked.spi, std::move(asked.pair), Bytes(kOurNonce), sa_.StartIv(message_id_)};
  rng_.Fill(state.ni);
  PayloadList rest;
  rest.Add(PayloadType::kSa, OfferEsp(Offered(), state.spi.value));
  rest.Add(PayloadType::kNonce, state.ni);
  AddRest(state, rest);
  const Secret hash = sa_.HashOf(message_id_, {rest.bytes()});
  Bytes message = sa_.Seal(ExchangeType::kQuickMode, message_id_, hash, rest, state.iv);
  Send(message, sa_.path, out);
  resend_.Arm(now, std::move(message), options_.first_resend, options_.tries);
  state_ = std::move(state);
}

void QuickModeInitiator::AddRest(const WaitSecond& state, PayloadList& qm1) const {
  if (state.pair) qm1.Add(PayloadType::kKeyExchange, state.pair->public_value());
  qm1.Add(PayloadType::kId, EncodeId(Idci()));
  qm1.Add(PayloadType::kId, EncodeId(Idcr()));
  if (sa_.natt != nullptr && sa_.behind_nat()) {
    qm1.Add(sa_.natt->nat_oa, EncodeNatOa(sa_.path.local.ip));
    qm1.Add(sa_.natt->nat_oa, EncodeNatOa(sa_.path.remote.ip));
  }
}

// ---- QM2
// -----------------------------------------------------------------------------------------

void QuickModeInitiator::OnPacket(absl::Time now, const In& in, Out& out) {
  const auto message = Isakmp::Parse(in.bytes);
  if (!message.ok()) return out.Tell(message.error());
  if (message->header.exchange != ExchangeType::kQuickMode || !message->header.encrypted()) {
    return out.Tell(Drop::kIkeExchange);
  }
  if (last_.Repeats(in.bytes, {in.to, in.from}, out)) return out.Tell(Drop::kIkeDuplicate);
  if (std::holds_alternative<WaitSecond>(state_)) return OnSecond(now, *message, in, out);
  out.Tell(Drop::kIkeExchange);
}

void QuickModeInitiator::OnSecond(absl::Time now, const Isakmp& message, const In& in, Out& out) {
  auto& first = std::get<WaitSecond>(state_);
  const auto opened = sa_.cipher.Open(message, first.iv);
  if (!opened.ok()) return out.Tell(opened.error());
  const Secret mine = sa_.HashOf(message_id_, {first.ni, opened->BehindFirst()});
  if (!ConstantTimeEqual(mine.view(), LeadingHash(opened->payloads))) {
    return out.Tell(Drop::kIkeBadHash);
  }
  resend_.Disarm();
  auto next = ReadSecond(*opened, first);
  if (!next) {
    Fail(Failure::kIllegalMessage, {}, out);
    return out.Tell(Drop::kIkeRefused);
  }
  last_.Expect(in.bytes);
  next->path = {in.to, in.from};
  state_ = *std::move(next);
  auto& state = std::get<Agreeing>(state_);
  if (state.first.pair) return Agree(state, out);
  Finish(now, state, nullptr, out);
}

std::optional<QuickModeInitiator::Agreeing> QuickModeInitiator::ReadSecond(const Opened& opened,
                                                                           WaitSecond& first) {
  const PayloadChain& payloads = opened.payloads;
  const auto sa = payloads.Only(PayloadType::kSa);
  const auto nonce = payloads.Only(PayloadType::kNonce);
  const auto ke = payloads.Only(PayloadType::kKeyExchange);
  if (!sa || !nonce || !IsNonceSize(nonce->size())) return std::nullopt;
  const auto reply = DecodeSa(*sa);
  const auto choice = reply.ok() ? AcceptEsp(*reply, Offered()) : std::nullopt;
  if (!choice || !KeySizesOf(choice->suite)) return std::nullopt;
  if (first.pair ? !ke || ke->size() != PublicValueSize(first.pair->group()) : ke.has_value()) {
    return std::nullopt;
  }
  Agreeing next;
  next.suite = choice->suite;
  next.spi_out = {stack::Load32(choice->proposal.spi.data())};
  next.nr = stack::ToBytes(*nonce);
  if (ke) next.g_xr = stack::ToBytes(*ke);
  next.iv = opened.next_iv;
  for (const auto& payload : payloads) {
    if (sa_.natt == nullptr || payload.type != sa_.natt->nat_oa) continue;
    (next.nat_oa_i ? next.nat_oa_r : next.nat_oa_i) = DecodeNatOa(payload.body);
  }
  next.first = std::move(first);
  return next;
}

void QuickModeInitiator::Agree(Agreeing& state, Out& out) {
  state.ticket = tickets_.Issue(sa_.id, message_id_);
  out.Tell(NeedAgreement{state.ticket, state.first.pair, state.g_xr});
}

void QuickModeInitiator::OnDh(absl::Time now, DhAnswer answer, Out& out) {
  auto* state = std::get_if<Agreeing>(&state_);
  if (state == nullptr || state->ticket != answer.ticket || answer.ticket == 0) return;
  state->ticket = 0;
  switch (answer.outcome) {
    case DhAnswer::Outcome::kBusy:
      return timers_.Arm(Timer::kAskAgain, now + kBusyPause);
    case DhAnswer::Outcome::kBadPublicValue:
      return Fail(Failure::kBadPublicValue, {}, out);
    case DhAnswer::Outcome::kDone:
      return Finish(now, *state, &answer.shared, out);
  }
}

// ---- QM3
// -----------------------------------------------------------------------------------------

void QuickModeInitiator::Finish(absl::Time now, Agreeing& state, const Secret* g_xy, Out& out) {
  TellReady(state, g_xy, out);
  const EspSpi spi_in = state.first.spi;
  const Secret hash = ThirdHash(sa_.prf, sa_.skeyid_a, message_id_, state.first.ni, state.nr);
  last_.Answer(sa_.Seal(ExchangeType::kQuickMode, message_id_, hash, PayloadList(), state.iv));
  last_.Send(sa_.path, out);
  out.Tell(ChildUp{sa_.id, spi_in});
  state_ = Up{};
  timers_.DisarmAll();
  timers_.Arm(Timer::kGiveUp, now + kLinger);
}

void QuickModeInitiator::TellReady(Agreeing& state, const Secret* g_xy, Out& out) {
  const EspKeySizes sizes = *KeySizesOf(state.suite);
  const WaitSecond& first = state.first;
  ChildReady ready;
  ready.sa = sa_.id;
  ready.message_id = message_id_;
  ready.spi_in = first.spi;
  ready.spi_out = state.spi_out;
  ready.suite = state.suite;
  ready.in = DeriveChild(sa_.prf, sa_.skeyid_d, {g_xy, first.spi, first.ni, state.nr}, sizes);
  ready.out = DeriveChild(sa_.prf, sa_.skeyid_d, {g_xy, state.spi_out, first.ni, state.nr}, sizes);
  ready.udp_encapsulated = IsUdpTransport(state.suite.mode);
  ready.path = state.path;
  ready.idci = Idci();
  ready.idcr = Idcr();
  ready.nat_oa_peer = state.nat_oa_r;
  ready.nat_oa_local = state.nat_oa_i;
  out.Tell(std::move(ready));
}

// ---- The end
// -------------------------------------------------------------------------------------

void QuickModeInitiator::OnRefusal(NotifyType type, Out& out) {
  if (std::holds_alternative<WaitSecond>(state_)) Fail(Failure::kRefusedByPeer, type, out);
}

void QuickModeInitiator::Fail(Failure why, NotifyType notify, Out& out) {
  const bool refused = notify == NotifyType::kNoProposalChosen;
  out.Tell(ChildFailed{
      sa_.id, message_id_, why, {}, notify, {}, refused ? Offered() : std::vector<EspSuite>{}});
  resend_.Disarm();
  timers_.DisarmAll();
  state_ = Over{};
}

void QuickModeInitiator::OnDeadline(absl::Time now, Out& out) {
  if (timers_.TakeDue(Timer::kAskAgain, now)) {
    if (auto* asked = std::get_if<Asking>(&state_)) {
      asked->pair_ticket = tickets_.Issue(sa_.id, message_id_);
      out.Tell(NeedKeyPair{asked->pair_ticket, *options_.pfs_group});
    } else if (auto* agreeing = std::get_if<Agreeing>(&state_)) {
      Agree(*agreeing, out);
    }
  }
  if (resend_.Next() <= now && !resend_.OnDeadline(now, sa_.path, out)) {
    return Fail(Failure::kTimeout, {}, out);
  }
  if (!timers_.TakeDue(Timer::kGiveUp, now)) return;
  if (std::holds_alternative<Up>(state_)) {
    state_ = Over{};
  } else {
    Fail(Failure::kTimeout, {}, out);
  }
}

}  // namespace crypto::ike
