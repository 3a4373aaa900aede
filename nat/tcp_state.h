// How far a TCP connection has come, as a NAT sees it from the middle: only to know how long its
// mapping must live (RFC 5382 section 5).
//
// The table follows RFC 6146 section 3.5.2.2 with these differences. A connection found in the
// middle (adit was restarted) or answering a stranger's SYN is kPickedUp: it counts as established
// only when the far end has spoken too. So does one that goes on after an RST, so that neither a
// forged RST kills a connection nor a late segment keeps a dead one for hours. A SYN opens a closed
// connection anew.
#pragma once

#include <cstdint>
#include <string_view>

namespace nat {

enum class TcpState : uint8_t {
  kClosed,       // nothing seen yet
  kSynSent,      // the client's SYN went out
  kPickedUp,     // the client spoke, the far end has not confirmed
  kEstablished,  // both spoke
  kFinSeenOut,   // the client closed its half
  kFinSeenIn,    // the far end closed its half
  kFinSeenBoth,  // both did: TIME_WAIT
  kReset,        // RST seen
};
inline constexpr int kTcpStates = 8;

// Out: client -> internet. A segment is the first of RST, SYN+ACK, SYN, FIN that fits, else data.
enum class TcpEvent : uint8_t {
  kSynOut,
  kSynAckOut,
  kDataOut,
  kFinOut,
  kRstOut,
  kSynIn,
  kSynAckIn,
  kDataIn,
  kFinIn,
  kRstIn,
};
inline constexpr int kTcpEvents = 10;

enum class Direction : uint8_t { kOut, kIn };

TcpEvent TcpEventOf(uint8_t tcp_flags, Direction direction);
TcpState NextTcpState(TcpState state, TcpEvent event);
// RFC 5382 REQ-5: an established connection may be idle for hours, any other only for minutes.
bool IsEstablished(TcpState state);
std::string_view NameOf(TcpState state);

}  // namespace nat
