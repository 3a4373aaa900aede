#include "crypto/esp/open.h"

namespace crypto::esp {
namespace {

using stack::Drop;

// The parts of one packet, by the picture in the header file.
struct Parts {
  uint32_t sequence = 0;
  ByteView authenticated;  // SPI to next header
  ByteView iv;
  ByteSpan ciphered;
  ByteView icv;
};

bool Split(const OpenJob& job, Parts& parts) {
  const Suite& suite = job.sa->suite;
  const size_t before = kHeaderSize + IvSize(suite);
  const size_t around = before + IcvSize(suite);
  if (job.packet.size() < around + BlockSize(suite.cipher)) return false;
  if ((job.packet.size() - around) % BlockSize(suite.cipher) != 0) return false;
  parts.sequence = stack::Load32(job.packet.data() + 4);
  parts.authenticated = job.packet.first(job.packet.size() - IcvSize(suite));
  parts.iv = job.packet.subspan(kHeaderSize, IvSize(suite));
  parts.ciphered = job.packet.subspan(before, job.packet.size() - around);
  parts.icv = job.packet.last(IcvSize(suite));
  return true;
}

// RFC 4303 section 2.4: padding counts 1, 2, 3, ... up to its own length. Time does not matter
// here: the ICV has proved that the peer made it.
bool StripPadding(ByteView clear, OpenJob& job, ByteSpan ciphered) {
  const size_t padding = static_cast<uint8_t>(clear[clear.size() - 2]);
  if (padding + kTrailerSize > clear.size()) return false;
  const size_t payload = clear.size() - kTrailerSize - padding;
  for (size_t i = 0; i < padding; ++i) {
    if (clear[payload + i] != static_cast<std::byte>(i + 1)) return false;
  }
  job.payload = ciphered.first(payload);
  job.next_header = static_cast<uint8_t>(clear.back());
  return true;
}

Drop OpenOne(OpenJob& job) {
  InboundSa& sa = *job.sa;
  // 1. All parts are there, and whole blocks between them.
  Parts parts;
  if (!Split(job, parts)) return Drop::kTruncated;
  // 2. The SA has not carried all it may.
  if (sa.counters.octets >= sa.lifetime.hard_octets) return Drop::kSaExpired;
  // 3. The sequence number claims to be new: the cheap check first.
  if (const Drop replay = sa.replay.MayAccept(parts.sequence); replay != Drop::kNone) return replay;
  // 4. The peer sent it: ICV, in constant time.
  sa.hmac.Update(parts.authenticated);
  if (!sa.hmac.Verify(parts.icv)) return Drop::kBadIcv;
  // 5. Decrypt in place.
  if (!sa.cipher.Process(parts.iv, parts.ciphered)) return Drop::kTruncated;
  // 6. Padding and next header off.
  if (!StripPadding(parts.ciphered, job, parts.ciphered)) return Drop::kBadPadding;
  // 7. The number is the peer's own: now it counts.
  sa.replay.Commit(parts.sequence);
  ++sa.counters.packets;
  sa.counters.octets += job.payload.size();
  return Drop::kNone;
}

}  // namespace

void Open(std::span<OpenJob> jobs) {
  for (OpenJob& job : jobs) job.drop = OpenOne(job);
}

}  // namespace crypto::esp
