// What a login costs in arithmetic: key agreement by group, the prf, randomness and MS-CHAPv2.
#include <benchmark/benchmark.h>

#include <array>

#include "crypto/prim/dh.h"
#include "crypto/prim/mac.h"
#include "crypto/prim/mschap.h"
#include "crypto/prim/rng.h"

namespace crypto {
namespace {

void BM_GenerateDh(benchmark::State& state) {
  const auto group = static_cast<Group>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(GenerateDh(group));
}

void BM_Agree(benchmark::State& state) {
  const auto group = static_cast<Group>(state.range(0));
  const auto own = GenerateDh(group), peer = GenerateDh(group);
  for (auto _ : state) benchmark::DoNotOptimize(own->Agree(peer->public_value()));
}

void BM_HmacOf(benchmark::State& state) {
  const stack::Bytes key(20), message(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(HmacOf(HashId::kSha1, key, {message}));
}

void BM_Rng16(benchmark::State& state) {
  SystemRng rng;
  std::array<std::byte, 16> out;
  for (auto _ : state) {
    rng.Fill(out);
    benchmark::DoNotOptimize(out);
  }
}

void BM_MsChapCheck(benchmark::State& state) {
  const std::array<std::byte, 16> challenge{};
  const MsChapExchange exchange{challenge, challenge, "User"};
  const Secret hash = *NtPasswordHash("clientPass");
  const NtResponse response = GenerateNtResponse(exchange, hash);
  for (auto _ : state) benchmark::DoNotOptimize(CheckNtResponse(exchange, hash, response));
}

BENCHMARK(BM_GenerateDh)->Arg(2)->Arg(5)->Arg(14)->Arg(15)->Arg(16)->Arg(19)->Arg(20);
BENCHMARK(BM_Agree)->Arg(2)->Arg(5)->Arg(14)->Arg(15)->Arg(16)->Arg(19)->Arg(20);
BENCHMARK(BM_HmacOf)->Arg(64)->Arg(512);
BENCHMARK(BM_Rng16);
BENCHMARK(BM_MsChapCheck);

}  // namespace
}  // namespace crypto
