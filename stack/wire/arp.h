// ARP for IPv4 over Ethernet (RFC 826; probes and announcements: RFC 5227 section 1.1).
//
//   0      2      4    5    6      8            14          18           24         28
//   | htype | ptype | hl | pl | oper | sender MAC | sender IP | target MAC | target IP |
//
// Small enough to be a value: Parse reads all of it, Write puts all of it back.
#pragma once

#include <cstdint>
#include <string_view>

#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

enum class ArpOperation : uint16_t { kRequest = 1, kReply = 2 };
std::string_view NameOf(ArpOperation operation);

struct Arp {
  static constexpr size_t kSize = 28;

  ArpOperation operation = ArpOperation::kRequest;
  Mac sender_mac;
  Ip4 sender_ip;  // zero in a probe
  Mac target_mac;
  Ip4 target_ip;

  // `payload` is what follows the Ethernet header; padding behind the packet is ignored. kTruncated
  // if it is too short, kArpMalformed for other address families, lengths and operations.
  static Result<Arp, Drop> Parse(ByteView payload);
  // Precondition: `out` holds kSize bytes.
  void Write(ByteSpan out) const;

  bool operator==(const Arp&) const = default;
};

}  // namespace stack::wire
