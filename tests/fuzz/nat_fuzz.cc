// Any packet through everything in nat/ that reads packets. The first octet says which way it goes,
// whether its ICMP checksums are put right first (a mutant would hardly ever guess them) and how
// far time goes on; the rest is the packet. State lives on from input to input, as in the gateway;
// one block of ports is soon all mapped.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "nat/filter.h"
#include "nat/nat.h"
#include "nat/rewrite.h"
#include "stack/base/checksum.h"
#include "tests/support/rng.h"

namespace {

constexpr stack::Ip4 kExternal{0xcb007101};  // 203.0.113.1
constexpr stack::Ip4 kClient{0x0a630014};    // 10.99.0.20

struct World {
  test::FixedRng rng;
  nat::Nat nat{{.ports = {.first = 4096, .last = 4159}, .max_mappings = 1024, .max_flows = 1024},
               rng};
  nat::Filter filter{{{.protocol = 6, .first_port = 25, .last_port = 25}}};
  uint32_t now_s = 0;
  World() { nat.AddExternal(kExternal, 0); }
};

// A dropped packet must come back as it was.
void Translate(World& world, stack::ByteSpan packet, bool out) {
  const stack::Bytes before = stack::ToBytes(packet);
  const bool dropped =
      out ? world.nat.Outbound(packet, 0, kClient, world.now_s) != stack::Drop::kNone
          : !world.nat.Inbound(packet, world.now_s).ok();
  if (dropped && !std::ranges::equal(before, packet)) std::abort();
}

void Sum(stack::ByteSpan covered, size_t field) {
  stack::Store16(&covered[field], 0);
  stack::Store16(&covered[field], stack::Finish(stack::SumOf(covered)));
}

void RepairIcmp(stack::ByteSpan packet) {
  if (packet.size() < 20 + 8 + 20 || packet[9] != std::byte{1}) return;
  const stack::ByteSpan icmp = packet.subspan(20);
  Sum(icmp.subspan(8, 20), 10);
  Sum(icmp, 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size == 0) return 0;
  world.now_s += data[0] >> 4;
  stack::Bytes packet = stack::ToBytes(stack::AsBytes(data + 1, size - 1));
  if ((data[0] & 4) != 0) RepairIcmp(packet);
  (void)nat::SwallowNoise(packet);
  (void)world.filter.Check(packet);
  (void)nat::DecrementTtl(packet);
  (void)nat::ClampMss(packet, 1360);
  Translate(world, packet, (data[0] & 1) == 0);
  if ((data[0] & 2) != 0) Translate(world, packet, (data[0] & 1) != 0);
  world.nat.Sweep(world.now_s, 16);
  if (world.nat.mappings() > 1024 || world.nat.flows() > 1024) std::abort();
  return 0;
}
