// What a packet costs in nat/: known flows of many clients, so that the tables do not fit into the
// nearest cache.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <vector>

#include "nat/filter.h"
#include "nat/nat.h"
#include "nat/rewrite.h"
#include "nat/router.h"
#include "stack/base/checksum.h"
#include "tests/support/rng.h"

namespace {

using stack::Bytes;
using stack::Ip4;

constexpr Ip4 kExternal{0xcb007101};
constexpr Ip4 kFirstClient{0x0a630001};
constexpr Ip4 kWeb{0xc0000250};
constexpr uint32_t kClients = 500;

// A packet of `size` octets with right checksums.
Bytes Packet(uint8_t protocol, stack::Endpoint from, stack::Endpoint to, uint16_t size) {
  Bytes packet(size);
  packet[0] = std::byte{0x45};
  stack::Store16(&packet[2], size);
  packet[8] = std::byte{64};
  packet[9] = std::byte{protocol};
  stack::Store32(&packet[12], from.ip.value);
  stack::Store32(&packet[16], to.ip.value);
  stack::Store16(&packet[10], stack::Finish(stack::SumOf(stack::ByteView(packet).first(20))));
  stack::Store16(&packet[20], from.port);
  stack::Store16(&packet[22], to.port);
  if (protocol == nat::kProtocolUdp) {
    stack::Store16(&packet[24], static_cast<uint16_t>(size - 20));
    stack::Store16(&packet[26], 0x1234);
  } else {
    packet[32] = std::byte{0x50};
    packet[33] = std::byte{nat::kTcpAck};
  }
  return packet;
}

struct Scene {
  test::FixedRng rng;
  nat::Nat nat{{}, rng};
  std::vector<Bytes> out;
  std::vector<Bytes> in;

  explicit Scene(uint8_t protocol, uint16_t flows_per_client = 20) {
    nat.AddExternal(kExternal, 0);
    for (uint32_t c = 0; c < kClients; ++c) {
      for (uint16_t f = 0; f < flows_per_client; ++f) {
        const stack::Endpoint from{{kFirstClient.value + c}, static_cast<uint16_t>(40000 + f)};
        out.push_back(Packet(protocol, from, {kWeb, 443}, 1400));
        Bytes translated = out.back();
        (void)nat.Outbound(translated, 0, from.ip, 0);
        in.push_back(
            Packet(protocol, {kWeb, 443}, {kExternal, stack::Load16(&translated[20])}, 1400));
      }
    }
  }
};

void Outbound(benchmark::State& state) {
  Scene scene(static_cast<uint8_t>(state.range(0)));
  size_t i = 0;
  for (auto _ : state) {
    Bytes& packet = scene.out[i];
    const Ip4 source{stack::Load32(&packet[12])};
    const uint16_t port = stack::Load16(&packet[20]);
    benchmark::DoNotOptimize(scene.nat.Outbound(packet, 0, source, 0));
    stack::Store32(&packet[12], source.value);  // ready for the next turn
    stack::Store16(&packet[20], port);
    i = i + 1 == scene.out.size() ? 0 : i + 1;
  }
}
BENCHMARK(Outbound)->Arg(nat::kProtocolUdp)->Arg(nat::kProtocolTcp);

void Inbound(benchmark::State& state) {
  Scene scene(static_cast<uint8_t>(state.range(0)));
  size_t i = 0;
  for (auto _ : state) {
    Bytes& packet = scene.in[i];
    const uint16_t port = stack::Load16(&packet[22]);
    benchmark::DoNotOptimize(scene.nat.Inbound(packet, 0).ok());
    stack::Store32(&packet[16], kExternal.value);
    stack::Store16(&packet[22], port);
    i = i + 1 == scene.in.size() ? 0 : i + 1;
  }
}
BENCHMARK(Inbound)->Arg(nat::kProtocolUdp)->Arg(nat::kProtocolTcp);

void NewMappingAndBack(benchmark::State& state) {
  test::FixedRng rng;
  nat::Nat nat({}, rng);
  nat.AddExternal(kExternal, 0);
  const Bytes packet = Packet(nat::kProtocolUdp, {kFirstClient, 4000}, {kWeb, 53}, 64);
  for (auto _ : state) {
    Bytes copy = packet;
    benchmark::DoNotOptimize(nat.Outbound(copy, 0, kFirstClient, 0));
    nat.RemoveClient(kFirstClient, 0);
  }
}
BENCHMARK(NewMappingAndBack);

double ThreadMicroseconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}

