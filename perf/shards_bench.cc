// Whether shards get in each other's way: the CPU time of a packet on each of N shards, every one
// with a thread and a client of its own, all at once. 1400-octet UDP packets, AES-256-CBC with
// HMAC-SHA1, memory ports, batches of 64; the way down (sealing) and the way up (opening).
//
// Only Shard::Round counts, in CPU time of its thread: more threads than CPUs take turns, which
// costs caches but no waiting that would be counted. A line of memory that two shards write to
// would show as soon as two of them run on two CPUs.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "perf/udp_packet.h"
#include "tests/support/world/world.h"

namespace {

using gateway::io::kBatch;
using stack::Bytes;

constexpr size_t kPacket = 1400;
constexpr size_t kBatches = 150;
constexpr int kMaxCallers = 9;  // as many users as the world has
constexpr stack::Endpoint kWeb{test::kHost, 443};

double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A client, what is sent to and by him, and what it cost his shard.
struct Lane {
  uint8_t shard = 0;
  Bytes down;
  std::vector<Bytes> up;  // sealed before the clock starts
  std::vector<double> down_us, up_us;
};

class Scene {
 public:
  explicit Scene(uint8_t shards) : world_({.shards = shards, .port_slots = 128}), lanes_(shards) {
    size_t ready = 0;
    for (int user = 1; ready < shards; ++user) {
      if (user > kMaxCallers * 20) std::abort();
      test::Caller& caller = world_.Add(
          {.user = 1 + user % kMaxCallers, .address = "203.0.113." + std::to_string(9 + user)});
      if (!world_.LogIn(caller)) std::abort();
      ready += Prepare(caller) ? 1 : 0;
    }
  }

  // All shards at once.
  void Run() {
    std::vector<std::thread> threads;
    for (Lane& lane : lanes_) threads.emplace_back([this, &lane] { Run(lane); });
    for (std::thread& thread : threads) thread.join();
  }
  // The median over all batches of all shards.
  double Median(std::vector<double> Lane::*figures) const {
    std::vector<double> all;
    for (const Lane& lane : lanes_) {
      all.insert(all.end(), (lane.*figures).begin(), (lane.*figures).end());
    }
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
  }

 private:
  // False if his shard has a client already.
  bool Prepare(test::Caller& caller) {
    const stack::Endpoint inside{caller.up->address, 5000};
    const Bytes packet = perf::UdpPacket(inside, kWeb, kPacket);
    gateway::load::Out out(world_.pool());
    const auto seal = [&] {
      caller.client().Send(world_.now(), world_.pool().Copy(packet), out);
      const Bytes sealed = stack::ToBytes(std::get<0>(out.items()[0]).buf.bytes());
      out.Clear();
      return world_.FrameOf(test::kServeSide, sealed);
    };
    const Bytes first = seal();
    Lane& lane = lanes_[world_.ShardOf(test::kServeSide, first)];
    if (!lane.up.empty()) return false;
    lane.shard = static_cast<uint8_t>(&lane - lanes_.data());
    world_.internet.clear();
    world_.Send(caller, packet);
    world_.Settle();
    const stack::Endpoint outside{test::kWan, stack::Load16(&world_.internet.at(0)[20])};
    lane.down = world_.FrameOf(test::kWanSide, perf::UdpPacket(kWeb, outside, kPacket));
    for (size_t i = 0; i < kBatches * kBatch; ++i) lane.up.push_back(seal());
    return true;
  }

  void Run(Lane& lane) {
    auto& shard = world_.shard(lane.shard);
    const auto one = [&](uint8_t in, uint8_t out, auto&& frame_of) {
      for (size_t i = 0; i < kBatch; ++i) {
        gateway::io::TxFrame frame{.bytes = frame_of(i), .more = {}, .vnet = {}};
        world_.far_port(in, lane.shard).Send({&frame, 1});
      }
      const double began = ThreadSeconds();
      shard.Round(world_.now());
      const double took = ThreadSeconds() - began;
      std::array<gateway::io::RxFrame, kBatch> frames;
      auto& port = world_.far_port(out, lane.shard);
      size_t count = 0;
      while (const size_t some = port.Receive(frames)) count += some;
      if (count == 0) std::abort();
      return took * 1e6 / kBatch;
    };
    for (size_t batch = 0; batch < kBatches; ++batch) {
      lane.down_us.push_back(one(test::kWanSide, test::kServeSide,
                                 [&](size_t) -> stack::ByteView { return lane.down; }));
      lane.up_us.push_back(one(test::kServeSide, test::kWanSide, [&](size_t i) -> stack::ByteView {
        return lane.up[batch * kBatch + i];
      }));
    }
  }

  test::World world_;
  std::vector<Lane> lanes_;
};

void Shards(benchmark::State& state) {
  for (auto _ : state) {
    Scene scene(static_cast<uint8_t>(state.range(0)));
    scene.Run();
    const double down = scene.Median(&Lane::down_us), up = scene.Median(&Lane::up_us);
    state.SetIterationTime((down + up) * 1e-6);
    state.counters["down_us_per_packet"] = down;
    state.counters["up_us_per_packet"] = up;
  }
}
BENCHMARK(Shards)->Arg(1)->Arg(2)->Arg(8)->UseManualTime()->Iterations(1);

}  // namespace
