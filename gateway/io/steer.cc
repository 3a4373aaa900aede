#include "gateway/io/steer.h"

#include <algorithm>
#include <optional>

#include "stack/base/bytes.h"

// One function for each part of the fanout program, in its order; keep the two side by side.
namespace gateway::io {
namespace {

using stack::ByteView;

// A read past the end ends the program with 0, whatever it had found out before.
class Packet {
 public:
  explicit Packet(ByteView bytes) : bytes_(bytes) {}
  uint8_t U8(size_t at) { return Has(at, 1) ? static_cast<uint8_t>(bytes_[at]) : uint8_t{0}; }
  uint16_t U16(size_t at) { return Has(at, 2) ? stack::Load16(&bytes_[at]) : uint16_t{0}; }
  uint32_t U32(size_t at) { return Has(at, 4) ? stack::Load32(&bytes_[at]) : 0; }
  bool too_short() const { return too_short_; }

 private:
  bool Has(size_t at, size_t n) {
    if (at + n <= bytes_.size()) return true;
    too_short_ = true;
    return false;
  }
  ByteView bytes_;
  bool too_short_ = false;
};

constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kEsp = 50;
constexpr uint8_t kEchoReply = 0, kUnreachable = 3, kSourceQuench = 4, kRedirect = 5, kEcho = 8,
                  kTimeExceeded = 11, kParameterProblem = 12;

uint8_t LowOctet(uint32_t value) { return static_cast<uint8_t>(value); }

uint8_t BucketOfPort(uint16_t port, const SteeringRules& rules) {
  return rules.IsNatPort(port) ? LowOctet(port >> 6) : uint8_t{0};
}

uint8_t BucketOfUdp(Packet& ip, size_t udp, const SteeringRules& rules) {
  const uint16_t port = ip.U16(udp + 2);
  // A zero responder cookie, as in a first message, ends in a zero octet and so goes to shard 0.
  if (port == 500) return ip.U8(udp + 8 + 15);
  if (port != 4500) return BucketOfPort(port, rules);
  const uint32_t first_word = ip.U32(udp + 8);
  return first_word != 0 ? LowOctet(first_word) : ip.U8(udp + 8 + 4 + 15);
}

uint8_t BucketOfQuoted(Packet& ip, size_t quoted, const SteeringRules& rules) {
  if (ip.U8(quoted) != 0x45) return 0;
  if ((ip.U16(quoted + 6) & 0x1fff) != 0) return 0;
  const size_t transport = quoted + 20;
  switch (ip.U8(quoted + 9)) {
    case kTcp:
    case kUdp:
      return BucketOfPort(ip.U16(transport), rules);
    case kIcmp:
      return ip.U8(transport) == kEcho ? LowOctet(ip.U16(transport + 4) >> 6) : uint8_t{0};
    default:
      return 0;
  }
}

uint8_t BucketOfIcmp(Packet& ip, size_t icmp, const SteeringRules& rules) {
  if (!rules.HasNat()) return 0;
  switch (ip.U8(icmp)) {
    case kEchoReply:
      return LowOctet(ip.U16(icmp + 4) >> 6);
    case kUnreachable:
    case kSourceQuench:
    case kRedirect:
    case kTimeExceeded:
    case kParameterProblem:
      return BucketOfQuoted(ip, icmp + 8, rules);
    default:
      return 0;
  }
}

uint8_t BucketOfOurs(Packet& ip, const SteeringRules& rules) {
  if ((ip.U16(6) & 0x3fff) != 0) return 0;  // MF or an offset: fragments meet on shard 0
  const size_t transport = size_t{4} * (ip.U8(0) & 0xf);
  switch (ip.U8(9)) {
    case kEsp:
      return ip.U8(transport + 3);
    case kUdp:
      return BucketOfUdp(ip, transport, rules);
    case kTcp:
      return BucketOfPort(ip.U16(transport + 2), rules);
    case kIcmp:
      return BucketOfIcmp(ip, transport, rules);
    default:
      return 0;
  }
}

uint8_t BucketOf(Packet& ip, const SteeringRules& rules) {
  const stack::Ip4 destination{ip.U32(16)};
  if (std::find(rules.own.begin(), rules.own.end(), destination) != rules.own.end()) {
    return BucketOfOurs(ip, rules);
  }
  for (const AddressRange& range : rules.clients) {
    if (range.Contains(destination)) return LowOctet(destination.value);
  }
  return 0;
}

}  // namespace

uint8_t ShardOf(ByteView frame, const SteeringRules& rules) {
  if (frame.size() < 14 || stack::Load16(&frame[12]) != 0x0800) return 0;
  return ShardOfPacket(frame.subspan(14), rules);
}

uint8_t ShardOfPacket(ByteView packet, const SteeringRules& rules) {
  if (rules.shards <= 1) return 0;
  Packet ip(packet);
  const uint8_t bucket = BucketOf(ip, rules);
  return ip.too_short() ? uint8_t{0} : ShardOfBucket(bucket, rules.shards);
}

}  // namespace gateway::io
