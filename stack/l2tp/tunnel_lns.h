// The LNS half of an L2TP tunnel: answers a client that dials in. One machine a tunnel, its calls
// included.
//
// RFC 2661 sections 3, 5 and 7.2, 7.4.2. Control messages reach it from the shard's control FIFO,
// after ESP and UDP; data messages do not pass through here (data.h), they only count as
// OnLifeSign.
//
//   SCCRQ -> SCCRP      SCCCN -> ZLB, TunnelUp      ICRQ -> ICRP      ICCN -> ZLB, CallUp
//
// Android starts its next step only on a ZLB, and loses PPP frames sent before; hence the ZLB is by
// itself and before the event. No HELLO before ICCN, no AVP beyond the required ones, none hidden:
// Apple gives up otherwise.
#pragma once

#include <optional>
#include <string_view>

#include "stack/l2tp/call.h"
#include "stack/l2tp/control.h"

namespace stack::l2tp {

// Who sends a SCCRQ. It is addressed to tunnel 0, so this is all a shard has to find its tunnel by.
struct SccrqIdentity {
  TunnelId assigned;           // the id the peer chose for itself; not 0
  std::string_view host_name;  // raw octets; borrows the message
};

class TunnelLns {
 public:
  using In = ByteView;  // a control message: UDP payload with the T bit set
  using Out = l2tp::Out;

  // `own` is the tunnel id this end gives out: not 0, unique on the shard, chosen by the shard (its
  // low bits name it). `rng` gives session ids and must outlive the tunnel.
  TunnelLns(absl::Time now, const TunnelOptions& options, TunnelId own, Rng& rng);
  TunnelLns(const TunnelLns&) = delete;
  TunnelLns& operator=(const TunnelLns&) = delete;

  // nullopt: no SCCRQ for tunnel 0, or one that no tunnel can be made of. Drop it silently
  // (kUnknownTunnel), whatever it is: Apple provokes IPsec with HELLOs for tunnel 0.
  static std::optional<SccrqIdentity> Identify(ByteView message);

  // Whether a SCCRQ of the same IPsec peer that assigns the id this tunnel's peer has is the same
  // SCCRQ again: then it belongs into OnPacket. If not, the peer has started afresh: a new SCCRQ
  // always begins at Ns 0 and would be taken for a duplicate here, so the shard calls Abandon,
  // destroys this tunnel and makes a new one. It is the same while SCCCN has not come (clients
  // repeat SCCRQ every second) or came so recently that a repetition may have been overtaken on its
  // way.
  bool IsRepetition(absl::Time now, const SccrqIdentity& sccrq) const;

  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnDeadline(absl::Time now, Out& out) { calls_.OnDeadline(now, out); }
  absl::Time NextDeadline() const { return calls_.NextDeadline(); }
  // A data message of this tunnel arrived whole and authenticated. Cheap; NextDeadline stays valid.
  void OnLifeSign(absl::Time now) { control_.OnLifeSign(now); }

  // Ends one call with CDN. Nothing happens for an unknown session.
  void HangUp(absl::Time now, SessionId own, const ResultCode& code, Out& out);
  // Ends the tunnel and all calls with StopCCN.
  void Close(absl::Time now, const ResultCode& code, Out& out);
  // Ends it without a word to the peer, who has forgotten it; Gone follows at once.
  void Abandon(absl::Time now, Out& out);

  TunnelId own() const { return control_.own(); }
  TunnelId peer() const { return control_.peer(); }  // 0 before the SCCRQ
  bool IsGone() const { return control_.phase() == ControlConnection::Phase::kGone; }
  size_t calls() const { return calls_.size(); }

 private:
  void Deliver(absl::Time now, SessionId session, ByteView avps, Out& out);
  void OnStopCcn(absl::Time now, const Message& m, Out& out);
  void OnSccrq(absl::Time now, const Message& m, Out& out);
  void OnScccn(absl::Time now, Out& out);
  void OnIcrq(absl::Time now, const Message& m, Out& out);
  void OnIccn(absl::Time now, SessionId session, const Message& m, Out& out);
  void OnCallMessage(absl::Time now, SessionId session, const Message& m, Out& out);
  void OnStateError(absl::Time now, Out& out);
  void OnObjection(absl::Time now, SessionId session, const Message& m, Out& out);
  bool MayTake(const wire::L2tp& header, ByteView message) const;
  void SendSccrp(Out& out);

  ControlConnection control_;
  Calls<IncomingCallLns> calls_;
  std::string peer_host_name_;  // raw, to tell repetitions
  std::string peer_vendor_name_;
  absl::Time opened_ = absl::InfiniteFuture();  // when SCCCN came
};

static_assert(Machine<TunnelLns>);

}  // namespace stack::l2tp
