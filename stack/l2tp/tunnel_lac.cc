#include "stack/l2tp/tunnel_lac.h"

namespace stack::l2tp {
namespace {

using wire::AvpType;
using Phase = ControlConnection::Phase;

constexpr uint32_t kFramingBoth = 3;    // 4.4.3
constexpr uint32_t kFramingSync = 2;    // 4.4.4
constexpr uint32_t kSpeed = 100000000;  // bits a second; nobody reads it, but it is mandatory

constexpr Objection Missing(AvpType type) {
  return {GeneralError::kValueOutOfRange, 0, static_cast<uint16_t>(type)};
}

}  // namespace

TunnelLac::TunnelLac(absl::Time now, const TunnelOptions& options, TunnelId own, Rng& rng)
    : control_(now, options, own), calls_(control_, rng) {}

void TunnelLac::Start(absl::Time now, Out& out) {
  MessageWriter sccrq(MessageType::kSccrq);
  sccrq.AddU16(AvpType::kProtocolVersion, kProtocolVersion)
      .AddU32(AvpType::kFramingCapabilities, kFramingBoth)
      .AddText(AvpType::kHostName, control_.options().host_name)
      .AddU16(AvpType::kAssignedTunnelId, own().value)
      .AddU16(AvpType::kReceiveWindowSize, control_.reliable().receive_window());
  control_.Send(SessionId{}, sccrq, out);
  control_.Settle(now, out);
}

void TunnelLac::OnPacket(absl::Time now, const In& in, Out& out) {
  const auto header = wire::L2tp::Parse(in);
  if (!header.ok()) return out.Tell(header.error());
  if (!header->is_control()) return out.Tell(Drop::kL2tpMalformed);
  if (IsGone() || header->tunnel() != own()) return out.Tell(Drop::kUnknownTunnel);
  if (control_.Accept(now, *header, out) == Reliable::Arrival::kInOrder) {
    Deliver(now, header->session(), header->payload(), out);
    while (const auto early = control_.TakeEarly()) Deliver(now, early->session, early->avps, out);
  }
  control_.Settle(now, out);
}

void TunnelLac::Deliver(absl::Time now, SessionId session, ByteView avps, Out& out) {
  const auto read = ReadMessage(avps);
  if (!read.ok()) return out.Tell(read.error());
  const Message& m = *read;
  if (!control_.IsAlive() && m.type != MessageType::kStopCcn) return;  // acknowledged, no more
  if (IsMilestone(m.type)) out.Tell(Step{m.type, false});
  if (m.type == MessageType::kStopCcn) return OnStopCcn(now, m, out);
  if (m.type == MessageType::kCdn) return calls_.OnCdn(now, session, m, out);
  if (m.objection) return OnObjection(now, session, m, out);
  if (m.type == MessageType::kSccrp) return OnSccrp(now, m, out);
  if (m.type == MessageType::kSccrq || m.type == MessageType::kScccn) {
    return OnStateError(now, out);
  }
  if (m.IsAboutSession()) OnCallMessage(now, session, m, out);
}

void TunnelLac::OnSccrp(absl::Time now, const Message& m, Out& out) {
  if (control_.phase() != Phase::kStarting) {
    return OnStateError(now, out);
  }
  const TunnelId assigned = m.assigned_tunnel.value_or(TunnelId{});
  if (assigned.value == 0) {
    return calls_.StopTunnel(now, End::kProtocolError, Code(Missing(AvpType::kAssignedTunnelId)),
                             out);
  }
  control_.SetPeer(assigned, m.receive_window.value_or(kDefaultWindow));
  if (m.challenge) {
    return calls_.StopTunnel(now, End::kRefused,
                             Code(StopCcnResult::kNotAuthorized, "no tunnel secret"), out);
  }
  control_.Send(SessionId{}, MessageWriter(MessageType::kScccn), out);
  control_.Open(now);
  control_.Settle(now, out);
  out.Tell(TunnelUp{own(), peer(), Printable(m.host_name), Printable(m.vendor_name)});
  PlaceCall(now, out);
}

SessionId TunnelLac::PlaceCall(absl::Time now, Out& out) {
  if (control_.phase() != Phase::kOpen || calls_.full()) return {};
  const IncomingCallLac& call = calls_.Add(now, SessionId{}, next_serial_++);
  MessageWriter icrq(MessageType::kIcrq);
  icrq.AddU16(AvpType::kAssignedSessionId, call.own.value)
      .AddU32(AvpType::kCallSerialNumber, call.serial);
  control_.Send(SessionId{}, icrq, out);
  control_.Settle(now, out);
  return call.own;
}

void TunnelLac::OnCallMessage(absl::Time now, SessionId session, const Message& m, Out& out) {
  if (control_.phase() != Phase::kOpen) {
    return OnStateError(now, out);
  }
  switch (m.type) {
    case MessageType::kIcrp:
      return OnIcrp(now, session, m, out);
    case MessageType::kIcrq:
    case MessageType::kOcrq:  // takes no calls
      return calls_.Refuse(m, Code(CdnResult::kNoFacilities), out);
    default:
      return;
  }
}

void TunnelLac::OnIcrp(absl::Time now, SessionId session, const Message& m, Out& out) {
  IncomingCallLac* call = calls_.FindOwn(session);
  if (call == nullptr) return;  // given up meanwhile
  if (call->IsUp()) {
    return calls_.Fail(now, session, Code(CdnResult::kAdministrative, "second ICRP"), out);
  }
  call->peer = m.assigned_session.value_or(SessionId{});
  if (call->peer.value == 0) {
    return calls_.Fail(now, session, Code(Missing(AvpType::kAssignedSessionId)), out);
  }
  MessageWriter iccn(MessageType::kIccn);
  iccn.AddU32(AvpType::kTxConnectSpeed, kSpeed).AddU32(AvpType::kFramingType, kFramingSync);
  control_.Send(call->peer, iccn, out);
  control_.Settle(now, out);
  calls_.OnEstablished(now, *call);
  out.Tell(CallUp{call->own, call->peer, call->serial, m.sequencing_required});
}

void TunnelLac::OnStopCcn(absl::Time now, const Message& m, Out& out) {
  const Phase before = control_.phase();
  if (before == Phase::kStarting && m.assigned_tunnel) {
    control_.SetPeer(*m.assigned_tunnel, kDefaultWindow);  // where the acknowledgement goes
  }
  control_.Linger(now, out);
  if (before == Phase::kClosing || before == Phase::kLingering) return;
  const End why = before == Phase::kStarting ? End::kRefused : End::kPeerStopped;
  calls_.EndTunnel(now, why, m.result.value_or(ResultCode{}), out);
}

// A fault in a message about a call costs that call, any other the tunnel (4.1).
void TunnelLac::OnObjection(absl::Time now, SessionId session, const Message& m, Out& out) {
  const ResultCode code = Code(*m.objection);
  if (m.IsAboutSession() && control_.phase() == Phase::kOpen) {
    return m.IsRequest() ? calls_.Refuse(m, code, out) : calls_.Fail(now, session, code, out);
  }
  if (m.type == MessageType::kSccrp && m.assigned_tunnel && peer().value == 0) {
    control_.SetPeer(*m.assigned_tunnel, kDefaultWindow);  // so that StopCCN finds it
  }
  calls_.StopTunnel(now, End::kProtocolError, code, out);
}

// A message that its state does not allow (7.2.1).
void TunnelLac::OnStateError(absl::Time now, Out& out) {
  calls_.StopTunnel(now, End::kProtocolError, Code(StopCcnResult::kStateMachineError), out);
}

void TunnelLac::HangUp(absl::Time now, SessionId own, const ResultCode& code, Out& out) {
  if (IncomingCallLac* call = calls_.FindOwn(own)) {
    calls_.Disconnect(now, *call, End::kHungUp, code, out);
  }
}

void TunnelLac::Close(absl::Time now, const ResultCode& code, Out& out) {
  if (control_.IsAlive()) calls_.StopTunnel(now, End::kHungUp, code, out);
}

}  // namespace stack::l2tp
