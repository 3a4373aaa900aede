#include "stack/ppp/link.h"

#include <algorithm>
#include <array>

namespace stack::ppp {
namespace {

using wire::PppCode;
using wire::PppControl;
using wire::PppFrame;
using wire::PppProtocol;
using Kind = Outcome::Kind;

// Protocol-Rejects: a client that opens every protocol there is gets them all answered at once, one
// that goes on sending what was rejected gets one a second.
constexpr int kRejectBurst = 8;
constexpr absl::Duration kRejectInterval = absl::Seconds(1);

}  // namespace

Link::Link(Lcp& lcp, OptionPolicy& ipcp, const Timing& timing)
    : timing_(timing),
      lcp_policy_(lcp),
      lcp_(PppProtocol::kLcp, lcp, timing),
      ipcp_(PppProtocol::kIpcp, ipcp, timing) {}

Outcome Link::Start(absl::Time now, Sink& sink) {
  if (phase_ != Phase::kDead) return {};
  phase_ = Phase::kEstablish;
  rejects_left_ = kRejectBurst;
  rejects_filled_ = now;
  StartLogin(now);
  lcp_.Open(now, sink);
  return OnLcpChange(now, lcp_.LowerUp(now, sink), DownReason::kNoAnswer, sink);
}

void Link::StartLogin(absl::Time now) { timers_.Arm(Timer::kLogin, now + timing_.login); }

void Link::OpenNetwork(absl::Time now, Sink& sink) {
  if (phase_ != Phase::kAuthenticate) return;
  phase_ = Phase::kNetwork;
  ipcp_.Open(now, sink);
  ipcp_.LowerUp(now, sink);
}

Outcome Link::Close(absl::Time now, DownReason reason, Sink& sink) {
  if (over()) return {};
  if (reason == DownReason::kLowerLayerDown || phase_ == Phase::kDead) return Finish(reason);
  if (closing()) return {};
  phase_ = Phase::kTerminate;
  reason_ = reason;
  timers_.DisarmAll();
  const LayerChange change = lcp_.Close(now, TextOf(reason), sink);
  if (lcp_.state() != State::kClosing) return Finish(reason);
  return OnLcpChange(now, change, reason, sink);
}

Outcome Link::Finish(DownReason reason) {
  phase_ = Phase::kOver;
  reason_ = reason;
  return {Kind::kOver, {}};
}

Outcome Link::OnPacket(absl::Time now, ByteView bytes, Sink& sink) {
  const auto frame = PppFrame::Parse(bytes);
  if (over() || phase_ == Phase::kDead || !frame) {
    sink.Tell(over() ? Drop::kPeerGone : frame ? Drop::kPppNotOpen : frame.error());
    return {};
  }
  switch (frame->protocol) {
    case PppProtocol::kLcp:
      return OnLcp(now, frame->payload, sink);
    case PppProtocol::kIpcp:
      return OnIpcp(now, frame->payload, sink);
    case PppProtocol::kChap:
    case PppProtocol::kPap:
      if (lcp_policy_.Speaks(frame->protocol)) return OnAuth(*frame, sink);
      break;
    default:
      break;
  }
  OnOther(now, *frame, sink);
  return {};
}

Outcome Link::OnLcp(absl::Time now, ByteView payload, Sink& sink) {
  const auto packet = PppControl::Parse(payload);
  if (!packet) {
    sink.Tell(packet.error());
    return {};
  }
  last_life_ = now;
  return OnLcpPacket(now, *packet, sink);
}

Outcome Link::OnLcpPacket(absl::Time now, const PppControl& packet, Sink& sink) {
  switch (static_cast<PppCode>(packet.code)) {
    case PppCode::kTerminateRequest:  // acknowledged, then over: the call ends with the link
      lcp_.OnPacket(now, packet, sink);
      return Finish(closing() ? reason_ : DownReason::kPeerTerminated);
    case PppCode::kProtocolReject:
      return OnProtocolReject(now, packet, sink);
    case PppCode::kEchoRequest:
      OnEchoRequest(packet, sink);
      return {};
    case PppCode::kEchoReply:  // being a life sign is all it is for
      return {};
    case PppCode::kDiscardRequest:
    case PppCode::kIdentification:  // Windows sends three of them; a Code-Reject would disturb it
    case PppCode::kTimeRemaining:
      sink.Tell(Drop::kPppDiscarded);
      return {};
    case PppCode::kCodeReject:
      OnCodeReject(packet);
      break;
    default:
      break;
  }
  return OnLcpChange(now, lcp_.OnPacket(now, packet, sink), DownReason::kNoAgreement, sink);
}

// A peer that does not know Echo-Request is not asked any more.
void Link::OnCodeReject(const PppControl& packet) {
  if (packet.data.empty()) return;
  const auto code = static_cast<PppCode>(packet.data[0]);
  if (code != PppCode::kEchoRequest && code != PppCode::kEchoReply) return;
  echo_works_ = false;
  timers_.Disarm(Timer::kEcho);
}

Outcome Link::OnProtocolReject(absl::Time now, const PppControl& packet, Sink& sink) {
  Reader in(packet.data);
  const auto protocol = static_cast<PppProtocol>(in.U16());
  if (!in.ok() || !opened()) {
    sink.Tell(in.ok() ? Drop::kPppNotOpen : Drop::kPppMalformed);
    return {};
  }
  switch (protocol) {
    case PppProtocol::kLcp:
      return Close(now, DownReason::kNoAgreement, sink);
    case PppProtocol::kChap:
    case PppProtocol::kPap:
      return Close(now, DownReason::kAuthRefused, sink);
    case PppProtocol::kIpcp:
    case PppProtocol::kIp4:
      return Close(now, DownReason::kIpcpFailed, sink);
    default:
      return {};  // nothing that we ever sent
  }
}

// Answered in Opened only (section 5.8), with our own magic number in front of the peer's data.
void Link::OnEchoRequest(const PppControl& packet, Sink& sink) {
  if (packet.data.size() < 4) return sink.Tell(Drop::kPppMalformed);
  if (!opened()) return sink.Tell(Drop::kPppNotOpen);
  const uint32_t own = lcp_policy_.magic();
  if (own != 0 && Load32(packet.data.data()) == own) return sink.Tell(Drop::kPppDiscarded);
  std::array<std::byte, wire::kPppMaxControl> data;
  Writer out(data);
  out.U32(own);
  out.Put(packet.data.subspan(4));
  Send(PppCode::kEchoReply, packet.id, out.written(), sink);
}

Outcome Link::OnIpcp(absl::Time now, ByteView payload, Sink& sink) {
  const auto packet = PppControl::Parse(payload);
  if (!packet) {
    sink.Tell(packet.error());
    return {};
  }
  last_life_ = now;
  return OnIpcpChange(now, ipcp_.OnPacket(now, *packet, sink), sink);
}

// While the link closes, too: a lost Failure can still be repeated.
Outcome Link::OnAuth(const PppFrame& frame, Sink& sink) {
  const auto packet = PppControl::Parse(frame.payload);
  if (!packet || !(opened() || closing())) {
    sink.Tell(packet ? Drop::kPppNotOpen : packet.error());
    return {};
  }
  return {Kind::kAuth, AuthPacket{frame.protocol, *packet}};
}

// Before LCP is open nothing may be rejected (section 3.4).
void Link::OnOther(absl::Time now, const PppFrame& frame, Sink& sink) {
  if (!opened()) return sink.Tell(Drop::kPppNotOpen);
  if (frame.protocol == PppProtocol::kIp4) {
    return sink.Tell(ipcp_.state() == State::kOpened ? Drop::kPppDiscarded : Drop::kPppNotOpen);
  }
  if (!MayReject(now)) return sink.Tell(Drop::kRateLimited);
  SendProtocolReject(frame, sink);
  sink.Tell(Drop::kPppUnknownProtocol);
}

bool Link::MayReject(absl::Time now) {
  const int64_t earned = (now - rejects_filled_) / kRejectInterval;
  if (earned > 0) {
    rejects_left_ = static_cast<int>(std::min<int64_t>(kRejectBurst, rejects_left_ + earned));
    rejects_filled_ = now;
  }
  if (rejects_left_ == 0) return false;
  --rejects_left_;
  return true;
}

// The rejected packet goes back cut to what fits into the smallest MRU.
void Link::SendProtocolReject(const PppFrame& frame, Sink& sink) {
  std::array<std::byte, wire::kPppMinMru - wire::kPppControlHeader> data;
  Writer out(data);
  out.U16(static_cast<uint16_t>(frame.protocol));
  out.Put(frame.payload.first(std::min(frame.payload.size(), data.size() - 2)));
  Send(PppCode::kProtocolReject, lcp_.NextId(), out.written(), sink);
}

Outcome Link::OnDeadline(absl::Time now, Sink& sink) {
  if (over()) return {};
  if (lcp_.NextDeadline() <= now) {
    return OnLcpChange(now, lcp_.OnDeadline(now, sink), DownReason::kNoAnswer, sink);
  }
  if (ipcp_.NextDeadline() <= now) return OnIpcpChange(now, ipcp_.OnDeadline(now, sink), sink);
  if (timers_.TakeDue(Timer::kEcho, now)) return OnEchoDue(now, sink);
  if (timers_.TakeDue(Timer::kLogin, now)) return Close(now, DownReason::kLoginTimeout, sink);
  return {};
}

absl::Time Link::NextDeadline() const {
  if (over()) return absl::InfiniteFuture();
  return std::min({lcp_.NextDeadline(), ipcp_.NextDeadline(), timers_.Next()});
}

// Life signs do not move the deadline, they are looked at when it is due: that keeps OnLifeSign to
// one store.
Outcome Link::OnEchoDue(absl::Time now, Sink& sink) {
  if (last_life_ >= last_echo_) echoes_ = 0;
  const absl::Time silent_enough = last_life_ + timing_.echo_interval;
  if (silent_enough > now) {
    timers_.Arm(Timer::kEcho, silent_enough);
    return {};
  }
  if (echoes_ >= timing_.echo_failures) return Finish(DownReason::kEchoTimeout);
  SendEchoRequest(sink);
  ++echoes_;
  last_echo_ = now;
  timers_.Arm(Timer::kEcho, now + timing_.echo_interval);
  return {};
}

void Link::SendEchoRequest(Sink& sink) {
  std::array<std::byte, 4> magic;
  Store32(magic.data(), lcp_policy_.magic());
  Send(PppCode::kEchoRequest, lcp_.NextId(), magic, sink);
}

void Link::Probe(Sink& sink) {
  if (opened()) SendEchoRequest(sink);
}

Outcome Link::OnLcpChange(absl::Time now, LayerChange change, DownReason finished, Sink& sink) {
  const DownReason failure = lcp_policy_.failure().value_or(DownReason::kNoAgreement);
  switch (change) {
    case LayerChange::kUp:
      return OnLcpUp(now);
    case LayerChange::kDown:
      return OnLcpDown(now, sink);
    case LayerChange::kFinished:
      return Finish(closing() ? reason_ : finished);
    case LayerChange::kHopeless:
      return Close(now, failure, sink);
    case LayerChange::kNone:
      break;
  }
  return {};
}

Outcome Link::OnLcpUp(absl::Time now) {
  phase_ = Phase::kAuthenticate;
  last_life_ = now;
  if (echo_works_ && timing_.echo_interval > absl::ZeroDuration()) {
    timers_.Arm(Timer::kEcho, now + timing_.echo_interval);
  }
  return {Kind::kLcpUp, {}};
}

Outcome Link::OnLcpDown(absl::Time now, Sink& sink) {
  ipcp_.LowerDown(now, sink);
  timers_.Disarm(Timer::kEcho);
  if (!closing()) {
    phase_ = Phase::kEstablish;
    StartLogin(now);
  }
  return {Kind::kLcpDown, {}};
}

Outcome Link::OnIpcpChange(absl::Time now, LayerChange change, Sink& sink) {
  switch (change) {
    case LayerChange::kUp:
      timers_.Disarm(Timer::kLogin);
      return {Kind::kIpcpUp, {}};
    case LayerChange::kDown:
      StartLogin(now);
      return {Kind::kIpcpDown, {}};
    case LayerChange::kFinished:
    case LayerChange::kHopeless:
      return Close(now, DownReason::kIpcpFailed, sink);
    case LayerChange::kNone:
      break;
  }
  return {};
}

void Link::Send(PppCode code, uint8_t id, ByteView data, Sink& sink) {
  PacketBuf* frame = sink.Frame(4 + wire::kPppControlHeader + data.size());
  if (frame == nullptr) return;
  wire::AppendPppControl(*frame, PppProtocol::kLcp, static_cast<uint8_t>(code), id, data);
}

}  // namespace stack::ppp
