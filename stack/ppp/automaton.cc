#include "stack/ppp/automaton.h"

namespace stack::ppp {
namespace {

// A cell: next state by its number in section 4.2, actions, footnote.
constexpr Transition T(int state, int actions = 0, char note = ' ') {
  return {static_cast<State>(state), static_cast<Actions>(actions), note};
}
constexpr Transition kNo{State::kIllegal, 0, ' '};

// In two halves, as the RFC prints it.
// clang-format off
constexpr Transition kFirstHalf[kEvents][6] = {
  //        Initial    Starting        Closed          Stopped              Closing     Stopping
  /*Up   */{T(2),      T(6,kIrc|kScr), kNo,            kNo,                 kNo,        kNo},
  /*Down */{kNo,       kNo,            T(0),           T(1,kTls),           T(0),       T(1)},
  /*Open */{T(1,kTls), T(1),           T(6,kIrc|kScr), T(3,0,'r'),          T(5,0,'r'), T(5,0,'r')},
  /*Close*/{T(0),      T(0,kTlf),      T(2),           T(2),                T(4),       T(4)},
  /*TO+  */{kNo,       kNo,            kNo,            kNo,                 T(4,kStr),  T(5,kStr)},
  /*TO-  */{kNo,       kNo,            kNo,            kNo,                 T(2,kTlf),  T(3,kTlf)},
  /*RCR+ */{kNo,       kNo,            T(2,kSta),      T(8,kIrc|kScr|kSca), T(4),       T(5)},
  /*RCR- */{kNo,       kNo,            T(2,kSta),      T(6,kIrc|kScr|kScn), T(4),       T(5)},
  /*RCA  */{kNo,       kNo,            T(2,kSta),      T(3,kSta),           T(4),       T(5)},
  /*RCN  */{kNo,       kNo,            T(2,kSta),      T(3,kSta),           T(4),       T(5)},
  /*RTR  */{kNo,       kNo,            T(2,kSta),      T(3,kSta),           T(4,kSta),  T(5,kSta)},
  /*RTA  */{kNo,       kNo,            T(2),           T(3),                T(2,kTlf),  T(3,kTlf)},
  /*RUC  */{kNo,       kNo,            T(2,kScj),      T(3,kScj),           T(4,kScj),  T(5,kScj)},
  /*RXJ+ */{kNo,       kNo,            T(2),           T(3),                T(4),       T(5)},
  /*RXJ- */{kNo,       kNo,            T(2,kTlf),      T(3,kTlf),           T(2,kTlf),  T(3,kTlf)},
  /*RXR  */{kNo,       kNo,            T(2),           T(3),                T(4),       T(5)},
};

constexpr Transition kSecondHalf[kEvents][4] = {
  //        Req-Sent        Ack-Rcvd        Ack-Sent        Opened
  /*Up   */{kNo,            kNo,            kNo,            kNo},
  /*Down */{T(1),           T(1),           T(1),           T(1,kTld)},
  /*Open */{T(6),           T(7),           T(8),           T(9,0,'r')},
  /*Close*/{T(4,kIrc|kStr), T(4,kIrc|kStr), T(4,kIrc|kStr), T(4,kTld|kIrc|kStr)},
  /*TO+  */{T(6,kScr),      T(6,kScr),      T(8,kScr),      kNo},
  /*TO-  */{T(3,kTlf,'p'),  T(3,kTlf,'p'),  T(3,kTlf,'p'),  kNo},
  /*RCR+ */{T(8,kSca),      T(9,kSca|kTlu), T(8,kSca),      T(8,kTld|kScr|kSca)},
  /*RCR- */{T(6,kScn),      T(7,kScn),      T(6,kScn),      T(6,kTld|kScr|kScn)},
  /*RCA  */{T(7,kIrc),      T(6,kScr,'x'),  T(9,kIrc|kTlu), T(6,kTld|kScr,'x')},
  /*RCN  */{T(6,kIrc|kScr), T(6,kScr,'x'),  T(8,kIrc|kScr), T(6,kTld|kScr,'x')},
  /*RTR  */{T(6,kSta),      T(6,kSta),      T(6,kSta),      T(5,kTld|kZrc|kSta)},
  /*RTA  */{T(6),           T(6),           T(8),           T(6,kTld|kScr)},
  /*RUC  */{T(6,kScj),      T(7,kScj),      T(8,kScj),      T(9,kScj)},
  /*RXJ+ */{T(6),           T(6),           T(8),           T(9)},
  /*RXJ- */{T(3,kTlf),      T(3,kTlf),      T(3,kTlf),      T(5,kTld|kIrc|kStr)},
  /*RXR  */{T(6),           T(7),           T(8),           T(9,kSer)},
};
// clang-format on

constexpr TransitionTable Join() {
  TransitionTable table{};
  for (size_t event = 0; event < kEvents; ++event) {
    for (size_t state = 0; state < kStates; ++state) {
      table[event][state] = state < 6 ? kFirstHalf[event][state] : kSecondHalf[event][state - 6];
    }
  }
  return table;
}

constexpr std::string_view kStateNames[kStates + 1] = {
    "Initial",  "Starting", "Closed",   "Stopped", "Closing", "Stopping",
    "Req-Sent", "Ack-Rcvd", "Ack-Sent", "Opened",  "illegal"};
constexpr std::string_view kEventNames[kEvents] = {"Up",   "Down", "Open", "Close", "TO+", "TO-",
                                                   "RCR+", "RCR-", "RCA",  "RCN",   "RTR", "RTA",
                                                   "RUC",  "RXJ+", "RXJ-", "RXR"};
constexpr std::string_view kActionNames[] = {"tld", "tls", "irc", "zrc", "scr", "sca", "scn",
                                             "str", "sta", "scj", "ser", "tlu", "tlf"};

}  // namespace

constinit const TransitionTable kTable = Join();

std::string_view NameOf(State state) { return kStateNames[static_cast<size_t>(state)]; }
std::string_view NameOf(Event event) { return kEventNames[static_cast<size_t>(event)]; }

std::string CellText(const Transition& transition) {
  if (transition.next == State::kIllegal) return "-";
  std::string text;
  for (size_t bit = 0; bit < std::size(kActionNames); ++bit) {
    if ((transition.actions >> bit & 1U) == 0) continue;
    if (!text.empty()) text += ',';
    text += kActionNames[bit];
  }
  if (!text.empty()) text += '/';
  text += static_cast<char>('0' + static_cast<int>(transition.next));
  if (transition.note != ' ') text += transition.note;
  return text;
}

std::string TableText() {
  constexpr size_t kWidth = 15;
  const auto padded = [](std::string_view cell) {
    std::string text(cell);
    if (text.size() < kWidth) text.append(kWidth - text.size(), ' ');
    return text;
  };
  std::string text = padded("Events");
  for (size_t state = 0; state < kStates; ++state) text += padded(kStateNames[state]);
  for (size_t event = 0; event < kEvents; ++event) {
    text += '\n' + padded(kEventNames[event]);
    for (const Transition& transition : kTable[event]) text += padded(CellText(transition));
  }
  return text + '\n';
}

}  // namespace stack::ppp
