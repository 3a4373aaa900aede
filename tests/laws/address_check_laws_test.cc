// The seven laws on the check of a new address: one that is free, and one that somebody has.
#include <array>

#include "stack/link/address_check.h"
#include "stack/wire/ethernet.h"
#include "tests/laws/machine_laws.h"

namespace test::laws {
namespace {

namespace link = stack::link;
using stack::wire::Arp;
using stack::wire::ArpOperation;

const stack::Mac kOwn = *stack::Mac::Parse("02:00:00:00:00:01"),
                 kOther = *stack::Mac::Parse("02:00:00:00:00:02");
constexpr stack::Ip4 kFree{0xc0000232}, kTaken{0xc0000233};

struct AddressCheckFixture {
  using Machine = link::AddressCheck;
  using Event = Machine::Event;
  using Out = Machine::Out;

  explicit AddressCheckFixture(uint64_t) : check(kOwn) {}
  Machine& machine() { return check; }
  size_t Steps() const { return 3; }
  absl::Duration At(size_t step) const { return absl::Seconds(std::array{0.0, 2.0, 2.4}[step]); }
  size_t Run(size_t step, absl::Time now, Out& out) {
    if (step == 0) return check.Start(now, kFree, out), 0;
    if (step == 1) return check.Start(now, kTaken, out), 0;
    return Feed({ArpOperation::kReply, kOther, kTaken, kOwn, {}}, now, out);
  }
  size_t Feed(const Arp& arp, absl::Time now, Out& out) {
    stack::Bytes octets(Arp::kSize);
    arp.Write(octets);
    check.OnPacket(now, octets, out);
    return stack::wire::Ethernet::kSize + Arp::kSize;
  }
  // Noise, and our own packets.
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) {
    if (dice.Below(2) == 0) {
      stack::Bytes noise(dice.Below(40));
      dice.Fill(noise);
      return check.OnPacket(now, noise, out);
    }
    Feed({ArpOperation::kRequest, kOwn, kTaken, {}, {}}, now, out);
  }
  std::string Text(const Event& event) const {
    return std::visit(
        stack::Overloaded{[](const link::AddressFree& e) { return "Free " + e.ip.Text(); },
                          [](const link::AddressTaken& e) { return "Taken " + e.ip.Text(); },
                          [](stack::Drop e) { return std::string(stack::NameOf(e)); }},
        event);
  }
  bool IsDrop(const Event& event) const { return std::holds_alternative<stack::Drop>(event); }
  bool IsOver() const { return !check.busy(); }

  Machine check;
};

TEST(AddressCheckLaws, AddressCheck) { CheckLaws<AddressCheckFixture>(); }

// The course does lead through a whole life; else the laws would be kept by doing nothing.
TEST(AddressCheckLaws, TheCourseReachesTheEnd) {
  Course<AddressCheckFixture> course(1);
  course.RunAll();
  std::string told;
  for (const std::string& line : course.lines()) {
    if (line.find("frame") == std::string::npos) told += line.substr(line.find(' ')) + ",";
  }
  EXPECT_EQ(told, " Free 192.0.2.50, Taken 192.0.2.51,");
  EXPECT_EQ(course.frames(), 5U);
}

}  // namespace
}  // namespace test::laws
