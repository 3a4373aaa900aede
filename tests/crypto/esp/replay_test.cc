#include "crypto/esp/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "tests/support/rng.h"

namespace crypto::esp {
namespace {

using stack::Drop;

constexpr uint32_t kLast = std::numeric_limits<uint32_t>::max();

// RFC 4303 section 3.4.3 in the plainest words there are.
class Model {
 public:
  explicit Model(size_t size) : size_(size) {}
  Drop MayAccept(uint32_t sequence) const {
    if (sequence > highest_) return Drop::kNone;
    if (sequence == 0 || highest_ - sequence >= size_) return Drop::kReplayTooOld;
    return seen_.contains(sequence) ? Drop::kReplayed : Drop::kNone;
  }
  void Commit(uint32_t sequence) {
    seen_.insert(sequence);
    highest_ = std::max(highest_, sequence);
  }
  uint32_t highest() const { return highest_; }

 private:
  size_t size_;
  uint32_t highest_ = 0;
  std::set<uint32_t> seen_;
};

// Numbers as a bad network gives them: mostly the next ones, some late, some repeated, some far
// ahead.
uint32_t Draw(test::FixedRng& rng, uint32_t highest, size_t size) {
  const uint64_t near = rng.Below(3 * size);
  switch (rng.Below(8)) {
    case 0:
      return static_cast<uint32_t>(highest + near);  // may wrap: then it is old
    case 1:
      return static_cast<uint32_t>(rng.Below(8));
    case 2:
      return highest + static_cast<uint32_t>(rng.Below(3 * 64));
    case 3:
    case 4:
    case 5:
      return near > highest ? 0 : highest - static_cast<uint32_t>(near);
    default:
      return highest + 1;
  }
}

void Compare(size_t size, uint32_t first, uint64_t seed) {
  ReplayWindow window(size);
  Model model(size);
  test::FixedRng rng(seed);
  if (first != 0) {
    window.Commit(first);
    model.Commit(first);
  }
  for (int i = 0; i < 20000; ++i) {
    const uint32_t sequence = Draw(rng, model.highest(), size);
    const Drop expected = model.MayAccept(sequence);
    ASSERT_EQ(window.MayAccept(sequence), expected) << sequence << " of " << model.highest();
    const bool forged = rng.Below(10) == 0;  // the ICV did not prove it: no Commit
    if (expected != Drop::kNone || forged) continue;
    window.Commit(sequence);
    model.Commit(sequence);
    ASSERT_EQ(window.highest(), model.highest());
  }
}

TEST(ReplayWindow, DoesWhatTheModelDoes) {
  for (const size_t size : {64, 128, 192, 256, 512, 1024, 2048, 4096}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) Compare(size, 0, seed);
  }
}

TEST(ReplayWindow, DoesWhatTheModelDoesUpToTheLastNumber) {
  for (const size_t size : {64, 256, 1024, 4096}) {
    for (const uint32_t before : {1u, 63u, 64u, 5000u, 100000u}) Compare(size, kLast - before, 7);
  }
}

TEST(ReplayWindow, TakesEachNumberOnce) {
  ReplayWindow window;
  for (uint32_t sequence = 1; sequence <= 5000; ++sequence) {
    EXPECT_EQ(window.MayAccept(sequence), Drop::kNone);
    window.Commit(sequence);
    EXPECT_EQ(window.MayAccept(sequence), Drop::kReplayed);
  }
}

TEST(ReplayWindow, HasExactEdges) {
  ReplayWindow window(64);
  window.Commit(1000);
  EXPECT_EQ(window.MayAccept(1000), Drop::kReplayed);
  EXPECT_EQ(window.MayAccept(937), Drop::kNone);  // 63 behind
  EXPECT_EQ(window.MayAccept(936), Drop::kReplayTooOld);
  EXPECT_EQ(window.MayAccept(0), Drop::kReplayTooOld);
  EXPECT_EQ(window.MayAccept(kLast), Drop::kNone);
}

// Jumps that clear some, most or all of the ring: what was seen before the jump is either still
// known or too old, never new again.
TEST(ReplayWindow, JumpsForgetNothingThatIsStillInside) {
  for (const uint32_t size : {64u, 128u, 256u, 512u, 1024u, 2048u, 4096u}) {
    for (const uint32_t jump : {1u, 63u, 64u, 65u, size - 1, size, size + 1, size + 63, size + 64,
                                2 * size, 64 * size, 1u << 30}) {
      ReplayWindow window(size);
      const uint32_t first = 3 * size;
      for (uint32_t sequence = first - size + 1; sequence <= first; ++sequence) {
        window.Commit(sequence);
      }
      window.Commit(first + jump);
      for (uint32_t sequence = first - size + 1; sequence < first + jump; ++sequence) {
        const bool inside = first + jump - sequence < size;
        const Drop expected = !inside             ? Drop::kReplayTooOld
                              : sequence <= first ? Drop::kReplayed
                                                  : Drop::kNone;
        ASSERT_EQ(window.MayAccept(sequence), expected) << size << " " << jump << " " << sequence;
        if (sequence > first + 2 * size) break;  // too old from here on, as far as it matters
      }
    }
  }
}

TEST(ReplayWindow, NeverTakesZero) { EXPECT_EQ(ReplayWindow().MayAccept(0), Drop::kReplayTooOld); }

TEST(ReplayWindow, StopsAtTheLastNumber) {
  ReplayWindow window;
  window.Commit(kLast);
  EXPECT_EQ(window.MayAccept(kLast), Drop::kReplayed);
  EXPECT_EQ(window.MayAccept(kLast - 1), Drop::kNone);
  EXPECT_EQ(window.MayAccept(1), Drop::kReplayTooOld);
}

TEST(ReplayWindow, KeepsItsSizeInBounds) {
  EXPECT_EQ(ReplayWindow(0).size(), kMinReplayWindow);
  EXPECT_EQ(ReplayWindow(100).size(), 128u);
  EXPECT_EQ(ReplayWindow().size(), 1024u);
  EXPECT_EQ(ReplayWindow(size_t{1} << 40).size(), kMaxReplayWindow);
}

}  // namespace
}  // namespace crypto::esp
