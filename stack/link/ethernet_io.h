// Ethernet, taken off and put on: the first and the last step of a packet's way (RFC 894).
#pragma once

#include "stack/base/packet_buf.h"
#include "stack/wire/ethernet.h"

namespace stack::link {

struct Pulled {
  wire::EtherType type = wire::EtherType::kIp4;  // kIp4 or kArp, nothing else passes
  Mac source;
  bool broadcast = false;  // sent to all stations: no ICMP error may answer it (RFC 1122 3.2.2)
};

// Takes the Ethernet header off `frame`. `own` is our MAC address. kTruncated, kNotOurMac unless
// the frame is for `own` or for all, kEtherType for anything but IPv4 and ARP (802.1Q tags
// included).
Result<Pulled, Drop> Pull(PacketBuf& frame, Mac own);

// Puts an Ethernet header in front of `packet`. False, and nothing done, if there is no headroom.
[[nodiscard]] bool Push(PacketBuf& packet, Mac destination, Mac source, wire::EtherType type);

}  // namespace stack::link
