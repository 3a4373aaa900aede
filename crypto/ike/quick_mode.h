// The responder of one Quick Mode, RFC 2409 section 5.5, with NAT-OA of RFC 3947 section 5.2.
//
//    QM1  HDR*, HASH(1), SA, Ni, [KE], [IDci, IDcr], [NAT-OA..]   ->
//                         <-  QM2  HDR*, HASH(2), SA, Nr, [KE], [IDci, IDcr], [NAT-OAi, NAT-OAr]
//    QM3  HDR*, HASH(3)   ->
//
// Between QM1 and QM2 the owner is asked for an SPI and, with PFS, the crew for an agreement. The
// ESP SA is told ready as QM2 leaves, because the peer may send on it at once. QM2 is repeated on
// our own account if QM3 does not come: the peer sends QM3 only once. Only to an address where the
// peer has proved to be, though, lest a recorded QM1 make us shout at somebody.
#pragma once

#include <optional>
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

class QuickMode {
 public:
  using In = stack::Datagram;
  using Out = ike::Out;

  // The references outlive the machine.
  QuickMode(absl::Time now, uint32_t message_id, IsakmpSa& sa, const Options& options,
            Tickets& tickets, stack::Rng& rng);
  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnDh(absl::Time now, DhAnswer answer, Out& out);
  void OnSpi(absl::Time now, const SpiAnswer& answer, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const { return std::min(timers_.Next(), resend_.Next()); }
  void OnEspSeen(absl::Time now);  // ESP on spi_in() is as good as QM3

  // An authentic QM1 has come; before that the machine is worth nothing.
  bool started() const { return !std::holds_alternative<WaitFirst>(state_); }
  // Nothing more will happen: the machine may go, its message id is used up.
  bool over() const { return std::holds_alternative<Over>(state_); }
  bool up() const { return std::holds_alternative<Up>(state_); }
  EspSpi spi_in() const { return spi_in_; }

 private:
  struct WaitFirst {};
  // What QM1 said, kept until the questions are answered.
  struct Asking {
    Path path;
    EspSuite suite;
    EspSpi spi_out;
    Bytes sa_reply;  // the body of the SA payload of QM2, but for the SPI
    Bytes ni, g_xi;
    bool has_ids = false;
    Identification idci, idcr;
    std::optional<stack::Ip4> nat_oa_i, nat_oa_r;
    Iv iv;                                 // the last block of QM1
    Ticket spi_ticket = 0, dh_ticket = 0;  // 0: not asked, or answered
    Bytes g_xr;
    Secret g_xy;
  };
  struct WaitThird {
    Path path;
    Bytes ni, nr;
    Iv iv;  // the last block of QM2
  };
  struct Up {};
  struct Over {};
  enum class Timer { kGiveUp, kCount };

  void OnFirst(absl::Time now, const Isakmp& message, const In& in, Out& out);
  void OnThird(absl::Time now, const Isakmp& message, const In& in, Out& out);
  std::optional<NotifyType> ReadFirst(const Opened& opened, Asking& asked, Out& out);
  std::optional<NotifyType> ReadIds(const PayloadChain& payloads, Asking& asked) const;
  void ReadNatOa(const PayloadChain& payloads, Asking& asked) const;
  void Choose(Asking& asked, Out& out, std::optional<NotifyType>& refused, const Opened& opened);
  void Ask(Asking asked, Out& out);
  void SendSecond(absl::Time now, Asking& asked, Out& out);
  Bytes BuildSecond(Asking& asked, const Bytes& nr);
  stack::Ip4 OwnAddress(const Asking& asked) const;
  void TellReady(Asking& asked, const Bytes& nr, Out& out);
  void Refuse(Failure why, NotifyType type, const Path& path, Out& out);
  void Fail(Failure why, Out& out);

  const uint32_t message_id_;
  IsakmpSa& sa_;
  const Options& options_;
  Tickets& tickets_;
  stack::Rng& rng_;
  EspSpi spi_in_;
  LastReply last_;
  Resend resend_;
  std::variant<WaitFirst, Asking, WaitThird, Up, Over> state_;
  stack::Deadlines<Timer, static_cast<size_t>(Timer::kCount)> timers_;
};
static_assert(stack::Machine<QuickMode>);

}  // namespace crypto::ike
