// L2TP control messages and data headers from a stranger: the parsers, and a tunnel that is being
// started or is up. The tunnel's bounds are asserted; the rest is left to the sanitizers.
#include <cstdint>
#include <cstdlib>

#include "stack/l2tp/data.h"
#include "stack/l2tp/tunnel_lac.h"
#include "stack/l2tp/tunnel_lns.h"
#include "tests/support/rng.h"

namespace {

using namespace stack;

// The tunnel that the corpus speaks to; a recorded server had these numbers.
constexpr l2tp::TunnelId kOwn{0xc383};

void Require(bool fact) {
  if (!fact) std::abort();
}

template <class Tunnel>
void Feed(Tunnel& tunnel, absl::Time now, ByteView bytes, l2tp::Out& out) {
  tunnel.OnPacket(now, bytes, out);
  Require(out.items().size() < 32);
  out.Clear();
  Require(tunnel.calls() <= 4);
  Require(tunnel.NextDeadline() > now || tunnel.IsGone());
}

void FuzzData(PacketPool& pool, ByteView bytes) {
  PacketBuf buf = pool.Copy(bytes);
  const auto header = l2tp::PullData(buf);
  Require(buf.size() <= bytes.size());
  if (header.ok()) Require(l2tp::PushData(buf, header->tunnel, header->session));
}

Bytes Sccrq(uint16_t tunnel) {
  l2tp::MessageWriter w(l2tp::MessageType::kSccrq);
  w.AddU16(wire::AvpType::kAssignedTunnelId, tunnel);
  Bytes bytes(wire::kL2tpControlHeader + w.avps().size());
  Writer out(bytes);
  wire::Write(out, {{0}, {0}, 0, 0}, static_cast<uint16_t>(bytes.size()));
  out.Put(w.avps());
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static PacketPool pool(64, 2);
  const ByteView bytes = AsBytes(data, size);
  const absl::Time now = absl::UnixEpoch();
  FuzzData(pool, bytes);

  test::FixedRng rng;
  l2tp::Out out(pool);
  l2tp::TunnelLns fresh(now, {}, kOwn, rng);
  Feed(fresh, now, bytes, out);

  l2tp::TunnelLns started(now, {}, kOwn, rng);
  Feed(started, now, Sccrq(7), out);
  // The input once and again, then under the next numbers, as if it went on.
  Bytes copy = ToBytes(bytes);
  for (uint16_t ns = 0; ns < 6 && copy.size() >= wire::kL2tpControlHeader; ++ns) {
    Feed(started, now, copy, out);
    Store16(copy.data() + 4, kOwn.value);
    Store16(copy.data() + 8, ns);
    Store16(copy.data() + 10, 1);
  }
  l2tp::TunnelLac lac(now, {}, kOwn, rng);
  lac.Start(now, out);
  out.Clear();
  Feed(lac, now, copy, out);
  return 0;
}
