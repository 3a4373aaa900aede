#include "nat/tcp_state.h"

#include <initializer_list>

#include "gtest/gtest.h"
#include "nat/flow.h"

namespace nat {
namespace {

using enum TcpEvent;
using enum TcpState;

TcpState After(std::initializer_list<TcpEvent> events) {
  TcpState state = kClosed;
  for (const TcpEvent event : events) state = NextTcpState(state, event);
  return state;
}

TEST(TcpState, SegmentsBecomeEvents) {
  EXPECT_EQ(TcpEventOf(kTcpSyn, Direction::kOut), kSynOut);
  EXPECT_EQ(TcpEventOf(kTcpSyn | kTcpAck, Direction::kIn), kSynAckIn);
  EXPECT_EQ(TcpEventOf(kTcpAck, Direction::kOut), kDataOut);
  EXPECT_EQ(TcpEventOf(0, Direction::kIn), kDataIn);
  EXPECT_EQ(TcpEventOf(kTcpFin | kTcpAck, Direction::kIn), kFinIn);
  EXPECT_EQ(TcpEventOf(kTcpRst | kTcpAck | kTcpSyn | kTcpFin, Direction::kOut), kRstOut);
}

struct Script {
  const char* name;
  std::initializer_list<TcpEvent> events;
  TcpState end;
};

TEST(TcpState, Scripts) {
  const Script scripts[] = {
      {"handshake", {kSynOut, kSynAckIn, kDataOut}, kEstablished},
      {"SYN repeated, no answer", {kSynOut, kSynOut}, kSynSent},
      {"a stray ACK is no answer", {kSynOut, kDataIn}, kSynSent},
      {"refused", {kSynOut, kRstIn}, kReset},
      {"simultaneous open", {kSynOut, kSynIn, kSynAckOut, kSynAckIn}, kEstablished},
      {"client closes", {kSynOut, kSynAckIn, kFinOut}, kFinSeenOut},
      {"half closed, data goes on", {kSynOut, kSynAckIn, kFinIn, kDataOut, kDataIn}, kFinSeenIn},
      {"closed", {kSynOut, kSynAckIn, kFinOut, kFinIn, kDataOut}, kFinSeenBoth},
      {"closed, other order", {kSynOut, kSynAckIn, kFinIn, kFinOut, kDataIn}, kFinSeenBoth},
      {"RST after close changes nothing",
       {kSynOut, kSynAckIn, kFinIn, kFinOut, kRstIn},
       kFinSeenBoth},
      {"port used again", {kSynOut, kSynAckIn, kFinIn, kFinOut, kSynOut}, kSynSent},
      {"found in the middle", {kDataOut}, kPickedUp},
      {"found in the middle and confirmed", {kDataOut, kDataIn}, kEstablished},
      {"found in the middle, unknown there", {kDataOut, kRstIn}, kReset},
      {"stranger's SYN answered", {kSynAckOut}, kPickedUp},
      {"stranger's SYN repeated is no confirmation", {kSynAckOut, kSynIn}, kPickedUp},
      {"stranger's connection up", {kSynAckOut, kDataIn}, kEstablished},
      {"late segment after RST", {kSynOut, kSynAckIn, kRstOut, kDataIn}, kReset},
      {"forged RST, both go on", {kSynOut, kSynAckIn, kRstIn, kDataOut, kDataIn}, kEstablished},
      {"late segment after RST, then RST again",
       {kSynOut, kSynAckIn, kRstIn, kDataOut, kRstIn},
       kReset},
      {"reset, then dialled again", {kSynOut, kRstIn, kSynOut, kSynAckIn}, kEstablished},
  };
  for (const Script& script : scripts) {
    EXPECT_EQ(NameOf(After(script.events)), NameOf(script.end)) << script.name;
  }
}

TEST(TcpState, OnlyTwoSidedConnectionsLiveLong) {
  for (int s = 0; s < kTcpStates; ++s) {
    const auto state = static_cast<TcpState>(s);
    const bool expected = state == kEstablished || state == kFinSeenOut || state == kFinSeenIn;
    EXPECT_EQ(IsEstablished(state), expected) << NameOf(state);
  }
}

// Nothing the far end does alone, nor the client alone, makes a long-lived connection.
TEST(TcpState, OneSideAloneNeverEstablishes) {
  for (const bool out : {true, false}) {
    std::array<bool, kTcpStates> reached{};
    reached[static_cast<size_t>(kClosed)] = true;
    for (int round = 0; round < kTcpStates; ++round) {
      for (int s = 0; s < kTcpStates; ++s) {
        if (!reached[static_cast<size_t>(s)]) continue;
        for (int e = out ? 0 : 5; e < (out ? 5 : 10); ++e) {
          const TcpState next = NextTcpState(static_cast<TcpState>(s), static_cast<TcpEvent>(e));
          EXPECT_FALSE(IsEstablished(next)) << NameOf(static_cast<TcpState>(s)) << " event " << e;
          reached[static_cast<size_t>(next)] = true;
        }
      }
    }
  }
}

}  // namespace
}  // namespace nat
