#include "crypto/ike/informational.h"

#include <array>
#include <vector>

namespace crypto::ike {
namespace {

using stack::Drop;

std::array<std::byte, 4> Octets(uint32_t number) {
  std::array<std::byte, 4> octets;
  stack::Store32(octets.data(), number);
  return octets;
}

// RFC 2408 section 3.14.1: errors first, status types from 16384 on.
bool IsError(NotifyType type) {
  return type != NotifyType::kNone && static_cast<uint16_t>(type) < 16384;
}

uint32_t NewMessageId(stack::Rng& rng) {
  uint32_t id = 0;
  while (id == 0) id = rng.U32();
  return id;
}

void SendUnder(IsakmpSa& sa, const PayloadList& rest, const Path& path, stack::Rng& rng, Out& out) {
  const uint32_t message_id = NewMessageId(rng);
  Iv iv = sa.StartIv(message_id);
  const Secret hash = sa.HashOf(message_id, {rest.bytes()});
  Send(sa.Seal(ExchangeType::kInformational, message_id, hash, rest, iv), path, out);
}

void SendOne(IsakmpSa& sa, PayloadType type, ByteView body, stack::Rng& rng, Out& out) {
  PayloadList rest;
  rest.Add(type, body);
  SendUnder(sa, rest, sa.path, rng, out);
}

}  // namespace

void SendNotify(IsakmpSa& sa, const Notify& notify, const Path& path, stack::Rng& rng, Out& out) {
  PayloadList rest;
  rest.Add(PayloadType::kNotify, EncodeNotify(notify));
  SendUnder(sa, rest, path, rng, out);
}

void SendDeleteChild(IsakmpSa& sa, EspSpi spi_in, stack::Rng& rng, Out& out) {
  SendOne(sa, PayloadType::kDelete, EncodeDelete(kProtocolEsp, Octets(spi_in.value)), rng, out);
}

void SendDeletePhaseOne(IsakmpSa& sa, stack::Rng& rng, Out& out) {
  SendOne(sa, PayloadType::kDelete, EncodeDelete(kProtocolIsakmp, sa.cookies.Octets()), rng, out);
}

void Informational::OnPacket(absl::Time, const In& in, Out& out) {
  const auto message = Isakmp::Parse(in.bytes);
  if (!message.ok()) return out.Tell(message.error());
  const uint32_t message_id = message->header.message_id;
  if (message->header.exchange != ExchangeType::kInformational || !message->header.encrypted() ||
      message_id == 0) {
    return out.Tell(Drop::kIkeExchange);
  }
  if (seen_.Contains(message_id)) return out.Tell(Drop::kIkeDuplicate);
  const auto opened = sa_.cipher.Open(*message, sa_.StartIv(message_id));
  if (!opened.ok()) return out.Tell(opened.error());
  // Over everything behind the HASH: Windows puts a NONCE in front of its DELETE.
  const Secret mine = sa_.HashOf(message_id, {opened->BehindFirst()});
  if (!ConstantTimeEqual(mine.view(), LeadingHash(opened->payloads))) {
    return out.Tell(Drop::kIkeBadHash);
  }
  seen_.Add(message_id);
  for (const auto& payload : opened->payloads) {
    if (payload.type == PayloadType::kNotify) OnNotify(payload.body, {in.to, in.from}, out);
    if (payload.type == PayloadType::kDelete) OnDelete(payload.body, out);
  }
}

void Informational::OnNotify(ByteView body, const Path& from, Out& out) {
  const auto notify = DecodeNotify(body);
  if (!notify.ok()) return out.Tell(Drop::kIkeMalformed);
  switch (notify->type) {
    case NotifyType::kInitialContact:
      return out.Tell(InitialContact{sa_.id});
    case NotifyType::kRUThere:
      return OnAreYouThere(*notify, from, out);
    case NotifyType::kRUThereAck:
      return OnAck(*notify, from, out);
    default:
      if (IsError(notify->type)) refusal_ = notify->type;
      return;  // status notifies ask for nothing
  }
}

void Informational::OnDelete(ByteView body, Out& out) {
  const auto del = DecodeDelete(body);
  if (!del.ok()) return out.Tell(Drop::kIkeMalformed);
  if (del->protocol == kProtocolIsakmp) {
    for (const ByteView spi : del->spis) {
      const auto cookies = sa_.cookies.Octets();
      if (ConstantTimeEqual(spi, cookies)) deleted_by_peer_ = true;
    }
    return;
  }
  if (del->protocol != kProtocolEsp) return;
  ChildDeleted deleted{sa_.id, {}};
  for (const ByteView spi : del->spis) {
    if (spi.size() == 4) deleted.spi_out.push_back({stack::Load32(spi.data())});
  }
  if (!deleted.spi_out.empty()) out.Tell(std::move(deleted));
}

// ---- Dead peer detection
// -------------------------------------------------------------------------

void Informational::OnAreYouThere(const Notify& notify, const Path& from, Out& out) {
  if (notify.data.size() != 4) return out.Tell(Drop::kIkeMalformed);
  const uint32_t sequence = stack::Load32(notify.data.data());
  const auto cookies = sa_.cookies.Octets();
  SendNotify(sa_, {kProtocolIsakmp, NotifyType::kRUThereAck, cookies, notify.data}, from, rng_,
             out);
  // A number higher than all before proves that this is no recording.
  if (!peer_asked_ || sequence > peer_sequence_) {
    if (peer_asked_) sa_.Prove(from, out);
    peer_asked_ = true;
    peer_sequence_ = sequence;
    out.Tell(PeerAlive{sa_.id});
  }
}

void Informational::OnAck(const Notify& notify, const Path& from, Out& out) {
  if (notify.data.size() != 4 || asked_ == 0) return;
  const uint32_t behind = sequence_ - stack::Load32(notify.data.data());
  if (behind >= static_cast<uint32_t>(asked_)) return;  // none of the ones under way
  asked_ = 0;
  silent_ = false;
  timers_.Disarm(Timer::kRetry);
  sa_.Prove(from, out);
  out.Tell(PeerAlive{sa_.id, true});
}

bool Informational::StartDpd(absl::Time now, Out& out) {
  if (!dpd_.enabled || !sa_.vendors.dpd) return false;
  if (asked_ == 0) Ask(now, out);
  return true;
}

void Informational::Ask(absl::Time now, Out& out) {
  ++asked_;
  ++sequence_;
  const auto cookies = sa_.cookies.Octets();
  const auto number = Octets(sequence_);
  SendNotify(sa_, {kProtocolIsakmp, NotifyType::kRUThere, cookies, number}, sa_.path, rng_, out);
  timers_.Arm(Timer::kRetry, now + dpd_.retry);
}

void Informational::OnDeadline(absl::Time now, Out& out) {
  if (!timers_.TakeDue(Timer::kRetry, now)) return;
  if (asked_ < dpd_.tries) return Ask(now, out);
  asked_ = 0;
  silent_ = true;
  out.Tell(PeerDead{sa_.id});
}

}  // namespace crypto::ike
