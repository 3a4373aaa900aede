#include "crypto/esp/seal.h"

namespace crypto::esp {
namespace {

using stack::Drop;

// RFC 4303 section 2.4: 1, 2, 3, ...
void WriteTrailer(ByteSpan trailer, size_t padding, uint8_t next_header) {
  for (size_t i = 0; i < padding; ++i) trailer[i] = static_cast<std::byte>(i + 1);
  trailer[padding] = static_cast<std::byte>(padding);
  trailer[padding + 1] = static_cast<std::byte>(next_header);
}

Drop SealOne(const SealJob& job) {
  OutboundSa& sa = *job.sa;
  stack::PacketBuf& buf = *job.buf;
  const size_t payload = buf.size();
  const size_t padding = PaddingSize(sa.suite, payload);
  // 1. The SA may still send: a sequence number never comes twice (RFC 4303 section 3.3.3).
  if (sa.sequence == kLastSequence) return Drop::kSequenceExhausted;
  if (sa.has_ended()) return Drop::kSaExpired;
  // 2. There is room for all that comes around the payload.
  const size_t before = kHeaderSize + IvSize(sa.suite);
  const size_t behind = padding + kTrailerSize + IcvSize(sa.suite);
  if (buf.headroom() < before || buf.tailroom() < behind) return Drop::kTooBig;
  // 3. Padding and trailer behind, the space for the ICV behind those.
  WriteTrailer(buf.Append(behind), padding, job.next_header);
  // 4. SPI and sequence number in front, the space for the IV between.
  const ByteSpan header = buf.Push(before);
  stack::Store32(header.data(), sa.spi.value);
  stack::Store32(header.data() + 4, ++sa.sequence);
  // 5. Choose the IV, encrypt in place, authenticate what the wire will carry.
  if (!sa.transform.Seal(CutUp(sa.suite, buf.bytes()))) return Drop::kTruncated;
  // 6. Count.
  ++sa.counters.packets;
  sa.counters.octets += payload;
  return Drop::kNone;
}

}  // namespace

void Seal(std::span<SealJob> jobs) {
  for (SealJob& job : jobs) job.drop = SealOne(job);
}

}  // namespace crypto::esp
