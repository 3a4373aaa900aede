// What an L2TP tunnel tells its shard, and the words for how calls and tunnels end.
//
// RFC 2661 section 4.4.2 (Result Code AVP). Both halves, LNS and LAC, speak this vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "stack/base/drop.h"
#include "stack/base/machine.h"
#include "stack/wire/l2tp.h"

namespace stack::l2tp {

using wire::MessageType;
using wire::SessionId;
using wire::TunnelId;

// Result Code AVP. `result` is read as a StopCcnResult or a CdnResult, depending on the message.
struct ResultCode {
  uint16_t result = 0;
  uint16_t error = 0;   // a GeneralError, meaningful when the result is "general error"
  std::string message;  // for people; received ones are printable ASCII of at most 64 characters
  bool operator==(const ResultCode&) const = default;
};

enum class StopCcnResult : uint16_t {
  kClear = 1,
  kGeneralError = 2,
  kAlreadyExists = 3,
  kNotAuthorized = 4,
  kVersionNotSupported = 5,  // error = the highest version supported
  kShuttingDown = 6,
  kStateMachineError = 7,
};

enum class CdnResult : uint16_t {
  kLossOfCarrier = 1,
  kGeneralError = 2,
  kAdministrative = 3,
  kNoFacilitiesNow = 4,
  kNoFacilities = 5,
  kInvalidDestination = 6,
  kNotEstablishedInTime = 10,
};

enum class GeneralError : uint16_t {
  kNone = 0,
  kNoControlConnection = 1,
  kWrongLength = 2,
  kValueOutOfRange = 3,
  kInsufficientResources = 4,
  kInvalidSession = 5,
  kVendorSpecific = 6,
  kTryAnother = 7,
  kUnknownMandatoryAvp = 8,
};

inline ResultCode Code(StopCcnResult result, std::string message = {}) {
  return {static_cast<uint16_t>(result), 0, std::move(message)};
}
inline ResultCode Code(CdnResult result, std::string message = {}) {
  return {static_cast<uint16_t>(result), 0, std::move(message)};
}

// Why something ended. The ResultCode beside it is the one that was received or sent, if there was
// one.
enum class End : uint8_t {
  kPeerHungUp,   // CDN received
  kPeerStopped,  // StopCCN received
  kHungUp,       // HangUp() or Close() was called here
  kTimedOut,  // the call or the tunnel did not come up in time, or a tunnel was left without calls
  kSilent,    // retransmissions used up and nothing else heard
  kProtocolError,  // the peer broke the protocol; it was told so
  kRefused,        // SCCRQ refused here, or an own SCCRQ or ICRQ refused there
  kReplaced,       // the peer started afresh: Abandon() was called
};
std::string_view NameOf(End end);  // "peer_hung_up", ...: stable, for logs and metrics

// A milestone of a login, for its time line.
struct Step {
  MessageType message;
  bool sent;  // else received
};

// SCCCN was exchanged. Text is printable ASCII, at most 64 characters; it is the peer's claim and
// no more.
struct TunnelUp {
  TunnelId own, peer;
  std::string host_name;    // may be empty
  std::string vendor_name;  // may be empty
};

// ICCN was exchanged, and (LNS) the ZLB that acknowledges it stands before this event: PPP may
// start now.
struct CallUp {
  SessionId own, peer;
  uint32_t serial = 0;               // Call Serial Number of the ICRQ
  bool sequencing_required = false;  // the peer wants Ns in data: use PushSequencedData
};

// Told once for every call that was up, and (LAC) for one that did not come up.
struct CallDown {
  SessionId own;
  End why;
  ResultCode code;
};

// Every call is down already. The tunnel still needs OnPacket and OnDeadline until Gone: a StopCCN
// is to be resent or, if it was the peer's, its repetitions are to be acknowledged.
struct TunnelDown {
  End why;
  ResultCode code;
};

// The last event: the object may be destroyed.
struct Gone {};

using Event = std::variant<Step, TunnelUp, CallUp, CallDown, TunnelDown, Gone, Drop>;
using Out = stack::Outbox<Event>;  // a frame is a control message, i.e. a UDP payload for port 1701

}  // namespace stack::l2tp
