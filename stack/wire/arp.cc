#include "stack/wire/arp.h"

namespace stack::wire {
namespace {

constexpr uint16_t kHardwareEthernet = 1;
constexpr uint16_t kProtocolIp4 = 0x0800;
constexpr uint16_t kAddressLengths = 0x0604;  // hardware 6, protocol 4

}  // namespace

std::string_view NameOf(ArpOperation operation) {
  switch (operation) {
    case ArpOperation::kRequest:
      return "request";
    case ArpOperation::kReply:
      return "reply";
  }
  return "unknown";
}

Result<Arp, Drop> Arp::Parse(ByteView payload) {
  if (payload.size() < kSize) return Drop::kTruncated;
  Reader in(payload);
  const bool families = in.U16() == kHardwareEthernet && in.U16() == kProtocolIp4;
  if (!families || in.U16() != kAddressLengths) return Drop::kArpMalformed;
  const uint16_t operation = in.U16();
  if (operation != 1 && operation != 2) return Drop::kArpMalformed;
  Arp arp;
  arp.operation = static_cast<ArpOperation>(operation);
  arp.sender_mac = Mac::Load(in.Take(6));
  arp.sender_ip = {in.U32()};
  arp.target_mac = Mac::Load(in.Take(6));
  arp.target_ip = {in.U32()};
  return arp;
}

void Arp::Write(ByteSpan out) const {
  Writer to(out.first(kSize));
  to.U16(kHardwareEthernet);
  to.U16(kProtocolIp4);
  to.U16(kAddressLengths);
  to.U16(static_cast<uint16_t>(operation));
  sender_mac.Store(out.subspan(8, 6).data());
  Store32(out.subspan(14, 4).data(), sender_ip.value);
  target_mac.Store(out.subspan(18, 6).data());
  Store32(out.subspan(24, 4).data(), target_ip.value);
}

}  // namespace stack::wire
