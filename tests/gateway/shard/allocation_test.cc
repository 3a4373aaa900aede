// The data path lives without the heap: after a warm-up, rounds that carry packets call operator
// new not once.
#include <cstdlib>
#include <new>
#include <vector>

#include "gateway/shard/segment.h"
#include "gtest/gtest.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace {

bool counting = false;
size_t allocations = 0;

void* Allocate(size_t size) {
  if (counting) ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace test {
namespace {

using gateway::io::kBatch;
using stack::Bytes;
using stack::Endpoint;

constexpr size_t kSlots = 128;
constexpr Endpoint kWeb{kHost, 443};

struct Allocation : testing::TestWithParam<bool> {
  World world{{.port_slots = kSlots}};
  Caller* caller = nullptr;
  gateway::load::Out out{world.pool()};
  Endpoint inside, outside;
  gateway::io::MemoryPort& serve = world.far_port(kServeSide, 0);
  gateway::io::MemoryPort& wan = world.far_port(kWanSide, 0);

  void SetUp() override {
    Caller::Options who;
    NatBox& nat = world.AddNat("203.0.113.99");
    if (GetParam()) {
      who.address = "192.168.1.2";
      who.nat = &nat;
    }
    caller = &world.Add(who);
    ASSERT_TRUE(world.LogIn(*caller));
    inside = {caller->up->address, 5000};
    world.Send(*caller, UdpPacket(inside, kWeb, Pattern(8)));
    world.Settle();
    ASSERT_EQ(world.internet.size(), 1U);
    outside = {kWan, stack::Load16(&world.internet[0][20])};
  }

  // What the gateway sent is taken off; how many packets it was.
  static size_t Clear(gateway::io::MemoryPort& port) {
    std::array<gateway::io::RxFrame, kBatch> frames;
    size_t total = 0;
    while (const size_t count = port.Receive(frames)) {
      for (const auto& frame : std::span(frames).first(count)) {
        total += gateway::shard::Segmenter(frame.bytes, frame.vnet).count();
      }
    }
    port.Release();
    return total;
  }

  // One batch of full-sized packets each way, in two rounds; the heap is watched meanwhile.
  void CarryBatch() {
    const Bytes up = UdpPacket(inside, kWeb, Pattern(1372));
    const Bytes down = UdpPacket(kWeb, outside, Pattern(1372));
    for (size_t i = 0; i < kBatch; ++i) {
      caller->client().Send(world.now(), world.pool().Copy(up), out);
      Bytes outer = stack::ToBytes(std::get<0>(out.items()[0]).buf.bytes());
      out.Clear();
      ASSERT_TRUE(world.ThroughNat(*caller, outer));
      Put(serve, world.FrameOf(kServeSide, outer));
      Put(wan, world.FrameOf(kWanSide, down));
    }
    counting = true;
    for (int rounds = 0; rounds < 4; ++rounds) world.shard(0).Round(world.now());
    counting = false;
    ASSERT_EQ(Clear(wan), kBatch) << world.Drops();
    ASSERT_EQ(Clear(serve), kBatch) << world.Drops();
  }
  static void Put(gateway::io::MemoryPort& port, const Bytes& frame,
                  const gateway::io::VnetHdr& vnet = {}) {
    gateway::io::TxFrame tx{.bytes = frame, .more = {}, .vnet = vnet};
    port.Send({&tx, 1});
  }
  // Datagrams in superframes for the client.
  void CarrySuperframes() {
    constexpr size_t kSegments = 40, kSegment = 1372;
    Bytes super = UdpPacket(kWeb, outside, Pattern(kSegments * kSegment));
    const gateway::io::VnetHdr vnet{.flags = 0,
                                    .gso_type = gateway::io::VnetHdr::kGsoUdp4,
                                    .hdr_len = 42,
                                    .gso_size = kSegment};
    for (int i = 0; i < 3; ++i) Put(wan, world.FrameOf(kWanSide, super), vnet);
    counting = true;
    for (int rounds = 0; rounds < 4; ++rounds) world.shard(0).Round(world.now());
    counting = false;
    ASSERT_EQ(Clear(serve), 3 * kSegments) << world.Drops();
  }
};

TEST_P(Allocation, NoneForDataPackets) {
  for (size_t i = 0; i < kSlots; ++i) CarryBatch();  // until every slot of the ports has grown
  allocations = 0;
  for (size_t packets = 0; packets < 1024; packets += kBatch) CarryBatch();
  EXPECT_EQ(allocations, 0U);
}

TEST_P(Allocation, NoneForSuperframes) {
  for (size_t i = 0; i < kSlots; ++i) CarrySuperframes();
  allocations = 0;
  for (int i = 0; i < 16; ++i) CarrySuperframes();
  EXPECT_EQ(allocations, 0U);
}

INSTANTIATE_TEST_SUITE_P(Nat, Allocation, testing::Bool());

}  // namespace
}  // namespace test
