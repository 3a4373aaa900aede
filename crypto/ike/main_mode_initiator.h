// The initiator of IKEv1 Main Mode with a pre-shared key: the other half of main_mode.h, which has
// the picture. RFC 2409 sections 5 and 5.4, RFC 3947.
//
// Sends again, with growing pauses, until the answer comes. Nothing the peer says before MM6 is
// authentic, so what does not fit is dropped and the wait goes on; a refusal in the clear only
// becomes the reason named in the end.
#pragma once

#include <memory>
#include <variant>

#include "absl/time/time.h"
#include "crypto/ike/event.h"
#include "crypto/ike/isakmp_sa.h"
#include "crypto/ike/keymat.h"
#include "crypto/ike/natt.h"
#include "crypto/ike/options.h"
#include "crypto/ike/resend.h"
#include "crypto/ike/ticket.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"

namespace crypto::ike {

class MainModeInitiator {
 public:
  using In = stack::Datagram;
  using Out = ike::Out;

  // The references outlive the machine. Its id() is the initiator cookie, drawn here.
  MainModeInitiator(const InitiatorOptions& options, const Path& path, Tickets& tickets,
                    stack::Rng& rng);
  void Start(absl::Time now, Out& out);
  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnKeyPair(absl::Time now, const KeyPairAnswer& answer, Out& out);
  void OnDh(absl::Time now, DhAnswer answer, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const { return std::min(timers_.Next(), resend_.Next()); }

  PhaseOneId id() const { return {cookies_.initiator}; }
  bool up() const { return std::holds_alternative<Up>(state_); }
  bool failed() const { return std::holds_alternative<Failed>(state_); }
  std::unique_ptr<IsakmpSa> TakeSa();  // once, after PhaseOneUp was told

 private:
  struct Idle {};
  struct WaitChoice {};
  struct MakingKey {
    Ticket ticket = 0;  // 0: to be asked again, the crew was busy
  };
  struct WaitKey {
    std::shared_ptr<const DhKeyPair> pair;
    Publics publics;  // g_xr and nr still empty
  };
  struct Agreeing {
    Ticket ticket = 0;
    std::shared_ptr<const DhKeyPair> pair;
    Publics publics;
    NatFindings nat;
  };
  struct WaitIdentity {
    Publics publics;
    PhaseOneKeys keys;
    MessageCipher cipher;
    Iv iv;  // the last block of MM5
    NatFindings nat;
  };
  struct Up {
    std::unique_ptr<IsakmpSa> sa;
  };
  struct Failed {};
  enum class Timer { kAskAgain, kGiveUp, kCount };  // kGiveUp: on the crew

  void OnChoice(absl::Time now, const Isakmp& message, Out& out);
  void OnKey(absl::Time now, const Isakmp& message, Out& out);
  void OnIdentity(absl::Time now, const Isakmp& message, const In& in, Out& out);
  void OnRefusal(const Isakmp& message, Out& out);
  void AskForKey(absl::Time now, Out& out);
  void AskForAgreement(absl::Time now, Out& out);
  void SendKey(absl::Time now, const WaitKey& state, Out& out);
  Bytes SealIdentity(const Publics& publics, const PhaseOneKeys& keys, MessageCipher& cipher,
                     Iv& iv);
  void Finish(absl::Time now, WaitIdentity& state, const Opened& opened, const In& in, Out& out);
  void SendAndWait(absl::Time now, Bytes message, Out& out);

  const InitiatorOptions& options_;
  Tickets& tickets_;
  stack::Rng& rng_;
  Cookies cookies_;
  Path path_;
  Bytes sai_;
  VendorsSeen seen_;
  PhaseOneSuite suite_;
  Failure why_ = Failure::kTimeout;
  NotifyType notify_ = NotifyType::kNone;
  Resend resend_;
  std::variant<Idle, WaitChoice, MakingKey, WaitKey, Agreeing, WaitIdentity, Up, Failed> state_;
  stack::Deadlines<Timer, static_cast<size_t>(Timer::kCount)> timers_;
};
static_assert(stack::Machine<MainModeInitiator>);

}  // namespace crypto::ike
