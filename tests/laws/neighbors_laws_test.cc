// The seven laws on the ARP machine of one interface: an address of ours, one station that answers
// and one that does not, a rival.
#include <algorithm>
#include <array>

#include "stack/link/neighbors.h"
#include "stack/wire/ethernet.h"
#include "tests/laws/machine_laws.h"

namespace test::laws {
namespace {

namespace link = stack::link;
using stack::wire::Arp;
using stack::wire::ArpOperation;

const stack::Mac kOwn = *stack::Mac::Parse("02:00:00:00:00:01"),
                 kPeer = *stack::Mac::Parse("02:00:00:00:00:02"),
                 kRival = *stack::Mac::Parse("02:00:00:00:00:03");
constexpr stack::Ip4 kOwnIp{0xc0000201}, kPeerIp{0xc0000209}, kSilentIp{0xc0000263},
    kProxiedIp{0xc000024d};

stack::Bytes Octets(const Arp& arp) {
  stack::Bytes octets(Arp::kSize);
  arp.Write(octets);
  return octets;
}

// Packets that are no ARP of ours to read: short, of other address families or operations, sent by
// nobody, by all, or by ourselves.
stack::Bytes BadArp(test::FixedRng& dice) {
  stack::Bytes bad = Octets({ArpOperation::kReply, kPeer, kPeerIp, kOwn, kOwnIp});
  switch (dice.Below(6)) {
    case 0:
      bad.resize(dice.Below(bad.size()));
      break;
    case 1:
      bad[dice.Below(6)] ^= std::byte{0x40};  // hardware and protocol types, their lengths
      break;
    case 2:
      stack::Store16(bad.data() + 6, static_cast<uint16_t>(3 + dice.Below(60000)));
      break;
    case 3:
      std::fill_n(bad.begin() + 8, 6, std::byte{0});
      break;
    case 4:
      bad[8] |= std::byte{1};  // a group address
      break;
    default:
      kOwn.Store(bad.data() + 8);
  }
  return bad;
}

struct NeighborsFixture {
  using Machine = link::Neighbors;
  using Event = Machine::Event;
  using Out = Machine::Out;

  explicit NeighborsFixture(uint64_t) : neighbors({.mac = kOwn}) {}
  Machine& machine() { return neighbors; }
  size_t Steps() const { return 12; }
  absl::Duration At(size_t step) const {
    return absl::Seconds(
        std::array{0.0, 1.0, 1.1, 1.2, 3.0, 61.5, 63.0, 90.0, 91.0, 92.0, 93.0, 94.0}[step]);
  }
  size_t Run(size_t step, absl::Time now, Out& out) {
    switch (step) {
      case 0:
        EXPECT_TRUE(neighbors.AddAddress(now, {kOwnIp, 24}, out));
        return 0;
      case 1:
        return neighbors.Resolve(now, kPeerIp, out), 0;
      case 2:
        return neighbors.Resolve(now, kSilentIp, out), 0;
      case 4:  // a stranger asks, and a probe of RFC 5227
        return Feed({ArpOperation::kRequest, kRival, {}, {}, kOwnIp}, now, out);
      case 7:  // a duel for our address
        return Feed({ArpOperation::kReply, kRival, kOwnIp, kPeer, kPeerIp}, now, out);
      case 8:
        return Feed({ArpOperation::kRequest, kPeer, kPeerIp, {}, kOwnIp}, now, out);
      case 9:
        return neighbors.RemoveAddress(kOwnIp), 0;
      case 10:
        EXPECT_TRUE(neighbors.AddProxied(kProxiedIp, out));
        return 0;
      case 11:
        return Feed({ArpOperation::kRequest, kPeer, kPeerIp, {}, kProxiedIp}, now, out);
      default:  // the answer, the one to the refresh after a minute, and from another interface
        return Feed({ArpOperation::kReply, step == 6 ? kRival : kPeer, kPeerIp, kOwn, kOwnIp}, now,
                    out);
    }
  }
  // As much as went over the wire: what leaves is counted with its Ethernet header too.
  size_t Feed(const Arp& arp, absl::Time now, Out& out) {
    neighbors.OnPacket(now, Octets(arp), out);
    return stack::wire::Ethernet::kSize + Arp::kSize;
  }
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) {
    const stack::Bytes bad = BadArp(dice);
    neighbors.OnPacket(now, bad, out);
  }
  std::string Text(const Event& event) const {
    return std::visit(
        stack::Overloaded{
            [](const link::Resolved& e) { return "Resolved " + e.ip.Text() + " " + e.mac.Text(); },
            [](const link::Failed& e) { return "Failed " + e.ip.Text(); },
            [](const link::Conflict& e) { return "Conflict " + e.ip.Text() + " " + e.mac.Text(); },
            [](const stack::Drop& e) { return std::string(stack::NameOf(e)); }},
        event);
  }
  bool IsDrop(const Event& event) const { return std::holds_alternative<stack::Drop>(event); }
  bool IsOver() const { return neighbors.size() == 0; }

  Machine neighbors;
};

TEST(NeighborsLaws, Neighbors) { CheckLaws<NeighborsFixture>(); }

// The course does lead through a whole life; else the laws would be kept by doing nothing.
TEST(NeighborsLaws, TheCourseReachesTheEnd) {
  Course<NeighborsFixture> course(1);
  course.RunAll();
  course.RunOut();
  const auto told = [&](const std::string& what) {
    return std::any_of(course.lines().begin(), course.lines().end(),
                       [&](const auto& line) { return line.find(what) != std::string::npos; });
  };
  EXPECT_TRUE(told("Resolved 192.0.2.9 02:00:00:00:00:02"));
  EXPECT_TRUE(told("Failed 192.0.2.99"));
  EXPECT_TRUE(told("Resolved 192.0.2.9 02:00:00:00:00:03"));
  EXPECT_TRUE(told("Conflict 192.0.2.1 02:00:00:00:00:03"));
  EXPECT_TRUE(told("Failed 192.0.2.9"));
  EXPECT_GE(course.frames(), 8U);
}

}  // namespace
}  // namespace test::laws
