// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//
// A `Sum` is an unfolded one's-complement sum over 16-bit big-endian words. Sums of parts add up if
// each part but the last has an even length.
#pragma once

#include <cstdint>

#include "stack/base/address.h"
#include "stack/base/bytes.h"

namespace stack {

using Sum = uint64_t;

Sum SumOf(ByteView bytes);
// The TCP/UDP pseudo-header (RFC 793, RFC 768): `length` is that of the transport header and
// payload.
Sum PseudoHeaderSum(Ip4 source, Ip4 destination, uint8_t protocol, uint16_t length);

// Folded to 16 bits, not complemented: what a frame with a partial checksum carries in the field.
uint16_t Fold(Sum sum);
// The value of a checksum field over everything summed (folded and complemented).
inline uint16_t Finish(Sum sum) { return static_cast<uint16_t>(~Fold(sum)); }
// UDP cannot carry 0 (it means "none"): RFC 768 sends it as 0xffff.
inline uint16_t FinishUdp(Sum sum) {
  const uint16_t checksum = Finish(sum);
  return checksum == 0 ? uint16_t{0xffff} : checksum;
}

// RFC 1624 eqn. 3: the checksum after a 16-bit word (or 32-bit number) covered by it changed.
uint16_t Update16(uint16_t checksum, uint16_t before, uint16_t after);
uint16_t Update32(uint16_t checksum, uint32_t before, uint32_t after);

}  // namespace stack
