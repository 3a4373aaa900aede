#include "gateway/io/memory_port.h"

#include <array>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "gateway/io/event_loop.h"
#include "gtest/gtest.h"
#include "tests/support/rng.h"

namespace {
std::atomic<uint64_t> allocations{0};
}  // namespace

// Counts what the program allocates, for the test that says a warm port allocates nothing.
[[gnu::noinline]] void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace gateway::io {
namespace {

stack::Bytes Numbered(uint64_t number, size_t size) {
  stack::Bytes frame(size, std::byte(number));
  stack::Store64(frame.data(), number);
  return frame;
}

bool SendOne(Port& port, stack::ByteView frame, const VnetHdr& vnet = {}) {
  TxFrame tx{frame, {}, vnet};
  return port.Send({&tx, 1}) == 1 && tx.ok;
}

TEST(MemoryPort, CarriesFramesBothWaysWithTheirVnetHdr) {
  auto [left, right] = MemoryPort::Pair("left", "right");
  const VnetHdr vnet{VnetHdr::kNeedsChecksum, VnetHdr::kGsoTcp4, 54, 1000, 34, 16};
  ASSERT_TRUE(SendOne(*left, Numbered(1, 3000), vnet));
  ASSERT_TRUE(SendOne(*right, Numbered(2, 60)));
  std::array<RxFrame, 4> frames;
  ASSERT_EQ(right->Receive(frames), 1U);
  EXPECT_EQ(stack::ToBytes(frames[0].bytes), Numbered(1, 3000));
  EXPECT_EQ(frames[0].vnet, vnet);
  ASSERT_EQ(left->Receive(frames), 1U);
  EXPECT_EQ(stack::ToBytes(frames[0].bytes), Numbered(2, 60));
  EXPECT_EQ(right->stats().rx_superframes, 1U);
  EXPECT_EQ(left->stats().tx_superframes, 1U);
  EXPECT_EQ(left->name(), "left");
}

TEST(MemoryPort, PutsPiecesTogetherAndRefusesMonsters) {
  auto [left, right] = MemoryPort::Pair("left", "right");
  const stack::Bytes a = Numbered(1, 54), b(1000, std::byte{2}), c(7, std::byte{3});
  const std::array<stack::ByteView, 2> more{b, c};
  TxFrame tx{a, more, {}};
  ASSERT_EQ(left->Send({&tx, 1}), 1U);
  std::array<RxFrame, 1> frames;
  ASSERT_EQ(right->Receive(frames), 1U);
  EXPECT_EQ(frames[0].bytes.size(), 1061U);
  EXPECT_EQ(frames[0].bytes[54], std::byte{2});
  EXPECT_EQ(frames[0].bytes[1060], std::byte{3});
  EXPECT_FALSE(SendOne(*left, stack::Bytes(kMaxFrame + 1)));
  EXPECT_EQ(left->stats().tx_failed, 1U);
}

TEST(MemoryPort, LentFramesStayUntilReleased) {
  auto [left, right] = MemoryPort::Pair("left", "right", 4);
  for (uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(SendOne(*left, Numbered(i, 60)));
  EXPECT_FALSE(SendOne(*left, Numbered(4, 60)));
  std::array<RxFrame, 3> frames;
  ASSERT_EQ(right->Receive(frames), 3U);
  EXPECT_FALSE(SendOne(*left, Numbered(4, 60))) << "lent, not free";
  EXPECT_EQ(stack::Load64(frames[2].bytes.data()), 2U);
  right->Release();
  EXPECT_TRUE(SendOne(*left, Numbered(4, 60)));
  ASSERT_EQ(right->Receive(frames), 2U);
  EXPECT_EQ(stack::Load64(frames[0].bytes.data()), 3U);
  EXPECT_EQ(stack::Load64(frames[1].bytes.data()), 4U);
}

TEST(MemoryPort, AllocatesNothingOnceWarm) {
  auto [left, right] = MemoryPort::Pair("left", "right", 64);
  const stack::Bytes frame = Numbered(1, 1500);
  std::array<TxFrame, 16> batch;
  std::array<RxFrame, 16> frames;
  uint64_t before = 0;
  for (int i = 0; i < 100; ++i) {
    if (i == 10) before = allocations;
    batch.fill({frame, {}, {}});
    ASSERT_EQ(left->Send(batch), 16U);
    ASSERT_EQ(right->Receive(frames), 16U);
    right->Release();
  }
  EXPECT_EQ(allocations - before, 0U);
  EXPECT_GT(before, 0U);  // the count counts: the pair itself is made of memory
}

// The receiver waits on the descriptor whenever it has nothing: a lost wake-up ends the test.
TEST(MemoryPort, CarriesEverythingBetweenTwoSleepyThreads) {
  constexpr uint64_t kFrames = 20000;
  auto [left, right] = MemoryPort::Pair("left", "right", 64);
  uint64_t received = 0, wrong = 0;
  std::thread thread([&port = *right, &received, &wrong] {
    EventLoop loop;
    for (const int fd : port.fds()) ASSERT_TRUE(loop.Add(fd, 1).ok());
    std::array<RxFrame, kBatch> frames;
    while (received < kFrames) {
      const size_t count = port.Receive(frames);
      for (const RxFrame& frame : std::span(frames).first(count)) {
        wrong += stack::Load64(frame.bytes.data()) != received ? 1 : 0;
        wrong += frame.bytes.size() != 60 + received % 1400 ? 1 : 0;
        wrong += frame.bytes.back() != std::byte(received) ? 1 : 0;
        ++received;
      }
      port.Release();
      if (count == 0 && loop.Wait(absl::Seconds(20)).empty()) return;
    }
  });
  test::FixedRng rng(5);
  for (uint64_t sent = 0; sent < kFrames;) {
    if (SendOne(*left, Numbered(sent, 60 + sent % 1400))) {
      ++sent;
    } else {
      std::this_thread::yield();
    }
    if (rng.Below(50) == 0) std::this_thread::yield();
  }
  thread.join();
  EXPECT_EQ(received, kFrames);
  EXPECT_EQ(wrong, 0U);
}

TEST(MemoryPort, ChecksSteeringRules) {
  auto [left, right] = MemoryPort::Pair("left", "right");
  SteeringRules rules;
  EXPECT_TRUE(left->Steer(rules).ok());
  rules.shards = 0;
  EXPECT_FALSE(left->Steer(rules).ok());
}

}  // namespace
}  // namespace gateway::io
