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
      lcp_(options.mru, options.authentication, rng),
      link_(lcp_, ipcp_, options.timing),
      chap_(options.name, options.timing),
      pap_(options.name, options.timing) {}

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
      return OnLcpUp(now, out);
    case Kind::kAuth:
      return OnAuthPacket(now, *outcome.auth, out);
    case Kind::kIpcpUp:
      return OnIpcpUp(now, out);
    case Kind::kLcpDown:
      chap_.Reset();
      pap_.Reset();
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

// With PAP we begin, with CHAP the server.
void ClientLink::OnLcpUp(absl::Time now, Out& out) {
  const std::optional<AuthProtocol> demanded = lcp_.demanded_by_peer();
  if (!demanded) return OpenNetwork(now, out);
  if (*demanded != AuthProtocol::kPap) return;
  response_ticket_ = next_ticket_++;
  out.Tell(NeedResponse{response_ticket_, *demanded, 0, {}, {}});
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

// Only what LCP agreed on: a server that did not ask for our password in time gets no answer made
// from it.
void ClientLink::OnAuthPacket(absl::Time now, const AuthPacket& auth, Out& out) {
  if (link_.closing()) return out.Tell(Drop::kPppNotOpen);
  const std::optional<AuthProtocol> demanded = lcp_.demanded_by_peer();
  if (!demanded || CarrierOf(*demanded) != auth.protocol) return out.Tell(Drop::kPppDiscarded);
  if (*demanded == AuthProtocol::kPap) return OnPapResult(now, auth.packet, out);
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

void ClientLink::OnChallenge(absl::Time now, const wire::PppControl& packet, Out& out) {
  OutboxSink sink(out);
  const AuthProtocol algorithm = *lcp_.demanded_by_peer();
  auto challenge = chap_.OnChallenge(now, algorithm, packet, sink);
  if (!challenge) return;
  out.Tell(Step{Step::Kind::kChallenged});
  response_ticket_ = next_ticket_++;
  out.Tell(NeedResponse{response_ticket_, algorithm, challenge->id, std::move(challenge->value),
                        std::move(challenge->server)});
}

void ClientLink::OnResponse(absl::Time now, uint32_t ticket, const Response& response, Out& out) {
  if (ticket == 0 || ticket != response_ticket_) return;
  response_ticket_ = 0;
  OutboxSink sink(out);
  std::visit(Overloaded{
                 [&](const Password& password) { pap_.Request(now, password, sink); },
                 [&](const ChapMd5Response& value) { chap_.Respond(now, value, sink); },
                 [&](const wire::MsChapV2Response& value) {
                   std::array<std::byte, wire::MsChapV2Response::kSize> bytes;
                   Writer writer(bytes);
                   value.Write(writer);
                   chap_.Respond(now, bytes, sink);
                 },
             },
             response);
}

void ClientLink::OnResult(absl::Time now, const wire::PppControl& packet, Out& out) {
  OutboxSink sink(out);
  const auto result = chap_.OnResult(packet, sink);
  if (!result) return;
  if (!result->success) return Fail(now, ErrorOf(result->message), out);
  if (lcp_.demanded_by_peer() != AuthProtocol::kMsChapV2) return Authenticated(now, out);
  check_ticket_ = next_ticket_++;
  out.Tell(NeedCheckSuccess{check_ticket_, result->message.substr(0, kAuthenticatorResponse)});
}

void ClientLink::OnPapResult(absl::Time now, const wire::PppControl& packet, Out& out) {
  OutboxSink sink(out);
  const auto admitted = pap_.OnResult(packet, sink);
  if (!admitted) return;
  *admitted ? Authenticated(now, out) : Fail(now, 0, out);
}

void ClientLink::OnSuccessChecked(absl::Time now, uint32_t ticket, bool genuine, Out& out) {
  if (ticket == 0 || ticket != check_ticket_) return;
  check_ticket_ = 0;
  genuine ? Authenticated(now, out) : Fail(now, 0, out);
}

void ClientLink::Authenticated(absl::Time now, Out& out) {
  out.Tell(Step{Step::Kind::kAuthenticated});
  OpenNetwork(now, out);
}

void ClientLink::Fail(absl::Time now, uint16_t error, Out& out) {
  out.Tell(Step{Step::Kind::kAuthFailed, error});
  Close(now, DownReason::kAuthFailed, out);
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
    if (chap_.OnDeadline(now, sink) || pap_.OnDeadline(now, sink)) {
      Close(now, DownReason::kAuthTimeout, out);
    }
    Act(now, link_.OnDeadline(now, sink), out);
  }
}

absl::Time ClientLink::NextDeadline() const {
  if (link_.over()) return absl::InfiniteFuture();
  return std::min({link_.NextDeadline(), chap_.NextDeadline(), pap_.NextDeadline()});
}

}  // namespace stack::ppp
