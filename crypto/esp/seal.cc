#include "crypto/esp/seal.h"

#include <algorithm>
#include <array>
#include <limits>

namespace crypto::esp {
namespace {

using stack::Drop;

constexpr std::array<std::byte, kMaxBlockSize> kZeroIv{};

// Padding up to whole blocks, pad length and next header.
size_t PaddingSize(const Suite& suite, size_t payload) {
  const size_t block = BlockSize(suite.cipher);
  return (block - (payload + kTrailerSize) % block) % block;
}

// RFC 4303 section 2.4: 1, 2, 3, ...
void WriteTrailer(ByteSpan trailer, size_t padding, uint8_t next_header) {
  for (size_t i = 0; i < padding; ++i) trailer[i] = static_cast<std::byte>(i + 1);
  trailer[padding] = static_cast<std::byte>(padding);
  trailer[padding + 1] = static_cast<std::byte>(next_header);
}

// One AES block of the counter; shorter IVs take its beginning.
bool WriteIv(OutboundSa& sa, ByteSpan iv) {
  std::array<std::byte, kMaxBlockSize> block{};
  stack::Store64(block.data(), sa.iv_counter++);
  if (!sa.iv_cipher.Process(kZeroIv, block)) return false;
  std::copy_n(block.begin(), iv.size(), iv.begin());
  return true;
}

Drop SealOne(const SealJob& job) {
  OutboundSa& sa = *job.sa;
  stack::PacketBuf& buf = *job.buf;
  const size_t payload = buf.size();
  const size_t iv_size = IvSize(sa.suite), icv_size = IcvSize(sa.suite);
  const size_t padding = PaddingSize(sa.suite, payload);
  // 1. The SA may still send: a sequence number never comes twice (RFC 4303 section 3.3.3).
  if (sa.sequence == std::numeric_limits<uint32_t>::max()) return Drop::kSequenceExhausted;
  if (sa.counters.octets >= sa.lifetime.hard_octets) return Drop::kSaExpired;
  // 2. There is room for all that comes around the payload.
  const size_t before = kHeaderSize + iv_size;
  const size_t behind = padding + kTrailerSize + icv_size;
  if (buf.headroom() < before || buf.tailroom() < behind) return Drop::kTooBig;
  // 3. Padding and trailer behind, the space for the ICV behind those.
  const ByteSpan trailer = buf.Append(behind);
  WriteTrailer(trailer, padding, job.next_header);
  // 4. SPI, sequence number and IV in front.
  const ByteSpan header = buf.Push(before);
  stack::Store32(header.data(), sa.spi.value);
  stack::Store32(header.data() + 4, ++sa.sequence);
  const ByteSpan iv = header.subspan(kHeaderSize);
  // 5. Encrypt in place, then authenticate what the wire will carry.
  const ByteSpan authenticated = buf.bytes().first(buf.size() - icv_size);
  if (!WriteIv(sa, iv) || !sa.cipher.Process(iv, authenticated.subspan(before))) {
    return Drop::kTruncated;
  }
  sa.hmac.Update(authenticated);
  sa.hmac.Final(buf.bytes().last(icv_size));
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
