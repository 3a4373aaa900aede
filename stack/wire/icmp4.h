// ICMP for IPv4 (RFC 792; Fragmentation Needed: RFC 1191 section 4).
//
//   0      1      2          4                                   8
//   | type | code | checksum | id, sequence | unused, MTU | ...  | data, or the quoted packet
#pragma once

#include <cstdint>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/checksum.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

enum class IcmpType : uint8_t {
  kEchoReply = 0,
  kDestinationUnreachable = 3,
  kSourceQuench = 4,
  kRedirect = 5,
  kEchoRequest = 8,
  kTimeExceeded = 11,
  kParameterProblem = 12,
};
std::string_view NameOf(IcmpType type);

// Codes of Destination Unreachable.
enum class UnreachableCode : uint8_t {
  kNet = 0,
  kHost = 1,
  kProtocol = 2,
  kPort = 3,
  kFragmentationNeeded = 4,
  kAdministratively = 13,  // RFC 1812 section 5.2.7.1
};
std::string_view NameOf(UnreachableCode code);

// Codes of Time Exceeded.
enum class TimeExceededCode : uint8_t { kInTransit = 0, kReassembly = 1 };

// True for the types that quote a packet; nothing is ever answered to them.
bool IsIcmpError(IcmpType type);

// A view of a message with a whole 8-octet header.
class Icmp4 {
 public:
  static constexpr size_t kSize = 8;

  // `bytes` is the IP payload. kTruncated without a whole header.
  static Result<Icmp4, Drop> Parse(ByteView bytes);

  IcmpType type() const { return static_cast<IcmpType>(bytes_[0]); }
  uint8_t code() const { return static_cast<uint8_t>(bytes_[1]); }
  uint16_t checksum() const { return Load16(bytes_.data() + 2); }
  bool ChecksumHolds() const { return Finish(SumOf(bytes_)) == 0; }
  bool IsError() const { return IsIcmpError(type()); }
  uint16_t id() const { return Load16(bytes_.data() + 4); }        // of an echo
  uint16_t sequence() const { return Load16(bytes_.data() + 6); }  // of an echo
  uint16_t mtu() const { return Load16(bytes_.data() + 6); }  // of Fragmentation Needed; octets
  ByteView payload() const { return bytes_.subspan(kSize); }  // data, or the quoted packet
  ByteView bytes() const { return bytes_; }

 private:
  explicit Icmp4(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

// Writes a header with checksum zero; `rest` is octets 4..7 as one number (id << 16 | sequence, or
// the MTU). Precondition: `out` holds Icmp4::kSize bytes.
void WriteIcmp4(ByteSpan out, IcmpType type, uint8_t code, uint32_t rest);
// Sums a whole message and fills the field in.
void FillIcmpChecksum(ByteSpan message);

}  // namespace stack::wire
