#include "crypto/esp/open.h"

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

Drop OpenOne(OpenJob& job) {
  InboundSa& sa = *job.sa;
  // 1. All parts are there, and whole blocks between them.
  if (!IsWhole(sa.suite, job.packet.size())) return Drop::kTruncated;
  const Parts parts = CutUp(sa.suite, job.packet);
  const uint32_t sequence = stack::Load32(parts.header.data() + 4);
  // 2. The SA has not come to its end.
  if (sa.has_ended()) return Drop::kSaExpired;
  // 3. The sequence number claims to be new: the cheap check first.
  if (const Drop replay = sa.replay.MayAccept(sequence); replay != Drop::kNone) return replay;
  // 4. The peer sent it: ICV, in constant time. And 5. decrypt in place.
  if (!sa.transform.Open(parts)) return Drop::kBadIcv;
  // 6. Padding and next header off.
  if (!StripPadding(parts.ciphered, job)) return Drop::kBadPadding;
  // 7. The number is the peer's own: now it counts.
  sa.replay.Commit(sequence);
  ++sa.counters.packets;
  sa.counters.octets += job.payload.size();
  return Drop::kNone;
}

}  // namespace

void Open(std::span<OpenJob> jobs) {
  for (OpenJob& job : jobs) job.drop = OpenOne(job);
}

}  // namespace crypto::esp
