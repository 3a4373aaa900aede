// What ESP costs per packet: Open() and Seal() of one packet and of batches, by suite and payload
// size.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

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

std::unique_ptr<OutboundSa> Outbound(const Suite& suite) {
  SystemRng rng;
  return *MakeOutboundSa(ParametersOf(suite), rng);
}

void BM_Seal(benchmark::State& state) {
  const Suite& suite = kSuites[state.range(0)];
  const auto payload = static_cast<size_t>(state.range(1));
  const auto sa = Outbound(suite);
  stack::PacketPool pool(1, 0);
  stack::PacketBuf buf = pool.Get();
  buf.Append(payload);
  for (auto _ : state) {
    SealJob job{.buf = &buf, .sa = sa.get(), .next_header = 17};
    Seal({&job, 1});
    benchmark::DoNotOptimize(job.drop);
    buf.Pull(kHeaderSize + IvSize(suite));
    buf.Trim(buf.size() - payload);
  }
  state.SetBytesProcessed(state.iterations() * state.range(1));
  state.SetLabel(kNames[state.range(0)]);
}

// Opening spoils the packet, so it works on copies; a new SA for each round keeps them from being
// replays. The copy is timed along: about 20 ns of the 1400 octets' time.
void BM_Open(benchmark::State& state) {
  constexpr size_t kRound = 256;
  const Suite& suite = kSuites[state.range(0)];
  const auto out = Outbound(suite);
  stack::PacketPool pool(1, 0);
  std::vector<stack::Bytes> packets;
  for (size_t i = 0; i < kRound; ++i) {
    stack::PacketBuf buf = pool.Get();
    buf.Append(static_cast<size_t>(state.range(1)));
    SealJob job{.buf = &buf, .sa = out.get(), .next_header = 17};
    Seal({&job, 1});
    packets.push_back(stack::ToBytes(buf.bytes()));
  }
  auto sa = *MakeInboundSa(ParametersOf(suite));
  stack::Bytes packet = packets[0];
  size_t next = 0;
  for (auto _ : state) {
    if (next == kRound) {
      sa->replay = ReplayWindow();
      next = 0;
    }
    std::memcpy(packet.data(), packets[next].data(), packet.size());
    ++next;
    OpenJob job{.packet = packet, .sa = sa.get()};
    Open({&job, 1});
    if (job.drop != stack::Drop::kNone) state.SkipWithError("dropped");
  }
  state.SetBytesProcessed(state.iterations() * state.range(1));
  state.SetLabel(kNames[state.range(0)]);
}

// A forged packet: what an attacker makes us pay.
void BM_OpenForged(benchmark::State& state) {
  const Suite& suite = kSuites[state.range(0)];
  const auto sa = *MakeInboundSa(ParametersOf(suite));
  stack::Bytes packet(SealedSize(suite, static_cast<size_t>(state.range(1))));
  stack::Store32(packet.data() + 4, 1);
  for (auto _ : state) {
    OpenJob job{.packet = packet, .sa = sa.get()};
    Open({&job, 1});
    benchmark::DoNotOptimize(job.drop);
  }
  state.SetLabel(kNames[state.range(0)]);
}

void BM_SadFind(benchmark::State& state) {
  Sad sad;
  SystemRng rng;
  std::vector<Spi> spis;
  for (int64_t i = 0; i < state.range(0); ++i) {
    SaParameters parameters = ParametersOf(kSuites[0]);
    parameters.spi = *sad.Allocate(static_cast<uint8_t>(i), rng);
    spis.push_back(parameters.spi);
    sad.Insert(*MakeInboundSa(std::move(parameters)));
  }
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(sad.Find(spis[next]));
    next = next + 1 == spis.size() ? 0 : next + 1;
  }
}

void BM_MakeInboundSa(benchmark::State& state) {
  const Suite& suite = kSuites[state.range(0)];
  for (auto _ : state) benchmark::DoNotOptimize(MakeInboundSa(ParametersOf(suite)));
  state.SetLabel(kNames[state.range(0)]);
}

BENCHMARK(BM_Seal)->ArgsProduct({{0, 1, 2, 3, 4, 5, 6}, {64, 512, 1400}});
BENCHMARK(BM_Open)->ArgsProduct({{0, 1, 2, 3, 4, 5, 6}, {64, 512, 1400}});
BENCHMARK(BM_OpenForged)->ArgsProduct({{0, 5}, {64, 1400}});
BENCHMARK(BM_SadFind)->Arg(100)->Arg(10000);
BENCHMARK(BM_MakeInboundSa)->Arg(0)->Arg(3)->Arg(5);

}  // namespace
}  // namespace crypto::esp
