// The option negotiation automaton: the table of RFC 1661 section 4.1 as data, in the RFC's own
// order and words. tests/stack/ppp/automaton_test.cc compares it with the RFC's text cell by cell.
// negotiator.h runs it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace stack::ppp {

// Section 4.2.
enum class State : uint8_t {
  kInitial,
  kStarting,
  kClosed,
  kStopped,
  kClosing,
  kStopping,
  kReqSent,
  kAckRcvd,
  kAckSent,
  kOpened,
  kIllegal,  // no state: marks the transitions that cannot happen
};
inline constexpr size_t kStates = 10;
std::string_view NameOf(State state);

// Section 4.3.
enum class Event : uint8_t {
  kUp,
  kDown,
  kOpen,
  kClose,
  kTimeoutMore,     // TO+: restart counter > 0
  kTimeoutExpired,  // TO-
  kRcrGood,         // RCR+
  kRcrBad,          // RCR-
  kRca,
  kRcn,  // Nak or Reject
  kRtr,
  kRta,
  kRuc,
  kRxjPermitted,     // RXJ+
  kRxjCatastrophic,  // RXJ-
  kRxr,              // Echo-Request, Echo-Reply, Discard-Request
};
inline constexpr size_t kEvents = 16;
std::string_view NameOf(Event event);  // as in the RFC's table: "RCR+"

// Section 4.4. The order of the bits is the order in which they are carried out.
enum Action : uint16_t {
  kTld = 1U << 0,   // This-Layer-Down
  kTls = 1U << 1,   // This-Layer-Started
  kIrc = 1U << 2,   // Initialize-Restart-Count
  kZrc = 1U << 3,   // Zero-Restart-Count
  kScr = 1U << 4,   // Send-Configure-Request
  kSca = 1U << 5,   // Send-Configure-Ack
  kScn = 1U << 6,   // Send-Configure-Nak/Rej
  kStr = 1U << 7,   // Send-Terminate-Request
  kSta = 1U << 8,   // Send-Terminate-Ack
  kScj = 1U << 9,   // Send-Code-Reject
  kSer = 1U << 10,  // Send-Echo-Reply
  kTlu = 1U << 11,  // This-Layer-Up
  kTlf = 1U << 12,  // This-Layer-Finished
};
using Actions = uint16_t;

struct Transition {
  State next;
  Actions actions;
  char note;  // the RFC's footnote: r restart option, p passive option, x crossed connection

  bool operator==(const Transition&) const = default;
};

using TransitionTable = std::array<std::array<Transition, kStates>, kEvents>;
extern const TransitionTable kTable;  // [event][state]

inline const Transition& TransitionOf(Event event, State state) {
  return kTable[static_cast<size_t>(event)][static_cast<size_t>(state)];
}

// A cell as the RFC prints it: "irc,scr,sca/8", "3r", "-".
std::string CellText(const Transition& transition);
// The whole table, for people.
std::string TableText();

// States in which the Restart timer runs: those with TO events.
constexpr bool IsTimed(State state) { return state >= State::kClosing && state <= State::kAckSent; }

}  // namespace stack::ppp
