// What a packet costs one shard, from its port to its port: packets of one client through ESP
// (AES-256-CBC, HMAC-SHA1), L2TP, PPP, routing and NAT, in batches of 64, on memory ports; by each
// engine.
//
//   Up, Down          one by one, ESP as protocol 50 or in UDP, of 64 or 1400 octets
//   UpBurst           ESP in UDP in superframes, in them TCP, which leaves in superframes
//   DownBurst         TCP in superframes, which leaves as ESP in UDP in superframes
//   Lone              84 octets by themselves, after others have had `forget` KiB of the caches
//
// Only Shard::Round is timed; what the client and the internet do around it is not. `us_esp` is
// what ESP alone takes for the same packets, measured in between, and `us_rest` everything else.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "crypto/esp/engine.h"
#include "crypto/esp/open.h"
#include "crypto/esp/seal.h"
#include "crypto/prim/rng.h"
#include "gateway/shard/segment.h"
#include "perf/udp_packet.h"
#include "stack/base/checksum.h"
#include "stack/wire/ip4.h"
#include "stack/wire/udp.h"
#include "tests/support/world/world.h"

namespace {

using gateway::io::kBatch;
using gateway::io::VnetHdr;
using stack::Bytes;
using stack::ByteSpan;
using stack::ByteView;

constexpr stack::Endpoint kWeb{test::kHost, 443};
// Segments of a superframe: 64 KB hold 46 of 1400 octets.
constexpr size_t kInSuperframe = 32;
constexpr uint8_t kAck = 0x10;

// TCP with `payload` octets, the `index`th of as many. The checksum is left to the kernel if
// `partial`.
Bytes Tcp(stack::Endpoint from, stack::Endpoint to, size_t payload, size_t index,
          uint8_t flags = kAck, bool partial = false) {
  Bytes packet(40 + payload);
  stack::wire::Ip4Fields fields;
  fields.source = from.ip;
  fields.destination = to.ip;
  fields.protocol = stack::wire::IpProtocol::kTcp;
  fields.dont_fragment = true;
  stack::wire::WriteIp4(packet, fields, 20 + payload);
  stack::Writer w(ByteSpan(packet).subspan(20));
  w.U16(from.port);
  w.U16(to.port);
  w.U32(static_cast<uint32_t>(1000 + index * payload));
  w.U32(1);
  w.U16(static_cast<uint16_t>(0x5000 | flags));
  w.U16(0xffff);
  w.U32(0);
  const stack::Sum pseudo =
      stack::PseudoHeaderSum(from.ip, to.ip, 6, static_cast<uint16_t>(20 + payload));
  stack::Store16(&packet[36],
                 partial ? stack::Fold(pseudo)
                         : stack::Finish(pseudo + stack::SumOf(ByteView(packet).subspan(20))));
  return packet;
}

// A gateway with one client on line, and a UDP and a TCP flow of his in NAT.
struct Scene {
  test::World world;
  test::Caller* caller = nullptr;
  gateway::load::Out out{world.pool()};
  stack::Endpoint inside, outside_udp, outside_tcp;

  Scene(conf::Crypto::Engine engine, bool in_udp)
      : world({.configure = [engine](conf::Model& model) { model.crypto.engine = engine; },
               .port_slots = 256}) {
    test::NatBox& nat = world.AddNat("203.0.113.99");
    caller =
        in_udp ? &world.Add({.user = 1, .address = "192.168.1.2", .nat = &nat}) : &world.Add({});
    if (!world.LogIn(*caller)) std::abort();
    inside = {caller->up->address, 5000};
    outside_udp = Open(perf::UdpPacket(inside, kWeb, 100));
    outside_tcp = Open(Tcp(inside, kWeb, 0, 0, 0x02));
    // The far end answers: the connection is established.
    Arrive(Tcp(kWeb, outside_tcp, 0, 0, 0x12));
    world.Settle();
  }
  stack::Endpoint Open(const Bytes& packet) {
    world.internet.clear();
    world.Send(*caller, packet);
    world.Settle();
    return {test::kWan, stack::Load16(&world.internet.at(0)[20])};
  }
  void Arrive(const Bytes& packet) { world.FromInternet(packet); }

