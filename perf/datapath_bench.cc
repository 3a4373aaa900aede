// What a packet costs one shard, from its port to its port: 1400-octet UDP packets of one client
// through ESP (AES-256-CBC, HMAC-SHA1), L2TP, PPP, routing and NAT, in batches of 64, on memory
// ports; by each engine.
//
// Only Shard::Round is timed; what the client and the internet do around it is not.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "crypto/esp/engine.h"
#include "stack/base/checksum.h"
#include "stack/wire/ip4.h"
#include "stack/wire/udp.h"
#include "tests/support/world/world.h"

namespace {

using gateway::io::kBatch;
using stack::Bytes;

constexpr size_t kPacket = 1400;
constexpr stack::Endpoint kWeb{test::kHost, 443};

Bytes Udp(stack::Endpoint from, stack::Endpoint to) {
  Bytes packet(kPacket);
  stack::wire::Ip4Fields fields;
  fields.source = from.ip;
  fields.destination = to.ip;
  stack::wire::WriteIp4(packet, fields, kPacket - 20);
  const stack::ByteSpan datagram = stack::ByteSpan(packet).subspan(20);
  stack::wire::WriteUdp(datagram, from.port, to.port, kPacket - 28);
  stack::wire::FillUdpChecksum(datagram, from.ip, to.ip);
  return packet;
}

// A gateway with one client on line, and a mapping of his in NAT.
struct Scene {
  test::World world;
  test::Caller* caller = nullptr;
  gateway::load::Out out{world.pool()};
  stack::Endpoint inside, outside;

  explicit Scene(conf::Crypto::Engine engine)
      : world({.configure = [engine](conf::Model& model) { model.crypto.engine = engine; },
               .port_slots = 128}) {
    caller = &world.Add({});
    if (!world.LogIn(*caller)) std::abort();
    inside = {caller->up->address, 5000};
    world.Send(*caller, Udp(inside, kWeb));
    world.Settle();
    outside = {test::kWan, stack::Load16(&world.internet.at(0)[20])};
  }

  // A batch of a client's packets waits at the serving port.
  void PutUp(const Bytes& packet) {
    for (size_t i = 0; i < kBatch; ++i) {
      caller->client().Send(world.now(), world.pool().Copy(packet), out);
      Put(test::kServeSide, std::get<0>(out.items()[0]).buf.bytes());
      out.Clear();
    }
  }
  void PutDown(const Bytes& packet) {
    for (size_t i = 0; i < kBatch; ++i) Put(test::kWanSide, packet);
  }
  void Put(uint8_t interface, stack::ByteView packet) {
    const Bytes frame = world.FrameOf(interface, packet);
    gateway::io::TxFrame tx{.bytes = frame, .more = {}, .vnet = {}};
    world.far_port(interface, 0).Send({&tx, 1});
  }
  // Takes what came out, and says how much it was.
  size_t Take(uint8_t interface) {
    std::array<gateway::io::RxFrame, kBatch> frames;
    const size_t count = world.far_port(interface, 0).Receive(frames);
    world.far_port(interface, 0).Release();
    return count;
  }
};

template <class PutBatch>
void Measure(benchmark::State& state, uint8_t out, PutBatch&& put) {
  const auto engine = static_cast<conf::Crypto::Engine>(state.range(0));
  Scene scene(engine);
  state.SetLabel(engine == conf::Crypto::Engine::kBotan ? "botan" : "ipsec-mb");
  for (int warm_up = 0; warm_up < 8; ++warm_up) {
    put(scene);
    scene.world.shard(0).Round(scene.world.now());
    scene.Take(out);
  }
  std::vector<double> each;
  for (auto _ : state) {
    put(scene);
    const auto began = std::chrono::steady_clock::now();
    scene.world.shard(0).Round(scene.world.now());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    state.SetIterationTime(took.count());
    each.push_back(took.count());
    if (scene.Take(out) != kBatch) state.SkipWithError("packets were lost");
  }
  std::sort(each.begin(), each.end());
  // The median shrugs off whatever else the machine was doing meanwhile.
  state.counters["us_per_packet"] = each[each.size() / 2] * 1e6 / kBatch;
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBatch));
}

void EveryEngine(benchmark::internal::Benchmark* bench) {
  bench->Arg(static_cast<int64_t>(conf::Crypto::Engine::kBotan));
  if (!crypto::esp::CheckEngine(crypto::esp::EngineId::kIpsecMb).ok()) return;
  bench->Arg(static_cast<int64_t>(conf::Crypto::Engine::kIpsecMb));
}

void Up(benchmark::State& state) {
  Measure(state, test::kWanSide, [](Scene& scene) { scene.PutUp(Udp(scene.inside, kWeb)); });
}
BENCHMARK(Up)->Apply(EveryEngine)->UseManualTime();

void Down(benchmark::State& state) {
  Measure(state, test::kServeSide, [](Scene& scene) { scene.PutDown(Udp(kWeb, scene.outside)); });
}
BENCHMARK(Down)->Apply(EveryEngine)->UseManualTime();

}  // namespace
