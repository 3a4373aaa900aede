#include "crypto/ike/initiator.h"

#include <algorithm>
#include <utility>

#include "crypto/ike/informational.h"
#include "crypto/ike/main_mode_initiator.h"
#include "crypto/ike/quick_mode_initiator.h"

namespace crypto::ike {

using stack::Drop;

InitiatorOptions InitiatorOptions::Default(Secret psk) {
  InitiatorOptions options;
  options.psk = std::move(psk);
  const Lifetime lifetime{28800, std::nullopt};
  for (const uint16_t bits : {uint16_t{256}, uint16_t{128}}) {
    for (const IkeHash hash : {IkeHash::kSha2_256, IkeHash::kSha1}) {
      options.phase_one.push_back(
          {IkeCipher::kAesCbc, bits, hash, AuthMethod::kPreSharedKey, Group::kModp2048, lifetime});
    }
    options.esp.push_back({EspCipher::kAesCbc,
                           bits,
                           EspAuth::kHmacSha1,
                           EncapsulationMode::kTransport,
                           {},
                           {3600, std::nullopt}});
  }
  return options;
}

Initiator::Initiator(absl::Time, InitiatorOptions options, const Path& path, stack::Rng& rng)
    : options_(std::move(options)),
      rng_(rng),
      main_mode_(std::make_unique<MainModeInitiator>(options_, path, tickets_, rng)) {}

Initiator::~Initiator() = default;

PhaseOneId Initiator::id() const { return main_mode_->id(); }

QuickModeInitiator* Initiator::Of(uint32_t message_id) const {
  const auto it = quick_modes_.find(message_id);
  return it == quick_modes_.end() ? nullptr : it->second.get();
}

void Initiator::Start(absl::Time now, Out& out) { main_mode_->Start(now, out); }

void Initiator::OnPacket(absl::Time now, const In& in, Out& out) {
  if (sa_ == nullptr) {
    main_mode_->OnPacket(now, in, out);
  } else {
    OnProtected(now, in, out);
  }
  Settle(out);
}

void Initiator::OnProtected(absl::Time now, const In& in, Out& out) {
  const auto message = stack::wire::Isakmp::Parse(in.bytes);
  if (!message.ok()) return out.Tell(message.error());
  const auto& header = message->header;
  if (gone_ || header.initiator_cookie != sa_->cookies.initiator ||
      header.responder_cookie != sa_->cookies.responder) {
    return out.Tell(Drop::kIkeUnknownCookie);
  }
  if (header.exchange == ExchangeType::kIdentityProtection) {
    return main_mode_->OnPacket(now, in, out);
  }
  if (header.exchange == ExchangeType::kInformational) {
    return informational_->OnPacket(now, in, out);
  }
  QuickModeInitiator* mode =
      header.exchange == ExchangeType::kQuickMode ? Of(header.message_id) : nullptr;
  if (mode == nullptr) return out.Tell(Drop::kIkeExchange);
  mode->OnPacket(now, in, out);
}

void Initiator::OnKeyPair(absl::Time now, const KeyPairAnswer& answer, Out& out) {
  const auto owner = tickets_.Redeem(answer.ticket);
  if (!owner) return;
  if (owner->message_id == 0) {
    main_mode_->OnKeyPair(now, answer, out);
  } else if (QuickModeInitiator* mode = Of(owner->message_id)) {
    mode->OnKeyPair(now, answer, out);
  }
}

void Initiator::OnDh(absl::Time now, DhAnswer answer, Out& out) {
  const auto owner = tickets_.Redeem(answer.ticket);
  if (!owner) return;
  if (owner->message_id == 0) {
    main_mode_->OnDh(now, std::move(answer), out);
  } else if (QuickModeInitiator* mode = Of(owner->message_id)) {
    mode->OnDh(now, std::move(answer), out);
  }
  Settle(out);
}

void Initiator::OnSpi(absl::Time now, const SpiAnswer& answer, Out& out) {
  const auto owner = tickets_.Redeem(answer.ticket);
  QuickModeInitiator* mode = owner ? Of(owner->message_id) : nullptr;
  if (mode != nullptr) mode->OnSpi(now, answer, out);
  Settle(out);
}

void Initiator::OnDeadline(absl::Time now, Out& out) {
  main_mode_->OnDeadline(now, out);
  if (sa_ == nullptr || gone_) return;
  informational_->OnDeadline(now, out);
  for (auto& [message_id, mode] : quick_modes_) mode->OnDeadline(now, out);
  Settle(out);
  if (gone_ || sa_->expires > now) return;
  SendDeletePhaseOne(*sa_, rng_, out);
  LetGo(PhaseOneGone::Why::kExpired, out);
}

absl::Time Initiator::NextDeadline() const {
  absl::Time next = main_mode_->NextDeadline();
  if (sa_ == nullptr || gone_) return next;
  next = std::min({next, sa_->expires, informational_->NextDeadline()});
  for (const auto& [message_id, mode] : quick_modes_) next = std::min(next, mode->NextDeadline());
  return next;
}

// After every call: what has changed by it.
void Initiator::Settle(Out& out) {
  if (sa_ == nullptr && main_mode_->up()) {
    sa_ = main_mode_->TakeSa();
    informational_ = std::make_unique<Informational>(
        *sa_, DpdOptions{options_.dpd, options_.dpd_retry, options_.dpd_tries}, rng_);
  }
  if (sa_ == nullptr || gone_) return;
  if (const NotifyType refusal = informational_->TakeRefusal(); refusal != NotifyType::kNone) {
    for (auto& [message_id, mode] : quick_modes_) mode->OnRefusal(refusal, out);
  }
  std::erase_if(quick_modes_, [](const auto& entry) { return entry.second->over(); });
  if (informational_->deleted_by_peer()) LetGo(PhaseOneGone::Why::kDeletedByPeer, out);
}

void Initiator::LetGo(PhaseOneGone::Why why, Out& out) {
  out.Tell(PhaseOneGone{id(), why});
  quick_modes_.clear();
  gone_ = true;
}

// ---- Commands
// ------------------------------------------------------------------------------------

uint32_t Initiator::StartQuickMode(absl::Time now, Out& out) {
  if (sa_ == nullptr || gone_) return 0;
  uint32_t message_id = 0;
  while (message_id == 0 || Of(message_id) != nullptr) message_id = rng_.U32();
  auto mode = std::make_unique<QuickModeInitiator>(message_id, *sa_, options_, tickets_, rng_);
  mode->Start(now, out);
  quick_modes_.emplace(message_id, std::move(mode));
  return message_id;
}

void Initiator::DeleteChild(absl::Time, EspSpi spi_in, Out& out) {
  if (sa_ != nullptr && !gone_) SendDeleteChild(*sa_, spi_in, rng_, out);
}

void Initiator::DeletePhase1(absl::Time, Out& out) {
  if (sa_ == nullptr || gone_) return;
  SendDeletePhaseOne(*sa_, rng_, out);
  LetGo(PhaseOneGone::Why::kDeletedHere, out);
}

bool Initiator::StartDpd(absl::Time now, Out& out) {
  return sa_ != nullptr && !gone_ && informational_->StartDpd(now, out);
}

void Initiator::SetPath(const Path& path) {
  if (sa_ != nullptr) sa_->path = path;
}

}  // namespace crypto::ike
