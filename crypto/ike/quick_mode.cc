#include "crypto/ike/quick_mode.h"

#include <algorithm>
#include <utility>

#include "crypto/ike/informational.h"

namespace crypto::ike {
namespace {

using stack::Drop;

constexpr size_t kOurNonce = 32;
constexpr absl::Duration kGiveUp = absl::Seconds(30);
constexpr absl::Duration kLinger = absl::Seconds(60);  // for repetitions of QM3 and QM1
constexpr absl::Duration kFirstResend = absl::Seconds(2);
constexpr int kTries = 4;  // the first sending included

EspTerms TermsOf(const IsakmpSa& sa, std::optional<size_t> public_value_octets) {
  return {public_value_octets, sa.natt != nullptr, sa.natt != nullptr && sa.behind_nat()};
}

// The SA payload of QM2: ours but for the SPI, which stands where the peer's stood.
void PutSpi(Bytes& sa_body, EspSpi spi) {
  constexpr size_t kSpiAt = 8 + 8;  // DOI and situation, then the head of the only proposal
  stack::Store32(sa_body.data() + kSpiAt, spi.value);
}

}  // namespace

QuickMode::QuickMode(absl::Time now, uint32_t message_id, IsakmpSa& sa, const Options& options,
                     Tickets& tickets, stack::Rng& rng)
    : message_id_(message_id), sa_(sa), options_(options), tickets_(tickets), rng_(rng) {
  timers_.Arm(Timer::kGiveUp, now + kGiveUp);
}

void QuickMode::OnPacket(absl::Time now, const In& in, Out& out) {
  const auto message = Isakmp::Parse(in.bytes);
  if (!message.ok()) return out.Tell(message.error());
  if (message->header.exchange != ExchangeType::kQuickMode || !message->header.encrypted()) {
    return out.Tell(Drop::kIkeExchange);
  }
  // QM2 goes nowhere but where QM1 came from: QM3 has our nonce in it, and so proves that the peer
  // receives there.
  const auto* waiting = std::get_if<WaitThird>(&state_);
  const Path path = waiting != nullptr ? waiting->path : Path{in.to, in.from};
  if (last_.Repeats(in.bytes, path, out)) return out.Tell(Drop::kIkeDuplicate);
  if (std::holds_alternative<WaitFirst>(state_)) return OnFirst(now, *message, in, out);
  if (std::holds_alternative<WaitThird>(state_)) return OnThird(now, *message, in, out);
  out.Tell(Drop::kIkeExchange);
}

// ---- QM1
// -----------------------------------------------------------------------------------------

void QuickMode::OnFirst(absl::Time, const Isakmp& message, const In& in, Out& out) {
  const auto opened = sa_.cipher.Open(message, sa_.StartIv(message_id_));
  if (!opened.ok()) return out.Tell(opened.error());
  const ByteView hash = LeadingHash(opened->payloads);
  if (hash.empty() ||
      !ConstantTimeEqual(sa_.HashOf(message_id_, {opened->BehindFirst()}).view(), hash)) {
    return out.Tell(Drop::kIkeBadHash);
  }
  last_.Expect(in.bytes);
  Asking asked;
  asked.path = {in.to, in.from};
  asked.iv = opened->next_iv;
  out.Tell(Step{sa_.id, asked.path, QuickModeStarted{message_id_}});
  if (const auto refused = ReadFirst(*opened, asked, out)) {
    SendNotify(sa_, {kProtocolEsp, *refused, {}, {}}, asked.path, rng_, out);
    state_ = Over{};
    return out.Tell(Drop::kIkeRefused);
  }
  Ask(std::move(asked), out);
}

// What to answer if the message is not acceptable; ChildFailed was told then.
std::optional<NotifyType> QuickMode::ReadFirst(const Opened& opened, Asking& asked, Out& out) {
  const PayloadChain& payloads = opened.payloads;
  const auto sa = payloads.Only(PayloadType::kSa);
  const auto nonce = payloads.Only(PayloadType::kNonce);
  std::optional<NotifyType> refused;
  if (!sa || !nonce || !IsNonceSize(nonce->size()) ||
      payloads.Count(PayloadType::kKeyExchange) > 1) {
    refused = NotifyType::kPayloadMalformed;
  } else {
    asked.ni = stack::ToBytes(*nonce);
    refused = ReadIds(payloads, asked);
  }
  if (refused) {
    Fail(Failure::kIllegalMessage, out);
    return refused;
  }
  ReadNatOa(payloads, asked);
  Choose(asked, out, refused, opened);
  return refused;
}

std::optional<NotifyType> QuickMode::ReadIds(const PayloadChain& payloads, Asking& asked) const {
  std::vector<Identification> ids;
  for (const auto& payload : payloads) {
    if (payload.type != PayloadType::kId) continue;
    auto id = DecodeId(payload.body);
    if (!id.ok()) return id.error();
    ids.push_back(*std::move(id));
  }
  asked.has_ids = !ids.empty();
  if (ids.empty()) {  // then they are the ends of the path, RFC 2409 section 5.5
    ids = {Identification::OfAddress(asked.path.remote.ip),
           Identification::OfAddress(asked.path.local.ip)};
  }
  if (ids.size() != 2) return NotifyType::kInvalidIdInformation;
  asked.idci = std::move(ids[0]);
  asked.idcr = std::move(ids[1]);
  return std::nullopt;
}

void QuickMode::ReadNatOa(const PayloadChain& payloads, Asking& asked) const {
  for (const auto& payload : payloads) {
    if (sa_.natt == nullptr || payload.type != sa_.natt->nat_oa) continue;
    (asked.nat_oa_i ? asked.nat_oa_r : asked.nat_oa_i) = DecodeNatOa(payload.body);
  }
}

void QuickMode::Choose(Asking& asked, Out& out, std::optional<NotifyType>& refused,
                       const Opened& opened) {
  const auto offer = DecodeSa(*opened.payloads.Only(PayloadType::kSa));
  if (!offer.ok()) {
    refused = offer.error();
    return Fail(Failure::kIllegalMessage, out);
  }
  const auto ke = opened.payloads.Only(PayloadType::kKeyExchange);
  const auto octets = ke ? std::optional<size_t>(ke->size()) : std::nullopt;
  const auto choice = ChooseEsp(*offer, options_.esp, TermsOf(sa_, octets));
  if (!choice) {
    refused = NotifyType::kNoProposalChosen;
    out.Tell(ChildFailed{sa_.id,
                         message_id_,
                         Failure::kNoCommonProposal,
                         {},
                         {},
                         ListEsp(*offer),
                         ListAcceptable(options_.esp)});
    return;
  }
  asked.suite = choice->suite;
  asked.spi_out = {stack::Load32(choice->proposal.spi.data())};
  asked.sa_reply = EncodeSa(choice->proposal);
  if (ke) asked.g_xi = stack::ToBytes(*ke);
}

// ---- The questions
// -------------------------------------------------------------------------------

void QuickMode::Ask(Asking asked, Out& out) {
  asked.spi_ticket = tickets_.Issue(sa_.id, message_id_);
  out.Tell(NeedSpi{asked.spi_ticket, sa_.id, asked.idci, asked.idcr, asked.path, asked.suite.mode});
  if (asked.suite.pfs_group) {
    asked.dh_ticket = tickets_.Issue(sa_.id, message_id_);
    out.Tell(NeedDh{asked.dh_ticket, *asked.suite.pfs_group, asked.g_xi, true});
  }
  state_ = std::move(asked);
}

void QuickMode::OnSpi(absl::Time now, const SpiAnswer& answer, Out& out) {
  auto* asked = std::get_if<Asking>(&state_);
  if (asked == nullptr || asked->spi_ticket != answer.ticket || answer.ticket == 0) return;
  if (answer.spi.value == 0) {
    return Refuse(Failure::kRefusedHere, NotifyType::kNoProposalChosen, asked->path, out);
  }
  asked->spi_ticket = 0;
  spi_in_ = answer.spi;
  if (asked->dh_ticket == 0) SendSecond(now, *asked, out);
}

void QuickMode::OnDh(absl::Time now, DhAnswer answer, Out& out) {
  auto* asked = std::get_if<Asking>(&state_);
  if (asked == nullptr || asked->dh_ticket != answer.ticket || answer.ticket == 0) return;
  if (answer.outcome == DhAnswer::Outcome::kBadPublicValue) {
    return Refuse(Failure::kBadPublicValue, NotifyType::kInvalidKeyInformation, asked->path, out);
  }
  if (answer.outcome == DhAnswer::Outcome::kBusy) {
    last_.Forget();  // as if QM1 were lost: its repetition begins anew
    spi_in_ = {};
    state_ = WaitFirst{};
    return;
  }
  asked->dh_ticket = 0;
  asked->g_xr = std::move(answer.own_public);
  asked->g_xy = std::move(answer.shared);
  if (asked->spi_ticket == 0) SendSecond(now, *asked, out);
}

// ---- QM2
// -----------------------------------------------------------------------------------------

void QuickMode::SendSecond(absl::Time now, Asking& asked, Out& out) {
  Bytes nr(kOurNonce);
  rng_.Fill(nr);
  const Bytes message = BuildSecond(asked, nr);
  last_.Answer(message);
  last_.Send(asked.path, out);
  if (asked.path.remote == sa_.path.remote) resend_.Arm(now, message, kFirstResend, kTries);
  TellReady(asked, nr, out);
  state_ = WaitThird{asked.path, std::move(asked.ni), std::move(nr), asked.iv};
  timers_.Arm(Timer::kGiveUp, now + kGiveUp);
}

Bytes QuickMode::BuildSecond(Asking& asked, const Bytes& nr) {
  PutSpi(asked.sa_reply, spi_in_);
  PayloadList rest;
  rest.Add(PayloadType::kSa, asked.sa_reply);
  rest.Add(PayloadType::kNonce, nr);
  if (!asked.g_xr.empty()) rest.Add(PayloadType::kKeyExchange, asked.g_xr);
  if (asked.has_ids) {  // echoed octet for octet: Apple without NAT compares them
    rest.Add(PayloadType::kId, EncodeId(asked.idci));
    rest.Add(PayloadType::kId, EncodeId(asked.idcr));
  }
  if (sa_.natt != nullptr && sa_.behind_nat() && IsUdpTransport(asked.suite.mode)) {
    // The initiator's address as seen here, and our own (RFC 3947 section 5.2).
    rest.Add(sa_.natt->nat_oa, EncodeNatOa(asked.path.remote.ip));
    rest.Add(sa_.natt->nat_oa, EncodeNatOa(OwnAddress(asked)));
  }
  const Secret hash = sa_.HashOf(message_id_, {asked.ni, rest.bytes()});
  return sa_.Seal(ExchangeType::kQuickMode, message_id_, hash, rest, asked.iv);
}

// Whoever was told that we are not behind a NAT is to find the address there that it dialled: it
// names it in its own NAT-OA or in IDcr.
stack::Ip4 QuickMode::OwnAddress(const Asking& asked) const {
  const stack::Ip4 own = asked.path.local.ip;
  if (!sa_.nat_hidden) return own;
  if (asked.nat_oa_r) return *asked.nat_oa_r;
  return asked.idcr.address().value_or(options_.public_address.value_or(own));
}

void QuickMode::TellReady(Asking& asked, const Bytes& nr, Out& out) {
  const EspKeySizes sizes = *KeySizesOf(asked.suite);
  const Secret* g_xy = asked.suite.pfs_group ? &asked.g_xy : nullptr;
  ChildReady ready;
  ready.sa = sa_.id;
  ready.message_id = message_id_;
  ready.spi_in = spi_in_;
  ready.spi_out = asked.spi_out;
  ready.suite = asked.suite;
  ready.in = DeriveChild(sa_.prf, sa_.skeyid_d, {g_xy, spi_in_, asked.ni, nr}, sizes);
  ready.out = DeriveChild(sa_.prf, sa_.skeyid_d, {g_xy, asked.spi_out, asked.ni, nr}, sizes);
  ready.udp_encapsulated = IsUdpTransport(asked.suite.mode);
  ready.path = asked.path;
  ready.idci = asked.idci;
  ready.idcr = asked.idcr;
  ready.nat_oa_peer = asked.nat_oa_i;
  ready.nat_oa_local = asked.nat_oa_r;
  out.Tell(std::move(ready));
}

// ---- QM3
// -----------------------------------------------------------------------------------------

void QuickMode::OnThird(absl::Time now, const Isakmp& message, const In& in, Out& out) {
  auto& state = std::get<WaitThird>(state_);
  const auto opened = sa_.cipher.Open(message, state.iv);
  if (!opened.ok()) return out.Tell(opened.error());
  const Secret mine = ThirdHash(sa_.prf, sa_.skeyid_a, message_id_, state.ni, state.nr);
  if (!ConstantTimeEqual(mine.view(), LeadingHash(opened->payloads))) {
    return out.Tell(Drop::kIkeBadHash);
  }
  resend_.Disarm();
  last_.Expect(in.bytes);
  sa_.Prove({in.to, in.from}, out);  // our nonce is in it, so it is fresh
  out.Tell(ChildUp{sa_.id, spi_in_});
  state_ = Up{};
  timers_.Arm(Timer::kGiveUp, now + kLinger);
}

void QuickMode::OnEspSeen(absl::Time now) {
  if (!std::holds_alternative<WaitThird>(state_)) return;
  resend_.Disarm();
  state_ = Up{};
  timers_.Arm(Timer::kGiveUp, now + kLinger);
}

// ---- The end
// -------------------------------------------------------------------------------------

void QuickMode::Refuse(Failure why, NotifyType type, const Path& path, Out& out) {
  SendNotify(sa_, {kProtocolEsp, type, {}, {}}, path, rng_, out);
  Fail(why, out);
  state_ = Over{};
}

void QuickMode::Fail(Failure why, Out& out) {
  const bool ready_told = std::holds_alternative<WaitThird>(state_);
  out.Tell(ChildFailed{
      sa_.id, message_id_, why, ready_told ? spi_in_ : EspSpi{}, NotifyType::kNone, {}, {}});
}

void QuickMode::OnDeadline(absl::Time now, Out& out) {
  const auto* waiting = std::get_if<WaitThird>(&state_);
  if (waiting != nullptr && resend_.Next() <= now) resend_.OnDeadline(now, waiting->path, out);
  if (!timers_.TakeDue(Timer::kGiveUp, now)) return;
  if (started() && !up()) Fail(Failure::kTimeout, out);
  resend_.Disarm();
  state_ = Over{};
}

}  // namespace crypto::ike
