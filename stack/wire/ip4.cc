#include "stack/wire/ip4.h"

namespace stack::wire {
namespace {

// Replaces the 16-bit word at the even offset `at` and lets the checksum follow.
void SetWord(ByteSpan packet, size_t at, uint16_t value) {
  std::byte* word = packet.subspan(at, 2).data();
  std::byte* checksum = packet.subspan(10, 2).data();
  Store16(checksum, Update16(Load16(checksum), Load16(word), value));
  Store16(word, value);
}

void SetAddress(ByteSpan packet, size_t at, Ip4 address) {
  std::byte* field = packet.subspan(at, 4).data();
  std::byte* checksum = packet.subspan(10, 2).data();
  Store16(checksum, Update32(Load16(checksum), Load32(field), address.value));
  Store32(field, address.value);
}

Drop CheckHeader(ByteView bytes) {
  if (bytes.size() < Ip4Packet::kMinHeader) return Drop::kTruncated;
  const auto first = static_cast<uint8_t>(bytes[0]);
  if ((first >> 4) != 4) return Drop::kBadVersion;
  const size_t header = (first & 15U) * 4;
  const size_t total = Load16(bytes.data() + 2);
  if (header < Ip4Packet::kMinHeader || total < header) return Drop::kBadHeaderLength;
  return header > bytes.size() ? Drop::kTruncated : Drop::kNone;
}

}  // namespace

std::string_view NameOf(IpProtocol protocol) {
  switch (protocol) {
    case IpProtocol::kIcmp:
      return "ICMP";
    case IpProtocol::kIgmp:
      return "IGMP";
    case IpProtocol::kTcp:
      return "TCP";
    case IpProtocol::kUdp:
      return "UDP";
    case IpProtocol::kGre:
      return "GRE";
    case IpProtocol::kEsp:
      return "ESP";
  }
  return "unknown";
}

Result<Ip4Packet, Drop> Ip4Packet::Parse(ByteView bytes) {
  if (const Drop drop = CheckHeader(bytes); drop != Drop::kNone) return drop;
  const size_t total = Load16(bytes.data() + 2);
  if (total > bytes.size()) return Drop::kTruncated;
  return Ip4Packet(bytes.first(total));
}

Result<Ip4Packet, Drop> Ip4Packet::ParseQuoted(ByteView bytes) {
  if (const Drop drop = CheckHeader(bytes); drop != Drop::kNone) return drop;
  const size_t total = Load16(bytes.data() + 2);
  return Ip4Packet(bytes.first(total < bytes.size() ? total : bytes.size()));
}

void WriteIp4(ByteSpan out, const Ip4Fields& fields, size_t payload_size) {
  Writer to(out.first(Ip4Packet::kMinHeader));
  to.U8(0x45);
  to.U8(fields.tos);
  to.U16(static_cast<uint16_t>(Ip4Packet::kMinHeader + payload_size));
  to.U16(fields.id);
  to.U16(fields.dont_fragment ? 0x4000 : 0);
  to.U8(fields.ttl);
  to.U8(static_cast<uint8_t>(fields.protocol));
  to.U16(0);
  to.U32(fields.source.value);
  to.U32(fields.destination.value);
  FillIp4Checksum(out);
}

void SetSource(ByteSpan packet, Ip4 source) { SetAddress(packet, 12, source); }
void SetDestination(ByteSpan packet, Ip4 destination) { SetAddress(packet, 16, destination); }

void SetTtl(ByteSpan packet, uint8_t ttl) {
  SetWord(packet, 8, static_cast<uint16_t>(ttl << 8 | static_cast<uint8_t>(packet[9])));
}

void SetTos(ByteSpan packet, uint8_t tos) {
  SetWord(packet, 0, static_cast<uint16_t>(static_cast<uint8_t>(packet[0]) << 8 | tos));
}

void FillIp4Checksum(ByteSpan packet) {
  const size_t header = (static_cast<uint8_t>(packet[0]) & 15U) * 4;
  std::byte* checksum = packet.subspan(10, 2).data();
  Store16(checksum, 0);
  Store16(checksum, Finish(SumOf(packet.first(header))));
}

ByteView Ip4OptionCursor::Next() {
  if (rest_.empty()) return {};
  const auto type = static_cast<uint8_t>(rest_[0]);
  size_t size = 1;
  if (type != kIp4OptionNop) {
    size = type == kIp4OptionEnd || rest_.size() < 2 ? 0 : static_cast<uint8_t>(rest_[1]);
    if (size < 2 || size > rest_.size()) {
      rest_ = {};
      return {};
    }
  }
  const ByteView option = rest_.first(size);
  rest_ = rest_.subspan(size);
  return option;
}

}  // namespace stack::wire
