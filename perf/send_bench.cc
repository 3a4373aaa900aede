// What it costs to send frames that are no superframes, by AF_PACKET and by AF_XDP (`io`): into a
// veth pair whose other end throws them away, for they go to nobody's MAC. That end's softirq runs
// inside the system call that sends, so the CPU time of this one thread is the whole of it. Needs
// root.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "gateway/io/packet_ring.h"

namespace {

using gateway::io::Port;
using gateway::io::TxFrame;

// A network namespace of this thread, with one pair in it.
bool MakeLink() {
  static const bool made = unshare(CLONE_NEWNET) == 0 &&
                           std::system(
                               "ip link add g0 type veth peer name p0 && sysctl -qw"
                               " net.ipv6.conf.g0.disable_ipv6=1 net.ipv6.conf.p0.disable_ipv6=1 &&"
                               " ip link set g0 up && ip link set p0 up") == 0;
  return made;
}

std::unique_ptr<Port> Open(bool xdp) {
  gateway::io::PacketOptions options;
  options.xdp = xdp;
  // The kernel lets go of an earlier port's queue some milliseconds after its end.
  for (int tries = 0; tries < 100; ++tries, usleep(10000)) {
    auto ports = gateway::io::OpenPacketPorts("g0", options);
    if (ports.ok()) return std::move(ports->front());
  }
  return nullptr;
}

// An IPv4 packet with ESP in it, as far as the other end looks.
stack::Bytes Frame(size_t size) {
  stack::Bytes frame(size);
  stack::Writer w(frame);
  w.Put(stack::FromHex("020000000077 020000000001 0800 4500"));
  w.U16(static_cast<uint16_t>(size - 14));
  w.U32(0);
  w.U16(0x4032);
  return frame;
}

void BM_Send(benchmark::State& state) {
  const auto batch = static_cast<size_t>(state.range(2));
  const std::unique_ptr<Port> port = MakeLink() ? Open(state.range(0) != 0) : nullptr;
  if (!port) return state.SkipWithError("needs root, and AF_XDP");
  const stack::Bytes frame = Frame(static_cast<size_t>(state.range(1)));
  std::array<TxFrame, gateway::io::kBatch> frames;
  for (TxFrame& tx : frames) tx.bytes = frame;
  size_t sent = 0;
  for (auto _ : state) sent += port->Send(std::span(frames).first(batch));
  state.counters["per_frame"] = benchmark::Counter(
      static_cast<double>(sent), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  if (port->stats().tx_failed != 0) state.SkipWithError("frames were refused");
}
BENCHMARK(BM_Send)
    ->ArgNames({"xdp", "octets", "batch"})
    ->ArgsProduct({{0, 1}, {64, 1400}, {1, 64}});

}  // namespace
