// What a whole login costs in CPU time, both ends of it in one process: Main Mode with MODP-2048,
// Quick Mode, L2TP, PPP with MS-CHAPv2, and its orderly end. The four exponentiations are nearly
// all of it.
#include <benchmark/benchmark.h>

#include "tests/support/world/world.h"

namespace {

void LogIn(benchmark::State& state) {
  test::World world;
  for (auto _ : state) {
    test::Caller& caller = world.Add({});
    if (!world.LogIn(caller)) {
      state.SkipWithError(("a login failed: " + caller.Story()).c_str());
      break;
    }
    state.PauseTiming();
    world.Do(caller, [](absl::Time now, gateway::load::Client& client, gateway::load::Out& out) {
      client.Close(now, out);
    });
    world.RunUntil([&caller] { return caller.is_down(); }, absl::Minutes(1));
    world.log.clear();
    world.Remove(caller);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(LogIn)->Unit(benchmark::kMillisecond);

}  // namespace
