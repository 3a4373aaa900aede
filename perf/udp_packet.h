// A UDP packet for the benches that send one through the gateway.
#pragma once

#include <cstddef>

#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/wire/ip4.h"
#include "stack/wire/udp.h"

namespace perf {

// An IPv4 packet of `size` octets (28 at least), its payload zeros.
inline stack::Bytes UdpPacket(stack::Endpoint from, stack::Endpoint to, size_t size) {
  stack::Bytes packet(size);
  stack::wire::Ip4Fields fields;
  fields.source = from.ip;
  fields.destination = to.ip;
  stack::wire::WriteIp4(packet, fields, size - 20);
  const stack::ByteSpan datagram = stack::ByteSpan(packet).subspan(20);
  stack::wire::WriteUdp(datagram, from.port, to.port, size - 28);
  stack::wire::FillUdpChecksum(datagram, from.ip, to.ip);
  return packet;
}

}  // namespace perf
