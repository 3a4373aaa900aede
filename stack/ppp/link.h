// What both halves of a PPP link share: which packet belongs to whom in which phase, LCP and IPCP,
// echo, rejects, the end (RFC 1661 sections 3 and 5). LnsLink and ClientLink stand on it and add
// who authenticates to whom.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "stack/ppp/event.h"
#include "stack/ppp/lcp.h"
#include "stack/ppp/negotiator.h"
#include "stack/wire/ppp.h"

namespace stack::ppp {

// A packet of an authentication protocol, borrowed from the frame.
struct AuthPacket {
  wire::PppProtocol protocol;
  wire::PppControl packet;
};

// What one call did to the link.
struct Outcome {
  enum class Kind : uint8_t {
    kNothing,
    kLcpUp,     // authenticate now
    kLcpDown,   // everything above LCP is to be begun anew, or the link is closing
    kIpcpUp,    // data may pass
    kIpcpDown,  // it may not any more
    kAuth,      // a packet for the authentication protocol
    kOver,      // finished, see reason()
  };
  Kind kind = Kind::kNothing;
  std::optional<AuthPacket> auth;  // kAuth
};

class Link {
 public:
  // The policies outlive the link.
  Link(Lcp& lcp, OptionPolicy& ipcp, const Timing& timing);

  Outcome Start(absl::Time now, Sink& sink);
  // The peer is who it says, and has an address: IPCP begins.
  void OpenNetwork(absl::Time now, Sink& sink);
  // Terminate-Request, then kOver with this reason; the first reason given counts.
  Outcome Close(absl::Time now, DownReason reason, Sink& sink);
  // An Echo-Request now, if LCP is open.
  void Probe(Sink& sink);
  Outcome OnPacket(absl::Time now, ByteView frame, Sink& sink);
  // Works on one of the deadlines that are due. To be called until NextDeadline() > now.
  Outcome OnDeadline(absl::Time now, Sink& sink);
  absl::Time NextDeadline() const;
  void OnLifeSign(absl::Time now) { last_life_ = now; }

  bool over() const { return phase_ == Phase::kOver; }
  bool closing() const { return phase_ == Phase::kTerminate; }
  DownReason reason() const { return reason_; }

 private:
  // Section 3.2. Authenticate and Network are told apart by whether IPCP was opened.
  enum class Phase : uint8_t { kDead, kEstablish, kAuthenticate, kNetwork, kTerminate, kOver };
  enum class Timer : uint8_t { kEcho, kLogin };

  Outcome OnLcp(absl::Time now, ByteView payload, Sink& sink);
  Outcome OnIpcp(absl::Time now, ByteView payload, Sink& sink);
  Outcome OnAuth(const wire::PppFrame& frame, Sink& sink);
  void OnOther(absl::Time now, const wire::PppFrame& frame, Sink& sink);
  void SendProtocolReject(const wire::PppFrame& frame, Sink& sink);
  Outcome OnLcpPacket(absl::Time now, const wire::PppControl& packet, Sink& sink);
  Outcome OnProtocolReject(absl::Time now, const wire::PppControl& packet, Sink& sink);
  void OnCodeReject(const wire::PppControl& packet);
  void OnEchoRequest(const wire::PppControl& packet, Sink& sink);
  Outcome OnEchoDue(absl::Time now, Sink& sink);
  void SendEchoRequest(Sink& sink);
  // `finished`: why, if this change ends the link.
  Outcome OnLcpChange(absl::Time now, LayerChange change, DownReason finished, Sink& sink);
  Outcome OnIpcpChange(absl::Time now, LayerChange change, Sink& sink);
  Outcome OnLcpUp(absl::Time now);
  Outcome OnLcpDown(absl::Time now, Sink& sink);
  void StartLogin(absl::Time now);
  Outcome Finish(DownReason reason);
  bool MayReject(absl::Time now);
  bool opened() const { return lcp_.state() == State::kOpened; }
  void Send(wire::PppCode code, uint8_t id, ByteView data, Sink& sink);

  const Timing timing_;
  Lcp& lcp_policy_;
  Negotiator lcp_, ipcp_;
  Phase phase_ = Phase::kDead;
  DownReason reason_ = DownReason::kNoAnswer;
  Deadlines<Timer, 2> timers_;
  absl::Time last_life_ = absl::InfinitePast();
  absl::Time last_echo_ = absl::InfinitePast();
  int echoes_ = 0;          // sent since the last life sign
  bool echo_works_ = true;  // until the peer rejects it
  int rejects_left_ = 0;    // Protocol-Rejects that may go out
  absl::Time rejects_filled_ = absl::InfinitePast();
};

}  // namespace stack::ppp
