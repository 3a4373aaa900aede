#include "stack/ppp/client_link.h"

#include <algorithm>
#include <utility>

namespace stack::ppp {
namespace {

using wire::ChapCode;
using Kind = Outcome::Kind;

constexpr size_t kAuthenticatorResponse = 42;  // "S=" and 40 hex digits

}  // namespace

ClientLink::ClientLink(const ClientOptions& options, Rng& rng)
    : options_(options),
      lcp_(options.mru, rng),
      link_(lcp_, ipcp_, options.timing),
      chap_(options.name, options.timing) {}

void ClientLink::Start(absl::Time now, Out& out) {
  OutboxSink sink(out);
  Act(now, link_.Start(now, sink), out);
}

void ClientLink::OnPacket(absl::Time now, const In& frame, Out& out) {
  OutboxSink sink(out);
  Act(now, link_.OnPacket(now, frame, sink), out);
}

void ClientLink::Act(absl::Time now, const Outcome& outcome, Out& out) {
  switch (outcome.kind) {
    case Kind::kNothing:
      return;
    case Kind::kLcpUp:
      out.Tell(Step{Step::Kind::kLcpOpened});
      return lcp_.peer_demands_authentication() ? void() : OpenNetwork(now, out);
    case Kind::kAuth:
      return OnAuthPacket(now, *outcome.auth, out);
    case Kind::kIpcpUp:
      return OnIpcpUp(now, out);
    case Kind::kLcpDown:
      chap_.Reset();
      response_ticket_ = check_ticket_ = 0;
      return Suspend(out);
    case Kind::kIpcpDown:
      return Suspend(out);
    case Kind::kOver:
      response_ticket_ = check_ticket_ = 0;
      up_ = false;
      return out.Tell(Down{link_.reason()});
  }
}

void ClientLink::OnIpcpUp(absl::Time now, Out& out) {
  if (ipcp_.address().IsZero()) return Close(now, DownReason::kIpcpFailed, out);
  up_ = true;
  out.Tell(Step{Step::Kind::kIpcpOpened});
  out.Tell(ClientUp{ipcp_.address(), ipcp_.gateway(), ipcp_.dns(), lcp_.peer_mru()});
}

void ClientLink::Suspend(Out& out) {
  if (std::exchange(up_, false)) out.Tell(Suspended{});
}

void ClientLink::OnAuthPacket(absl::Time now, const AuthPacket& auth, Out& out) {
  if (link_.closing()) return out.Tell(Drop::kPppNotOpen);
  switch (static_cast<ChapCode>(auth.packet.code)) {
    case ChapCode::kChallenge:
      return OnChallenge(now, auth.packet, out);
    case ChapCode::kSuccess:
    case ChapCode::kFailure:
      return OnResult(now, auth.packet, out);
    default:
      return out.Tell(Drop::kPppDiscarded);
  }
}

// Only where LCP agreed on it: a server that did not ask for our password in time gets no answer
// made from it.
void ClientLink::OnChallenge(absl::Time now, const wire::PppControl& packet, Out& out) {
  if (!lcp_.peer_demands_authentication()) return out.Tell(Drop::kPppDiscarded);
  OutboxSink sink(out);
  const auto challenge = chap_.OnChallenge(now, packet, sink);
  if (!challenge) return;
  out.Tell(Step{Step::Kind::kChallenged});
  response_ticket_ = next_ticket_++;
  out.Tell(NeedResponse{response_ticket_, challenge->value, challenge->server});
}

void ClientLink::OnResponse(absl::Time now, uint32_t ticket, const wire::MsChapV2Response& response,
                            Out& out) {
  if (ticket == 0 || ticket != response_ticket_) return;
  response_ticket_ = 0;
  OutboxSink sink(out);
  chap_.Respond(now, response, sink);
}

void ClientLink::OnResult(absl::Time now, const wire::PppControl& packet, Out& out) {
  OutboxSink sink(out);
  const auto result = chap_.OnResult(packet, sink);
  if (!result) return;
  if (!result->success) {
    out.Tell(Step{Step::Kind::kAuthFailed, ErrorOf(result->message)});
    return Close(now, DownReason::kAuthFailed, out);
  }
  check_ticket_ = next_ticket_++;
  out.Tell(NeedCheckSuccess{check_ticket_, result->message.substr(0, kAuthenticatorResponse)});
}

void ClientLink::OnSuccessChecked(absl::Time now, uint32_t ticket, bool genuine, Out& out) {
  if (ticket == 0 || ticket != check_ticket_) return;
  check_ticket_ = 0;
  if (!genuine) {
    out.Tell(Step{Step::Kind::kAuthFailed});
    return Close(now, DownReason::kAuthFailed, out);
  }
  out.Tell(Step{Step::Kind::kAuthenticated});
  OpenNetwork(now, out);
}

void ClientLink::OpenNetwork(absl::Time now, Out& out) {
  OutboxSink sink(out);
  link_.OpenNetwork(now, sink);
}

void ClientLink::Terminate(absl::Time now, DownReason reason, Out& out) { Close(now, reason, out); }

void ClientLink::Close(absl::Time now, DownReason reason, Out& out) {
  OutboxSink sink(out);
  Act(now, link_.Close(now, reason, sink), out);
}

void ClientLink::OnDeadline(absl::Time now, Out& out) {
  OutboxSink sink(out);
  while (NextDeadline() <= now) {
    if (chap_.OnDeadline(now, sink)) Close(now, DownReason::kAuthTimeout, out);
    Act(now, link_.OnDeadline(now, sink), out);
  }
}

absl::Time ClientLink::NextDeadline() const {
  if (link_.over()) return absl::InfiniteFuture();
  return std::min(link_.NextDeadline(), chap_.NextDeadline());
}

}  // namespace stack::ppp
