// DHCP messages (RFC 2131 section 2) and their options (RFC 2132; option overload: section 9.3).
//
//   0    1       2      3      4     8      10      12       16       20       24       28
//   | op | htype | hlen | hops | xid | secs | flags | ciaddr | yiaddr | siaddr | giaddr | chaddr 16
//   44            108         236      240
//   | sname 64 .. | file 128 | cookie | options ...
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

inline constexpr uint16_t kDhcpServerPort = 67, kDhcpClientPort = 68;

enum class DhcpOp : uint8_t { kRequest = 1, kReply = 2 };

enum class DhcpType : uint8_t {  // option 53
  kDiscover = 1,
  kOffer = 2,
  kRequest = 3,
  kDecline = 4,
  kAck = 5,
  kNak = 6,
  kRelease = 7,
  kInform = 8,
};
std::string_view NameOf(DhcpType type);

enum class DhcpOption : uint8_t {
  kPad = 0,
  kSubnetMask = 1,
  kRouter = 3,
  kDomainNameServer = 6,
  kHostName = 12,
  kDomainName = 15,
  kInterfaceMtu = 26,
  kRequestedAddress = 50,
  kLeaseTime = 51,
  kOverload = 52,
  kMessageType = 53,
  kServerIdentifier = 54,
  kParameterRequestList = 55,
  kMessage = 56,
  kMaximumMessageSize = 57,
  kRenewalTime = 58,
  kRebindingTime = 59,
  kClientIdentifier = 61,
  kClasslessRoutes = 121,
  kClasslessRoutesMicrosoft = 249,
  kEnd = 255,
};

// A route of option 121: `via` is zero if the network is on the link itself.
struct DhcpRoute {
  Prefix prefix;
  Ip4 via;
  bool operator==(const DhcpRoute&) const = default;
};

// A view of a message: fixed part, cookie and a message type are there, and the options parse up to
// their end.
class Dhcp4 {
 public:
  static constexpr size_t kFixed = 240;  // with the cookie

  // `bytes` is the UDP payload. kTruncated without the fixed part, else kDhcpMalformed: no Ethernet
  // hardware address, cookie or message type, or an option that runs over the end of its field.
  static Result<Dhcp4, Drop> Parse(ByteView bytes);
  // The same for a message that may come from a PPP link, where clients fill in hardware types and
  // lengths of their own invention.
  static Result<Dhcp4, Drop> ParseAnyHardware(ByteView bytes);
  // Into an answer: hardware type, length and address as they were asked with.
  void CopyHardwareTo(ByteSpan answer) const;

  DhcpOp op() const { return static_cast<DhcpOp>(bytes_[0]); }
  uint32_t xid() const { return Load32(bytes_.data() + 4); }
  uint16_t secs() const { return Load16(bytes_.data() + 8); }
  bool broadcast() const { return (static_cast<uint8_t>(bytes_[10]) & 0x80) != 0; }
  Ip4 ciaddr() const { return {Load32(bytes_.data() + 12)}; }
  Ip4 yiaddr() const { return {Load32(bytes_.data() + 16)}; }
  Ip4 siaddr() const { return {Load32(bytes_.data() + 20)}; }
  Ip4 giaddr() const { return {Load32(bytes_.data() + 24)}; }
  Mac chaddr() const { return Mac::Load(bytes_.subspan(28, 6)); }
  DhcpType type() const { return type_; }

  // The value of the first such option, looked for in the order of RFC 2131 section 4.1: options,
  // file, sname. Nothing if there is none; a present option may be empty.
  std::optional<ByteView> Option(DhcpOption code) const;
  // The same, read as a number or list; nothing if its length is not that of the type. A list is
  // cut to `most` addresses.
  std::optional<uint16_t> Option16(DhcpOption code) const;
  std::optional<uint32_t> Option32(DhcpOption code) const;
  std::optional<Ip4> OptionIp(DhcpOption code) const;
  std::vector<Ip4> OptionIps(DhcpOption code, size_t most) const;
  // Option 121 (RFC 3442), cut to `most` routes; host bits are cleared, as it says. Nothing if
  // there is no such option, or it is damaged.
  std::optional<std::vector<DhcpRoute>> ClasslessRoutes(size_t most) const;

 private:
  explicit Dhcp4(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
  DhcpType type_ = DhcpType::kDiscover;
};

// The fixed part of a message we write.
struct Dhcp4Fields {
  DhcpOp op = DhcpOp::kRequest;
  uint32_t xid = 0;
  uint16_t secs = 0;
  bool broadcast = false;
  Ip4 ciaddr{}, yiaddr{}, siaddr{}, giaddr{};
  Mac chaddr{};
};

// Writes a message from front to back over a fixed span; ok() is asked once, at the end. The
// message type goes in first: Apple's parser ignores a message whose first option is another.
class Dhcp4Writer {
 public:
  static constexpr size_t kMinSize = 300;  // what BOOTP relays expect (RFC 1542 section 2.1)

  Dhcp4Writer(ByteSpan out, const Dhcp4Fields& fields, DhcpType type);
  void Option(DhcpOption code, ByteView value);  // value: 0..255 octets
  void Option16(DhcpOption code, uint16_t value);
  void Option32(DhcpOption code, uint32_t value);
  void Option(DhcpOption code, Ip4 value) { Option32(code, value.value); }
  // Ends the options, pads to kMinSize, and says how long the message is; 0 if it did not fit.
  size_t Finish();

 private:
  Writer to_;
};

}  // namespace stack::wire
