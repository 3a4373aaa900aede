// Sealing ESP: from a payload to the packet on the wire, in place (RFC 4303 section 3.3).
// In the packet's way after the inner UDP header was pushed, before the outer UDP or IP header.
#pragma once

#include <cstdint>
#include <span>

#include "crypto/esp/engine.h"
#include "crypto/esp/sa.h"
#include "stack/base/drop.h"
#include "stack/base/packet_buf.h"

namespace crypto::esp {

// One packet to seal. Both pointers are the caller's and stay so; the SAs of several jobs may be
// the same one, their buffers are not.
struct SealJob {
  stack::PacketBuf* buf;  // in: the payload; out: the ESP packet from SPI to ICV
  OutboundSa* sa;
  uint8_t next_header;  // the payload's IP protocol number

  stack::Drop drop = stack::Drop::kNone;  // out; otherwise `buf` is as it was
};

// Seals every job, in order, by an engine of the kind that the SAs were made for, and tells each
// one's fate in its `drop`: kSequenceExhausted (the SA has sent 2^32 - 1 packets: the next number
// would be a repetition), kSaExpired, kTooBig (`buf` has not the room for header, padding and ICV)
// or kNone. Numbers and limits hold within a batch as between batches. Does not allocate.
void Seal(Engine& engine, std::span<SealJob> jobs);

}  // namespace crypto::esp
