#include "crypto/esp/open.h"

#include <algorithm>

namespace crypto::esp {
namespace {

using stack::Drop;

bool IsWhole(const Suite& suite, size_t packet) {
  const size_t around = kHeaderSize + IvSize(suite) + IcvSize(suite);
  return packet >= SealedSize(suite, 0) && (packet - around) % Alignment(suite) == 0;
}

// RFC 4303 section 2.4: padding counts 1, 2, 3, ... up to its own length. Time does not matter
// here: the ICV has proved that the peer made it.
bool StripPadding(ByteSpan clear, OpenJob& job) {
  const size_t padding = static_cast<uint8_t>(clear[clear.size() - 2]);
  if (padding + kTrailerSize > clear.size()) return false;
  const size_t payload = clear.size() - kTrailerSize - padding;
  for (size_t i = 0; i < padding; ++i) {
    if (clear[payload + i] != static_cast<std::byte>(i + 1)) return false;
  }
  job.payload = clear.first(payload);
  job.next_header = static_cast<uint8_t>(clear.back());
  return true;
}

// The SA has not come to its end, and the sequence number is new.
Drop MayPass(const InboundSa& sa, uint32_t sequence) {
  return sa.has_ended() ? Drop::kSaExpired : sa.replay.MayAccept(sequence);
}

uint32_t SequenceOf(const Parts& parts) { return stack::Load32(parts.header.data() + 4); }

// Parts are made for sealing, too, and so can be written to. Opening only reads them.
ByteSpan SourceOf(const OpenJob& job) {
  if (job.source.empty()) return job.packet;
  return {const_cast<std::byte*>(job.source.data()), job.source.size()};
}

// Before the engine: what needs no key.
Drop Prepare(const OpenJob& job, Work& work) {
  const InboundSa& sa = *job.sa;
  // 1. All parts are there, and whole blocks between them.
  if (!IsWhole(sa.suite, job.packet.size())) return Drop::kTruncated;
  const Parts parts = CutUp(sa.suite, SourceOf(job));
  const size_t before = parts.header.size() + parts.iv.size();
  work = {parts, &sa.suite, &sa.keys, job.packet.subspan(before, parts.ciphered.size()), false};
  // 2. The sequence number claims to be new: the cheap check first.
  return MayPass(sa, SequenceOf(work.parts));
}

// Behind the engine, which has computed 3. the ICV, in constant time, and 4. the clear text.
Drop Finish(OpenJob& job, const Work& work) {
  InboundSa& sa = *job.sa;
  const uint32_t sequence = SequenceOf(work.parts);
  // 5. Asked again: a packet in front of this one, in the same batch, may have had the number or
  // brought the SA to its end.
  if (const Drop drop = MayPass(sa, sequence); drop != Drop::kNone) return drop;
  if (!work.done) return Drop::kBadIcv;
  // 6. Padding and next header off.
  if (!StripPadding(work.clear, job)) return Drop::kBadPadding;
  // 7. The number is the peer's own: now it counts.
  sa.replay.Commit(sequence);
  ++sa.counters.packets;
  sa.counters.octets += job.payload.size();
  return Drop::kNone;
}

void OpenBatch(Engine& engine, std::span<OpenJob> jobs) {
  auto& desk = engine.desk();
  size_t count = 0;
  for (OpenJob& job : jobs) {
    job.drop = Prepare(job, desk[count]);
    if (job.drop == Drop::kNone) ++count;
  }
  engine.Open({desk.data(), count});
  const Work* work = desk.data();
  for (OpenJob& job : jobs) {
    if (job.drop == Drop::kNone) job.drop = Finish(job, *work++);
  }
}

}  // namespace

void Open(Engine& engine, std::span<OpenJob> jobs) {
  while (!jobs.empty()) {
    const size_t count = std::min(jobs.size(), kEngineBatch);
    OpenBatch(engine, jobs.first(count));
    jobs = jobs.subspan(count);
  }
}

}  // namespace crypto::esp
