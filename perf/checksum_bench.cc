// The Internet checksum: what each forwarded packet pays for sums and updates.
#include <benchmark/benchmark.h>

#include <vector>

#include "stack/base/checksum.h"

namespace {

// 20: an IP header. 1400: a packet whose partial checksum must be finished. 65000: a superframe's.
void BM_SumOf(benchmark::State& state) {
  const stack::Bytes bytes(static_cast<size_t>(state.range(0)), std::byte{0x5a});
  for (auto _ : state) benchmark::DoNotOptimize(stack::SumOf(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SumOf)->Arg(20)->Arg(64)->Arg(512)->Arg(1400)->Arg(65000);

// Where a buffer begins must not matter: after a pulled header it lies anywhere.
void BM_SumOfUnaligned(benchmark::State& state) {
  const stack::Bytes bytes(1401, std::byte{0x5a});
  const stack::ByteView odd = stack::ByteView(bytes).subspan(1);
  for (auto _ : state) benchmark::DoNotOptimize(stack::SumOf(odd));
  state.SetBytesProcessed(state.iterations() * 1400);
}
BENCHMARK(BM_SumOfUnaligned);

void BM_Update16(benchmark::State& state) {
  uint16_t checksum = 0x1234, port = 1;
  for (auto _ : state) {
    checksum = stack::Update16(checksum, port, static_cast<uint16_t>(port + 1));
    benchmark::DoNotOptimize(checksum);
    ++port;
  }
}
BENCHMARK(BM_Update16);

void BM_Update32(benchmark::State& state) {
  uint16_t checksum = 0x1234;
  uint32_t address = 0x0a000001;
  for (auto _ : state) {
    checksum = stack::Update32(checksum, address, address + 1);
    benchmark::DoNotOptimize(checksum);
    ++address;
  }
}
BENCHMARK(BM_Update32);

}  // namespace
