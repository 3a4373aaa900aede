#include "stack/ppp/automaton.h"

#include <sstream>

#include "gtest/gtest.h"

namespace stack::ppp {
namespace {

// The two halves of the table in RFC 1661 section 4.1, cell by cell as printed there.
constexpr const char* kFirstHalf = R"(
Up    2     irc,scr/6 -         -               -     -
Down  -     -         0         tls/1           0     1
Open  tls/1 1         irc,scr/6 3r              5r    5r
Close 0     tlf/0     2         2               4     4
TO+   -     -         -         -               str/4 str/5
TO-   -     -         -         -               tlf/2 tlf/3
RCR+  -     -         sta/2     irc,scr,sca/8   4     5
RCR-  -     -         sta/2     irc,scr,scn/6   4     5
RCA   -     -         sta/2     sta/3           4     5
RCN   -     -         sta/2     sta/3           4     5
RTR   -     -         sta/2     sta/3           sta/4 sta/5
RTA   -     -         2         3               tlf/2 tlf/3
RUC   -     -         scj/2     scj/3           scj/4 scj/5
RXJ+  -     -         2         3               4     5
RXJ-  -     -         tlf/2     tlf/3           tlf/2 tlf/3
RXR   -     -         2         3               4     5
)";
constexpr const char* kSecondHalf = R"(
Up    -         -         -         -
Down  1         1         1         tld/1
Open  6         7         8         9r
Close irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
TO+   scr/6     scr/6     scr/8     -
TO-   tlf/3p    tlf/3p    tlf/3p    -
RCR+  sca/8     sca,tlu/9 sca/8     tld,scr,sca/8
RCR-  scn/6     scn/7     scn/6     tld,scr,scn/6
RCA   irc/7     scr/6x    irc,tlu/9 tld,scr/6x
RCN   irc,scr/6 scr/6x    irc,scr/8 tld,scr/6x
RTR   sta/6     sta/6     sta/6     tld,zrc,sta/5
RTA   6         6         8         tld,scr/6
RUC   scj/6     scj/7     scj/8     scj/9
RXJ+  6         6         8         9
RXJ-  tlf/3     tlf/3     tlf/3     tld,irc,str/5
RXR   6         7         8         ser/9
)";

void Compare(const char* text, size_t first_state, size_t states) {
  std::istringstream in(text);
  for (size_t event = 0; event < kEvents; ++event) {
    std::string name;
    in >> name;
    EXPECT_EQ(name, NameOf(static_cast<Event>(event)));
    for (size_t state = first_state; state < first_state + states; ++state) {
      std::string cell;
      in >> cell;
      EXPECT_EQ(CellText(kTable[event][state]), cell)
          << name << " in " << NameOf(static_cast<State>(state)) << "\n"
          << TableText();
    }
  }
}

TEST(Automaton, IsTheTableOfRfc1661) {
  Compare(kFirstHalf, 0, 6);
  Compare(kSecondHalf, 6, 4);
}

// "The states in which the Restart timer is running are identifiable by the presence of TO events."
TEST(Automaton, TimerRunsWhereTimeoutsCanHappen) {
  for (size_t state = 0; state < kStates; ++state) {
    const bool timed =
        kTable[static_cast<size_t>(Event::kTimeoutMore)][state].next != State::kIllegal;
    EXPECT_EQ(IsTimed(static_cast<State>(state)), timed) << NameOf(static_cast<State>(state));
  }
}

TEST(Automaton, NoTransitionIntoATimedStateWithoutStartingTheTimer) {
  for (size_t event = 0; event < kEvents; ++event) {
    for (size_t state = 0; state < kStates; ++state) {
      const Transition& t = kTable[event][state];
      if (t.next == State::kIllegal || !IsTimed(t.next) || IsTimed(static_cast<State>(state)))
        continue;
      EXPECT_NE(t.actions & (kScr | kStr | kZrc), 0) << CellText(t);
    }
  }
}

}  // namespace
}  // namespace stack::ppp
