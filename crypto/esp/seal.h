// Sealing ESP: from a payload to the packet on the wire, in place (RFC 4303 section 3.3).
// In the packet's way after the inner UDP header was pushed, before the outer UDP or IP header.
//
// CBC wants IVs that nobody can foretell (NIST SP 800-38A appendix C; RFC 3602 section 3). They are
// a counter encrypted by AES under a random key that the SA keeps to itself: as unpredictable as
// AES is good, never twice the same in an SA, and a hundred times cheaper than a visit to the
// generator.
#pragma once

#include <cstdint>
#include <span>

#include "crypto/esp/sa.h"
#include "stack/base/drop.h"
#include "stack/base/packet_buf.h"

namespace crypto::esp {

// One packet to seal. Both pointers are the caller's and stay so; the SAs of several jobs may be
// the same one.
struct SealJob {
  stack::PacketBuf* buf;  // in: the payload; out: the ESP packet from SPI to ICV
  OutboundSa* sa;
  uint8_t next_header;  // the payload's IP protocol number

  stack::Drop drop = stack::Drop::kNone;  // out; otherwise `buf` is as it was
};

// Seals every job, in order, and tells each one's fate in its `drop`: kSequenceExhausted (the SA
// has sent 2^32 - 1 packets: the next number would be a repetition), kSaExpired, kTooBig (`buf` has
// not the room for header, padding and ICV) or kNone. Does not allocate.
void Seal(std::span<SealJob> jobs);

}  // namespace crypto::esp
