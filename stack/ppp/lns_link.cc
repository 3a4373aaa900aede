#include "stack/ppp/lns_link.h"

#include <algorithm>
#include <utility>

namespace stack::ppp {
namespace {

using Kind = Outcome::Kind;

// "S=" and 40 upper-case hex digits: Apple takes nothing else for a success.
bool IsAuthenticatorResponse(std::string_view text) {
  return text.size() == 42 && text.starts_with("S=") &&
         text.find_first_not_of("0123456789ABCDEF", 2) == std::string_view::npos;
}

// RFC 2759 section 4: the hash goes over the name without a domain in front.
std::string UserOf(const std::string& name) {
  const size_t backslash = name.rfind('\\');
  return backslash == std::string::npos ? name : name.substr(backslash + 1);
}

}  // namespace

LnsLink::LnsLink(const LnsOptions& options, Rng& rng)
    : options_(options),
      rng_(rng),
      lcp_(options.mru, rng),
      link_(lcp_, ipcp_, options.timing),
      chap_(options.timing) {}

void LnsLink::Start(absl::Time now, Out& out) {
  OutboxSink sink(out);
  Act(now, link_.Start(now, sink), out);
}

void LnsLink::OnPacket(absl::Time now, const In& frame, Out& out) {
  OutboxSink sink(out);
  Act(now, link_.OnPacket(now, frame, sink), out);
}

void LnsLink::Act(absl::Time now, const Outcome& outcome, Out& out) {
  switch (outcome.kind) {
    case Kind::kNothing:
      return;
    case Kind::kLcpUp:
      out.Tell(Step{Step::Kind::kLcpOpened});
      return Challenge(now, out);
    case Kind::kAuth:
      return OnAuthPacket(*outcome.auth, out);
    case Kind::kIpcpUp:
      up_ = true;
      out.Tell(Step{Step::Kind::kIpcpOpened});
      return out.Tell(Up{assignment_->client, assignment_->gateway, lcp_.peer_mru(), *user_});
    case Kind::kLcpDown:
      link_.closing() ? chap_.Stop() : chap_.Reset();
      verify_ticket_ = 0;
      success_.clear();
      return Suspend(out);
    case Kind::kIpcpDown:
      return Suspend(out);
    case Kind::kOver:
      verify_ticket_ = address_ticket_ = 0;
      up_ = false;
      return out.Tell(Down{link_.reason()});
  }
}

void LnsLink::Suspend(Out& out) {
  if (std::exchange(up_, false)) out.Tell(Suspended{});
}

void LnsLink::Challenge(absl::Time now, Out& out) {
  OutboxSink sink(out);
  chap_.Begin(now, options_.name, rng_, sink);
  out.Tell(Step{Step::Kind::kChallenged});
}

void LnsLink::OnAuthPacket(const AuthPacket& auth, Out& out) {
  OutboxSink sink(out);
  auto answer = chap_.OnPacket(auth.packet, sink);
  if (!answer) return;
  verify_ticket_ = next_ticket_++;
  claimed_user_ = UserOf(answer->name);
  out.Tell(NeedVerify{verify_ticket_, std::move(answer->name), claimed_user_, chap_.challenge(),
                      answer->response});
}

void LnsLink::OnVerified(absl::Time now, uint32_t ticket, const Verdict& verdict, Out& out) {
  if (ticket == 0 || ticket != verify_ticket_) return;
  verify_ticket_ = 0;
  const auto* accepted = std::get_if<Accepted>(&verdict);
  if (accepted == nullptr || !IsAuthenticatorResponse(accepted->authenticator_response)) {
    const auto* refused = std::get_if<Refused>(&verdict);
    return Refuse(now, refused == nullptr ? Refused{} : *refused, out);
  }
  Accept(now, *accepted, out);
}

// The address is kept over a new negotiation, so it must be the same user again.
void LnsLink::Accept(absl::Time now, const Accepted& accepted, Out& out) {
  out.Tell(Step{Step::Kind::kAuthenticated});
  if (user_.value_or(claimed_user_) != claimed_user_)
    return Close(now, DownReason::kUserChanged, out);
  user_ = claimed_user_;
  success_ = accepted.authenticator_response + " M=Access granted";
  if (assignment_) return OpenNetwork(now, out);
  if (address_ticket_ != 0) return;  // asked before LCP was negotiated anew
  address_ticket_ = next_ticket_++;
  out.Tell(NeedAddress{address_ticket_, *user_});
}

void LnsLink::Refuse(absl::Time now, const Refused& refused, Out& out) {
  OutboxSink sink(out);
  MsChapV2Challenge fresh;
  rng_.Fill(fresh);
  chap_.Fail(FailureMessage(refused.error, fresh, "Access denied"), sink);
  out.Tell(Step{Step::Kind::kAuthFailed, refused.error});
  Close(now, DownReason::kAuthFailed, out);
}

void LnsLink::OnAddress(absl::Time now, uint32_t ticket,
                        const std::optional<Assignment>& assignment, Out& out) {
  if (ticket == 0 || ticket != address_ticket_) return;
  address_ticket_ = 0;
  if (!assignment) return Close(now, DownReason::kNoAddress, out);
  assignment_ = assignment;
  ipcp_.Assign(assignment->client, assignment->gateway, assignment->dns);
  if (!success_.empty()) OpenNetwork(now, out);
}

// Success goes out together with our IPCP request, once there is an address: the client may begin
// with IPCP as soon as it sees the one, and finds us ready.
void LnsLink::OpenNetwork(absl::Time now, Out& out) {
  OutboxSink sink(out);
  chap_.Succeed(std::exchange(success_, {}), sink);
  link_.OpenNetwork(now, sink);
}

void LnsLink::Terminate(absl::Time now, DownReason reason, Out& out) { Close(now, reason, out); }

void LnsLink::Close(absl::Time now, DownReason reason, Out& out) {
  OutboxSink sink(out);
  Act(now, link_.Close(now, reason, sink), out);
}

void LnsLink::OnDeadline(absl::Time now, Out& out) {
  OutboxSink sink(out);
  while (NextDeadline() <= now) {
    if (chap_.OnDeadline(now, sink)) Close(now, DownReason::kAuthTimeout, out);
    Act(now, link_.OnDeadline(now, sink), out);
  }
}

absl::Time LnsLink::NextDeadline() const {
  if (link_.over()) return absl::InfiniteFuture();
  return std::min(link_.NextDeadline(), chap_.NextDeadline());
}

}  // namespace stack::ppp
