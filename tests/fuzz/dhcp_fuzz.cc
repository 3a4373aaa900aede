// A datagram to port 68, put before the client in each of its states. The exchange's own xid is
// written into the input, else every mutant would end at the first check.
#include "stack/ip/dhcp_client.h"
#include "tests/support/rng.h"

namespace {

using namespace stack;

Bytes WithXid(const uint8_t* data, size_t size, ip::DhcpClient::Out& out) {
  Bytes bytes = ToBytes(AsBytes(data, size));
  for (auto& item : out.items()) {
    auto* frame = std::get_if<0>(&item);
    if (frame != nullptr && bytes.size() >= 8)
      Store32(bytes.data() + 4, Load32(frame->buf.bytes().data() + 4));
  }
  out.Clear();
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static PacketPool pool(32, 0);
  test::FixedRng rng(1);
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  ip::DhcpClient client({.mac = {{2, 0, 0, 0, 0, 10}}, .host_name = "fuzz"}, rng);
  ip::DhcpClient::Out out(pool);
  client.Start(now, out);
  Bytes bytes = WithXid(data, size, out);
  for (int round = 0; round < 6; ++round) {
    for (const int type : {2, 5, 6}) {  // as it came, and as if it were OFFER, ACK, NAK
      client.OnPacket(now, bytes, out);
      bytes = WithXid(AsU8(ByteView(bytes)), bytes.size(), out);
      if (bytes.size() > 242 && bytes[240] == std::byte{53})
        bytes[242] = static_cast<std::byte>(type);
    }
    if (client.NextDeadline() == absl::InfiniteFuture()) break;
    now = std::max(now, client.NextDeadline());
    client.OnDeadline(now, out);
    if (client.NextDeadline() <= now) __builtin_trap();
  }
  return 0;
}
