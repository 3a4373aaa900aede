// What the two halves of a PPP link have in common towards the outside: why a link ended, the steps
// of a login, the timers that may be set, and the part of an Outbox that does not depend on whose
// events it carries.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "stack/base/drop.h"
#include "stack/base/machine.h"

namespace stack::ppp {

// Why a link is down. The first group is found by the link itself, the second is for Terminate().
enum class DownReason : uint8_t {
  kPeerTerminated,  // the peer sent an LCP Terminate-Request: the normal end
  kNoAnswer,        // LCP was never answered, or not to the end
  kNoAgreement,     // LCP options cannot be agreed on
  kLoopback,        // we hear ourselves
  kEchoTimeout,     // the peer does not answer LCP Echo-Requests any more
  kAuthRefused,     // no authentication protocol that both ends do
  kAuthTimeout,     // the peer did not authenticate itself in time
  kAuthFailed,      // wrong name or password
  kUserChanged,     // authenticated again, as somebody else
  kLoggedIn,        // the user is logged in already, and may be only once
  kFull,            // as many sessions as the gateway takes
  kNoAddress,       // no address left for the peer
  kIpcpFailed,      // IPCP was refused, not answered, or cannot be agreed on
  kLoginTimeout,    // the login as a whole took too long

  kAdministrative,  // an operator's command
  kReplaced,        // the user logged in again elsewhere
  kIdle,            // nothing was sent for too long
  kSessionTimeout,  // the longest time of a session is over
  kShutdown,        // the gateway stops
  kLowerLayerDown,  // the call is gone already: no Terminate-Request can be sent
};
std::string_view NameOf(DownReason reason);  // snake_case and stable, for logs and metrics
std::string_view TextOf(DownReason reason);  // for people; also the text of a Terminate-Request

// One step of a login, in the order in which a timeline shows them.
struct Step {
  enum class Kind : uint8_t { kLcpOpened, kChallenged, kAuthenticated, kAuthFailed, kIpcpOpened };
  Kind kind;
  uint16_t error = 0;  // kAuthFailed: the E= code of RFC 2759 section 6

  bool operator==(const Step&) const = default;
};
std::string_view NameOf(Step::Kind kind);

// Data must not pass any more: the link is negotiated anew, or about to end. Told only after an Up;
// either another Up or a Down follows.
struct Suspended {};

// The last event of a link: it takes no packet and has no deadline any more.
struct Down {
  DownReason reason;
  std::string detail = {};  // for people, where there is more to say than the reason; mostly empty
};

// The numbers of RFC 1661 section 4.6, and what a gateway adds.
struct Timing {
  // The Restart timer: the first is short, since the peer often is not listening yet when a call
  // has just come up; it doubles up to the RFC's 3 seconds.
  absl::Duration restart = absl::Seconds(1);
  absl::Duration restart_limit = absl::Seconds(3);
  int max_configure = 10;
  int max_terminate = 2;
  int max_failure = 5;

  // Echo-Request after this much silence, and again as often (zero: never); so many without a life
  // sign end it.
  absl::Duration echo_interval = absl::Seconds(30);
  int echo_failures = 4;

  // From Start (or from a new negotiation) to Up.
  absl::Duration login = absl::Seconds(60);
};

// The Outbox as the machinery below the two halves sees it: frames and drops.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual PacketBuf* Frame(size_t room) = 0;  // nullptr: as if lost on the wire
  virtual void Tell(Drop drop) = 0;
};

template <class Event>
class OutboxSink final : public Sink {
 public:
  explicit OutboxSink(Outbox<Event>& out) : out_(out) {}
  PacketBuf* Frame(size_t room) override { return out_.Frame(room); }
  void Tell(Drop drop) override { out_.Tell(drop); }

 private:
  Outbox<Event>& out_;
};

}  // namespace stack::ppp
