// The control connection as far as it is the same at both ends: numbers, life signs, HELLO, and the
// ways to end. TunnelLns and TunnelLac each own one and add what their half says.
//
// RFC 2661 sections 5.5 (keepalive), 5.7 (termination) and 7.2. The phases:
//
//   kStarting -> kOpen -> kClosing    own StopCCN sent; gone when it is acknowledged, or after
//   `linger`
//                      -> kLingering  the peer's StopCCN came; its repetitions are acknowledged for
//                      `linger`
//                      -> kGone
#pragma once

#include <string>

#include "stack/base/machine.h"
#include "stack/l2tp/avp.h"
#include "stack/l2tp/event.h"
#include "stack/l2tp/reliable.h"

namespace stack::l2tp {

struct TunnelOptions {
  std::string host_name = "adit";                     // ours, in SCCRP or SCCRQ; 1..255 octets
  absl::Duration hello_interval = absl::Seconds(60);  // of silence; InfiniteDuration: no HELLO
  absl::Duration no_call_limit = absl::Seconds(60);   // how long a tunnel may be without a call
  absl::Duration call_limit = absl::Seconds(30);      // from ICRQ to ICCN
  absl::Duration linger = absl::Seconds(31);          // a full retransmission interval (5.7)
  size_t max_calls = 4;                               // at the same time; more are refused
  ReliableOptions reliable;
};

class ControlConnection {
 public:
  enum class Phase : uint8_t { kStarting, kOpen, kClosing, kLingering, kGone };
  enum class Due : uint8_t { kNothing, kPeerSilent, kNoCall };

  ControlConnection(absl::Time now, const TunnelOptions& options, TunnelId own);

  Phase phase() const { return phase_; }
  bool IsAlive() const { return phase_ == Phase::kStarting || phase_ == Phase::kOpen; }
  TunnelId own() const { return own_; }
  TunnelId peer() const { return peer_; }
  const TunnelOptions& options() const { return options_; }
  const Reliable& reliable() const { return reliable_; }

  // Judges an arrived message and takes its Nr. kInOrder: header.payload() is to be carried out
  // now, then whatever TakeEarly gives. A message that is not taken has been told as a Drop;
  // nullopt: it was rubbish, and nothing was done with it.
  std::optional<Reliable::Arrival> Accept(absl::Time now, const wire::L2tp& header, Out& out);
  std::optional<Reliable::Received> TakeEarly() { return reliable_.TakeEarly(); }
  void OnLifeSign(absl::Time now) { reliable_.OnLifeSign(now); }

  void SetPeer(TunnelId peer, uint16_t window);
  void Open(absl::Time now);  // SCCCN was exchanged
  // Whether there is a call (up or coming) now; without one, no_call_limit runs.
  void SetHasCalls(absl::Time now, bool has_calls);
  // HELLOs may be sent from now on: a call is up (Apple ends a tunnel that sees one sooner).
  void StartHello(absl::Time now);

  // Queues a message; those of the login are told as a Step. It leaves with Settle.
  void Send(SessionId session, const MessageWriter& message, Out& out);
  void SendZlb(Out& out) { reliable_.SendZlb(out); }
  void ResendOldest(Out& out) { reliable_.ResendOldest(out); }
  // CDN for a call of which the peer knows `peer` and `own`; either may be 0.
  void SendCdn(SessionId own, SessionId peer, const ResultCode& code, Out& out);

  // The three ways to end. The tunnel then takes down its calls and calls TellEnd, so that
  // the last frame stands before the events that destroy what carries it.
  void Stop(absl::Time now, const ResultCode& code, Out& out);  // sends StopCCN; unsent messages go
  void Linger(absl::Time now, Out& out);                        // acknowledges the peer's StopCCN
  void Vanish();                                                // without a word
  // TunnelDown, and Gone if nothing is left to be done.
  void TellEnd(End why, const ResultCode& code, Out& out);

  // Sends what may be sent; the last thing in every call of the tunnel.
  void Settle(absl::Time now, Out& out);
  // Does what is due itself (resend, HELLO, end of lingering) and says what the tunnel has to do.
  Due OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const;

 private:
  enum class Timer : uint8_t { kNoCall, kHello, kLinger };

  void OnHelloDue(absl::Time now, Out& out);
  void BecomeGone(Out& out);

  TunnelOptions options_;
  TunnelId own_, peer_;
  Phase phase_ = Phase::kStarting;
  Reliable reliable_;
  Deadlines<Timer, 3> timers_;
};

// The messages that make up a login, which are told as Steps.
bool IsMilestone(MessageType type);

}  // namespace stack::l2tp
