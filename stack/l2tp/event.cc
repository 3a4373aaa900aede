#include "stack/l2tp/event.h"

namespace stack::l2tp {

std::string_view NameOf(End end) {
  switch (end) {
    case End::kPeerHungUp:
      return "peer_hung_up";
    case End::kPeerStopped:
      return "peer_stopped";
    case End::kHungUp:
      return "hung_up";
    case End::kTimedOut:
      return "timed_out";
    case End::kSilent:
      return "silent";
    case End::kProtocolError:
      return "protocol_error";
    case End::kRefused:
      return "refused";
    case End::kReplaced:
      return "replaced";
  }
  return "unknown";
}

}  // namespace stack::l2tp
