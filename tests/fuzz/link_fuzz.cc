// A frame as a stranger sends it: Ethernet, and ARP into a machine that has addresses and open
// questions.
#include "stack/link/ethernet_io.h"
#include "stack/link/neighbors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace stack;
  static PacketPool pool(64, 1);
  const Mac own = {{2, 0, 0, 0, 0, 1}};
  PacketBuf frame = pool.Copy(AsBytes(data, size));
  if (!frame) return 0;
  const auto pulled = link::Pull(frame, own);
  if (!pulled || pulled->type != wire::EtherType::kArp) return 0;
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  link::Neighbors machine({.mac = own});
  link::Neighbors::Out out(pool);
  machine.AddAddress(now, {{0xc0000201}, 24}, out);
  machine.Resolve(now, {0xc0000202}, out);
  for (int i = 0; i < 3; ++i) {
    machine.OnPacket(now, frame.bytes(), out);
    now += absl::Seconds(1);
    machine.OnDeadline(now, out);
    if (machine.NextDeadline() <= now || machine.size() > 1) __builtin_trap();
  }
  return 0;
}
