#include "stack/ppp/lns_link.h"

#include <algorithm>
#include <utility>

namespace stack::ppp {
namespace {

using Kind = Outcome::Kind;

constexpr std::string_view kGranted = "Access granted", kDenied = "Access denied";

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
      lcp_(options.mru, options.authentication, rng),
      link_(lcp_, ipcp_, options.timing),
      chap_(options.timing),
      pap_(options.timing) {}

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
      return Authenticate(now, out);
    case Kind::kAuth:
      return OnAuthPacket(*outcome.auth, out);
    case Kind::kIpcpUp:
      up_ = true;
      out.Tell(Step{Step::Kind::kIpcpOpened});
      return out.Tell(Up{assignment_->client, assignment_->gateway, lcp_.peer_mru(), *user_});
    case Kind::kLcpDown:
      link_.closing() ? chap_.Stop() : chap_.Reset();
      link_.closing() ? pap_.Stop() : pap_.Reset();
      verify_ticket_ = 0;
      success_.clear();
      return Suspend(out);
    case Kind::kIpcpDown:
      return Suspend(out);
    case Kind::kOver:
      verify_ticket_ = address_ticket_ = 0;
      up_ = false;
      return out.Tell(Down{link_.reason(), link_.reason() == DownReason::kAuthRefused
                                               ? lcp_.Disagreement()
                                               : std::string()});
  }
}

void LnsLink::Suspend(Out& out) {
  if (std::exchange(up_, false)) out.Tell(Suspended{});
}

// With PAP the peer begins.
void LnsLink::Authenticate(absl::Time now, Out& out) {
  if (lcp_.demand() == AuthProtocol::kPap) return pap_.Begin(now);
  OutboxSink sink(out);
  chap_.Begin(now, lcp_.demand(), options_.name, rng_, sink);
  out.Tell(Step{Step::Kind::kChallenged});
}

void LnsLink::OnAuthPacket(const AuthPacket& auth, Out& out) {
  if (auth.protocol != CarrierOf(lcp_.demand())) return out.Tell(Drop::kPppDiscarded);
  OutboxSink sink(out);
  const bool is_pap = auth.protocol == wire::PppProtocol::kPap;
  auto claim = is_pap ? pap_.OnPacket(auth.packet, sink) : chap_.OnPacket(auth.packet, sink);
  if (!claim) return;
  verify_ticket_ = next_ticket_++;
  claimed_user_ = UserOf(claim->name);
  out.Tell(
      NeedVerify{verify_ticket_, std::move(claim->name), claimed_user_, std::move(claim->proof)});
}

void LnsLink::OnVerified(absl::Time now, uint32_t ticket, const Verdict& verdict, Out& out) {
  if (ticket == 0 || ticket != verify_ticket_) return;
  verify_ticket_ = 0;
  const auto* accepted = std::get_if<Accepted>(&verdict);
  const bool has_form =
      lcp_.demand() != AuthProtocol::kMsChapV2 ||
      (accepted != nullptr && IsAuthenticatorResponse(accepted->authenticator_response));
  if (accepted == nullptr || !has_form) {
    return Refuse(now, kAuthenticationFailure, DownReason::kAuthFailed, out);
  }
  Accept(now, *accepted, out);
}

// The address is kept over a new negotiation, so it must be the same user again.
void LnsLink::Accept(absl::Time now, const Accepted& accepted, Out& out) {
  out.Tell(Step{Step::Kind::kAuthenticated});
  if (user_.value_or(claimed_user_) != claimed_user_)
    return Close(now, DownReason::kUserChanged, out);
  user_ = claimed_user_;
  success_ = lcp_.demand() == AuthProtocol::kMsChapV2
                 ? accepted.authenticator_response + " M=" + std::string(kGranted)
                 : std::string(kGranted);
  if (assignment_) return OpenNetwork(now, out);
  if (address_ticket_ != 0) return;  // asked before LCP was negotiated anew
  address_ticket_ = next_ticket_++;
  out.Tell(NeedAddress{address_ticket_, *user_});
}

void LnsLink::Refuse(absl::Time now, uint16_t error, DownReason reason, Out& out) {
  OutboxSink sink(out);
  if (lcp_.demand() == AuthProtocol::kMsChapV2) {
    ChapChallenge fresh;
    rng_.Fill(fresh);
    chap_.Fail(FailureMessage(error, fresh, kDenied), sink);
  } else if (lcp_.demand() == AuthProtocol::kChapMd5) {
    chap_.Fail(kDenied, sink);
  } else {
    pap_.Fail(kDenied, sink);
  }
  out.Tell(Step{Step::Kind::kAuthFailed, error});
  Close(now, reason, out);
}

void LnsLink::OnAddress(absl::Time now, uint32_t ticket, const Admission& admission, Out& out) {
  if (ticket == 0 || ticket != address_ticket_) return;
  address_ticket_ = 0;
  if (const auto* refusal = std::get_if<NotAdmitted>(&admission)) {
    const bool as_failure = refusal->reason == DownReason::kLoggedIn && !success_.empty();
    return as_failure ? Refuse(now, kNoDialinPermission, refusal->reason, out)
                      : Close(now, refusal->reason, out);
  }
  assignment_ = std::get<Assignment>(admission);
  ipcp_.Assign(assignment_->client, assignment_->gateway, assignment_->dns);
  if (!success_.empty()) OpenNetwork(now, out);
}

// Success goes out together with our IPCP request, once there is an address: the client may begin
// with IPCP as soon as it sees the one, and finds us ready.
void LnsLink::OpenNetwork(absl::Time now, Out& out) {
  OutboxSink sink(out);
  const std::string success = std::exchange(success_, {});
  lcp_.demand() == AuthProtocol::kPap ? pap_.Succeed(success, sink) : chap_.Succeed(success, sink);
  link_.OpenNetwork(now, sink);
}

void LnsLink::Probe(Out& out) {
  OutboxSink sink(out);
  link_.Probe(sink);
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
    if (pap_.OnDeadline(now)) Close(now, DownReason::kAuthTimeout, out);
    Act(now, link_.OnDeadline(now, sink), out);
  }
}

absl::Time LnsLink::NextDeadline() const {
  if (link_.over()) return absl::InfiniteFuture();
  return std::min({link_.NextDeadline(), chap_.NextDeadline(), pap_.NextDeadline()});
}

}  // namespace stack::ppp
