#include "crypto/ike/main_mode.h"

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/ike/proposal.h"

namespace crypto::ike {
namespace {

using stack::Drop;

// Ours is as long as the peer's where that is safe, so that MM4 is no longer than MM3.
constexpr size_t kLeastNonce = 16, kMostNonce = 32;

// Whether the message is one of Main Mode's, in the clear or encrypted as told.
bool IsMainMode(const Isakmp& message, bool encrypted) {
  return message.header.exchange == ExchangeType::kIdentityProtection &&
         message.header.message_id == 0 && message.header.encrypted() == encrypted;
}

bool SaysInitialContact(const PayloadChain& payloads) {
  for (const auto& payload : payloads) {
    if (payload.type != PayloadType::kNotify) continue;
    const auto notify = DecodeNotify(payload.body);
    if (notify.ok() && notify->type == NotifyType::kInitialContact) return true;
  }
  return false;
}

// The peer's first NAT-D: how it sees our address.
Bytes PeerViewOf(const PayloadChain& payloads, const NattVersion& version) {
  for (const auto& payload : payloads) {
    if (payload.type == version.nat_d) return stack::ToBytes(payload.body);
  }
  return {};
}

}  // namespace

MainMode::MainMode(absl::Time now, PhaseOneId id, const Options& options, Tickets& tickets,
                   stack::Rng& rng)
    : id_(id), options_(options), tickets_(tickets), rng_(rng) {
  timers_.Arm(Timer::kGiveUp, now + options.half_open_lifetime);
}

bool MainMode::IsFirst(const Isakmp& message) {
  if (!IsMainMode(message, false) || message.header.initiator_cookie == 0) return false;
  const auto payloads = PayloadChain::Parse(message.header.next_payload, message.body);
  return payloads && payloads->Only(PayloadType::kSa);
}

void MainMode::OnPacket(absl::Time now, const In& in, Out& out) {
  const auto message = Isakmp::Parse(in.bytes);
  if (!message.ok()) return out.Tell(message.error());
  if (last_.Repeats(in.bytes, {in.to, in.from}, out)) return out.Tell(Drop::kIkeDuplicate);
  if (std::holds_alternative<WaitFirst>(state_)) {
    if (!IsMainMode(*message, false)) return out.Tell(Drop::kIkeExchange);
    return OnFirst(*message, in, out);
  }
  if (message->header.responder_cookie == 0) return out.Tell(Drop::kIkeDuplicate);
  if (message->header.initiator_cookie != cookies_.initiator ||
      message->header.responder_cookie != cookies_.responder) {
    return out.Tell(Drop::kIkeUnknownCookie);
  }
  if (std::holds_alternative<WaitKey>(state_) && IsMainMode(*message, false)) {
    return OnKey(*message, in, out);
  }
  if (std::holds_alternative<WaitIdentity>(state_) && IsMainMode(*message, true)) {
    return OnIdentity(now, *message, in, out);
  }
  out.Tell(Drop::kIkeExchange);
}

// ---- MM1 -> MM2
// ----------------------------------------------------------------------------------

void MainMode::OnFirst(const Isakmp& message, const In& in, Out& out) {
  const auto payloads = PayloadChain::Parse(message.header.next_payload, message.body);
  const auto sai = payloads ? payloads->Only(PayloadType::kSa) : std::nullopt;
  if (!sai || message.header.initiator_cookie == 0) return out.Tell(Drop::kIkeMalformed);
  const auto offer = DecodeSa(*sai);
  if (!offer.ok()) return Refuse(message, in, offer.error(), out);
  if (options_.psks == nullptr || options_.psks->Find(in.from.ip) == nullptr) {
    out.Tell(PhaseOneFailed{{}, {in.to, in.from}, Failure::kNoPreSharedKey, {}, {}, {}});
    return Refuse(message, in, NotifyType::kNoProposalChosen, out);
  }
  const auto choice = ChoosePhaseOne(*offer, options_.phase_one);
  if (!choice) return RefuseOffer(message, in, *offer, out);

  cookies_ = {message.header.initiator_cookie, id_.cookie};
  path_ = {in.to, in.from};
  seen_ = ReadVendorIds(*payloads);
  if (!options_.nat_traversal) seen_.natt = nullptr;
  suite_ = choice->suite;
  sai_ = stack::ToBytes(*sai);

  size_t transforms = 0;
  for (const Proposal& proposal : offer->proposals) transforms += proposal.transforms.size();
  out.Tell(Step{id_, path_, FirstMessage{seen_.vendors, transforms}});
  out.Tell(Step{id_, path_, ProposalChosen{suite_}});

  Proposal reply = choice->proposal;
  reply.spi = {};  // of phase 1 the cookies are the SPI
  PayloadList mm2;
  mm2.Add(PayloadType::kSa, EncodeSa(reply));
  AddVendorIds(seen_.natt, options_.dpd && seen_.vendors.dpd, mm2);
  last_.Expect(in.bytes);
  last_.Answer(ClearMessage(cookies_, ExchangeType::kIdentityProtection, 0, mm2));
  last_.Send(path_, out);
  state_ = WaitKey{};
}

// A refusal in the clear: shorter than the message it answers, and nothing is kept of either.
void MainMode::Refuse(const Isakmp& message, const In& in, NotifyType type, Out& out) {
  PayloadList payloads;
  payloads.Add(PayloadType::kNotify, EncodeNotify({kProtocolIsakmp, type, {}, {}}));
  const Bytes reply =
      ClearMessage({message.header.initiator_cookie, 0}, ExchangeType::kInformational, 0, payloads);
  if (reply.size() <= in.bytes.size()) Send(reply, {in.to, in.from}, out);
  out.Tell(Drop::kIkeRefused);
}

void MainMode::RefuseOffer(const Isakmp& message, const In& in, const SaOffer& offer, Out& out) {
  out.Tell(PhaseOneFailed{{},
                          {in.to, in.from},
                          Failure::kNoCommonProposal,
                          NotifyType::kNone,
                          ListPhaseOne(offer),
                          options_.phase_one});
  Refuse(message, in, NotifyType::kNoProposalChosen, out);
}

// ---- MM3 -> the crew -> MM4
// ----------------------------------------------------------------------

void MainMode::OnKey(const Isakmp& message, const In& in, Out& out) {
  // Until the peer has proved itself it stays at its address; the port may change (RFC 3947 section
  // 4).
  if (in.from.ip != path_.remote.ip) return out.Tell(Drop::kIkeUnknownCookie);
  const auto payloads = PayloadChain::Parse(message.header.next_payload, message.body);
  const auto ke = payloads ? payloads->Only(PayloadType::kKeyExchange) : std::nullopt;
  const auto nonce = payloads ? payloads->Only(PayloadType::kNonce) : std::nullopt;
  if (!ke || !nonce || !IsNonceSize(nonce->size())) return out.Tell(Drop::kIkeMalformed);
  if (ke->size() != PublicValueSize(suite_.group)) {
    why_ = Failure::kBadPublicValue;
    return out.Tell(Drop::kIkeMalformed);
  }

  Computing asked;
  asked.path = {in.to, in.from};
  asked.publics.cookies = cookies_;
  asked.publics.g_xi = stack::ToBytes(*ke);
  asked.publics.ni = stack::ToBytes(*nonce);
  if (seen_.natt != nullptr) Compare(*payloads, asked, out);
  asked.ticket = tickets_.Issue(id_, 0);
  out.Tell(NeedDh{asked.ticket, suite_.group, asked.publics.g_xi, false});
  last_.Expect(in.bytes);
  state_ = std::move(asked);
}

// A NAT at our end is hidden from the peer by its own view of us. Then it sees none, unless it is
// behind one itself, and would send bare ESP, which a router that forwards two ports does not let
// in: so it is told that it is.
void MainMode::Compare(const PayloadChain& payloads, Computing& asked, Out& out) {
  NatTerms& nat = asked.nat;
  nat.found = CompareNatD(payloads, *seen_.natt, *PrimOf(suite_.hash), cookies_, asked.path);
  if (!nat.found.told) return;
  nat.hidden = nat.found.local && options_.nat_d_echo != NatDEcho::kNever;
  nat.forced = options_.force_udp_encapsulation || nat.hidden;
  if (nat.hidden || options_.nat_d_echo == NatDEcho::kAlways) {
    asked.peer_view = PeerViewOf(payloads, *seen_.natt);
  }
  out.Tell(Step{id_, asked.path, NatDetected{nat.found.peer, nat.found.local, nat.forced}});
}

void MainMode::OnDh(absl::Time, DhAnswer answer, Out& out) {
  auto* asked = std::get_if<Computing>(&state_);
  if (asked == nullptr || asked->ticket != answer.ticket) return;
  const Secret* psk = options_.psks->Find(asked->path.remote.ip);
  if (answer.outcome != DhAnswer::Outcome::kDone || psk == nullptr) {
    // Back to where it was: the peer sends MM3 again, and perhaps the crew has time for it then.
    if (answer.outcome == DhAnswer::Outcome::kBadPublicValue) why_ = Failure::kBadPublicValue;
    last_.Forget();
    state_ = WaitKey{};
    return;
  }
  Publics publics = std::move(asked->publics);
  publics.g_xr = std::move(answer.own_public);
  publics.nr.resize(std::clamp(publics.ni.size(), kLeastNonce, kMostNonce));
  rng_.Fill(publics.nr);

  const HashId prf = *PrimOf(suite_.hash);
  const CipherShape shape = *PrimOf(suite_.cipher, suite_.key_bits);
  PhaseOneKeys keys = DerivePhaseOne(prf, *psk, publics, answer.shared);
  Secret key = DeriveMessageKey(prf, keys.skeyid_e, shape.key_octets);
  auto cipher = MessageCipher::Create(shape, key.Clone());
  if (!cipher) return;
  SendKey(*asked, publics, out);
  out.Tell(Step{id_, asked->path, KeysAgreed{}});
  if (options_.keylog) out.Tell(KeyLog{id_, cookies_.initiator, suite_, std::move(key)});
  const Iv iv = FirstIv(prf, publics, BlockSize(shape.id));
  const NatTerms nat = asked->nat;
  state_ = WaitIdentity{std::move(publics), std::move(keys), *std::move(cipher), iv, nat};
}

void MainMode::SendKey(const Computing& asked, const Publics& publics, Out& out) {
  PayloadList mm4;
  mm4.Add(PayloadType::kKeyExchange, publics.g_xr);
  mm4.Add(PayloadType::kNonce, publics.nr);
  if (asked.nat.found.told) {
    const HashId hash = *PrimOf(suite_.hash);
    Digest remote = NatD(hash, cookies_, asked.path.remote);
    if (asked.nat.forced) rng_.Fill(remote.span());
    const Digest local = NatD(hash, cookies_, asked.path.local);
    const bool echo = asked.peer_view.size() == local.size();
    mm4.Add(seen_.natt->nat_d, remote.view());
    mm4.Add(seen_.natt->nat_d, echo ? ByteView(asked.peer_view) : local.view());
  }
  last_.Answer(ClearMessage(cookies_, ExchangeType::kIdentityProtection, 0, mm4));
  last_.Send(asked.path, out);
}

// ---- MM5 -> MM6
// ----------------------------------------------------------------------------------

void MainMode::OnIdentity(absl::Time now, const Isakmp& message, const In& in, Out& out) {
  auto& state = std::get<WaitIdentity>(state_);
  auto opened = state.cipher.Open(message, state.iv);
  if (!opened.ok()) {
    if (opened.error() == Drop::kIkeUndecryptable) {
      Suspect(state, in, Failure::kWrongPreSharedKey, out);
    }
    return out.Tell(opened.error());
  }
  const auto id = opened->payloads.Only(PayloadType::kId);
  const auto hash = opened->payloads.Only(PayloadType::kHash);
  if (!id || !hash) {  // well-formed by chance
    Suspect(state, in, Failure::kWrongPreSharedKey, out);
    return out.Tell(Drop::kIkeUndecryptable);
  }
  const Secret mine = HashI(*PrimOf(suite_.hash), state.keys.skeyid, state.publics, sai_, *id);
  if (!ConstantTimeEqual(mine.view(), *hash)) {
    Suspect(state, in, Failure::kAuthentication, out);
    return out.Tell(Drop::kIkeBadHash);
  }
  Finish(now, state, *std::move(opened), in, out);
}

void MainMode::Suspect(WaitIdentity& state, const In& in, Failure why, Out& out) {
  why_ = why;
  if (std::exchange(state.suspected, true)) return;
  out.Tell(WrongPskSuspected{id_, {in.to, in.from}});
}

// The peer is who it says. From here on nothing can fail but an identity that is no identity.
void MainMode::Finish(absl::Time now, WaitIdentity& state, Opened opened, const In& in, Out& out) {
  const auto peer = DecodeId(*opened.payloads.Only(PayloadType::kId));
  if (!peer.ok()) {
    why_ = Failure::kIllegalMessage;
    return out.Tell(Drop::kIkeMalformed);
  }
  state.iv = opened.next_iv;
  last_.Expect(in.bytes);
  last_.Answer(SealIdentity(state, in));
  path_ = {in.to, in.from};
  last_.Send(path_, out);

  const NatTerms& nat = state.nat;
  auto sa = std::make_unique<IsakmpSa>(IsakmpSa{
      .id = id_,
      .cookies = cookies_,
      .suite = suite_,
      .prf = *PrimOf(suite_.hash),
      .skeyid_d = std::move(state.keys.skeyid_d),
      .skeyid_a = std::move(state.keys.skeyid_a),
      .cipher = std::move(state.cipher),
      .last_block = state.iv,
      .natt = nat.found.told ? seen_.natt : nullptr,
      .peer_natted = nat.found.peer || nat.forced,
      .local_natted = nat.found.local,
      .nat_hidden = nat.hidden,
      .vendors = seen_.vendors,
      .peer = *peer,
      .path = path_,
      .expires = ExpiryOf(now),
  });
  out.Tell(PhaseOneUp{id_, path_, *peer, suite_, seen_.vendors, nat.found.peer, nat.found.local,
                      sa->expires});
  if (SaysInitialContact(opened.payloads)) out.Tell(InitialContact{id_});
  state_ = Up{std::move(sa)};
  timers_.DisarmAll();
}

Bytes MainMode::SealIdentity(WaitIdentity& state, const In& in) {
  const Bytes id = EncodeId(Identification::OfAddress(OwnIdentity(state, in)));
  const Secret hash = HashR(*PrimOf(suite_.hash), state.keys.skeyid, state.publics, sai_, id);
  PayloadList mm6;
  mm6.Add(PayloadType::kId, id);
  mm6.Add(PayloadType::kHash, hash.view());
  IsakmpHeader header;
  header.initiator_cookie = cookies_.initiator;
  header.responder_cookie = cookies_.responder;
  header.next_payload = mm6.first();
  header.exchange = ExchangeType::kIdentityProtection;
  return state.cipher.Seal(header, mm6.bytes(), state.iv);
}

// strongSwan as a client expects the address it dialled.
stack::Ip4 MainMode::OwnIdentity(const WaitIdentity& state, const In& in) const {
  if (options_.identity) return *options_.identity;
  return state.nat.found.local ? options_.public_address.value_or(in.to.ip) : in.to.ip;
}

absl::Time MainMode::ExpiryOf(absl::Time now) const {
  const uint32_t seconds = suite_.lifetime.seconds.value_or(0);
  const absl::Duration asked = seconds == 0 ? options_.default_lifetime : absl::Seconds(seconds);
  return now + std::min(asked, options_.longest_lifetime) + options_.lifetime_grace;
}

// ---- The end
// -------------------------------------------------------------------------------------

void MainMode::OnDeadline(absl::Time now, Out& out) {
  if (!timers_.TakeDue(Timer::kGiveUp, now)) return;
  if (started()) out.Tell(PhaseOneFailed{id_, path_, why_, NotifyType::kNone, {}, {}});
  state_ = Failed{};
}

std::unique_ptr<IsakmpSa> MainMode::TakeSa() {
  auto* state = std::get_if<Up>(&state_);
  return state == nullptr ? nullptr : std::move(state->sa);
}

}  // namespace crypto::ike
