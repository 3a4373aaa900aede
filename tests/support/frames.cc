#include "tests/support/frames.h"

#include <tins/tins.h>

#include <stdexcept>

#include "stack/base/checksum.h"

namespace test {
namespace {

using stack::Bytes;
using stack::ByteView;

Bytes Serialized(Tins::PDU& pdu) {
  const auto raw = pdu.serialize();
  return stack::ToBytes(stack::AsBytes(raw.data(), raw.size()));
}

Tins::RawPDU Raw(ByteView payload) {
  return {stack::AsU8(payload), static_cast<uint32_t>(payload.size())};
}

Tins::IP Header(stack::Ip4 from, stack::Ip4 to, const IpOptions& options) {
  Tins::IP ip(to.Text(), from.Text());
  ip.ttl(options.ttl);
  ip.tos(options.tos);
  ip.id(options.id);
  unsigned flags = 0;
  if (options.dont_fragment) flags |= Tins::IP::DONT_FRAGMENT;
  if (options.more_fragments) flags |= Tins::IP::MORE_FRAGMENTS;
  ip.flags(static_cast<Tins::IP::Flags>(flags));
  ip.fragment_offset(options.fragment_offset);
  return ip;
}

// libtins puts the address of an interface of this machine where the source is 0.0.0.0; this puts
// it back.
Bytes SerializedFrom(stack::Ip4 from, Tins::IP& ip) {
  Bytes bytes = Serialized(ip);
  if (!from.IsZero()) return bytes;
  std::byte* checksum = bytes.data() + 10;
  std::byte* source = bytes.data() + 12;
  stack::Store16(checksum, stack::Update32(stack::Load16(checksum), stack::Load32(source), 0));
  stack::Store32(source, 0);
  return bytes;
}

Tins::HWAddress<6> Hw(stack::Mac mac) { return {mac.octets.data()}; }

}  // namespace

Bytes UdpPacket(stack::Endpoint from, stack::Endpoint to, ByteView payload,
                const IpOptions& options) {
  Tins::IP ip = Header(from.ip, to.ip, options) / Tins::UDP(to.port, from.port) / Raw(payload);
  return SerializedFrom(from.ip, ip);
}

Bytes TcpPacket(stack::Endpoint from, stack::Endpoint to, uint8_t flags, ByteView payload,
                uint16_t mss, const IpOptions& options) {
  Tins::TCP tcp(to.port, from.port);
  tcp.flags(flags);
  tcp.seq(0x01020304);
  tcp.ack_seq(0x05060708);
  if (mss != 0) {
    tcp.add_option({Tins::TCP::NOP});
    tcp.mss(mss);
  }
  Tins::TCP segment = payload.empty() ? tcp : tcp / Raw(payload);
  Tins::IP ip = Header(from.ip, to.ip, options) / segment;
  return SerializedFrom(from.ip, ip);
}

Bytes EchoPacket(stack::Ip4 from, stack::Ip4 to, uint16_t id, uint16_t sequence, ByteView payload,
                 const IpOptions& options) {
  Tins::ICMP icmp(Tins::ICMP::ECHO_REQUEST);
  icmp.id(id);
  icmp.sequence(sequence);
  Tins::IP ip = Header(from, to, options) / icmp / Raw(payload);
  return SerializedFrom(from, ip);
}

Bytes IpPacket(stack::Ip4 from, stack::Ip4 to, uint8_t protocol, ByteView payload,
               const IpOptions& options) {
  Tins::IP ip = Header(from, to, options);
  ip.protocol(protocol);
  Tins::IP whole = ip / Raw(payload);
  return SerializedFrom(from, whole);
}

Bytes ArpFrame(bool reply, stack::Mac sender, stack::Ip4 sender_ip, stack::Mac target,
               stack::Ip4 target_ip, stack::Mac to) {
  Tins::ARP arp(target_ip.Text(), sender_ip.Text(), Hw(target), Hw(sender));
  arp.opcode(reply ? Tins::ARP::REPLY : Tins::ARP::REQUEST);
  Tins::EthernetII frame = Tins::EthernetII(Hw(to), Hw(sender)) / arp;
  return Serialized(frame);
}

Bytes EthernetFrame(stack::Mac to, stack::Mac from, uint16_t type, ByteView payload) {
  Tins::EthernetII frame = Tins::EthernetII(Hw(to), Hw(from)) / Raw(payload);
  frame.payload_type(type);
  return Serialized(frame);
}

Bytes Pattern(size_t n, uint8_t first) {
  Bytes bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(first + i + i / 256);
  return bytes;
}

stack::Ip4 Ip(const std::string& text) {
  const auto ip = stack::Ip4::Parse(text);
  if (!ip) throw std::invalid_argument(text);
  return *ip;
}

stack::Endpoint At(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) throw std::invalid_argument(text);
  return {Ip(text.substr(0, colon)), static_cast<uint16_t>(std::stoul(text.substr(colon + 1)))};
}

}  // namespace test