  // What the client makes of a packet, as it arrives.
  Bytes Sealed(const Bytes& packet) {
    caller->client().Send(world.now(), world.pool().Copy(packet), out);
    Bytes outer = stack::ToBytes(std::get<0>(out.items()[0]).buf.bytes());
    out.Clear();
    if (!world.ThroughNat(*caller, outer)) std::abort();
    return outer;
  }
  void Put(uint8_t interface, ByteView packet, const VnetHdr& vnet = {}) {
    const Bytes frame = world.FrameOf(interface, packet);
    gateway::io::TxFrame tx{.bytes = frame, .more = {}, .vnet = vnet};
    world.far_port(interface, 0).Send({&tx, 1});
  }
  // Seconds.
  double Round() {
    const auto began = std::chrono::steady_clock::now();
    world.shard(0).Round(world.now());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  // Takes what came out, and says how many packets it was.
  size_t Take(uint8_t interface) {
    std::array<gateway::io::RxFrame, kBatch> frames;
    const size_t count = world.far_port(interface, 0).Receive(frames);
    size_t packets = 0;
    for (const auto& frame : std::span(frames).first(count)) {
      packets += gateway::shard::Segmenter(frame.bytes, frame.vnet).count();
    }
    world.far_port(interface, 0).Release();
    return packets;
  }
};

// What ESP alone takes for a batch of `payload` octets each: seconds.
class EspAlone {
 public:
  EspAlone(conf::Crypto::Engine engine, size_t payload) : payload_(payload) {
    using crypto::esp::EngineId;
    crypto::SystemRng rng;
    engine_ = crypto::esp::MakeEngine(
        engine == conf::Crypto::Engine::kBotan ? EngineId::kBotan : EngineId::kIpsecMb, rng);
    out_ = *crypto::esp::MakeOutboundSa(Parameters(), *engine_);
    in_ = *crypto::esp::MakeInboundSa(Parameters(), *engine_);
  }
  double Seal() {
    for (stack::PacketBuf& buf : bufs_) {
      buf = pool_.Get();
      buf.Append(payload_);
    }
    std::array<crypto::esp::SealJob, kBatch> jobs;
    for (size_t i = 0; i < kBatch; ++i) {
      jobs[i] = {.buf = &bufs_[i], .sa = out_.get(), .next_header = 17};
    }
    const auto began = std::chrono::steady_clock::now();
    crypto::esp::Seal(*engine_, jobs);
    return Since(began);
  }
  double Open() {
    Seal();
    std::array<crypto::esp::OpenJob, kBatch> jobs;
    for (size_t i = 0; i < kBatch; ++i) jobs[i] = {.packet = bufs_[i].bytes(), .sa = in_.get()};
    const auto began = std::chrono::steady_clock::now();
    crypto::esp::Open(*engine_, jobs);
    return Since(began);
  }

 private:
  static crypto::esp::SaParameters Parameters() {
    const crypto::esp::Suite suite{crypto::CipherId::kAesCbc, 32, crypto::HashId::kSha1};
    return {.spi = {0x1000},
            .suite = suite,
            .keys = {crypto::Secret(crypto::esp::CipherKeySize(suite)),
                     crypto::Secret(crypto::esp::AuthKeySize(suite))}};
  }
  static double Since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }

  const size_t payload_;
  stack::PacketPool pool_{kBatch, 0};
  std::unique_ptr<crypto::esp::Engine> engine_;
  std::unique_ptr<crypto::esp::OutboundSa> out_;
  std::unique_ptr<crypto::esp::InboundSa> in_;
  std::array<stack::PacketBuf, kBatch> bufs_;
};

// It shrugs off whatever else the machine was doing meanwhile.
double Median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

conf::Crypto::Engine EngineOf(const benchmark::State& state) {
  return static_cast<conf::Crypto::Engine>(state.range(0));
}

template <class PutBatch>
void Measure(benchmark::State& state, Scene& scene, bool up, size_t size, PutBatch&& put) {
  const uint8_t out = up ? test::kWanSide : test::kServeSide;
  for (int warm_up = 0; warm_up < 8; ++warm_up) {
    put();
    scene.world.shard(0).Round(scene.world.now());
    scene.Take(out);
  }
  const conf::Crypto::Engine engine = EngineOf(state);
  state.SetLabel(engine == conf::Crypto::Engine::kBotan ? "botan" : "ipsec-mb");
  EspAlone esp(engine, size + 20);  // UDP, L2TP, PPP
  std::vector<double> each, esp_alone;
  for (auto _ : state) {
    put();
    each.push_back(scene.Round());
    state.SetIterationTime(each.back());
    if (scene.Take(out) != kBatch) state.SkipWithError("packets were lost");
    esp_alone.push_back(up ? esp.Open() : esp.Seal());
  }
  const double whole = Median(each) * 1e6 / kBatch, crypto = Median(esp_alone) * 1e6 / kBatch;
  state.counters["us_per_packet"] = whole;
  state.counters["us_esp"] = crypto;
  state.counters["us_rest"] = whole - crypto;
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBatch));
}

