// Incoming calls: what each half keeps of one, and the calls of a tunnel with all the ways they
// end.
//
// RFC 2661 sections 7.4.1 (LAC), 7.4.2 (LNS) and 4.4.4 (CDN). "Incoming" is seen from the LNS: a
// client that dials in plays the LAC and sends ICRQ. How a call comes up is said in tunnel_lns and
// tunnel_lac; how it ends, and how a tunnel ends with its calls, is the same on both sides and
// stands here.
#pragma once

#include <algorithm>
#include <vector>

#include "absl/time/time.h"
#include "stack/base/rng.h"
#include "stack/l2tp/control.h"
#include "stack/l2tp/event.h"

namespace stack::l2tp {

struct IncomingCallLns {
  enum class State : uint8_t { kWaitConnect, kEstablished };  // ICRP sent, ICCN received
  SessionId own, peer;
  uint32_t serial = 0;
  State state = State::kWaitConnect;
  absl::Time give_up = absl::InfiniteFuture();  // while it waits

  bool IsUp() const { return state == State::kEstablished; }
  bool TellsDown() const { return IsUp(); }  // the shard never heard of the others
};

struct IncomingCallLac {
  enum class State : uint8_t { kWaitReply, kEstablished };  // ICRQ sent, ICCN sent
  SessionId own, peer;                                      // the peer's is 0 until ICRP
  uint32_t serial = 0;
  State state = State::kWaitReply;
  absl::Time give_up = absl::InfiniteFuture();  // while it waits

  bool IsUp() const { return state == State::kEstablished; }
  bool TellsDown() const { return true; }  // it was asked for
};

// The calls of one tunnel: a handful, so searching is walking. Pointers to a call are good until
// the next function that adds or ends one.
template <class Call>
class Calls {
 public:
  // Both must outlive it; `control` is the tunnel's.
  Calls(ControlConnection& control, Rng& rng) : control_(control), rng_(rng) {}

  size_t size() const { return calls_.size(); }
  bool full() const { return calls_.size() >= control_.options().max_calls; }
  Call* FindOwn(SessionId own) {
    return Find([own](const Call& c) { return c.own == own; });
  }
  Call* FindPeer(SessionId peer) {
    if (peer.value == 0) return nullptr;
    return Find([peer](const Call& c) { return c.peer == peer; });
  }

  // A call with a fresh id that waits for its next message. Precondition: not full().
  Call& Add(absl::Time now, SessionId peer, uint32_t serial);
  // The next message came.
  void OnEstablished(absl::Time now, Call& call);

  // Ends a call the peer knows to be over; CallDown is told.
  void End(absl::Time now, Call& call, l2tp::End why, const ResultCode& code, Out& out);
  // Ends a call with CDN.
  void Disconnect(absl::Time now, Call& call, l2tp::End why, const ResultCode& code, Out& out);
  // The peer's CDN, addressed to `session` or, before it knew that, naming its own id.
  void OnCdn(absl::Time now, SessionId session, const Message& cdn, Out& out);
  // The message `m` cannot be carried out: ends its call, whose own id is `session`.
  void Fail(absl::Time now, SessionId session, const ResultCode& code, Out& out);
  // The call that ICRQ or OCRQ `m` asks for is not taken. Other calls are not touched.
  void Refuse(const Message& m, const ResultCode& code, Out& out);

  // The tunnel ends with all its calls: by StopCCN, or as `control` has been told already.
  void StopTunnel(absl::Time now, l2tp::End why, const ResultCode& code, Out& out);
  void EndTunnel(absl::Time now, l2tp::End why, const ResultCode& code, Out& out);

  // The tunnel's, its calls included.
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const;

 private:
  template <class Is>
  Call* Find(Is is) {
    const auto found = std::find_if(calls_.begin(), calls_.end(), is);
    return found == calls_.end() ? nullptr : &*found;
  }
  SessionId NewId();

