// Random traffic of several clients against the plainest model of an endpoint-independent NAT, and
// proof that none of it allocates memory.
#include <atomic>
#include <cstdlib>
#include <map>
#include <new>
#include <set>
#include <tuple>

#include "gtest/gtest.h"
#include "nat/nat.h"
#include "tests/nat/packets.h"
#include "tests/support/rng.h"

namespace {
std::atomic<uint64_t> allocations{0};
std::atomic<size_t> largest{0};

void* Counted(size_t size) {
  ++allocations;
  if (size > largest) largest = size;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

[[gnu::noinline]] void* operator new(size_t size) { return Counted(size); }
[[gnu::noinline]] void* operator new[](size_t size) { return Counted(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace nat {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::Endpoint;
using stack::Ip4;

const Ip4 kExternal = Ip("203.0.113.1");

// UDP only, so that a mapping's life is one number.
class Model {
 public:
  struct Entry {
    uint16_t port;
    uint32_t last;
  };
  // What is known about `inside`; forgets what has expired, as a sweep at `now` does.
  Entry* Find(Endpoint inside) {
    const auto found = by_inside_.find(inside);
    return found == by_inside_.end() ? nullptr : &found->second;
  }
  void Add(Endpoint inside, uint16_t port, uint32_t now) {
    by_inside_[inside] = {port, now};
    ASSERT_TRUE(by_port_.emplace(port, inside).second) << "port " << port << " given out twice";
  }
  const Endpoint* Holder(uint16_t port) const {
    const auto found = by_port_.find(port);
    return found == by_port_.end() ? nullptr : &found->second;
  }
  template <class Predicate>
  void EraseIf(Predicate gone) {
    std::erase_if(by_inside_, [&](const auto& item) {
      if (!gone(item.first, item.second)) return false;
      by_port_.erase(item.second.port);
      return true;
    });
  }
  size_t size() const { return by_inside_.size(); }

 private:
  std::map<Endpoint, Entry> by_inside_;
  std::map<uint16_t, Endpoint> by_port_;
};

TEST(NatModel, RandomUdpTraffic) {
  test::FixedRng rng(7), dice(11);
  Nat nat({}, rng);
  nat.AddExternal(kExternal, 0);
  Model model;
  uint32_t now = 5;
  for (int step = 0; step < 20000; ++step) {
    const Ip4 client{Ip("10.99.0.1").value + static_cast<uint32_t>(dice.Below(20))};
    const Endpoint inside{client, static_cast<uint16_t>(1000 + dice.Below(60))};
    const Endpoint remote{Ip("192.0.2.1"), static_cast<uint16_t>(1 + dice.Below(3))};
    const uint64_t what = dice.Below(1000);
    if (what < 600) {
      Bytes packet = Udp(inside, remote);
      ASSERT_EQ(nat.Outbound(packet, 0, client, now), Drop::kNone);
      ASSERT_TRUE(ChecksumsHold(packet));
      const uint16_t port = SourcePortOf(packet);
      if (Model::Entry* known = model.Find(inside)) {
        ASSERT_EQ(known->port, port);
        known->last = now;
      } else {
        model.Add(inside, port, now);
      }
    } else if (what < 980) {
      const auto port = static_cast<uint16_t>(1024 + dice.Below(4096));
      Bytes packet = Udp(remote, {kExternal, port});
      const auto client_of = nat.Inbound(packet, now);
      const Endpoint* holder = model.Holder(port);
      const bool open = holder != nullptr && now - model.Find(*holder)->last < 300;
      ASSERT_EQ(client_of.ok(), open);
      if (!open) continue;
      ASSERT_EQ(stack::ToHex(packet), stack::ToHex(Udp(remote, *holder)));
    } else if (what < 995) {
      now += static_cast<uint32_t>(dice.Below(40));
      nat.Sweep(now, 1000000);
      model.EraseIf([&](Endpoint, const Model::Entry& e) { return now - e.last >= 300; });
      ASSERT_EQ(nat.mappings(), model.size());
    } else {
      nat.RemoveClient(client, now);
      model.EraseIf([&](Endpoint e, const Model::Entry&) { return e.ip == client; });
      ASSERT_EQ(nat.mappings(), model.size());
    }
  }
}

// Tables take their memory as they grow; what has been in use once costs none again.
TEST(NatModel, NoPacketAllocatesMemoryTwice) {
  test::FixedRng rng;
  Nat nat({}, rng);
  nat.AddExternal(kExternal, 0);
  const Endpoint web = At("192.0.2.80", 443);
  std::vector<Bytes> sent;
  for (uint16_t i = 1; i <= 500; ++i) {
    sent.push_back(Tcp(At("10.99.0.20", i), web, kTcpSyn));
    sent.push_back(Udp(At("10.99.0.20", i), web));
  }
  std::vector<Bytes> packets = sent;
  for (int round = 0; round < 3; ++round) {  // new flows, known ones, and new ones again
    const uint64_t before = allocations;
    for (Bytes& packet : packets) {
      ASSERT_EQ(nat.Outbound(packet, 0, Ip("10.99.0.20"), 1), Drop::kNone);
    }
    EXPECT_LE(allocations - before, round == 0 ? 4u : 0u) << "round " << round;
    packets = sent;
    if (round == 1) nat.RemoveClient(Ip("10.99.0.20"), 1);
  }
  Bytes out = sent[1];
  ASSERT_EQ(nat.Outbound(out, 0, Ip("10.99.0.20"), 1), Drop::kNone);
  Bytes back = Udp(web, {kExternal, SourcePortOf(out)});
  const uint64_t before = allocations;
  ASSERT_TRUE(nat.Inbound(back, 1).ok());
  nat.RemoveClient(Ip("10.99.0.20"), 1);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(nat.flows(), 0u);
  ::operator delete(::operator new(1));  // a new expression may be optimised away
  EXPECT_GT(allocations, before) << "the counter counts nothing";
}

// A table that doubles would ask for megabytes at once, and make one packet wait until everything
// has moved.
TEST(NatModel, GrowingIsDoneInSmallSteps) {
  test::FixedRng rng;
  Nat nat({.max_mappings = 1U << 24, .max_flows = 1U << 24, .flows_per_client = 1U << 20}, rng);
  nat.AddExternal(kExternal, 0);
  const Ip4 client = Ip("10.99.0.20");
  const Bytes first = Tcp({client, 7}, At("192.0.2.80", 443), kTcpSyn);
  largest = 0;
  for (uint32_t i = 0; i < 100000; ++i) {
    Bytes packet = first;
    stack::Store32(&packet[16], 0x0b000000 + i);  // another server each time
    ASSERT_EQ(nat.Outbound(packet, 0, client, 0), Drop::kNone);
  }
  EXPECT_EQ(nat.flows(), 100000u);
  EXPECT_EQ(nat.mappings(), 1u);
  EXPECT_LE(largest, 64u * 1024);
  for (uint32_t i = 0; i < 100000; i += 997) {  // and everything is found again
    Bytes out = first;
    stack::Store32(&out[16], 0x0b000000 + i);
    ASSERT_EQ(nat.Outbound(out, 0, client, 0), Drop::kNone);
  }
  EXPECT_EQ(nat.flows(), 100000u);
}

// Flows come and go for a long time in full tables: nothing leaks, nothing is lost.
TEST(NatModel, ChurnOfTcpFlowsReturnsEverything) {
  test::FixedRng rng(3), dice(5);
  Nat nat({.max_mappings = 1024, .max_flows = 1024}, rng);
  nat.AddExternal(kExternal, 0);
  uint32_t now = 0;
  for (int step = 0; step < 20000; ++step) {
    const Ip4 client{Ip("10.99.0.1").value + static_cast<uint32_t>(dice.Below(8))};
    static constexpr uint8_t kFlags[] = {kTcpSyn, kTcpAck, kTcpFin | kTcpAck, kTcpRst};
    Bytes packet =
        Tcp({client, static_cast<uint16_t>(1 + dice.Below(300))},
            {Ip("192.0.2.1"), static_cast<uint16_t>(1 + dice.Below(4))}, kFlags[dice.Below(4)]);
    nat.Outbound(packet, 0, client, now);
    if (dice.Below(20) == 0) nat.Sweep(now += 10, 256);
    if (dice.Below(500) == 0) nat.RemoveClient(client, now);
    ASSERT_LE(nat.mappings(), 1024u);
    ASSERT_LE(nat.flows(), 1024u);
  }
  EXPECT_GT(nat.flows(), 0u);
  now += 8000;
  for (int i = 0; i < 20; ++i) nat.Sweep(now, 256);
  EXPECT_EQ(nat.flows(), 0u);
  EXPECT_EQ(nat.mappings(), 0u);
  EXPECT_EQ(nat.clients(), 0u);
}

}  // namespace
}  // namespace nat
