#include "nat/tcp_state.h"

#include <array>
#include <cstddef>

#include "nat/flow.h"

namespace nat {
namespace {

using enum TcpState;

using Row = std::array<TcpState, kTcpEvents>;

// clang-format off
// From the client: SYN, SYN+ACK, data, FIN, RST; from the far end: the same.
constexpr std::array<Row, kTcpStates> kTable = {{
    /* kClosed      */ {kSynSent,     kPickedUp,    kPickedUp,    kPickedUp,    kClosed,
                        kClosed,      kClosed,      kClosed,      kClosed,      kClosed},
    /* kSynSent     */ {kSynSent,     kSynSent,     kSynSent,     kSynSent,     kReset,
                        kEstablished, kEstablished, kSynSent,     kSynSent,     kReset},
    /* kPickedUp    */ {kSynSent,     kPickedUp,    kPickedUp,    kPickedUp,    kReset,
                        kPickedUp,    kEstablished, kEstablished, kFinSeenIn,   kReset},
    /* kEstablished */ {kEstablished, kEstablished, kEstablished, kFinSeenOut,  kReset,
                        kEstablished, kEstablished, kEstablished, kFinSeenIn,   kReset},
    /* kFinSeenOut  */ {kFinSeenOut,  kFinSeenOut,  kFinSeenOut,  kFinSeenOut,  kReset,
                        kFinSeenOut,  kFinSeenOut,  kFinSeenOut,  kFinSeenBoth, kReset},
    /* kFinSeenIn   */ {kFinSeenIn,   kFinSeenIn,   kFinSeenIn,   kFinSeenBoth, kReset,
                        kFinSeenIn,   kFinSeenIn,   kFinSeenIn,   kFinSeenIn,   kReset},
    /* kFinSeenBoth */ {kSynSent,     kPickedUp,    kFinSeenBoth, kFinSeenBoth, kFinSeenBoth,
                        kFinSeenBoth, kFinSeenBoth, kFinSeenBoth, kFinSeenBoth, kFinSeenBoth},
    /* kReset       */ {kSynSent,     kPickedUp,    kPickedUp,    kReset,       kReset,
                        kReset,       kReset,       kReset,       kReset,       kReset},
}};
// clang-format on

}  // namespace

TcpEvent TcpEventOf(uint8_t tcp_flags, Direction direction) {
  const bool out = direction == Direction::kOut;
  if ((tcp_flags & kTcpRst) != 0) return out ? TcpEvent::kRstOut : TcpEvent::kRstIn;
  if ((tcp_flags & kTcpSyn) != 0) {
    if ((tcp_flags & kTcpAck) != 0) return out ? TcpEvent::kSynAckOut : TcpEvent::kSynAckIn;
    return out ? TcpEvent::kSynOut : TcpEvent::kSynIn;
  }
  if ((tcp_flags & kTcpFin) != 0) return out ? TcpEvent::kFinOut : TcpEvent::kFinIn;
  return out ? TcpEvent::kDataOut : TcpEvent::kDataIn;
}

TcpState NextTcpState(TcpState state, TcpEvent event) {
  return kTable[static_cast<size_t>(state)][static_cast<size_t>(event)];
}

bool IsEstablished(TcpState state) {
  return state == kEstablished || state == kFinSeenOut || state == kFinSeenIn;
}

std::string_view NameOf(TcpState state) {
  static constexpr std::array<std::string_view, kTcpStates> kNames = {
      "closed",       "syn_sent",    "picked_up",     "established",
      "fin_seen_out", "fin_seen_in", "fin_seen_both", "reset"};
  return kNames[static_cast<size_t>(state)];
}

}  // namespace nat
