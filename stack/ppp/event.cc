#include "stack/ppp/event.h"

namespace stack::ppp {
namespace {

struct Words {
  std::string_view name, text;
};

Words WordsOf(DownReason reason) {
  switch (reason) {
    case DownReason::kPeerTerminated:
      return {"peer_terminated", "terminated by the peer"};
    case DownReason::kNoAnswer:
      return {"no_answer", "no answer to LCP"};
    case DownReason::kNoAgreement:
      return {"no_agreement", "no agreement on LCP options"};
    case DownReason::kLoopback:
      return {"loopback", "the line is looped back"};
    case DownReason::kEchoTimeout:
      return {"echo_timeout", "no answer to LCP echo"};
    case DownReason::kAuthRefused:
      return {"auth_refused", "no authentication protocol in common"};
    case DownReason::kAuthTimeout:
      return {"auth_timeout", "no authentication in time"};
    case DownReason::kAuthFailed:
      return {"auth_failed", "authentication failed"};
    case DownReason::kUserChanged:
      return {"user_changed", "authenticated again as another user"};
    case DownReason::kLoggedIn:
      return {"logged_in", "this user is logged in already"};
    case DownReason::kFull:
      return {"full", "the gateway is full"};
    case DownReason::kNoAddress:
      return {"no_address", "no address left"};
    case DownReason::kIpcpFailed:
      return {"ipcp_failed", "no agreement on IPCP"};
    case DownReason::kLoginTimeout:
      return {"login_timeout", "login took too long"};
    case DownReason::kAdministrative:
      return {"administrative", "closed by the operator"};
    case DownReason::kReplaced:
      return {"replaced", "replaced by a newer login"};
    case DownReason::kIdle:
      return {"idle", "idle for too long"};
    case DownReason::kSessionTimeout:
      return {"session_timeout", "session time is over"};
    case DownReason::kShutdown:
      return {"shutdown", "the gateway is shutting down"};
    case DownReason::kLowerLayerDown:
      return {"lower_layer_down", "the call ended"};
  }
  return {"unknown", "unknown"};
}

}  // namespace

std::string_view NameOf(DownReason reason) { return WordsOf(reason).name; }
std::string_view TextOf(DownReason reason) { return WordsOf(reason).text; }

std::string_view NameOf(Step::Kind kind) {
  switch (kind) {
    case Step::Kind::kLcpOpened:
      return "lcp_opened";
    case Step::Kind::kChallenged:
      return "challenged";
    case Step::Kind::kAuthenticated:
      return "authenticated";
    case Step::Kind::kAuthFailed:
      return "auth_failed";
    case Step::Kind::kIpcpOpened:
      return "ipcp_opened";
  }
  return "unknown";
}

}  // namespace stack::ppp
