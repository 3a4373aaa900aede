#include "stack/ppp/negotiator.h"

#include <algorithm>

namespace stack::ppp {

// Longer than two packets that were sent together are apart on arrival, even where lines reorder.
constexpr absl::Duration kPromptRepeat = absl::Milliseconds(250);

using wire::PppCode;
using wire::PppControl;
using wire::PppOption;
using wire::PppOptions;

void OptionReply::Nak(const PppOption& option, ByteView wanted) {
  if (!may_nak_) return Reject(option);
  Ask(option.type, wanted);
}

void OptionReply::Ask(uint8_t type, ByteView wanted) {
  if (!may_nak_) return GiveUp();
  naks_.U8(type);
  naks_.U8(static_cast<uint8_t>(2 + wanted.size()));
  naks_.Put(wanted);
}

PppCode OptionReply::code() const {
  if (rejects_.used() != 0) return PppCode::kConfigureReject;
  return naks_.used() != 0 ? PppCode::kConfigureNak : PppCode::kConfigureAck;
}

ByteView OptionReply::options() const {
  return rejects_.used() != 0 ? rejects_.written() : naks_.written();
}

Negotiator::Negotiator(wire::PppProtocol protocol, OptionPolicy& policy, const Timing& timing)
    : protocol_(protocol), policy_(policy), timing_(timing) {}

LayerChange Negotiator::Close(absl::Time now, std::string_view text, Sink& sink) {
  terminate_text_ = text;
  return Run(now, {Event::kClose}, sink);
}

LayerChange Negotiator::OnPacket(absl::Time now, const PppControl& packet, Sink& sink) {
  if (state_ <= State::kStarting) {  // the lower layer is down: the packet came too early
    sink.Tell(Drop::kPppNotOpen);
    return LayerChange::kNone;
  }
  switch (static_cast<PppCode>(packet.code)) {
    case PppCode::kConfigureRequest:
      return OnConfigureRequest(now, packet, sink);
    case PppCode::kConfigureAck:
      return OnConfigureAck(now, packet, sink);
    case PppCode::kConfigureNak:
    case PppCode::kConfigureReject:
      return OnNakOrReject(now, packet, sink);
    case PppCode::kTerminateRequest:
      return Run(now, {Event::kRtr, &packet}, sink);
    case PppCode::kTerminateAck:
      return Run(now, {Event::kRta, &packet}, sink);
    case PppCode::kCodeReject:
      return OnCodeReject(now, packet, sink);
    default:
      return Run(now, {Event::kRuc, &packet}, sink);
  }
}

LayerChange Negotiator::OnConfigureRequest(absl::Time now, const PppControl& packet, Sink& sink) {
  if (!PppOptions::WellFormed(packet.data)) {
    sink.Tell(Drop::kPppMalformed);
    return LayerChange::kNone;
  }
  OptionReply reply(naks_sent_ < timing_.max_failure);
  const bool negotiating = state_ == State::kStopped || state_ >= State::kReqSent;
  if (!negotiating) return Run(now, {Event::kRcrGood, &packet, &reply}, sink);
  policy_.Judge(packet.data, reply);
  if (reply.hopeless()) return LayerChange::kHopeless;
  if (!reply.is_ack()) {
    if (reply.code() == PppCode::kConfigureNak) ++naks_sent_;
    return Run(now, {Event::kRcrBad, &packet, &reply}, sink);
  }
  naks_sent_ = 0;
  policy_.OnAgreed();
  const LayerChange change = Run(now, {Event::kRcrGood, &packet, &reply}, sink);
  Hasten(now);
  return change;
}

// The peer speaks, but has not answered our first request: most likely it was not listening yet
// when that was sent (pppd starts after the call is up, which takes some tenths of a second). Its
// answer, if one is on its way, is right behind; else we ask again soon instead of at the end of
// the Restart timer.
void Negotiator::Hasten(absl::Time now) {
  if (state_ != State::kAckSent || !awaiting_ || hastened_) return;
  hastened_ = true;
  restart_at_ = std::min(restart_at_, now + kPromptRepeat);
}

// Acks with a foreign identifier or other options than we sent, and answers to a request that has
// had its answer, are discarded (section 5.2): a repeated Ack in Ack-Rcvd is no crossed connection.
LayerChange Negotiator::OnConfigureAck(absl::Time now, const PppControl& packet, Sink& sink) {
  if (!AnswersOurRequest(packet) || !std::ranges::equal(packet.data, request())) {
    sink.Tell(Drop::kPppDiscarded);
    return LayerChange::kNone;
  }
  awaiting_ = false;
  naks_received_ = 0;
  return Run(now, {Event::kRca, &packet}, sink);
}

LayerChange Negotiator::OnNakOrReject(absl::Time now, const PppControl& packet, Sink& sink) {
  const bool reject = packet.code == static_cast<uint8_t>(PppCode::kConfigureReject);
  if (!PppOptions::WellFormed(packet.data)) {
    sink.Tell(Drop::kPppMalformed);
    return LayerChange::kNone;
  }
  if (!AnswersOurRequest(packet) || (reject && !IsPartOfOurRequest(packet.data))) {
    sink.Tell(Drop::kPppDiscarded);
    return LayerChange::kNone;
  }
  awaiting_ = false;
  if (++naks_received_ > 2 * timing_.max_failure) return LayerChange::kHopeless;
  const bool possible = reject ? policy_.OnReject(packet.data) : policy_.OnNak(packet.data);
  return possible ? Run(now, {Event::kRcn, &packet}, sink) : LayerChange::kHopeless;
}

// RXJ- is not run but left to the caller, who closes: what goes out is the same.
LayerChange Negotiator::OnCodeReject(absl::Time now, const PppControl& packet, Sink& sink) {
  if (packet.data.empty()) {
    sink.Tell(Drop::kPppMalformed);
    return LayerChange::kNone;
  }
  const auto rejected = static_cast<uint8_t>(packet.data[0]);
  const bool needed = rejected >= 1 && rejected <= static_cast<uint8_t>(PppCode::kCodeReject);
  return needed ? LayerChange::kHopeless : Run(now, {Event::kRxjPermitted, &packet}, sink);
}

bool Negotiator::AnswersOurRequest(const PppControl& packet) const {
  return awaiting_ && packet.id == request_id_;
}

// A Reject gives back options of ours, as they were and in their order (section 5.4).
bool Negotiator::IsPartOfOurRequest(ByteView options) const {
  PppOptions rejected(options), sent(request());
  while (const auto option = rejected.Next()) {
    auto candidate = sent.Next();
    while (candidate && !std::ranges::equal(candidate->whole, option->whole))
      candidate = sent.Next();
    if (!candidate) return false;
  }
  return !options.empty();
}

LayerChange Negotiator::OnDeadline(absl::Time now, Sink& sink) {
  if (restart_at_ > now) return LayerChange::kNone;
  restart_at_ = absl::InfiniteFuture();
  return Run(now, {restart_count_ > 0 ? Event::kTimeoutMore : Event::kTimeoutExpired}, sink);
}

LayerChange Negotiator::Run(absl::Time now, const Cause& cause, Sink& sink) {
  const Transition& transition = TransitionOf(cause.event, state_);
  if (transition.next == State::kIllegal) return LayerChange::kNone;
  state_ = transition.next;
  CountAndSend(now, cause, transition.actions, sink);
  Answer(cause, transition.actions, sink);
  if (!IsTimed(state_)) restart_at_ = absl::InfiniteFuture();
  if ((transition.actions & kTlu) != 0) return LayerChange::kUp;
  if ((transition.actions & kTld) != 0) return LayerChange::kDown;
  if ((transition.actions & kTlf) != 0) return LayerChange::kFinished;
  return LayerChange::kNone;
}

// The actions that touch the Restart timer.
void Negotiator::CountAndSend(absl::Time now, const Cause& cause, Actions actions, Sink& sink) {
  if ((actions & kIrc) != 0) {
    restart_count_ = (actions & kStr) != 0 ? timing_.max_terminate : timing_.max_configure;
    hastened_ = false;
    restart_ = timing_.restart;
  }
  if ((actions & kZrc) != 0) {
    restart_count_ = 0;
    restart_ = timing_.restart_limit;
    ArmRestart(now);
  }
  if ((actions & kScr) != 0) SendConfigureRequest(now, cause.event, sink);
  if ((actions & kStr) != 0) SendTerminateRequest(now, sink);
}

// The actions that answer the packet at hand.
void Negotiator::Answer(const Cause& cause, Actions actions, Sink& sink) {
  if (cause.packet == nullptr) return;
  const PppControl& packet = *cause.packet;
  if ((actions & kSca) != 0) Send(PppCode::kConfigureAck, packet.id, packet.data, sink);
  if ((actions & kScn) != 0) Send(cause.reply->code(), packet.id, cause.reply->options(), sink);
  if ((actions & kSta) != 0) Send(PppCode::kTerminateAck, packet.id, {}, sink);
  if ((actions & kScj) != 0) {
    constexpr size_t kRoom = wire::kPppMinMru - wire::kPppControlHeader;
    const ByteView copy = packet.whole.first(std::min(packet.whole.size(), kRoom));
    Send(PppCode::kCodeReject, NextId(), copy, sink);
  }
}

// A repetition keeps its identifier, so that a late answer to the first one counts; a request that
// was answered or has changed takes a new one (section 5.1).
void Negotiator::SendConfigureRequest(absl::Time now, Event event, Sink& sink) {
  if (event != Event::kTimeoutMore || !awaiting_) {
    Writer options(request_);
    policy_.WriteRequest(options);
    request_size_ = options.used();
    request_id_ = NextId();
    awaiting_ = true;
  }
  Send(PppCode::kConfigureRequest, request_id_, request(), sink);
  restart_count_ = std::max(0, restart_count_ - 1);
  ArmRestart(now);
}

void Negotiator::SendTerminateRequest(absl::Time now, Sink& sink) {
  Send(PppCode::kTerminateRequest, NextId(), AsBytes(terminate_text_), sink);
  restart_count_ = std::max(0, restart_count_ - 1);
  ArmRestart(now);
}

void Negotiator::Send(PppCode code, uint8_t id, ByteView data, Sink& sink) {
  PacketBuf* frame = sink.Frame(4 + wire::kPppControlHeader + data.size());
  if (frame == nullptr) return;
  wire::AppendPppControl(*frame, protocol_, static_cast<uint8_t>(code), id, data);
}

void Negotiator::ArmRestart(absl::Time now) {
  restart_at_ = now + restart_;
  restart_ = std::min(2 * restart_, timing_.restart_limit);
}

}  // namespace stack::ppp
