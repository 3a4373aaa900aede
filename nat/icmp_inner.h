// ICMP errors quote the packet they are about (RFC 792): a translated one must be found and
// translated back inside the quotation, or the host it is for cannot tell what it is about (RFC
// 5508 section 4).
//
//        | IPv4 | ICMP 3/11/12 | quoted IPv4 | quoted TCP/UDP/ICMP, 8 octets or more ... |
//        0      at             at+8          inner.at
#pragma once

#include <cstdint>

#include "nat/flow.h"
#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace nat {

// The quoted packet, as far as it is there.
struct Quotation {
  Flow flow;  // as written in the quotation; an echo has its identifier at the end that asked
  bool echo_reply = false;  // ICMP only: the quoted packet is an echo reply, not a request
  uint16_t ip_at = 0;       // offset of the quoted IPv4 header in the packet
  uint16_t at = 0;          // offset of the quoted transport header in the packet
};

// Precondition: `packet` was accepted by FindTransport as kIcmpError. kNatMalformed if the ICMP or
// the quoted header's checksum is wrong (RFC 5508 REQ-3), if the quotation is a later fragment or
// ends before the ports; kNatProtocol if it quotes what is never translated (ESP, an ICMP error).
stack::Result<Quotation, stack::Drop> ReadQuotation(stack::ByteView packet,
                                                    const Transport& transport);

// Replaces the quoted source (destination), corrects the quoted checksums as far as they are
// quoted, and the ICMP checksum. The outer IPv4 header is left to RewriteSource /
// RewriteDestination.
void RewriteQuotedSource(stack::ByteSpan packet, const Transport& transport, const Quotation& inner,
                         stack::Endpoint to);
void RewriteQuotedDestination(stack::ByteSpan packet, const Transport& transport,
                              const Quotation& inner, stack::Endpoint to);

}  // namespace nat
