// What ESP costs per packet: Open() and Seal() by engine, suite, payload size and packets in a
// batch; and what an SA costs in memory.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "crypto/esp/engine.h"
#include "crypto/esp/open.h"
#include "crypto/esp/sad.h"
#include "crypto/esp/seal.h"
#include "crypto/prim/rng.h"

namespace crypto::esp {
namespace {

const Suite kSuites[] = {
    {CipherId::kAesCbc, 32, HashId::kSha1},   {CipherId::kAesCbc, 32, HashId::kSha256},
    {CipherId::kAesCbc, 16, HashId::kSha1},   {CipherId::kTripleDesCbc, 24, HashId::kSha1},
    {CipherId::kAesCbc, 32, HashId::kSha512}, {CipherId::kAesGcm, 32, std::nullopt},
    {CipherId::kAesGcm, 16, std::nullopt},
};
const char* const kNames[] = {"AES256+SHA1",   "AES256+SHA256", "AES128+SHA1", "3DES+SHA1",
                              "AES256+SHA512", "AES256-GCM",    "AES128-GCM"};

SaParameters ParametersOf(const Suite& suite) {
  return {.spi = {0x1000},
          .suite = suite,
          .keys = {Secret(CipherKeySize(suite)), Secret(AuthKeySize(suite))}};
}

std::unique_ptr<Engine> EngineOf(int64_t id) {
  SystemRng rng;
  return MakeEngine(static_cast<EngineId>(id), rng);
}

// CPU time, so that others on the machine count little.
double Now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// A round is this many packets, which stay in the second-level cache; the clock is read around it.
constexpr size_t kRound = 128;

// Rounds of `run`, each after an untimed `prepare`; the median shrugs off interruptions.
template <class Prepare, class Run>
void Measure(benchmark::State& state, const Prepare& prepare, const Run& run) {
  std::vector<double> each;
  for (auto _ : state) {
    prepare();
    const double began = Now();
    run();
    each.push_back(Now() - began);
    state.SetIterationTime(each.back());
  }
  std::sort(each.begin(), each.end());
  state.counters["ns_per_packet"] = each[each.size() / 2] * 1e9 / kRound;
  const std::string engine(NameOf(static_cast<EngineId>(state.range(0))));
  state.SetLabel(engine + " " + kNames[state.range(1)]);
}

// What is sealed and opened in a round: one SA's packets of one size, in batches of one size.
struct Scene {
  explicit Scene(const benchmark::State& state)
      : engine(EngineOf(state.range(0))),
        suite(kSuites[state.range(1)]),
        payload(static_cast<size_t>(state.range(2))),
        batch(static_cast<size_t>(state.range(3))),
        out(*MakeOutboundSa(ParametersOf(suite), *engine)),
        in(*MakeInboundSa(ParametersOf(suite), *engine)) {
    for (size_t i = 0; i < kRound; ++i) {
      bufs.push_back(pool.Get());
      bufs.back().Append(payload);
    }
    for (stack::PacketBuf& buf : bufs) {
      seal.push_back({.buf = &buf, .sa = out.get(), .next_header = 17});
    }
  }
  void Unwrap() {
    for (stack::PacketBuf& buf : bufs) {
      buf.Pull(kHeaderSize + IvSize(suite));
      buf.Trim(buf.size() - payload);
    }
  }
  void SealRound() {
    for (size_t at = 0; at < kRound; at += batch) Seal(*engine, std::span(seal).subspan(at, batch));
  }

