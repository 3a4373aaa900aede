// The fast path of PPP: the protocol field of IPv4 packets, taken off on the way up and put on on
// the way down. RFC 1661 section 2, RFC 1662 section 3.1. Everything that is not IPv4 is left as it
// is for the control FIFO, where LnsLink::OnPacket looks at it. Whether IPv4 may pass is the
// caller's to know: from Up to Suspended.
#pragma once

#include "stack/base/packet_buf.h"
#include "stack/wire/ppp.h"

namespace stack::ppp {

inline constexpr size_t kDataHeader = 4;  // FF 03 00 21

enum class Pulled : uint8_t {
  kIp4,      // the buffer now begins with the IPv4 header
  kControl,  // anything else, malformed frames too; the buffer is untouched
};

// Takes the PPP header off an IPv4 packet, with or without FF 03, the protocol in two octets or
// one.
inline Pulled PullData(PacketBuf& frame) {
  const ByteView bytes = frame.bytes();
  if (bytes.size() >= kDataHeader && Load32(bytes.data()) == 0xff030021) {
    frame.Pull(kDataHeader);
    return Pulled::kIp4;
  }
  size_t header = 0;
  if (bytes.size() >= 2 && Load16(bytes.data()) == 0xff03) header = 2;
  if (bytes.size() > header && bytes[header] == std::byte{0x21}) {
    header += 1;
  } else if (bytes.size() >= header + 2 && Load16(bytes.data() + header) == 0x0021) {
    header += 2;
  } else {
    return Pulled::kControl;
  }
  frame.Pull(header);
  return Pulled::kIp4;
}

// Puts FF 03 00 21 in front of an IPv4 packet: every client takes it, also one that asked for
// compression. False if the buffer has no headroom left.
inline bool PushData(PacketBuf& packet) {
  const ByteSpan header = packet.Push(kDataHeader);
  if (header.empty()) return false;
  Store32(header.data(), 0xff030021);
  return true;
}

}  // namespace stack::ppp
