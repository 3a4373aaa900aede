// The ESP header (RFC 4303 section 2): all that stands in clear. What follows belongs to
// crypto/esp.
//
//   0     4                 8
//   | SPI | sequence number | IV, ciphertext, ICV ...
#pragma once

#include <cstdint>

#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

// A view of a packet with a whole header. SPI 0 never stands on the wire: after UDP 4500 it is the
// non-ESP marker of an IKE message (RFC 3948 section 2.2).
class Esp {
 public:
  static constexpr size_t kSize = 8;

  // `bytes` is what follows IP, or UDP 4500. kTruncated without a whole header.
  static Result<Esp, Drop> Parse(ByteView bytes) {
    if (bytes.size() < kSize) return Drop::kTruncated;
    return Esp(bytes);
  }

  uint32_t spi() const { return Load32(bytes_.data()); }
  uint32_t sequence() const { return Load32(bytes_.data() + 4); }
  ByteView payload() const { return bytes_.subspan(kSize); }

 private:
  explicit Esp(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

// Writes a header. Precondition: `out` holds Esp::kSize bytes.
inline void WriteEsp(ByteSpan out, uint32_t spi, uint32_t sequence) {
  Store32(out.first(4).data(), spi);
  Store32(out.subspan(4, 4).data(), sequence);
}

}  // namespace stack::wire
