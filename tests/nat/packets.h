// IPv4 packets for the NAT tests, built by libtins, which computes all lengths and checksums on its
// own: a translated packet is right if it equals the one libtins builds from the translated
// addresses.
#pragma once

#include <tins/tins.h>

#include <string>
#include <vector>

#include "nat/flow.h"
#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/checksum.h"

namespace nat {

inline stack::Ip4 Ip(const char* text) { return *stack::Ip4::Parse(text); }
inline stack::Endpoint At(const char* ip, uint16_t port) { return {Ip(ip), port}; }

inline stack::Bytes Serialize(Tins::PDU& pdu) {
  const std::vector<uint8_t> raw = pdu.serialize();
  return stack::ToBytes(stack::AsBytes(raw.data(), raw.size()));
}

inline Tins::IP IpHeader(stack::Endpoint from, stack::Endpoint to) {
  Tins::IP ip(to.ip.Text(), from.ip.Text());
  ip.ttl(64);
  ip.id(0x1234);
  return ip;
}

inline stack::Bytes Tcp(stack::Endpoint from, stack::Endpoint to, uint8_t flags = kTcpAck,
                        const std::string& payload = "") {
  Tins::TCP tcp(to.port, from.port);
  tcp.flags(flags);
  tcp.seq(0x01020304);
  tcp.window(8192);
  Tins::IP ip = IpHeader(from, to) / tcp / Tins::RawPDU(payload);
  return Serialize(ip);
}

inline stack::Bytes Udp(stack::Endpoint from, stack::Endpoint to,
                        const std::string& payload = "hello") {
  Tins::IP ip = IpHeader(from, to) / Tins::UDP(to.port, from.port) / Tins::RawPDU(payload);
  return Serialize(ip);
}

// The identifier stands where the asking end's port would.
inline stack::Bytes EchoRequest(stack::Endpoint from, stack::Ip4 to, uint16_t sequence = 1) {
  Tins::ICMP icmp(Tins::ICMP::ECHO_REQUEST);
  icmp.id(from.port);
  icmp.sequence(sequence);
  Tins::IP ip = IpHeader(from, {to, 0}) / icmp / Tins::RawPDU("abcdefgh");
  return Serialize(ip);
}

inline stack::Bytes EchoReply(stack::Ip4 from, stack::Endpoint to, uint16_t sequence = 1) {
  Tins::ICMP icmp(Tins::ICMP::ECHO_REPLY);
  icmp.id(to.port);
  icmp.sequence(sequence);
  Tins::IP ip = IpHeader({from, 0}, to) / icmp / Tins::RawPDU("abcdefgh");
  return Serialize(ip);
}

// Frag-needed (RFC 1191), quoting the first `quoted` octets of `about`.
inline stack::Bytes FragNeeded(stack::Ip4 from, stack::Ip4 to, stack::ByteView about,
                               size_t quoted = 28, uint16_t mtu = 1280) {
  Tins::ICMP icmp(Tins::ICMP::DEST_UNREACHABLE);
  icmp.code(4);
  icmp.mtu(mtu);
  const stack::ByteView part = about.first(std::min(quoted, about.size()));
  Tins::IP ip = IpHeader({from, 0}, {to, 0}) / icmp /
                Tins::RawPDU(stack::AsU8(part), static_cast<uint32_t>(part.size()));
  return Serialize(ip);
}

// The identifying port of a packet: what the NAT chose as external port, read without nat/.
inline uint16_t SourcePortOf(stack::ByteView packet) {
  const bool icmp = packet[9] == std::byte{1};
  return stack::Load16(&packet[icmp ? 24 : 20]);
}

// Both checksums right, by summing everything up once more.
inline bool ChecksumsHold(stack::ByteView packet) {
  if (stack::Fold(stack::SumOf(packet.first(20))) != 0xffff) return false;
  const stack::ByteView rest = packet.subspan(20);
  const auto protocol = static_cast<uint8_t>(packet[9]);
  if (protocol == 17 && stack::Load16(&rest[6]) == 0) return true;
  const stack::Sum pseudo =
      protocol == 1
          ? 0
          : stack::PseudoHeaderSum({stack::Load32(&packet[12])}, {stack::Load32(&packet[16])},
                                   protocol, static_cast<uint16_t>(rest.size()));
  return stack::Fold(pseudo + stack::SumOf(rest)) == 0xffff;
}

}  // namespace nat