  ControlConnection& control_;
  Rng& rng_;
  std::vector<Call> calls_;
};

template <class Call>
SessionId Calls<Call>::NewId() {
  for (;;) {
    const SessionId id{static_cast<uint16_t>(rng_.U32() >> 16)};
    if (id.value != 0 && FindOwn(id) == nullptr) return id;
  }
}

template <class Call>
Call& Calls<Call>::Add(absl::Time now, SessionId peer, uint32_t serial) {
  Call call;
  call.own = NewId();
  call.peer = peer;
  call.serial = serial;
  call.give_up = now + control_.options().call_limit;
  control_.SetHasCalls(now, true);
  return calls_.emplace_back(call);
}

template <class Call>
void Calls<Call>::OnEstablished(absl::Time now, Call& call) {
  call.state = Call::State::kEstablished;
  call.give_up = absl::InfiniteFuture();
  control_.StartHello(now);
}

template <class Call>
void Calls<Call>::End(absl::Time now, Call& call, l2tp::End why, const ResultCode& code, Out& out) {
  const Call ended = call;
  calls_.erase(calls_.begin() + (&call - calls_.data()));
  control_.SetHasCalls(now, !calls_.empty());
  if (ended.TellsDown()) out.Tell(CallDown{ended.own, why, code});
}

template <class Call>
void Calls<Call>::Disconnect(absl::Time now, Call& call, l2tp::End why, const ResultCode& code,
                             Out& out) {
  control_.SendCdn(call.own, call.peer, code, out);
  control_.Settle(now, out);  // before the event that tears down
  End(now, call, why, code, out);
}

template <class Call>
void Calls<Call>::OnCdn(absl::Time now, SessionId session, const Message& cdn, Out& out) {
  const SessionId named = cdn.assigned_session.value_or(SessionId{});
  Call* call = session.value != 0 ? FindOwn(session) : FindPeer(named);
  if (call == nullptr) return;
  control_.SendZlb(out);  // before the event that tears down
  const l2tp::End why = call->IsUp() ? l2tp::End::kPeerHungUp : l2tp::End::kRefused;
  End(now, *call, why, cdn.result.value_or(ResultCode{}), out);
}

template <class Call>
void Calls<Call>::Fail(absl::Time now, SessionId session, const ResultCode& code, Out& out) {
  if (Call* call = FindOwn(session)) Disconnect(now, *call, l2tp::End::kProtocolError, code, out);
}

template <class Call>
void Calls<Call>::Refuse(const Message& m, const ResultCode& code, Out& out) {
  if (!m.assigned_session) return;  // no id by which the peer would know it
  control_.SendCdn(NewId(), *m.assigned_session, code, out);
}

template <class Call>
void Calls<Call>::StopTunnel(absl::Time now, l2tp::End why, const ResultCode& code, Out& out) {
  control_.Stop(now, code, out);
  EndTunnel(now, why, code, out);
}

template <class Call>
void Calls<Call>::EndTunnel(absl::Time now, l2tp::End why, const ResultCode& code, Out& out) {
  while (!calls_.empty()) End(now, calls_.front(), why, code, out);
  control_.TellEnd(why, code, out);
}

template <class Call>
void Calls<Call>::OnDeadline(absl::Time now, Out& out) {
  switch (control_.OnDeadline(now, out)) {
    case ControlConnection::Due::kPeerSilent:
      control_.Vanish();
      return EndTunnel(now, l2tp::End::kSilent, {}, out);
    case ControlConnection::Due::kNoCall:
      return StopTunnel(now, l2tp::End::kTimedOut, Code(StopCcnResult::kClear), out);
    case ControlConnection::Due::kNothing:
      break;
  }
  while (Call* late = Find([now](const Call& c) { return c.give_up <= now; })) {
    Disconnect(now, *late, l2tp::End::kTimedOut, Code(CdnResult::kNotEstablishedInTime), out);
  }
  control_.Settle(now, out);
}

template <class Call>
absl::Time Calls<Call>::NextDeadline() const {
  absl::Time next = control_.NextDeadline();
  for (const Call& call : calls_) next = std::min(next, call.give_up);
  return next;
}

}  // namespace stack::l2tp
