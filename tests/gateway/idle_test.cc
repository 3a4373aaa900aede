// What a client costs that is on line and does nothing: fifty thousand of them log in to one
// gateway in this process, each dialled by a client of its own that is thrown away once it is in,
// and a minute passes; the same at a thousand and at ten thousand on the way. The process's memory
// is what the kernel says it is. Under the address sanitizer, whose own needs would drown
// everything, fewer log in and the live octets of the heap are counted.
#include <malloc.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/world/world.h"

#if defined(__SANITIZE_ADDRESS__)
// Of its allocator; the header that declares it is not there with every compiler.
extern "C" size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace test {
namespace {

using gateway::load::ClientOptions;

constexpr int kAtOnce = 50;  // callers who dial one after the other and are thrown away together
constexpr uint8_t kShards = 2;
constexpr int kNatBoxes = 8;  // they come from so many addresses

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kMostOctets = 16 * 1024;
constexpr int kStages[] = {1000};
uint64_t Memory() { return __sanitizer_get_current_allocated_bytes(); }
#else
constexpr size_t kMostOctets = 8 * 1024;
constexpr int kStages[] = {1000, 10000, 50000};
uint64_t Memory() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * 4096;
}
#endif

constexpr int kSessions = kStages[std::size(kStages) - 1];

// Nothing of the gateway's asks clients that are not there any more.
void KeepQuiet(conf::Model& model) {
  model.ike.dpd = absl::ZeroDuration();
  model.ppp.echo = absl::ZeroDuration();
  model.l2tp.hello = absl::Hours(24);
  model.pools[0].last = {model.pools[0].first.value + 2 * kSessions};
  model.limits.sessions = 2 * kSessions;
}

// The quickest there is: what it takes is the gateway's, whatever the group. They dial one after
// the other, so the first ones' SAs have to outlive hours.
void Hurry(ClientOptions& options) {
  for (auto& suite : options.ipsec.ike.phase_one) {
    suite.group = crypto::Group::kEcp256;
    suite.lifetime.seconds = 86400;
  }
  for (auto& suite : options.ipsec.ike.esp) suite.lifetime.seconds = 86400;
}

class Crowd {
 public:
  Crowd()
      : world({.shards = kShards,
               .configure = KeepQuiet,
               .least_delay = absl::Milliseconds(1),
               .most_delay = absl::Milliseconds(1)}) {
    for (int i = 0; i < kNatBoxes; ++i) {
      nats_.push_back(&world.AddNat("203.0.113." + std::to_string(100 + i)));
    }
  }

  void LogIn(int count) {
    std::vector<Caller*> callers;
    for (int i = 0; i < count; ++i) {
      ++number_;
      callers.push_back(&world.Add({.user = 1 + number_ % 9,
                                    .address = "10.1." + std::to_string(number_ / 250) + "." +
                                               std::to_string(1 + number_ % 250),
                                    .nat = nats_[static_cast<size_t>(number_ % kNatBoxes)],
                                    .change = Hurry}));
      ASSERT_TRUE(world.LogIn(*callers.back())) << callers.back()->Story() << world.Drops();
    }
    world.Settle();  // the last acknowledgements
    for (Caller* caller : callers) world.Remove(*caller);
    world.ForgetNats();
    world.log.clear();
  }

  World world;

 private:
  std::vector<NatBox*> nats_;
  int number_ = 0;
};

TEST(Idle, ASessionTakesAFewKiB) {
  Crowd crowd;
  ASSERT_NO_FATAL_FAILURE(crowd.LogIn(kAtOnce));  // what is made once, and buffers' first use
  crowd.world.RunFor(absl::Minutes(1));
  const uint64_t before = Memory();
  const int first = static_cast<int>(crowd.world.Counts().peers.sessions);
  std::printf(
      "apart from sessions: %llu KiB before the first one; packet buffers reserved: %zu KiB\n",
      static_cast<unsigned long long>(before >> 10),
      kShards * (gateway::shard::kSmallSlots * 2 + gateway::shard::kLargeSlots * 68));
  int sessions = 0;
  uint64_t each = 0;
  for (const int stage : kStages) {
    for (; sessions < stage; sessions += kAtOnce) ASSERT_NO_FATAL_FAILURE(crowd.LogIn(kAtOnce));
    crowd.world.RunFor(absl::Minutes(1));
    each = (Memory() - before) / static_cast<uint64_t>(sessions);
    std::printf("%d idle sessions: %llu octets each\n", sessions,
                static_cast<unsigned long long>(each));
    RecordProperty("octets_a_session_of_" + std::to_string(sessions), std::to_string(each));
  }
  const gateway::shard::Census census = crowd.world.Counts();
  EXPECT_EQ(census.peers.sessions, static_cast<size_t>(first + sessions)) << crowd.world.Drops();
  EXPECT_EQ(census.sas, static_cast<size_t>(first + sessions));
  EXPECT_EQ(census.small_buffers + census.large_buffers, 0U);
  EXPECT_LE(each, kMostOctets);
}

}  // namespace
}  // namespace test
