// A datagram of a client to port 67: whatever it is, the answer is none or a DHCP message that
// parses.
#include <array>

#include "stack/ip/dhcp_inform.h"
#include "stack/wire/dhcp4.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace stack;
  static PacketPool pool(4, 0);
  static const std::array<Ip4, 2> dns{Ip4{0x09090909}, Ip4{}};
  static const std::array<Prefix, 3> routes{Prefix{{0x0a010000}, 16}, Prefix{{0xc0a80700}, 25},
                                            Prefix{}};
  const auto ack = ip::AnswerInform({{0x0a630001}, {0x0a630014}, dns, routes, "example.net"},
                                    AsBytes(data, size), pool);
  if (!ack.ok()) return 0;
  const auto message = wire::Dhcp4::ParseAnyHardware(ack->bytes().subspan(28));
  if (!message.ok() || message->type() != wire::DhcpType::kAck) __builtin_trap();
  return 0;
}
