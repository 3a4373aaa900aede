// The initiator of one Quick Mode: the other half of quick_mode.h, which has the picture.
// RFC 2409 section 5.5, RFC 3947 section 5.2.
//
// Asks its owner for an SPI and, with PFS, for a key pair; then QM1 is sent until QM2 comes. QM3
// goes out once, and again whenever the peer repeats QM2.
#pragma once

#include <memory>
#include <variant>

#include "absl/time/time.h"
#include "crypto/ike/event.h"
#include "crypto/ike/isakmp_sa.h"
#include "crypto/ike/options.h"
#include "crypto/ike/proposal.h"
#include "crypto/ike/resend.h"
#include "crypto/ike/ticket.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"

namespace crypto::ike {

class QuickModeInitiator {
 public:
  using In = stack::Datagram;
  using Out = ike::Out;

  // The references outlive the machine.
  QuickModeInitiator(uint32_t message_id, IsakmpSa& sa, const InitiatorOptions& options,
                     Tickets& tickets, stack::Rng& rng);
  void Start(absl::Time now, Out& out);
  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnKeyPair(absl::Time now, const KeyPairAnswer& answer, Out& out);
  void OnDh(absl::Time now, DhAnswer answer, Out& out);
  void OnSpi(absl::Time now, const SpiAnswer& answer, Out& out);
  // The peer refused something: if it can have been this, it fails.
  void OnRefusal(NotifyType type, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const { return std::min(timers_.Next(), resend_.Next()); }

  bool over() const { return std::holds_alternative<Over>(state_); }

 private:
  // What goes into QM1, gathered.
  struct Asking {
    Ticket spi_ticket = 0, pair_ticket = 0;
    EspSpi spi;
    std::shared_ptr<const DhKeyPair> pair;
  };
  struct WaitSecond {
    EspSpi spi;
    std::shared_ptr<const DhKeyPair> pair;
    Bytes ni;
    Iv iv;  // the last block of QM1
  };
  struct Agreeing {
    WaitSecond first;
    Ticket ticket = 0;  // 0: to be asked again, the crew was busy
    EspSuite suite;
    EspSpi spi_out;
    Bytes nr, g_xr;
    std::optional<stack::Ip4> nat_oa_i, nat_oa_r;
    Iv iv;  // the last block of QM2
    Path path;
  };
  struct Idle {};
  struct Up {};
  struct Over {};
  enum class Timer { kGiveUp, kAskAgain, kCount };

  Asking* AskingIf(Ticket ticket, Ticket Asking::*which);
  void SendFirst(absl::Time now, Asking asked, Out& out);
  void AddRest(const WaitSecond& state, PayloadList& qm1) const;
  void OnSecond(absl::Time now, const Isakmp& message, const In& in, Out& out);
  std::optional<Agreeing> ReadSecond(const Opened& opened, WaitSecond& first);
  void Agree(Agreeing& state, Out& out);
  void Finish(absl::Time now, Agreeing& state, const Secret* g_xy, Out& out);
  void TellReady(Agreeing& state, const Secret* g_xy, Out& out);
  void Fail(Failure why, NotifyType notify, Out& out);
  std::vector<EspSuite> Offered() const;
  Identification Idci() const;
  Identification Idcr() const;

  const uint32_t message_id_;
  IsakmpSa& sa_;
  const InitiatorOptions& options_;
  Tickets& tickets_;
  stack::Rng& rng_;
  LastReply last_;
  Resend resend_;
  std::variant<Idle, Asking, WaitSecond, Agreeing, Up, Over> state_;
  stack::Deadlines<Timer, static_cast<size_t>(Timer::kCount)> timers_;
};
static_assert(stack::Machine<QuickModeInitiator>);

}  // namespace crypto::ike
