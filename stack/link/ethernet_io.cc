#include "stack/link/ethernet_io.h"

namespace stack::link {

Result<Pulled, Drop> Pull(PacketBuf& frame, Mac own) {
  const Result<wire::Ethernet, Drop> ethernet = wire::Ethernet::Parse(frame.bytes());
  if (!ethernet) return ethernet.error();
  const bool broadcast = ethernet->destination() == Mac::Broadcast();
  if (!broadcast && ethernet->destination() != own) return Drop::kNotOurMac;
  const Pulled pulled{ethernet->type(), ethernet->source(), broadcast};
  if (pulled.type != wire::EtherType::kIp4 && pulled.type != wire::EtherType::kArp) {
    return Drop::kEtherType;
  }
  frame.Pull(wire::Ethernet::kSize);
  return pulled;
}

bool Push(PacketBuf& packet, Mac destination, Mac source, wire::EtherType type) {
  const ByteSpan header = packet.Push(wire::Ethernet::kSize);
  if (header.empty()) return false;
  wire::WriteEthernet(header, destination, source, type);
  return true;
}

}  // namespace stack::link
