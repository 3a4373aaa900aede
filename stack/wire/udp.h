// UDP (RFC 768), with its checksum over the pseudo-header. Zero in the checksum field means there
// is none; ESP-in-UDP is sent that way (RFC 3948 section 2.1).
//
//   0             2                  4        6          8
//   | source port | destination port | length | checksum | payload ...
#pragma once

#include <cstdint>

#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/checksum.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

// A view of a whole datagram, cut to the length it states.
class Udp {
 public:
  static constexpr size_t kSize = 8;

  // `bytes` is the IP payload. kTruncated without a whole header, kBadUdpLength if the length field
  // is less than the header or more than there is.
  static Result<Udp, Drop> Parse(ByteView bytes);

  uint16_t source_port() const { return Load16(bytes_.data()); }
  uint16_t destination_port() const { return Load16(bytes_.data() + 2); }
  uint16_t length() const { return Load16(bytes_.data() + 4); }  // header and payload
  uint16_t checksum() const { return Load16(bytes_.data() + 6); }
  bool has_checksum() const { return checksum() != 0; }
  // True also when there is none.
  bool ChecksumHolds(Ip4 source, Ip4 destination) const;
  ByteView payload() const { return bytes_.subspan(kSize); }
  ByteView bytes() const { return bytes_; }

 private:
  explicit Udp(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

// Writes a header with checksum zero. Preconditions: `out` holds Udp::kSize bytes, header and
// payload together are at most 65535.
void WriteUdp(ByteSpan out, uint16_t source_port, uint16_t destination_port, size_t payload_size);
// Sums a whole datagram (header and payload) and fills the field in.
void FillUdpChecksum(ByteSpan datagram, Ip4 source, Ip4 destination);

}  // namespace stack::wire
