#include "stack/wire/dhcp4.h"

#include <algorithm>

namespace stack::wire {
namespace {

constexpr uint32_t kCookie = 0x63825363;
constexpr uint8_t kHardwareEthernet = 1, kHardwareLength = 6;
constexpr size_t kChaddr = 28, kChaddrSize = 16;
constexpr size_t kSname = 44, kSnameSize = 64, kFile = 108, kFileSize = 128;
constexpr uint8_t kOverloadFile = 1, kOverloadSname = 2;  // bits of option 52

// Steps over the options of one field.
class OptionCursor {
 public:
  explicit OptionCursor(ByteView field) : in_(field) {}
  // False at the end of the field, at End, and at an option that runs over the field (then !ok()).
  bool Next() {
    while (in_.left() > 0) {
      code = static_cast<DhcpOption>(in_.U8());
      if (code == DhcpOption::kPad) continue;
      if (code == DhcpOption::kEnd) return false;
      const uint8_t length = in_.U8();
      value = in_.Take(length);
      return in_.ok();
    }
    return false;
  }
  bool ok() const { return in_.ok(); }

  DhcpOption code = DhcpOption::kPad;
  ByteView value;

 private:
  Reader in_;
};

std::optional<ByteView> Find(ByteView field, DhcpOption code) {
  OptionCursor option(field);
  while (option.Next()) {
    if (option.code == code) return option.value;
  }
  return {};
}

bool Parses(ByteView field) {
  OptionCursor option(field);
  while (option.Next()) {
  }
  return option.ok();
}

uint8_t OverloadOf(ByteView options) {
  const std::optional<ByteView> value = Find(options, DhcpOption::kOverload);
  return value && value->size() == 1 ? static_cast<uint8_t>((*value)[0]) : uint8_t{0};
}

}  // namespace

std::string_view NameOf(DhcpType type) {
  static constexpr std::string_view kNames[] = {
      "unknown", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"};
  const auto i = static_cast<size_t>(type);
  return i < std::size(kNames) ? kNames[i] : kNames[0];
}

Result<Dhcp4, Drop> Dhcp4::Parse(ByteView bytes) {
  if (bytes.size() < kFixed) return Drop::kTruncated;
  Reader in(bytes.subspan(1));
  const bool ethernet = in.U8() == kHardwareEthernet && in.U8() == kHardwareLength;
  return ethernet ? ParseAnyHardware(bytes) : Drop::kDhcpMalformed;
}

Result<Dhcp4, Drop> Dhcp4::ParseAnyHardware(ByteView bytes) {
  if (bytes.size() < kFixed) return Drop::kTruncated;
  const auto op = static_cast<uint8_t>(bytes[0]);
  if ((op != 1 && op != 2) || Load32(bytes.data() + 236) != kCookie) return Drop::kDhcpMalformed;
  Dhcp4 message(bytes);
  const ByteView options = bytes.subspan(kFixed);
  const uint8_t overload = OverloadOf(options);
  if (!Parses(options) ||
      ((overload & kOverloadFile) != 0 && !Parses(bytes.subspan(kFile, kFileSize))) ||
      ((overload & kOverloadSname) != 0 && !Parses(bytes.subspan(kSname, kSnameSize)))) {
    return Drop::kDhcpMalformed;
  }
  const std::optional<ByteView> type = message.Option(DhcpOption::kMessageType);
  if (!type || type->size() != 1) return Drop::kDhcpMalformed;
  message.type_ = static_cast<DhcpType>((*type)[0]);
  return message;
}

void Dhcp4::CopyHardwareTo(ByteSpan answer) const {
  std::copy_n(bytes_.begin() + 1, 2, answer.begin() + 1);
  std::copy_n(bytes_.begin() + kChaddr, kChaddrSize, answer.begin() + kChaddr);
}

std::optional<ByteView> Dhcp4::Option(DhcpOption code) const {
  const ByteView options = bytes_.subspan(kFixed);
  if (const std::optional<ByteView> value = Find(options, code)) return value;
  const uint8_t overload = OverloadOf(options);
  if ((overload & kOverloadFile) != 0) {
    if (const auto value = Find(bytes_.subspan(kFile, kFileSize), code)) return value;
  }
  if ((overload & kOverloadSname) == 0) return {};
  return Find(bytes_.subspan(kSname, kSnameSize), code);
}

std::optional<uint16_t> Dhcp4::Option16(DhcpOption code) const {
  const std::optional<ByteView> value = Option(code);
  if (!value || value->size() != 2) return {};
  return Load16(value->data());
}

std::optional<uint32_t> Dhcp4::Option32(DhcpOption code) const {
  const std::optional<ByteView> value = Option(code);
  if (!value || value->size() != 4) return {};
  return Load32(value->data());
}

std::optional<Ip4> Dhcp4::OptionIp(DhcpOption code) const {
  const std::optional<uint32_t> value = Option32(code);
  if (!value) return {};
  return Ip4{*value};
}

std::vector<Ip4> Dhcp4::OptionIps(DhcpOption code, size_t most) const {
  std::vector<Ip4> addresses;
  const std::optional<ByteView> value = Option(code);
  if (!value || value->size() % 4 != 0) return addresses;
  Reader in(*value);
  while (in.left() > 0 && addresses.size() < most) addresses.push_back({in.U32()});
  return addresses;
}

// Length of the prefix, as many octets of it as that needs, router.
std::optional<std::vector<DhcpRoute>> Dhcp4::ClasslessRoutes(size_t most) const {
  const std::optional<ByteView> value = Option(DhcpOption::kClasslessRoutes);
  if (!value) return {};
  std::vector<DhcpRoute> routes;
  Reader in(*value);
  while (in.left() > 0) {
    Prefix prefix;
    prefix.length = in.U8();
    if (prefix.length > 32) return {};
    for (int shift = 24; shift > 24 - prefix.length; shift -= 8) {
      prefix.address.value |= uint32_t{in.U8()} << shift;
    }
    prefix.address = prefix.network();
    const Ip4 via{in.U32()};
    if (!in.ok()) return {};
    if (routes.size() < most) routes.push_back({prefix, via});
  }
  return routes;
}

Dhcp4Writer::Dhcp4Writer(ByteSpan out, const Dhcp4Fields& fields, DhcpType type) : to_(out) {
  to_.U8(static_cast<uint8_t>(fields.op));
  to_.U8(kHardwareEthernet);
  to_.U8(kHardwareLength);
  to_.U8(0);  // hops
  to_.U32(fields.xid);
  to_.U16(fields.secs);
  to_.U16(fields.broadcast ? 0x8000 : 0);
  to_.U32(fields.ciaddr.value);
  to_.U32(fields.yiaddr.value);
  to_.U32(fields.siaddr.value);
  to_.U32(fields.giaddr.value);
  to_.Put(AsBytes(fields.chaddr.octets.data(), fields.chaddr.octets.size()));
  to_.Zeros(Dhcp4::kFixed - 4 - 28 - 6);  // rest of chaddr, sname, file
  to_.U32(kCookie);
  const auto octet = static_cast<std::byte>(type);
  Option(DhcpOption::kMessageType, {&octet, 1});
}

void Dhcp4Writer::Option(DhcpOption code, ByteView value) {
  value = value.first(value.size() < 255 ? value.size() : 255);
  to_.U8(static_cast<uint8_t>(code));
  to_.U8(static_cast<uint8_t>(value.size()));
  to_.Put(value);
}

void Dhcp4Writer::Option16(DhcpOption code, uint16_t value) {
  std::byte octets[2];
  Store16(octets, value);
  Option(code, octets);
}

void Dhcp4Writer::Option32(DhcpOption code, uint32_t value) {
  std::byte octets[4];
  Store32(octets, value);
  Option(code, octets);
}

size_t Dhcp4Writer::Finish() {
  to_.U8(static_cast<uint8_t>(DhcpOption::kEnd));
  if (to_.ok() && to_.used() < kMinSize) to_.Zeros(kMinSize - to_.used());
  return to_.ok() ? to_.used() : 0;
}

}  // namespace stack::wire