  std::unique_ptr<Engine> engine;
  Suite suite;
  size_t payload, batch;
  std::unique_ptr<OutboundSa> out;
  std::unique_ptr<InboundSa> in;
  stack::PacketPool pool{kRound, 0};
  std::vector<stack::PacketBuf> bufs;
  std::vector<SealJob> seal;
};

void BM_Seal(benchmark::State& state) {
  Scene scene(state);
  scene.SealRound();
  Measure(
      state, [&] { scene.Unwrap(); }, [&] { scene.SealRound(); });
}

void BM_Open(benchmark::State& state) {
  Scene scene(state);
  scene.SealRound();
  std::vector<stack::Bytes> sealed, packets;
  for (const SealJob& job : scene.seal) sealed.push_back(stack::ToBytes(job.buf->bytes()));
  packets = sealed;
  std::vector<OpenJob> jobs;
  for (stack::Bytes& packet : packets) jobs.push_back({.packet = packet, .sa = scene.in.get()});
  Measure(
      state,
      [&] {
        for (size_t i = 0; i < kRound; ++i) {
          std::memcpy(packets[i].data(), sealed[i].data(), sealed[i].size());
        }
        scene.in->replay = ReplayWindow();
      },
      [&] {
        for (size_t at = 0; at < kRound; at += scene.batch) {
          Open(*scene.engine, std::span(jobs).subspan(at, scene.batch));
        }
      });
  if (scene.in->counters.packets % kRound != 0) state.SkipWithError("dropped");
}

// Forged packets: what an attacker makes us pay.
void BM_OpenForged(benchmark::State& state) {
  const auto engine = EngineOf(state.range(0));
  const Suite& suite = kSuites[state.range(1)];
  const auto batch = static_cast<size_t>(state.range(3));
  const auto sa = *MakeInboundSa(ParametersOf(suite), *engine);
  std::vector<stack::Bytes> packets(
      kRound, stack::Bytes(SealedSize(suite, static_cast<size_t>(state.range(2)))));
  std::vector<OpenJob> jobs;
  for (stack::Bytes& packet : packets) {
    stack::Store32(packet.data() + 4, 1);
    jobs.push_back({.packet = packet, .sa = sa.get()});
  }
  Measure(
      state, [] {},
      [&] {
        for (size_t at = 0; at < kRound; at += batch) {
          Open(*engine, std::span(jobs).subspan(at, batch));
        }
      });
}

void BM_SadFind(benchmark::State& state) {
  Sad sad;
  SystemRng rng;
  const auto engine = MakeEngine(EngineId::kBotan, rng);
  std::vector<Spi> spis;
  for (int64_t i = 0; i < state.range(0); ++i) {
    SaParameters parameters = ParametersOf(kSuites[0]);
    parameters.spi = *sad.Allocate(static_cast<uint8_t>(i), rng);
    spis.push_back(parameters.spi);
    sad.Insert(*MakeInboundSa(std::move(parameters), *engine));
  }
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(sad.Find(spis[next]));
    next = next + 1 == spis.size() ? 0 : next + 1;
  }
}

// What an SA costs to make, and what it holds on to: a pair of them, with all that is theirs.
void BM_MakePair(benchmark::State& state) {
  const auto engine = EngineOf(state.range(0));
  const Suite& suite = kSuites[state.range(1)];
  std::vector<std::unique_ptr<InboundSa>> in;
  std::vector<std::unique_ptr<OutboundSa>> out;
  in.reserve(10000), out.reserve(10000);
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < 10000; ++i) {
    in.push_back(*MakeInboundSa(ParametersOf(suite), *engine));
    out.push_back(*MakeOutboundSa(ParametersOf(suite), *engine));
  }
  state.counters["octets_a_pair"] = static_cast<double>(mallinfo2().uordblks - before) / 10000;
  for (auto _ : state) {
    benchmark::DoNotOptimize(MakeInboundSa(ParametersOf(suite), *engine));
    benchmark::DoNotOptimize(MakeOutboundSa(ParametersOf(suite), *engine));
  }
  state.SetLabel(std::string(NameOf(engine->id())) + " " + kNames[state.range(1)]);
}

std::vector<int64_t> Engines() {
  if (CheckEngine(EngineId::kIpsecMb).ok()) return {0, 1};
  return {0};
}

// By engine, suite, size and batch.
void Everything(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({Engines(), {0, 1, 2, 3, 4, 5, 6}, {64, 512, 1400}, {1, 4, 16, 64}})
      ->UseManualTime();
}
BENCHMARK(BM_Seal)->Apply(Everything);
BENCHMARK(BM_Open)->Apply(Everything);
BENCHMARK(BM_OpenForged)->ArgsProduct({Engines(), {0, 5}, {64, 1400}, {1, 64}})->UseManualTime();
BENCHMARK(BM_SadFind)->Arg(100)->Arg(10000);
BENCHMARK(BM_MakePair)->ArgsProduct({Engines(), {0, 1, 3, 4, 5}});

}  // namespace
}  // namespace crypto::esp
