#include "stack/l2tp/control.h"

#include <algorithm>

namespace stack::l2tp {
namespace {

constexpr absl::Duration kLeastHelloInterval = absl::Seconds(1);

}  // namespace

bool IsMilestone(MessageType type) {
  switch (type) {
    case MessageType::kSccrq:
    case MessageType::kSccrp:
    case MessageType::kScccn:
    case MessageType::kStopCcn:
    case MessageType::kIcrq:
    case MessageType::kIcrp:
    case MessageType::kIccn:
    case MessageType::kCdn:
      return true;
    default:
      return false;
  }
}

ControlConnection::ControlConnection(absl::Time now, const TunnelOptions& options, TunnelId own)
    : options_(options), own_(own), reliable_(now, options.reliable) {
  options_.hello_interval = std::max(options.hello_interval, kLeastHelloInterval);
  timers_.Arm(Timer::kNoCall, now + options_.no_call_limit);
}

std::optional<Reliable::Arrival> ControlConnection::Accept(absl::Time now, const wire::L2tp& header,
                                                           Out& out) {
  if (!header.is_zlb()) {
    const auto message = ReadMessage(header.payload());
    if (!message.ok()) {
      out.Tell(message.error());
      return std::nullopt;
    }
  }
  const Reliable::Arrival arrival = reliable_.OnArrival(now, header);
  if (arrival == Reliable::Arrival::kDuplicate) out.Tell(Drop::kL2tpDuplicate);
  if (arrival == Reliable::Arrival::kOutOfWindow) out.Tell(Drop::kL2tpOutOfWindow);
  return arrival;
}

void ControlConnection::SetPeer(TunnelId peer, uint16_t window) {
  peer_ = peer;
  reliable_.SetPeer(peer, window);
}

void ControlConnection::Open(absl::Time now) {
  phase_ = Phase::kOpen;
  SetHasCalls(now, false);
}

void ControlConnection::SetHasCalls(absl::Time now, bool has_calls) {
  if (phase_ != Phase::kOpen) return;
  if (has_calls) {
    timers_.Disarm(Timer::kNoCall);
  } else {
    timers_.Arm(Timer::kNoCall, now + options_.no_call_limit);
  }
}

void ControlConnection::StartHello(absl::Time now) {
  if (!timers_.IsArmed(Timer::kHello)) timers_.Arm(Timer::kHello, now + options_.hello_interval);
}

void ControlConnection::Send(SessionId session, const MessageWriter& message, Out& out) {
  if (!reliable_.Queue(session, message.avps())) return;  // Accept keeps room, so this is not met
  if (IsMilestone(message.type())) out.Tell(Step{message.type(), true});
}

void ControlConnection::SendCdn(SessionId own, SessionId peer, const ResultCode& code, Out& out) {
  MessageWriter cdn(MessageType::kCdn);
  cdn.AddResult(code).AddU16(wire::AvpType::kAssignedSessionId, own.value);
  Send(peer, cdn, out);
}

void ControlConnection::Stop(absl::Time now, const ResultCode& code, Out& out) {
  if (peer_.value == 0) return Vanish();  // whoever it is could not tell which tunnel is meant
  reliable_.CutUnsent();
  MessageWriter stop(MessageType::kStopCcn);
  stop.AddU16(wire::AvpType::kAssignedTunnelId, own_.value).AddResult(code);
  Send(SessionId{}, stop, out);
  reliable_.Settle(now, out);
  phase_ = Phase::kClosing;
  timers_.DisarmAll();
  timers_.Arm(Timer::kLinger, now + options_.linger);
}

void ControlConnection::Linger(absl::Time now, Out& out) {
  reliable_.Silence();
  reliable_.SendZlb(out);
  phase_ = Phase::kLingering;
  timers_.DisarmAll();
  timers_.Arm(Timer::kLinger, now + options_.linger);
}

void ControlConnection::Vanish() {
  reliable_.Silence();
  phase_ = Phase::kGone;
  timers_.DisarmAll();
}

void ControlConnection::TellEnd(End why, const ResultCode& code, Out& out) {
  out.Tell(TunnelDown{why, code});
  if (phase_ == Phase::kGone) out.Tell(Gone{});
}

void ControlConnection::BecomeGone(Out& out) {
  Vanish();
  out.Tell(Gone{});
}

void ControlConnection::Settle(absl::Time now, Out& out) {
  if (phase_ == Phase::kGone) return;
  reliable_.Settle(now, out);
  if (phase_ == Phase::kClosing && reliable_.idle()) BecomeGone(out);
}

ControlConnection::Due ControlConnection::OnDeadline(absl::Time now, Out& out) {
  if (reliable_.OnDeadline(now, out)) {
    if (IsAlive()) return Due::kPeerSilent;
    BecomeGone(out);
    return Due::kNothing;
  }
  if (timers_.TakeDue(Timer::kLinger, now)) BecomeGone(out);
  if (timers_.TakeDue(Timer::kNoCall, now)) return Due::kNoCall;
  if (timers_.TakeDue(Timer::kHello, now)) OnHelloDue(now, out);
  return Due::kNothing;
}

// Life signs do not touch the timer; it looks for the last one when it fires, and sleeps on.
void ControlConnection::OnHelloDue(absl::Time now, Out& out) {
  const absl::Time quiet_until = reliable_.last_heard() + options_.hello_interval;
  if (now < quiet_until) return timers_.Arm(Timer::kHello, quiet_until);
  timers_.Arm(Timer::kHello, now + options_.hello_interval);
  if (reliable_.idle()) Send(SessionId{}, MessageWriter(MessageType::kHello), out);
}

absl::Time ControlConnection::NextDeadline() const {
  return std::min(reliable_.NextDeadline(), timers_.Next());
}

}  // namespace stack::l2tp
