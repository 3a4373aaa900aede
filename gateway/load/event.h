// What a client of the load generator tells its owner.
//
// One ordered Outbox for all of a client: its frames are whole IPv4 packets for the outer network,
// its events the milestones of a session and the questions that cost milliseconds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "crypto/ike/event.h"
#include "stack/base/address.h"
#include "stack/base/drop.h"
#include "stack/base/machine.h"
#include "stack/base/packet_buf.h"

namespace gateway::load {

// Make a key pair; agree with the server's public value. Answered by Client::OnKeyPair and OnDh
// with the ticket, exactly once, at any later time (crypto/ike/event.h).
using NeedKeyPair = crypto::ike::NeedKeyPair;
using NeedAgreement = crypto::ike::NeedAgreement;

// How far a session has come, on its way up and down. Each is told as it happens.
enum class Milestone : uint8_t {
  kPhaseOneUp,
  kEspUp,     // the first pair of SAs
  kTunnelUp,  // SCCCN is sent
  kCallUp,    // ICCN is sent
  kLcpUp,
  kAuthenticated,  // both ways
  kIpUp,           // Up follows
  kEspRekeyed,
  kPhaseOneRekeyed,
  kLinkDown,  // PPP
  kCallDown,
  kTunnelDown,
  kEspDeleted,       // by the server; one for each pair
  kPhaseOneDeleted,  // by the server
};
std::string_view NameOf(Milestone milestone);  // snake_case and stable
struct Step {
  Milestone what;
};

// Packets may pass now.
struct Up {
  stack::Ip4 address, gateway;  // ours and the server's; the latter zero if it did not say
  std::array<stack::Ip4, 2> dns{};
  uint16_t mtu = 0;  // the largest IPv4 packet for Send
};

enum class DownReason : uint8_t {
  kPhaseOneFailed,
  kQuickModeFailed,
  kTunnelFailed,   // L2TP refused, or the server fell silent
  kLinkFailed,     // PPP: wrong password, no address, ...
  kServerDead,     // dead peer detection
  kEndedByServer,  // in order
  kClosed,         // by Close
};
std::string_view NameOf(DownReason reason);
// The last event. `text` is the failed protocol's own word for it.
struct Down {
  DownReason reason;
  std::string text;
};

// An IPv4 packet from the tunnel; it may be a fragment.
struct Received {
  stack::PacketBuf packet;
};

using Event = std::variant<stack::Drop, NeedKeyPair, NeedAgreement, Step, Up, Down, Received>;
using Out = stack::Outbox<Event>;

}  // namespace gateway::load
