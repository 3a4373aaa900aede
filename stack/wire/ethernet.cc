#include "stack/wire/ethernet.h"

namespace stack::wire {

std::string_view NameOf(EtherType type) {
  switch (type) {
    case EtherType::kIp4:
      return "IPv4";
    case EtherType::kArp:
      return "ARP";
    case EtherType::kVlan:
      return "802.1Q";
    case EtherType::kIp6:
      return "IPv6";
  }
  return "unknown";
}

Result<Ethernet, Drop> Ethernet::Parse(ByteView frame) {
  if (frame.size() < kSize) return Drop::kTruncated;
  return Ethernet(frame);
}

void WriteEthernet(ByteSpan out, Mac destination, Mac source, EtherType type) {
  destination.Store(out.first(6).data());
  source.Store(out.subspan(6, 6).data());
  Store16(out.subspan(12, 2).data(), static_cast<uint16_t>(type));
}

}  // namespace stack::wire
