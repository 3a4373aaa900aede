// Answers DHCPINFORM: what a host that has its address already asks about the network (RFC 2131
// sections 3.4 and 4.3.5). Windows and Apple clients ask it inside the tunnel when they do not send
// everything through it: the answer says which networks to send (RFC 3442).
//
// Apple's parser wants the message type as the first option, and an answer to the address that PPP
// gave. No state: every question is answered by itself.
#pragma once

#include <span>
#include <string_view>

#include "stack/base/address.h"
#include "stack/base/drop.h"
#include "stack/base/packet_buf.h"
#include "stack/base/result.h"

namespace stack::ip {

struct InformFacts {
  Ip4 server;                      // our address in the tunnel: the server, and the next router
  Ip4 client;                      // the asker's
  std::span<const Ip4> dns;        // zero: none
  std::span<const Prefix> routes;  // networks that are reached through us
  std::string_view domain;         // empty: none
};

// A whole packet with the ACK for the message `question` (a UDP payload), ready to be routed to the
// client. It holds what the client asked for, or everything if it did not say: option 1 (a host's
// mask, as on any point-to-point link), 6, 15, 121 and 249. kDhcpIgnored: it is no DHCPINFORM.
// kDhcpMalformed, kTruncated, kPoolDry.
Result<PacketBuf, Drop> AnswerInform(const InformFacts& facts, ByteView question, PacketPool& pool);

}  // namespace stack::ip
