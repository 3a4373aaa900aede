// The responder of IKEv1 Main Mode with a pre-shared key, RFC 2409 sections 5 and 5.4, with NAT-T
// of RFC 3947. Read those first.
//
//    MM1  HDR, SA, VID..            ->
//                                  <-   MM2  HDR, SA, VID..
//    MM3  HDR, KE, Ni, NAT-D..      ->
//                                  <-   MM4  HDR, KE, Nr, NAT-D..     after the crew has agreed
//    MM5  HDR*, IDii, HASH_I        ->                                 from port 4500 if there is a
//    NAT
//                                  <-   MM6  HDR*, IDir, HASH_R
//
// Replies hold exactly these payloads: Apple's client aborts on any other. Nothing is sent but in
// answer to a message; only a repeated request gets its answer again. A message that does not
// fit leaves the exchange waiting for one that does, until it gives up: before MM5 has proved
// itself anybody may have sent it.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "absl/time/time.h"
#include "crypto/ike/event.h"
#include "crypto/ike/isakmp_sa.h"
#include "crypto/ike/keymat.h"
#include "crypto/ike/natt.h"
#include "crypto/ike/options.h"
#include "crypto/ike/payload.h"
#include "crypto/ike/resend.h"
#include "crypto/ike/ticket.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"

namespace crypto::ike {

class MainMode {
 public:
  using In = stack::Datagram;
  using Out = ike::Out;

  // `id` is the responder cookie. The references outlive the machine; `options` is copied where
  // needed beyond a call.
  MainMode(absl::Time now, PhaseOneId id, const Options& options, Tickets& tickets,
           stack::Rng& rng);
  // Whether a message without responder cookie can begin a login at all: it offers something.
  static bool IsFirst(const Isakmp& message);
  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnDh(absl::Time now, DhAnswer answer, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const { return timers_.Next(); }

  // MM1 was answered: there is something to wait for.
  bool started() const { return !std::holds_alternative<WaitFirst>(state_); }
  // MM3 came, so the peer really is where it says.
  bool proven() const { return started() && !std::holds_alternative<WaitKey>(state_); }
  const Path& path() const { return path_; }
  bool up() const { return std::holds_alternative<Up>(state_); }
  bool failed() const { return std::holds_alternative<Failed>(state_); }
  // What it came to, once after PhaseOneUp was told.
  std::unique_ptr<IsakmpSa> TakeSa();
  // The answer to MM5, which may come again: all that is left to do once the SA was taken.
  LastReply TakeLastReply() { return std::move(last_); }

 private:
  // What was found out about NATs, and what we make of it.
  struct NatTerms {
    NatFindings found;
    bool forced = false;  // the peer is told that it is behind a NAT, though it is not
    bool hidden = false;  // and that we are not, though we are
  };
  struct WaitFirst {};
  struct WaitKey {};
  struct Computing {
    Ticket ticket;
    Publics publics;  // g_xr and nr still empty
    Path path;
    NatTerms nat;
    Bytes peer_view;  // the peer's NAT-D for our address, if it is to be sent back
  };
  struct WaitIdentity {
    Publics publics;
    PhaseOneKeys keys;
    MessageCipher cipher;
    Iv iv;
    NatTerms nat;
    bool suspected = false;  // WrongPskSuspected was told
  };
  struct Up {
    std::unique_ptr<IsakmpSa> sa;
  };
  struct Failed {};
  enum class Timer { kGiveUp, kCount };

  void OnFirst(const Isakmp& message, const In& in, Out& out);
  void OnKey(const Isakmp& message, const In& in, Out& out);
  void OnIdentity(absl::Time now, const Isakmp& message, const In& in, Out& out);
  void Refuse(const Isakmp& message, const In& in, NotifyType type, Out& out);
  void RefuseOffer(const Isakmp& message, const In& in, const SaOffer& offer, Out& out);
  void Suspect(WaitIdentity& state, const In& in, Failure why, Out& out);
  void Compare(const PayloadChain& payloads, Computing& asked, Out& out);
  void SendKey(const Computing& asked, const Publics& publics, Out& out);
  void Finish(absl::Time now, WaitIdentity& state, Opened opened, const In& in, Out& out);
  Bytes SealIdentity(WaitIdentity& state, const In& in);
  stack::Ip4 OwnIdentity(const WaitIdentity& state, const In& in) const;
  absl::Time ExpiryOf(absl::Time now) const;

  const PhaseOneId id_;
  const Options& options_;
  Tickets& tickets_;
  stack::Rng& rng_;

  // Of MM1 and MM2.
  Cookies cookies_;
  Path path_;
  VendorsSeen seen_;
  PhaseOneSuite suite_;
  Bytes sai_;                        // the body of the peer's SA payload
  Failure why_ = Failure::kTimeout;  // what to say if it comes to nothing
  LastReply last_;

  std::variant<WaitFirst, WaitKey, Computing, WaitIdentity, Up, Failed> state_;
  stack::Deadlines<Timer, static_cast<size_t>(Timer::kCount)> timers_;
};
static_assert(stack::Machine<MainMode>);

}  // namespace crypto::ike
