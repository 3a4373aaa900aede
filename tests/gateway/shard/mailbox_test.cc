#include "gateway/shard/mailbox.h"

#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/rng.h"

namespace gateway::shard {
namespace {

struct Meta {
  uint8_t entry;
  uint32_t peer;
};
struct Ping {
  int number;
};
struct Answer {
  std::unique_ptr<int> value;  // control objects may be move-only
};
using Control = std::variant<Ping, Answer>;
using Box = Mailbox<Meta, Control>;

TEST(Mailbox, CarriesPacketsWithTheirMeta) {
  io::Waker waker;
  Box box(waker);
  const stack::Bytes packet = stack::FromHex("45000014");
  ASSERT_TRUE(box.PutPacket({3, 77}, packet));
  ASSERT_TRUE(box.PutPacket({4, 78}, {}));
  EXPECT_TRUE(box.empty());
  box.Flush();
  EXPECT_FALSE(box.empty());

  std::vector<std::string> seen;
  const auto take = [&seen](const Meta& meta, stack::ByteSpan bytes) {
    seen.push_back(std::to_string(meta.entry) + "/" + std::to_string(meta.peer) + "/" +
                   stack::ToHex(bytes));
  };
  EXPECT_EQ(box.TakePackets(take, 1), 1U);
  EXPECT_EQ(box.TakePackets(take, 10), 1U);
  EXPECT_EQ(seen, (std::vector<std::string>{"3/77/45000014", "4/78/"}));
  EXPECT_TRUE(box.empty());
}

TEST(Mailbox, PacketsAreRefusedWhenFullAndControlIsNot) {
  io::Waker waker;
  Box box(waker, {.packet_bytes = 4096, .control = 4, .reserved = 1});
  const stack::Bytes packet(1000);
  size_t put = 0;
  while (box.PutPacket({1, 1}, packet)) ++put;
  EXPECT_EQ(put, 4U);
  EXPECT_TRUE(box.PutControl(Ping{1}));
}

TEST(Mailbox, ReservedRoomIsKeptForAnswers) {
  io::Waker waker;
  Box box(waker, {.packet_bytes = 4096, .control = 4, .reserved = 2});
  EXPECT_TRUE(box.PutControl(Ping{1}));
  EXPECT_TRUE(box.PutControl(Ping{2}));
  EXPECT_FALSE(box.PutControl(Ping{3}));
  EXPECT_TRUE(box.PutControl(Answer{std::make_unique<int>(4)}, Room::kReserved));
  EXPECT_TRUE(box.PutControl(Answer{std::make_unique<int>(5)}, Room::kReserved));
  Control last = Answer{std::make_unique<int>(6)};
  EXPECT_FALSE(box.PutControl(std::move(last), Room::kReserved));
  EXPECT_EQ(*std::get<Answer>(last).value, 6) << "untouched when refused";

  box.Flush();
  std::vector<int> seen;
  box.TakeControl(
      [&seen](Control&& control) {
        seen.push_back(control.index() == 0 ? std::get<Ping>(control).number
                                            : *std::get<Answer>(control).value);
      },
      100);
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 4, 5}));
}

TEST(Mailbox, FlushWakesASleeperOnly) {
  io::Waker waker;
  io::EventLoop loop;
  ASSERT_TRUE(loop.Add(waker.fd(), 1).ok());
  Box box(waker);
  ASSERT_TRUE(box.PutControl(Ping{1}));
  box.Flush();
  EXPECT_TRUE(loop.Wait(absl::ZeroDuration()).empty());
  waker.BeginSleep();
  box.Flush();  // nothing new
  EXPECT_TRUE(loop.Wait(absl::ZeroDuration()).empty());
  ASSERT_TRUE(box.PutControl(Ping{2}));
  box.Flush();
  EXPECT_EQ(loop.Wait(absl::ZeroDuration()).size(), 1U);
}

// The reader of the next test: sleeps whenever there is nothing, counts what is not as it was sent.
struct Reader {
  Box& box;
  io::Waker& waker;
  uint64_t packets = 0, controls = 0, wrong = 0, sleeps = 0;

  void Read(uint64_t until_packets, uint64_t until_controls) {
    io::EventLoop loop;
    if (!loop.Add(waker.fd(), 1).ok()) return;
    while (packets < until_packets || controls < until_controls) {
      const size_t taken = Take();
      if (taken != 0) continue;
      waker.BeginSleep();
      const absl::Duration timeout = box.empty() ? absl::Seconds(20) : absl::ZeroDuration();
      if (loop.Wait(timeout).empty() && timeout != absl::ZeroDuration()) return;
      waker.EndSleep();
      ++sleeps;
    }
  }
  size_t Take() {
    return box.TakePackets(
               [this](const Meta& meta, stack::ByteSpan bytes) {
                 wrong += meta.peer != static_cast<uint32_t>(packets) ? 1 : 0;
                 wrong += bytes.size() != packets % 1500 ? 1 : 0;
                 for (const std::byte b : bytes) wrong += b != std::byte(packets) ? 1 : 0;
                 ++packets;
               },
               64) +
           box.TakeControl(
               [this](Control&& control) {
                 const auto answer = std::get<Answer>(std::move(control));
                 wrong += static_cast<uint64_t>(*answer.value) != controls ? 1 : 0;
                 ++controls;
               },
               16);
  }
};

TEST(Mailbox, NothingIsLostOrTornBetweenTwoThreads) {
  constexpr uint64_t kPackets = 20000, kControls = 5000;
  io::Waker waker;
  Box box(waker, {.packet_bytes = 1 << 16, .control = 64, .reserved = 8});
  Reader reader{box, waker};
  std::thread thread([&reader] { reader.Read(kPackets, kControls); });
  uint64_t packets = 0, controls = 0;
  stack::Bytes bytes;
  test::FixedRng rng(11);
  while (packets < kPackets || controls < kControls) {
    for (uint64_t burst = rng.Below(40); burst != 0 && packets < kPackets; --burst) {
      bytes.assign(packets % 1500, std::byte(packets));
      if (!box.PutPacket({0, static_cast<uint32_t>(packets)}, bytes)) break;
      ++packets;
    }
    if (controls < kControls &&
        box.PutControl(Answer{std::make_unique<int>(static_cast<int>(controls))})) {
      ++controls;
    }
    box.Flush();
    if (rng.Below(8) == 0) std::this_thread::yield();
  }
  thread.join();
  EXPECT_EQ(reader.packets, kPackets);
  EXPECT_EQ(reader.controls, kControls);
  EXPECT_EQ(reader.wrong, 0U);
}

}  // namespace
}  // namespace gateway::shard
