#include "stack/base/address.h"

#include <charconv>
#include <cstdio>

namespace stack {
namespace {

// Takes decimal digits off the front of `text`: 1 to 5 digits, no leading zero, at most `max`.
std::optional<uint32_t> TakeNumber(std::string_view& text, uint32_t max) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto used = static_cast<size_t>(end - text.data());
  if (error != std::errc{} || value > max || used > 5 || (used > 1 && text[0] == '0')) return {};
  text.remove_prefix(used);
  return value;
}

}  // namespace

std::optional<Mac> Mac::Parse(std::string_view text) {
  if (text.size() != 17) return {};
  Mac mac;
  for (size_t i = 0; i < 6; ++i) {
    if (i > 0 && text[3 * i - 1] != ':') return {};
    const Bytes octet = FromHex(text.substr(3 * i, 2));
    if (octet.size() != 1) return {};
    mac.octets[i] = static_cast<uint8_t>(octet[0]);
  }
  return mac;
}

Mac Mac::Load(ByteView six) {
  Mac mac;
  std::memcpy(mac.octets.data(), six.data(), 6);
  return mac;
}

void Mac::Store(std::byte* to) const { std::memcpy(to, octets.data(), 6); }

std::string Mac::Text() const {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2],
                octets[3], octets[4], octets[5]);
  return text;
}

std::optional<Ip4> Ip4::Parse(std::string_view text) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) {
      if (text.empty() || text[0] != '.') return {};
      text.remove_prefix(1);
    }
    const std::optional<uint32_t> octet = TakeNumber(text, 255);
    if (!octet) return {};
    value = (value << 8) | *octet;
  }
  if (!text.empty()) return {};
  return Ip4{value};
}

std::string Ip4::Text() const {
  char text[16];
  std::snprintf(text, sizeof text, "%u.%u.%u.%u", value >> 24, (value >> 16) & 255,
                (value >> 8) & 255, value & 255);
  return text;
}

std::optional<Prefix> Prefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<Ip4> ip = Ip4::Parse(text.substr(0, slash));
  if (!ip) return {};
  if (slash == std::string_view::npos) return Prefix{*ip, 32};
  text.remove_prefix(slash + 1);
  const std::optional<uint32_t> length = TakeNumber(text, 32);
  if (!length || !text.empty()) return {};
  return Prefix{*ip, static_cast<uint8_t>(*length)};
}

std::string Prefix::Text() const { return address.Text() + "/" + std::to_string(length); }

std::string Endpoint::Text() const { return ip.Text() + ":" + std::to_string(port); }

}  // namespace stack
