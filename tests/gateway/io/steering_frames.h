// Frames of every kind the steering rules tell apart, and rules to match.
#pragma once

#include <vector>

#include "gateway/io/steer.h"
#include "stack/base/bytes.h"
#include "tests/support/rng.h"

namespace test::steering {

inline constexpr stack::Ip4 kOwn{0xcb007101};       // 203.0.113.1
inline constexpr stack::Ip4 kClient{0x0a630047};    // 10.99.0.71
inline constexpr stack::Ip4 kStranger{0x08080808};  // 8.8.8.8

inline gateway::io::SteeringRules Rules(uint8_t shards) {
  gateway::io::SteeringRules rules;
  rules.shards = shards;
  rules.own = {{0x0a630001}, kOwn};
  rules.clients = {gateway::io::AddressRange::Of({{0x0a630000}, 25}), {{0x0a640010}, {0x0a640020}}};
  rules.nat_first = 1024;
  rules.nat_last = 65535;
  return rules;
}

struct IpOptions {
  stack::Ip4 to = kOwn;
  uint16_t fragment = 0;  // flags and offset
  size_t option_words = 0;
};

// Ethernet and IPv4 around `payload`; no checksums, nothing here looks at them.
inline stack::Bytes Frame(uint8_t protocol, stack::ByteView payload, const IpOptions& ip = {}) {
  stack::Bytes frame(14 + 20 + 4 * ip.option_words + payload.size());
  stack::Writer w(frame);
  w.Put(stack::FromHex("020000000001 020000000002 0800"));
  w.U16(static_cast<uint16_t>(0x4500 + (ip.option_words << 8)));
  w.U16(static_cast<uint16_t>(frame.size() - 14));
  w.U16(0);
  w.U16(ip.fragment);
  w.U16(static_cast<uint16_t>(0x4000 | protocol));
  w.U16(0);
  w.U32(0xc0000201);
  w.U32(ip.to.value);
  w.Zeros(4 * ip.option_words);
  w.Put(payload);
  return frame;
}

inline stack::Bytes Udp(uint16_t to_port, stack::ByteView payload, const IpOptions& ip = {}) {
  stack::Bytes udp(8 + payload.size());
  stack::Writer w(udp);
  w.U16(40000);
  w.U16(to_port);
  w.U16(static_cast<uint16_t>(udp.size()));
  w.U16(0);
  w.Put(payload);
  return Frame(17, udp, ip);
}

inline stack::Bytes Tcp(uint16_t to_port, const IpOptions& ip = {}) {
  stack::Bytes tcp(20);
  stack::Store16(&tcp[0], 443);
  stack::Store16(&tcp[2], to_port);
  stack::Store16(&tcp[12], 0x5010);
  return Frame(6, tcp, ip);
}

inline stack::Bytes Esp(uint32_t spi, const IpOptions& ip = {}) {
  stack::Bytes esp(64);
  stack::Store32(esp.data(), spi);
  return Frame(50, esp, ip);
}

// An IKE header with this responder cookie, behind the non-ESP marker if `marker`.
inline stack::Bytes Ike(uint64_t responder, bool marker, const IpOptions& ip = {}) {
  stack::Bytes ike((marker ? 4U : 0U) + 28U);
  stack::Store64(&ike[marker ? 4 : 0], 0x1122334455667788);
  stack::Store64(&ike[marker ? 12 : 8], responder);
  return Udp(marker ? 4500 : 500, ike, ip);
}

inline stack::Bytes EspInUdp(uint32_t spi, const IpOptions& ip = {}) {
  stack::Bytes esp(64);
  stack::Store32(esp.data(), spi);
  return Udp(4500, esp, ip);
}

inline stack::Bytes Icmp(uint8_t type, uint16_t id, const IpOptions& ip = {}) {
  stack::Bytes icmp(16);
  icmp[0] = std::byte{type};
  stack::Store16(&icmp[4], id);
  return Frame(1, icmp, ip);
}

// An ICMP error that quotes a packet of ours: its header and 8 bytes.
inline stack::Bytes IcmpError(uint8_t type, const stack::Bytes& quoted_frame,
                              const IpOptions& ip = {}) {
  stack::Bytes icmp(8 + 28);
  icmp[0] = std::byte{type};
  const stack::ByteView quoted = stack::ByteView(quoted_frame).subspan(14);
  std::copy_n(quoted.begin(), std::min<size_t>(28, quoted.size()), icmp.begin() + 8);
  return Frame(1, icmp, ip);
}

// What we sent: source port, or echo identifier, as an error quotes it.
inline stack::Bytes Sent(uint8_t protocol, uint16_t number,
                         const IpOptions& ip = {.to = kStranger}) {
  stack::Bytes transport(8);
  if (protocol == 1) {
    transport[0] = std::byte{8};
    stack::Store16(&transport[4], number);
  } else {
    stack::Store16(&transport[0], number);
  }
  return Frame(protocol, transport, ip);
}

// One of all kinds, with random numbers.
inline stack::Bytes RandomFrame(FixedRng& rng) {
  IpOptions ip;
  const stack::Ip4 others[] = {kClient,      kStranger,    {0x0a630001},
                               {0x0a64001f}, {0x0a640021}, {0xffffffff}};
  if (rng.Below(4) == 0) ip.to = others[rng.Below(6)];
  if (rng.Below(8) == 0) ip.fragment = static_cast<uint16_t>(rng.Next());
  if (rng.Below(4) == 0) ip.option_words = rng.Below(11);
  const auto number = static_cast<uint16_t>(rng.Next());
  switch (rng.Below(10)) {
    case 0:
      return Esp(rng.U32(), ip);
    case 1:
      return EspInUdp(rng.U32(), ip);
    case 2:
      return Ike(rng.Below(3) == 0 ? 0 : rng.U64(), false, ip);
    case 3:
      return Ike(rng.Below(3) == 0 ? 0 : rng.U64(), true, ip);
    case 4:
      return Tcp(number, ip);
    case 5:
      return Udp(number, stack::Bytes(rng.Below(1400)), ip);
    case 6:
      return Icmp(static_cast<uint8_t>(rng.Below(16)), number, ip);
    case 7: {
      const uint8_t protocols[] = {1, 6, 17, 50};
      IpOptions sent{.to = kStranger, .fragment = static_cast<uint16_t>(rng.Below(6) == 0 ? 1 : 0)};
      sent.option_words = rng.Below(6) == 0 ? 1 : 0;
      return IcmpError(static_cast<uint8_t>(rng.Below(16)),
                       Sent(protocols[rng.Below(4)], number, sent), ip);
    }
    case 8:
      return Frame(static_cast<uint8_t>(rng.Next()), stack::Bytes(rng.Below(2500)), ip);
    default: {
      stack::Bytes other = Frame(0, stack::Bytes(28), ip);
      stack::Store16(&other[12], 0x0806);
      return other;
    }
  }
}

}  // namespace test::steering
