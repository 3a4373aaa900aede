// Addresses as strong types: value, text, order and hash. All numbers here are in host byte order;
// the wire views convert.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "stack/base/bytes.h"

namespace stack {

struct Mac {
  std::array<uint8_t, 6> octets{};

  static constexpr Mac Broadcast() { return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
  static std::optional<Mac> Parse(std::string_view text);  // "02:00:00:00:00:01"
  static Mac Load(ByteView six);                           // precondition: at least 6 bytes
  void Store(std::byte* to) const;
  bool IsMulticast() const { return (octets[0] & 1U) != 0; }
  std::string Text() const;

  auto operator<=>(const Mac&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const Mac& m) {
    return H::combine(std::move(h), m.octets);
  }
};

struct Ip4 {
  uint32_t value = 0;

  static std::optional<Ip4> Parse(std::string_view text);  // dotted quad only
  bool IsZero() const { return value == 0; }
  bool IsMulticast() const { return (value >> 28) == 0xe; }
  bool IsLimitedBroadcast() const { return value == 0xffffffff; }
  bool IsLoopback() const { return (value >> 24) == 127; }
  std::string Text() const;

  auto operator<=>(const Ip4&) const = default;
  template <class H>
  friend H AbslHashValue(H h, Ip4 a) {
    return H::combine(std::move(h), a.value);
  }
};

// address/length. The address keeps its host bits ("10.0.0.1/24" names an interface); network()
// does not.
struct Prefix {
  Ip4 address;
  uint8_t length = 0;  // 0..32

  static std::optional<Prefix> Parse(std::string_view text);  // "10.0.0.0/8"; a bare address is /32
  uint32_t mask() const { return length == 0 ? 0 : ~uint32_t{0} << (32U - length); }
  Ip4 network() const { return {address.value & mask()}; }
  Ip4 broadcast() const { return {address.value | ~mask()}; }
  bool Contains(Ip4 ip) const { return ((ip.value ^ address.value) & mask()) == 0; }
  bool Overlaps(const Prefix& o) const { return Contains(o.network()) || o.Contains(network()); }
  std::string Text() const;

  auto operator<=>(const Prefix&) const = default;
};

struct Endpoint {
  Ip4 ip;
  uint16_t port = 0;

  std::string Text() const;  // "192.0.2.1:4500"

  auto operator<=>(const Endpoint&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const Endpoint& e) {
    return H::combine(std::move(h), e.ip, e.port);
  }
};

// A UDP datagram with the facts a machine may know (NAT-D needs both ends).
struct Datagram {
  ByteView bytes;
  Endpoint from, to;
};

}  // namespace stack
