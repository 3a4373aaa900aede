#include "crypto/esp/seal.h"

#include <algorithm>

namespace crypto::esp {
namespace {

using stack::Drop;

// RFC 4303 section 2.4: 1, 2, 3, ...
void WriteTrailer(ByteSpan trailer, size_t padding, uint8_t next_header) {
  for (size_t i = 0; i < padding; ++i) trailer[i] = static_cast<std::byte>(i + 1);
  trailer[padding] = static_cast<std::byte>(padding);
  trailer[padding + 1] = static_cast<std::byte>(next_header);
}

// Before the engine. It will not refuse what is right so far: numbers and counters go on here, so
// that they are exact within a batch.
Drop Prepare(const SealJob& job, IvSource& ivs, Work& work) {
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
  // 4. SPI and sequence number in front.
  const ByteSpan header = buf.Push(before);
  stack::Store32(header.data(), sa.spi.value);
  stack::Store32(header.data() + 4, ++sa.sequence);
  // 5. An IV no packet had before.
  work = {CutUp(sa.suite, buf.bytes()), &sa.suite, &sa.keys, {}, false};
  if (IsGcm(sa.suite)) {
    stack::Store64(work.parts.iv.data(), sa.next_iv++);
  } else {
    std::copy_n(ivs.Next().begin(), work.parts.iv.size(), work.parts.iv.begin());
  }
  // 6. Count.
  ++sa.counters.packets;
  sa.counters.octets += payload;
  return Drop::kNone;
}

void SealBatch(Engine& engine, std::span<SealJob> jobs) {
  auto& desk = engine.desk();
  size_t count = 0;
  for (SealJob& job : jobs) {
    job.drop = Prepare(job, engine.ivs(), desk[count]);
    if (job.drop == Drop::kNone) ++count;
  }
  // 7. Encrypt in place, authenticate what the wire will carry.
  engine.Seal({desk.data(), count});
  const Work* work = desk.data();
  for (SealJob& job : jobs) {
    if (job.drop == Drop::kNone && !(work++)->done) job.drop = Drop::kNoOutboundSa;
  }
}

}  // namespace

void Seal(Engine& engine, std::span<SealJob> jobs) {
  while (!jobs.empty()) {
    const size_t count = std::min(jobs.size(), kEngineBatch);
    SealBatch(engine, jobs.first(count));
    jobs = jobs.subspan(count);
  }
}

}  // namespace crypto::esp
