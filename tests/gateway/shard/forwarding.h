// Two clients on line, one of them behind a NAT, and what the tests of forwarding say about
// packets.
#pragma once

#include <tins/tins.h>

#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "stack/ip/ip4_out.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {

using gateway::io::VnetHdr;
using stack::Bytes;
using stack::ByteView;
using stack::Drop;
using stack::Endpoint;
using stack::Load16;
using stack::Load32;

inline constexpr Endpoint kDns{kHost, 53};
inline constexpr uint8_t kEsp = 50;
inline constexpr uint8_t kSyn = 0x02, kAck = 0x10;

inline Endpoint SourceOf(ByteView packet) { return {{Load32(&packet[12])}, Load16(&packet[20])}; }

// Cuts a packet as a router would.
inline std::vector<Bytes> Cut(ByteView packet, size_t mtu) {
  stack::PacketPool pool(64, 4);
  std::vector<stack::PacketBuf> pieces;
  EXPECT_EQ(stack::ip::Fragment(pool.Copy(packet), mtu, pool, pieces), Drop::kNone);
  std::vector<Bytes> out;
  for (const stack::PacketBuf& piece : pieces) out.push_back(stack::ToBytes(piece.bytes()));
  return out;
}

// What libtins makes of fragments: the payload of the whole, empty if something is missing.
template <class Packets>
Bytes Reassembled(const Packets& packets) {
  Tins::IPv4Reassembler reassembler;
  for (const Bytes& packet : packets) {
    Tins::IP ip(stack::AsU8(ByteView(packet)), static_cast<uint32_t>(packet.size()));
    if (reassembler.process(ip) != Tins::IPv4Reassembler::REASSEMBLED) continue;
    const auto raw = ip.inner_pdu()->serialize();
    return stack::ToBytes(stack::AsBytes(raw.data(), raw.size()));
  }
  return {};
}

inline Tins::ICMP IcmpOf(const Bytes& packet) {
  const Tins::IP ip(stack::AsU8(ByteView(packet)), static_cast<uint32_t>(packet.size()));
  return ip.rfind_pdu<Tins::ICMP>();
}

struct Forwarding : testing::Test {
  explicit Forwarding(WorldOptions options = {}) : world(std::move(options)) {
    a = &world.Add({});
    b = &world.Add({.user = 2, .address = "192.168.1.2", .nat = &world.AddNat("203.0.113.99")});
    for (Caller* caller : {a, b}) EXPECT_TRUE(world.LogIn(*caller)) << world.Drops();
  }
  void Send(Caller& caller, const Bytes& packet) {
    world.Send(caller, packet);
    world.Settle();
  }
  void Arrive(const Bytes& packet, const VnetHdr& vnet = {}) {
    world.FromInternet(packet, vnet);
    world.Settle();
  }
  // A UDP packet of the caller's to the internet, so that there is a mapping; its outside.
  Endpoint OpenFlow(Caller& caller, uint16_t port) {
    Send(caller, UdpPacket({caller.up->address, port}, kDns, Pattern(8)));
    EXPECT_FALSE(world.internet.empty());
    const Endpoint outside = SourceOf(world.internet.back());
    world.internet.clear();
    return outside;
  }

  World world;
  Caller* a = nullptr;
  Caller* b = nullptr;
};

}  // namespace test
