// Changing addresses and ports in a packet in place, checksums by RFC 1624 increments: what was
// damaged before stays detectable behind.
#pragma once

#include <cstdint>

#include "nat/flow.h"
#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"

namespace nat {

// Sets the source (destination) of a packet that FindTransport accepted as `transport`: address,
// port or ICMP identifier, header checksum, transport checksum. A UDP checksum of zero (none) stays
// zero. For ICMP errors only the address changes.
void RewriteSource(stack::ByteSpan packet, const Transport& transport, stack::Endpoint to);
void RewriteDestination(stack::ByteSpan packet, const Transport& transport, stack::Endpoint to);

// Lowers the MSS option of a TCP SYN or SYN+ACK (RFC 9293 section 3.7.1) to `max_mss`; anything
// else, and options that do not parse, are left alone. True if the packet was changed. Any bytes
// may come.
bool ClampMss(stack::ByteSpan packet, uint16_t max_mss);

// One hop less to live. kTtlExpired, and the packet untouched, if it has no more; kTruncated if it
// is shorter than an IPv4 header.
stack::Drop DecrementTtl(stack::ByteSpan packet);

}  // namespace nat
