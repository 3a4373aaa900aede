// What tests of whole sessions ask of a World again and again.
#pragma once

#include <string>

#include "gtest/gtest.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {

// What has happened to the caller, for a failing test to print.
inline std::string Why(const World& world, const Caller& caller) {
  return caller.Story() + " / " + world.Drops() +
         (caller.down ? " / " + std::string(NameOf(caller.down->reason)) + " " + caller.down->text
                      : "");
}

// Whether a ping of the caller to the internet comes back.
inline bool Pings(World& world, Caller& caller, uint16_t sequence = 1) {
  world.host_echoes = true;
  caller.received.clear();
  const stack::Bytes payload = Pattern(56);
  world.Send(caller, EchoPacket(caller.up->address, kHost, 77, sequence, payload));
  world.RunFor(absl::Milliseconds(200));
  if (caller.received.size() != 1) return false;
  // The reply as libtins builds it, its TTL one less than what the host sent: ours was 64, one less
  // at the gateway, and the host turned the packet round as it was.
  return caller.received[0] == [&] {
    stack::Bytes reply = EchoPacket(kHost, caller.up->address, 77, sequence, payload, {.ttl = 62});
    reply[20] = std::byte{0};
    const uint16_t sum = stack::Load16(&reply[22]);
    stack::Store16(&reply[22], stack::Update16(sum, 0x0800, 0));
    return reply;
  }();
}

inline void ExpectEmpty(World& world) {
  std::string why;
  EXPECT_TRUE(world.IsEmpty(&why)) << why;
}

}  // namespace test
