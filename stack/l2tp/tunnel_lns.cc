#include "stack/l2tp/tunnel_lns.h"

namespace stack::l2tp {
namespace {

using wire::AvpType;
using Phase = ControlConnection::Phase;

constexpr uint32_t kFramingBoth = 3;  // asynchronous and synchronous, 4.4.3

constexpr Objection kNoSessionId{GeneralError::kValueOutOfRange, 0,
                                 static_cast<uint16_t>(AvpType::kAssignedSessionId)};

// A SCCRQ that was repeated just before SCCRP arrived may be overtaken by SCCCN. Later than this it
// is no straggler but a client that starts afresh; one that does so sooner repeats itself every
// second anyway.
constexpr absl::Duration kStragglerLimit = absl::Seconds(3);

}  // namespace

TunnelLns::TunnelLns(absl::Time now, const TunnelOptions& options, TunnelId own, Rng& rng)
    : control_(now, options, own), calls_(control_, rng) {}

std::optional<SccrqIdentity> TunnelLns::Identify(ByteView message) {
  const auto header = wire::L2tp::Parse(message);
  if (!header.ok() || !header->is_control()) return std::nullopt;
  if (header->tunnel().value != 0 || header->ns() != 0) return std::nullopt;
  const auto sccrq = ReadMessage(header->payload());
  if (!sccrq.ok() || sccrq->type != MessageType::kSccrq) return std::nullopt;
  if (!sccrq->assigned_tunnel || sccrq->assigned_tunnel->value == 0) return std::nullopt;
  return SccrqIdentity{*sccrq->assigned_tunnel, sccrq->host_name};
}

bool TunnelLns::IsRepetition(absl::Time now, const SccrqIdentity& sccrq) const {
  if (sccrq.assigned != peer() || sccrq.host_name != peer_host_name_) return false;
  switch (control_.phase()) {
    case Phase::kStarting:
      return true;
    case Phase::kOpen:
      return now - opened_ < kStragglerLimit;
    case Phase::kClosing:  // refused, and StopCCN did not reach the peer
      return control_.reliable().next_expected() == 1;
    case Phase::kLingering:
    case Phase::kGone:
      return false;
  }
  return false;
}

void TunnelLns::OnPacket(absl::Time now, const In& in, Out& out) {
  const auto header = wire::L2tp::Parse(in);
  if (!header.ok()) return out.Tell(header.error());
  if (!header->is_control()) return out.Tell(Drop::kL2tpMalformed);
  if (!MayTake(*header, in)) return out.Tell(Drop::kUnknownTunnel);
  const auto arrival = control_.Accept(now, *header, out);
  if (arrival == Reliable::Arrival::kInOrder) {
    Deliver(now, header->session(), header->payload(), out);
    while (const auto early = control_.TakeEarly()) Deliver(now, early->session, early->avps, out);
  }
  // A repeated SCCRQ gets SCCRP again rather than a ZLB, which Android could take for the
  // acknowledgement of the SCCCN it is just sending.
  if (arrival == Reliable::Arrival::kDuplicate && header->tunnel().value == 0) {
    control_.ResendOldest(out);
  }
  control_.Settle(now, out);
}

// Addressed to this tunnel, or the SCCRQ that makes it what it is, first or again.
bool TunnelLns::MayTake(const wire::L2tp& header, ByteView message) const {
  if (IsGone()) return false;
  if (header.tunnel().value != 0) return header.tunnel() == own() && peer().value != 0;
  const auto sccrq = Identify(message);
  return sccrq && (peer().value == 0 || sccrq->assigned == peer());
}

void TunnelLns::Deliver(absl::Time now, SessionId session, ByteView avps, Out& out) {
  const auto read = ReadMessage(avps);
  if (!read.ok()) return out.Tell(read.error());
  const Message& m = *read;
  if (!control_.IsAlive() && m.type != MessageType::kStopCcn) return;  // acknowledged, no more
  if (IsMilestone(m.type)) out.Tell(Step{m.type, false});
  if (m.type == MessageType::kStopCcn) return OnStopCcn(now, m, out);
  if (m.type == MessageType::kSccrq) return OnSccrq(now, m, out);
  if (m.type == MessageType::kCdn) return calls_.OnCdn(now, session, m, out);
  if (m.objection) return OnObjection(now, session, m, out);
  if (m.type == MessageType::kScccn) return OnScccn(now, out);
  if (m.type == MessageType::kSccrp) {
    return OnStateError(now, out);
  }
  if (m.IsAboutSession()) OnCallMessage(now, session, m, out);
}

void TunnelLns::OnSccrq(absl::Time now, const Message& m, Out& out) {
  if (peer().value != 0) {
    return OnStateError(now, out);
  }
  control_.SetPeer(*m.assigned_tunnel, m.receive_window.value_or(kDefaultWindow));
  peer_host_name_ = std::string(m.host_name);
  peer_vendor_name_ = Printable(m.vendor_name);
  if (m.objection) return calls_.StopTunnel(now, End::kRefused, Code(*m.objection), out);
  if (m.protocol_version.value_or(kProtocolVersion) != kProtocolVersion) {
    ResultCode code = Code(StopCcnResult::kVersionNotSupported);
    code.error = kProtocolVersion;
    return calls_.StopTunnel(now, End::kRefused, code, out);
  }
  if (m.challenge) {  // there is no tunnel secret to answer with; IPsec has authenticated the peer
    const ResultCode code = Code(StopCcnResult::kNotAuthorized, "no tunnel secret here");
    return calls_.StopTunnel(now, End::kRefused, code, out);
  }
  SendSccrp(out);
}

// Exactly these: Apple and kl2tpd check what is there and give up on anything beyond.
void TunnelLns::SendSccrp(Out& out) {
  MessageWriter sccrp(MessageType::kSccrp);
  sccrp.AddU16(AvpType::kProtocolVersion, kProtocolVersion)
      .AddU32(AvpType::kFramingCapabilities, kFramingBoth)
      .AddText(AvpType::kHostName, control_.options().host_name)
      .AddU16(AvpType::kAssignedTunnelId, own().value)
      .AddU16(AvpType::kReceiveWindowSize, control_.reliable().receive_window());
  control_.Send(SessionId{}, sccrp, out);
}

void TunnelLns::OnScccn(absl::Time now, Out& out) {
  if (control_.phase() != Phase::kStarting) {
    return OnStateError(now, out);
  }
  control_.SendZlb(out);  // by itself: Android sends ICRQ on nothing else
  control_.Open(now);
  opened_ = now;
  out.Tell(TunnelUp{own(), peer(), Printable(peer_host_name_), peer_vendor_name_});
}

// OCRQ and the messages of calls. Before SCCCN there cannot be any.
void TunnelLns::OnCallMessage(absl::Time now, SessionId session, const Message& m, Out& out) {
  if (control_.phase() != Phase::kOpen) {
    return OnStateError(now, out);
  }
  switch (m.type) {
    case MessageType::kIcrq:
      return OnIcrq(now, m, out);
    case MessageType::kIccn:
      return OnIccn(now, session, m, out);
    case MessageType::kOcrq:  // dials out nowhere
      return calls_.Refuse(m, Code(CdnResult::kNoFacilities), out);
    default:
      return;  // WEN, SLI and what belongs to outgoing calls: acknowledged, of no use here
  }
}

void TunnelLns::OnIcrq(absl::Time now, const Message& m, Out& out) {
  const SessionId theirs = m.assigned_session.value_or(SessionId{});
  if (theirs.value == 0) return calls_.Refuse(m, Code(kNoSessionId), out);
  if (IncomingCallLns* old = calls_.FindPeer(theirs)) {
    calls_.End(now, *old, End::kReplaced, {},
               out);  // its id is given anew: the peer forgot the call
  }
  if (calls_.full()) return calls_.Refuse(m, Code(CdnResult::kNoFacilitiesNow), out);
  const IncomingCallLns& call = calls_.Add(now, theirs, m.call_serial.value_or(0));
  MessageWriter icrp(MessageType::kIcrp);
  icrp.AddU16(AvpType::kAssignedSessionId, call.own.value);
  control_.Send(call.peer, icrp, out);
}

void TunnelLns::OnIccn(absl::Time now, SessionId session, const Message& m, Out& out) {
  IncomingCallLns* call = calls_.FindOwn(session);
  if (call == nullptr) return;  // given up meanwhile: CDN is under way
  if (call->IsUp()) {
    return calls_.Fail(now, session, Code(CdnResult::kAdministrative, "second ICCN"), out);
  }
  control_.SendZlb(out);  // by itself and first: Android loses PPP frames that come before it
  calls_.OnEstablished(now, *call);
  out.Tell(CallUp{call->own, call->peer, call->serial, m.sequencing_required});
}

void TunnelLns::OnStopCcn(absl::Time now, const Message& m, Out& out) {
  const bool was_alive = control_.IsAlive();
  control_.Linger(now, out);
  if (was_alive) calls_.EndTunnel(now, End::kPeerStopped, m.result.value_or(ResultCode{}), out);
}

// A fault in a message about a call costs that call, any other the tunnel (4.1).
void TunnelLns::OnObjection(absl::Time now, SessionId session, const Message& m, Out& out) {
  const ResultCode code = Code(*m.objection);
  if (!m.IsAboutSession() || control_.phase() != Phase::kOpen) {
    return calls_.StopTunnel(now, End::kProtocolError, code, out);
  }
  if (m.IsRequest()) return calls_.Refuse(m, code, out);
  calls_.Fail(now, session, code, out);
}

// A message that its state does not allow (7.2.1).
void TunnelLns::OnStateError(absl::Time now, Out& out) {
  calls_.StopTunnel(now, End::kProtocolError, Code(StopCcnResult::kStateMachineError), out);
}

void TunnelLns::HangUp(absl::Time now, SessionId own, const ResultCode& code, Out& out) {
  if (IncomingCallLns* call = calls_.FindOwn(own)) {
    calls_.Disconnect(now, *call, End::kHungUp, code, out);
  }
}

void TunnelLns::Close(absl::Time now, const ResultCode& code, Out& out) {
  if (control_.IsAlive()) calls_.StopTunnel(now, End::kHungUp, code, out);
}

void TunnelLns::Abandon(absl::Time now, Out& out) {
  if (IsGone()) return;
  const bool was_alive = control_.IsAlive();
  control_.Vanish();
  if (was_alive) return calls_.EndTunnel(now, End::kReplaced, {}, out);
  out.Tell(Gone{});
}

}  // namespace stack::l2tp
