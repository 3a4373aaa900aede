// Opening ESP: from the packet on the wire to its payload, in place or not (RFC 4303 section 3.4).
// In the packet's way after the SA was found by its SPI (sad.h), before the inner UDP and L2TP.
//
//   packet   | SPI | sequence | IV | payload | padding | pad length | next header | ICV |
//   ICV over |<------------------------------------------------------------------>|
//   ciphered                       |<--------------------------------------------->|
#pragma once

#include <cstdint>
#include <span>

#include "crypto/esp/engine.h"
#include "crypto/esp/sa.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"

namespace crypto::esp {

// One packet to open. `packet` and `sa` are the caller's and stay so; the SAs of several jobs may
// be the same one.
struct OpenJob {
  ByteSpan packet;  // from the SPI to the end of the ICV; overwritten from the IV on
  InboundSa* sa;
  // Where the packet lies if it is not in `packet` yet, which then is only room for it: of the same
  // size, and with nothing in it afterwards but the payload. Saves a copy.
  ByteView source = {};

  stack::Drop drop = stack::Drop::kNone;  // out; the rest means something only if kNone
  ByteSpan payload = {};                  // out: within `packet`
  uint8_t next_header = 0;                // out: an IP protocol number, or 59 for a dummy packet
};

// Opens every job, and tells each one's fate in its `drop`: kTruncated, kReplayed, kReplayTooOld,
// kBadIcv, kBadPadding, kSaExpired or kNone. Only the last one counts on the SA and moves its
// window. What passes, and what becomes of the SAs, is the same as if they were opened one after
// the other, in order; only a packet that is refused for its number may be told another one of
// kReplayed, kReplayTooOld and kSaExpired. Does not allocate.
void Open(Engine& engine, std::span<OpenJob> jobs);

}  // namespace crypto::esp
