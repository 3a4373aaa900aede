// The LAC half of an L2TP tunnel: dials in, as a client does. One machine a tunnel, its calls
// included.
//
// RFC 2661 sections 3, 5 and 7.2, 7.4.1. Start() sends SCCRQ; SCCRP is answered with SCCCN,
// TunnelUp is told and one call is placed: ICRQ, ICRP, ICCN, CallUp. Shares numbering, attributes
// and endings with the LNS half, and nothing of its states.
#pragma once

#include "stack/l2tp/call.h"
#include "stack/l2tp/control.h"

namespace stack::l2tp {

class TunnelLac {
 public:
  using In = ByteView;  // a control message: UDP payload with the T bit set
  using Out = l2tp::Out;

  // `own` is the tunnel id this end gives out, not 0. `rng` gives session ids and must outlive the
  // tunnel.
  TunnelLac(absl::Time now, const TunnelOptions& options, TunnelId own, Rng& rng);
  TunnelLac(const TunnelLac&) = delete;
  TunnelLac& operator=(const TunnelLac&) = delete;

  void Start(absl::Time now, Out& out);  // once, first

  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnDeadline(absl::Time now, Out& out) { calls_.OnDeadline(now, out); }
  absl::Time NextDeadline() const { return calls_.NextDeadline(); }
  void OnLifeSign(absl::Time now) { control_.OnLifeSign(now); }

  // One more call on a tunnel that is up; its id, or 0 if there is no room or no tunnel.
  SessionId PlaceCall(absl::Time now, Out& out);
  void HangUp(absl::Time now, SessionId own, const ResultCode& code, Out& out);  // CDN
  void Close(absl::Time now, const ResultCode& code, Out& out);                  // StopCCN

  TunnelId own() const { return control_.own(); }
  TunnelId peer() const { return control_.peer(); }  // 0 before SCCRP
  bool IsGone() const { return control_.phase() == ControlConnection::Phase::kGone; }
  size_t calls() const { return calls_.size(); }

 private:
  void Deliver(absl::Time now, SessionId session, ByteView avps, Out& out);
  void OnStopCcn(absl::Time now, const Message& m, Out& out);
  void OnSccrp(absl::Time now, const Message& m, Out& out);
  void OnIcrp(absl::Time now, SessionId session, const Message& m, Out& out);
  void OnCallMessage(absl::Time now, SessionId session, const Message& m, Out& out);
  void OnStateError(absl::Time now, Out& out);
  void OnObjection(absl::Time now, SessionId session, const Message& m, Out& out);

  ControlConnection control_;
  Calls<IncomingCallLac> calls_;
  uint32_t next_serial_ = 1;
};

static_assert(Machine<TunnelLac>);

}  // namespace stack::l2tp
