// Recorded sessions: classic pcap files (either byte order, micro- or nanoseconds), read whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "stack/base/bytes.h"

namespace test {

struct Frame {
  absl::Time time;
  stack::ByteView bytes;  // into the Pcap that gave it
};

// A file and its frames. A frame that the recorder cut, and one the file itself cuts off, is left
// out; no file or a foreign one gives no frames.
class Pcap {
 public:
  static constexpr uint32_t kEthernet = 1;  // LINKTYPE_ETHERNET
  static constexpr uint32_t kRaw = 101;     // LINKTYPE_RAW: begins with the IP header

  explicit Pcap(const std::string& path);
  Pcap(Pcap&&) = default;  // the views stay good: the bytes do not move

  const std::vector<Frame>& frames() const { return frames_; }
  uint32_t link_type() const { return link_type_; }

 private:
  stack::Bytes file_;
  std::vector<Frame> frames_;
  uint32_t link_type_ = 0;
};

// A UDP datagram or another IPv4 payload of a frame, for tests that must not depend on the parsers
// they test beside. Reads nothing but whole, unfragmented IPv4 over Ethernet or raw IP.
struct Ip4Payload {
  uint32_t source = 0, destination = 0;  // host order
  uint8_t protocol = 0;  // 17: the ports are set and `bytes` is behind the UDP header
  uint16_t source_port = 0, destination_port = 0;
  stack::ByteView bytes;  // empty if the frame is nothing of that kind
};
Ip4Payload Ip4PayloadOf(const Pcap& pcap, const Frame& frame);

// The path of a file under tests/data.
std::string DataPath(const std::string& name);

}  // namespace test