void Up(benchmark::State& state) {
  Scene scene(EngineOf(state), state.range(2) != 0);
  const auto size = static_cast<size_t>(state.range(1));
  const Bytes packet = perf::UdpPacket(scene.inside, kWeb, size);
  Measure(state, scene, true, size, [&] {
    for (size_t i = 0; i < kBatch; ++i) scene.Put(test::kServeSide, scene.Sealed(packet));
  });
}

void Down(benchmark::State& state) {
  Scene scene(EngineOf(state), state.range(2) != 0);
  const auto size = static_cast<size_t>(state.range(1));
  const Bytes packet = perf::UdpPacket(kWeb, scene.outside_udp, size);
  Measure(state, scene, false, size, [&] {
    for (size_t i = 0; i < kBatch; ++i) scene.Put(test::kWanSide, packet);
  });
}

void UpBurst(benchmark::State& state) {
  Scene scene(EngineOf(state), true);
  const auto size = static_cast<size_t>(state.range(1));
  Measure(state, scene, true, size, [&] {
    for (size_t i = 0; i < kBatch; i += kInSuperframe) {
      Bytes super = scene.Sealed(Tcp(scene.inside, kWeb, size - 40, i));
      const auto segment = static_cast<uint16_t>(super.size() - 28);
      for (size_t j = 1; j < kInSuperframe; ++j) {
        const Bytes next = scene.Sealed(Tcp(scene.inside, kWeb, size - 40, i + j));
        super.insert(super.end(), next.begin() + 28, next.end());
      }
      stack::Store16(&super[2], static_cast<uint16_t>(super.size()));
      stack::Store16(&super[24], static_cast<uint16_t>(super.size() - 20));
      stack::wire::FillIp4Checksum(super);
      scene.Put(test::kServeSide, super,
                {.flags = 0, .gso_type = VnetHdr::kGsoUdp4, .hdr_len = 42, .gso_size = segment});
    }
  });
}

void DownBurst(benchmark::State& state) {
  Scene scene(EngineOf(state), true);
  const auto size = static_cast<size_t>(state.range(1));
  const Bytes super = Tcp(kWeb, scene.outside_tcp, kInSuperframe * (size - 40), 0, kAck, true);
  const VnetHdr vnet{.flags = VnetHdr::kNeedsChecksum,
                     .gso_type = VnetHdr::kGsoTcp4,
                     .hdr_len = 54,
                     .gso_size = static_cast<uint16_t>(size - 40),
                     .csum_start = 34,
                     .csum_offset = 16};
  Measure(state, scene, false, size, [&] {
    for (size_t i = 0; i < kBatch; i += kInSuperframe) scene.Put(test::kWanSide, super, vnet);
  });
}

void Lone(benchmark::State& state) {
  const bool up = state.range(1) != 0;
  Scene scene(conf::Crypto::Engine::kAuto, true);
  const Bytes outward = perf::UdpPacket(scene.inside, kWeb, 84);
  const Bytes inward = perf::UdpPacket(kWeb, scene.outside_udp, 84);
  std::vector<uint64_t> others(static_cast<size_t>(state.range(0)) * 1024 / sizeof(uint64_t));
  std::vector<double> each;
  for (auto _ : state) {
    if (up) {
      scene.Put(test::kServeSide, scene.Sealed(outward));
    } else {
      scene.Put(test::kWanSide, inward);
    }
    for (size_t i = 0; i < others.size(); i += 64 / sizeof(uint64_t)) ++others[i];
    benchmark::ClobberMemory();
    each.push_back(scene.Round());
    state.SetIterationTime(each.back());
    if (scene.Take(up ? test::kWanSide : test::kServeSide) != 1) state.SkipWithError("it was lost");
  }
  state.counters["us_median"] = Median(each) * 1e6;
}

std::vector<int64_t> Engines() {
  std::vector<int64_t> engines = {static_cast<int64_t>(conf::Crypto::Engine::kBotan)};
  if (crypto::esp::CheckEngine(crypto::esp::EngineId::kIpsecMb).ok()) {
    engines.push_back(static_cast<int64_t>(conf::Crypto::Engine::kIpsecMb));
  }
  return engines;
}

void OneByOne(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"engine", "size", "udp"})->ArgsProduct({Engines(), {64, 1400}, {0, 1}});
}
void InBursts(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"engine", "size"})->ArgsProduct({Engines(), {1400}});
}

BENCHMARK(Up)->Apply(OneByOne)->UseManualTime();
BENCHMARK(Down)->Apply(OneByOne)->UseManualTime();
BENCHMARK(UpBurst)->Apply(InBursts)->UseManualTime();
BENCHMARK(DownBurst)->Apply(InBursts)->UseManualTime();
BENCHMARK(Lone)
    ->ArgNames({"forget", "up"})
    ->ArgsProduct({{0, 2048, 131072}, {0, 1}})
    ->Iterations(100)
    ->UseManualTime();

}  // namespace
