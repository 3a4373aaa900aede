#include "stack/base/checksum.h"

namespace stack {
namespace {

// Blocks of this many octets are worth the wider way, where there is one.
constexpr size_t kBlock = 64;

#ifdef __x86_64__
bool HasWide() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

// The 32-bit words of `blocks`, each added into 64 bits, sixteen of them at a time.
__attribute__((target("avx2"))) uint64_t SumWide(const std::byte* p, size_t blocks) {
  using Four = uint64_t __attribute__((vector_size(32)));
  Four even{}, odd{}, even2{}, odd2{};
  for (; blocks > 0; --blocks, p += kBlock) {
    Four v, w;
    std::memcpy(&v, p, sizeof v);
    std::memcpy(&w, p + sizeof v, sizeof w);
    even += v & 0xffffffff;
    odd += v >> 32;
    even2 += w & 0xffffffff;
    odd2 += w >> 32;
  }
  const Four all = even + odd + even2 + odd2;
  return all[0] + all[1] + all[2] + all[3];
}
#else
bool HasWide() { return false; }
uint64_t SumWide(const std::byte*, size_t) { return 0; }
#endif

}  // namespace

Sum SumOf(ByteView bytes) {
  // One's-complement addition does not care about byte order (RFC 1071 section 2.B): 32-bit words
  // are added in host order into 64 bits, and the folded result is swapped once.
  const std::byte* p = bytes.data();
  size_t n = bytes.size();
  uint64_t a = 0, b = 0;  // two chains, so that the additions overlap
  if (n >= 2 * kBlock && HasWide()) {
    a = SumWide(p, n / kBlock);
    p += n / kBlock * kBlock;
    n %= kBlock;
  }
  for (; n >= 16; n -= 16, p += 16) {
    uint32_t w[4];
    std::memcpy(w, p, 16);
    a += uint64_t{w[0]} + w[2];
    b += uint64_t{w[1]} + w[3];
  }
  a += b;
  for (; n >= 4; n -= 4, p += 4) {
    uint32_t w;
    std::memcpy(&w, p, 4);
    a += w;
  }
  if (n > 0) {
    uint32_t w = 0;  // an odd byte is padded with zero on its right
    std::memcpy(&w, p, n);
    a += w;
  }
  const uint16_t host = Fold(a);
  return std::endian::native == std::endian::little ? __builtin_bswap16(host) : host;
}

Sum PseudoHeaderSum(Ip4 source, Ip4 destination, uint8_t protocol, uint16_t length) {
  return Sum{source.value >> 16} + (source.value & 0xffff) + (destination.value >> 16) +
         (destination.value & 0xffff) + protocol + length;
}

uint16_t Fold(Sum sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint16_t Update16(uint16_t checksum, uint16_t before, uint16_t after) {
  // HC' = ~(~HC + ~m + m')
  const Sum sum = Sum{static_cast<uint16_t>(~checksum)} + static_cast<uint16_t>(~before) + after;
  return static_cast<uint16_t>(~Fold(sum));
}

uint16_t Update32(uint16_t checksum, uint32_t before, uint32_t after) {
  const Sum sum = Sum{static_cast<uint16_t>(~checksum)} + (~before >> 16) + (~before & 0xffff) +
                  (after >> 16) + (after & 0xffff);
  return static_cast<uint16_t>(~Fold(sum));
}

}  // namespace stack
