// Fragments in any order: the input is a list of { offset in octets / 8, length / flags, fill }
// triples for a few datagrams. What comes out whole must be what a plain byte map says, and nothing
// may leak.
#include <algorithm>
#include <array>

#include "stack/ip/reassembly.h"

namespace {

using namespace stack;

struct Step {
  uint16_t id;
  size_t begin, size;
  bool more;
  std::byte fill;
};

Step Take(Reader& in) {
  const uint8_t a = in.U8(), b = in.U8(), c = in.U8();
  const bool more = (b & 0x80) != 0;
  const size_t scale = (c & 0x40) != 0 ? 32 : 1;  // now and then far apart, for the large slots
  return {static_cast<uint16_t>(c & 3U), a * 8U * scale, (b & 0x7fU) * (more ? 8U : 1U), more,
          static_cast<std::byte>(c >> 4 & 3)};
}

PacketBuf Build(PacketPool& pool, const Step& step) {
  PacketBuf buf = pool.Get(20 + step.size);
  const ByteSpan bytes = buf.Append(20 + step.size);
  std::fill(bytes.begin(), bytes.end(), step.fill);
  wire::WriteIp4(bytes, {.source = {0xc0000201}, .destination = {0xc0000202}, .id = step.id},
                 step.size);
  Store16(bytes.data() + 6, static_cast<uint16_t>(step.begin / 8 | (step.more ? 0x2000U : 0U)));
  wire::FillIp4Checksum(bytes);
  return buf;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static PacketPool source(4, 1), pool(8, 3);
  DropCounters drops;
  {
    ip::Reassembly reassembly({.datagrams = 3, .per_source = 3, .bytes = 2 * kLargeSlot}, pool,
                              drops);
    absl::Time now = absl::UnixEpoch() + absl::Hours(1);
    Reader in(AsBytes(data, std::min<size_t>(size, 900)));
    while (in.left() >= 3) {
      const Step step = Take(in);
      PacketBuf whole = reassembly.Add(now, Build(source, step));
      if (whole) {
        const auto view = wire::Ip4Packet::Parse(whole.bytes());
        if (!view || view->is_fragment() || !view->ChecksumHolds()) __builtin_trap();
        if (view->total_length() != whole.size() ||
            step.begin + step.size > view->payload().size()) {
          __builtin_trap();
        }
        for (const std::byte b : view->payload()) {
          if (b > std::byte{3}) __builtin_trap();  // an octet nobody sent
        }
      }
      if (reassembly.bytes() > 2 * kLargeSlot || reassembly.datagrams() > 3) __builtin_trap();
      now += absl::Milliseconds(100);
    }
    reassembly.Expire(now + absl::Minutes(1));
    if (reassembly.datagrams() != 0 || reassembly.bytes() != 0) __builtin_trap();
  }
  if (pool.free_small() != pool.small_slots() || pool.free_large() != pool.large_slots())
    __builtin_trap();
  return 0;
}
