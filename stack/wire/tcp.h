// The TCP header (RFC 9293 section 3.1): what a forwarder wants of it, namely ports, flags and MSS.
//
//   0          2          4     8     12       13      14       16         18       20
//   | src port | dst port | seq | ack | offset | flags | window | checksum | urgent | options |
//   payload
#pragma once

#include <cstdint>
#include <optional>

#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

inline constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04, kTcpPsh = 0x08,
                         kTcpAck = 0x10, kTcpUrg = 0x20;

// A view of a segment with a whole header.
class Tcp {
 public:
  static constexpr size_t kMinHeader = 20;
  static constexpr size_t kChecksumOffset = 16;

  // `bytes` is the IP payload. kTruncated if header or options are cut off, kBadHeaderLength if the
  // data offset is less than the fixed header.
  static Result<Tcp, Drop> Parse(ByteView bytes);

  uint16_t source_port() const { return Load16(bytes_.data()); }
  uint16_t destination_port() const { return Load16(bytes_.data() + 2); }
  uint32_t sequence() const { return Load32(bytes_.data() + 4); }
  uint32_t acknowledgment() const { return Load32(bytes_.data() + 8); }
  size_t header_size() const { return static_cast<size_t>(bytes_[12] >> 4) * 4; }  // 20..60
  uint8_t flags() const { return static_cast<uint8_t>(bytes_[13]); }
  bool Has(uint8_t flag) const { return (flags() & flag) != 0; }
  uint16_t window() const { return Load16(bytes_.data() + 14); }
  uint16_t checksum() const { return Load16(bytes_.data() + kChecksumOffset); }
  bool ChecksumHolds(Ip4 source, Ip4 destination) const;
  ByteView options() const { return bytes_.first(header_size()).subspan(kMinHeader); }
  ByteView payload() const { return bytes_.subspan(header_size()); }

  // Where the value of the Maximum Segment Size option stands, counted from the first octet of the
  // header; nothing if there is none, or if the options before it do not parse. It may be an odd
  // offset.
  std::optional<size_t> MssOffset() const;
  std::optional<uint16_t> Mss() const;  // octets

 private:
  explicit Tcp(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

// Sums a whole segment (header and payload) and fills the field in.
void FillTcpChecksum(ByteSpan segment, Ip4 source, Ip4 destination);

}  // namespace stack::wire
