// What a login costs in arithmetic: key agreement by group, the prf, randomness and MS-CHAPv2.
#include <benchmark/benchmark.h>
#include <botan/dh.h>
#include <botan/ecdh.h>
#include <botan/pubkey.h>

#include <array>
#include <memory>

#include "crypto/prim/dh.h"
#include "crypto/prim/mac.h"
#include "crypto/prim/mschap.h"
#include "crypto/prim/rng.h"
#include "crypto/prim/seeded_rng.h"

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

// What a login needs of key agreement, a pair of keys and an agreement, as the library has it ready
// made: what one who does not look for a better way pays.
template <class PrivateKey, class KeyGroup>
void ReadyMade(benchmark::State& state, const char* name) {
  SeededRng rng;
  const KeyGroup group(name);
  const PrivateKey peer(rng.get(), group);
  for (auto _ : state) {
    const PrivateKey own(rng.get(), group);
    const Botan::PK_Key_Agreement agreement(own, rng.get(), "Raw");
    benchmark::DoNotOptimize(agreement.derive_key(0, peer.public_value()));
  }
}

void BM_ReadyMade(benchmark::State& state) {
  if (static_cast<Group>(state.range(0)) == Group::kEcp256) {
    ReadyMade<Botan::ECDH_PrivateKey, Botan::EC_Group>(state, "secp256r1");
  } else {
    ReadyMade<Botan::DH_PrivateKey, Botan::DL_Group>(state, "modp/ietf/2048");
  }
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
BENCHMARK(BM_ReadyMade)->Arg(14)->Arg(19);
BENCHMARK(BM_HmacOf)->Arg(64)->Arg(512);
BENCHMARK(BM_Rng16);
BENCHMARK(BM_MsChapCheck);

}  // namespace
}  // namespace crypto