// A million flows from nothing, three times over: what a packet cost at its cheapest, in CPU time
// of the thread, since what else the machine does falls on different ones each time. Of that, the
// most expensive packet of all, and the one that is more expensive than all but ten.
void GrowToAMillionFlows(benchmark::State& state) {
  constexpr uint32_t kFlows = 1U << 20;
  std::vector<double> took(kFlows, 1e9);
  for (auto _ : state) {
    test::FixedRng rng;
    nat::Nat nat({.max_mappings = kFlows, .max_flows = kFlows, .flows_per_client = 4096}, rng);
    nat.AddExternal(kExternal, 0);
    const Bytes packet = Packet(nat::kProtocolTcp, {kFirstClient, 1}, {kWeb, 443}, 60);
    for (uint32_t i = 0; i < kFlows; ++i) {
      Bytes copy = packet;
      const Ip4 client{kFirstClient.value + i % kClients};
      stack::Store32(&copy[12], client.value);
      stack::Store32(&copy[16], kWeb.value + i / kClients);
      const double began = ThreadMicroseconds();
      benchmark::DoNotOptimize(nat.Outbound(copy, 0, client, 0));
      took[i] = std::min(took[i], ThreadMicroseconds() - began);
    }
    if (nat.flows() != kFlows) state.SkipWithError("flows were refused");
  }
  std::sort(took.begin(), took.end());
  state.counters["max_us"] = took.back();
  state.counters["p99999_us"] = took[took.size() - 1 - 10];
  state.counters["median_us"] = took[took.size() / 2];
}
BENCHMARK(GrowToAMillionFlows)->Iterations(3)->Unit(benchmark::kMillisecond);

void SweepFull(benchmark::State& state) {
  Scene scene(nat::kProtocolUdp, 60);
  for (auto _ : state) scene.nat.Sweep(1, 1024);
}
BENCHMARK(SweepFull);

void RouteLookup(benchmark::State& state) {
  nat::Router router;
  router.Add({}, {nat::Hop::Kind::kInterface, 0, {}});
  for (uint8_t length = 8; length <= 24; length = static_cast<uint8_t>(length + 4)) {
    router.Add({{0x0a000000U + length}, length}, {nat::Hop::Kind::kInterface, length, {}});
  }
  for (uint32_t c = 0; c < 10000; ++c) {
    router.Add({{kFirstClient.value + c}, 32}, {nat::Hop::Kind::kPeer, c, {}});
  }
  const bool client = state.range(0) != 0;
  uint32_t i = 0;
  for (auto _ : state) {
    const Ip4 ip{client ? kFirstClient.value + i % 10000 : kWeb.value + i};
    benchmark::DoNotOptimize(router.Lookup(ip));
    ++i;
  }
}
BENCHMARK(RouteLookup)->Arg(1)->Arg(0);

void ClampMss(benchmark::State& state) {
  Bytes packet = Packet(nat::kProtocolTcp, {kFirstClient, 1}, {kWeb, 443}, 60);
  packet[33] = std::byte{nat::kTcpSyn};
  packet[32] = std::byte{0xa0};
  for (auto _ : state) {
    stack::Store32(&packet[40], 0x020405b4);
    benchmark::DoNotOptimize(nat::ClampMss(packet, 1360));
  }
}
BENCHMARK(ClampMss);

}  // namespace
