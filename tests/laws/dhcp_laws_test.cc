// The seven laws on the DHCP client: a lease, its renewal, a conflict, another lease, its return.
#include <algorithm>
#include <array>
#include <map>

#include "stack/ip/dhcp_client.h"
#include "tests/laws/machine_laws.h"

namespace test::laws {
namespace {

namespace ip = stack::ip;
using stack::wire::Dhcp4Fields;
using stack::wire::Dhcp4Writer;
using stack::wire::DhcpOp;
using stack::wire::DhcpOption;
using stack::wire::DhcpType;

const stack::Mac kMac = *stack::Mac::Parse("02:00:00:00:00:0a"),
                 kOther = *stack::Mac::Parse("02:00:00:00:00:0b");
constexpr stack::Ip4 kServer{0xc0000202}, kFirst{0xc0000232}, kSecond{0xc0000233};
constexpr uint32_t kLeaseSeconds = 3600;

stack::Bytes Answer(DhcpType type, uint32_t xid, stack::Ip4 yiaddr, stack::Mac to = kMac) {
  stack::Bytes octets(576);
  Dhcp4Fields fields;
  fields.op = DhcpOp::kReply;
  fields.xid = xid;
  fields.yiaddr = yiaddr;
  fields.chaddr = to;
  Dhcp4Writer writer(octets, fields, type);
  writer.Option(DhcpOption::kServerIdentifier, kServer);
  writer.Option32(DhcpOption::kLeaseTime, kLeaseSeconds);
  writer.Option32(DhcpOption::kSubnetMask, 0xffffff00);
  writer.Option(DhcpOption::kRouter, stack::Ip4{0xc00002fe});
  octets.resize(writer.Finish());
  return octets;
}

// Messages that the client with this transaction may not act upon: noise, cut ones, no cookie,
// options past the end, requests, other clients' answers, other transactions' answers.
stack::Bytes BadDhcp(test::FixedRng& dice, uint32_t xid) {
  const auto type = std::array{DhcpType::kOffer, DhcpType::kAck, DhcpType::kNak}[dice.Below(3)];
  stack::Bytes bad = Answer(type, xid, kFirst);
  switch (dice.Below(7)) {
    case 0: {
      stack::Bytes noise(dice.Below(600));
      dice.Fill(noise);
      return noise;
    }
    case 1:
      bad.resize(dice.Below(stack::wire::Dhcp4::kFixed + 3));
      break;
    case 2:
      bad[236 + dice.Below(4)] ^= std::byte{1};
      break;
    case 3:
      bad[244] = std::byte{0xfe};  // the length of the first option behind the message type
      bad.resize(280);
      break;
    case 4:
      bad[0] = static_cast<std::byte>(DhcpOp::kRequest);
      break;
    case 5:
      return Answer(type, xid, kFirst, kOther);
    default:
      return Answer(type, xid + 1 + static_cast<uint32_t>(dice.Below(1000)), kFirst);
  }
  return bad;
}

struct DhcpFixture {
  using Machine = ip::DhcpClient;
  using Event = Machine::Event;
  using Out = Machine::Out;
  // A client without a server asks for ever: after 4, 8, 16 and 32 s every 64 s (RFC 2131 4.1).
  static constexpr absl::Duration kEndlessPause = absl::Seconds(50);
  // A REQUEST answers a duplicate of the OFFER only while nothing else was heard.
  static constexpr size_t kLargestAnswer = Dhcp4Writer::kMinSize;

  explicit DhcpFixture(uint64_t seed) : rng(seed), client({kMac, "adit"}, rng) {}
  Machine& machine() { return client; }
  size_t Steps() const { return 10; }
  absl::Duration At(size_t step) const {
    // T1 is at 1800 s; the conflict holds the client back for 10 s or more.
    return absl::Seconds(
        std::array{0.0, 1.0, 1.1, 2.1, 1801.5, 1900.0, 1912.0, 1912.1, 1913.1, 1950.0}[step]);
  }
  size_t Run(size_t step, absl::Time now, Out& out) {
    switch (step) {
      case 0:
        return client.Start(now, out), 0;
      case 3:
      case 8:  // the answer, and one to a question that was not asked
        client.OnChecked(now, 77, true, out);
        return client.OnChecked(now, step == 3 ? 1 : 2, false, out), 0;
      case 5:
        return client.OnConflict(now, out), 0;
      case 9:
        return client.Release(now, out), 0;
      default:
        return Feed(Message(step), now, out);
    }
  }
  size_t Feed(const stack::Bytes& message, absl::Time now, Out& out) {
    client.OnPacket(now, message, out);
    return message.size();
  }
  const stack::Bytes& Message(size_t step) {
    const bool offer = step == 1 || step == 6;
    return messages
        .try_emplace(step, Answer(offer ? DhcpType::kOffer : DhcpType::kAck, xid,
                                  step < 5 ? kFirst : kSecond))
        .first->second;
  }
  void Saw(stack::ByteView frame) {
    const auto message = stack::wire::Dhcp4::Parse(frame);
    ASSERT_TRUE(message.ok());
    xid = message->xid();
  }
  void Rubbish(test::FixedRng& dice, absl::Time now, Out& out) {
    Feed(BadDhcp(dice, xid), now, out);
  }
  std::string Text(const Event& event) const {
    return std::visit(
        stack::Overloaded{[](const ip::LeaseUp& e) {
                            return absl::StrCat("LeaseUp ", e.lease.address.Text(), " ",
                                                e.lease.gateway.Text(), " ", e.lease.server.Text(),
                                                " ", absl::FormatDuration(e.lease.time));
                          },
                          [](const ip::LeaseLost& e) {
                            return absl::StrCat("LeaseLost ", static_cast<int>(e.why));
                          },
                          [](const ip::NeedCheck& e) {
                            return absl::StrCat("NeedCheck ", e.ticket, " ", e.ip.Text());
                          },
                          [](const stack::Drop& e) { return std::string(stack::NameOf(e)); }},
        event);
  }
  bool IsDrop(const Event& event) const { return std::holds_alternative<stack::Drop>(event); }
  bool IsOver() const { return client.state() == "STOPPED"; }

  test::FixedRng rng;
  Machine client;
  uint32_t xid = 0;  // of the last message sent
  std::map<size_t, stack::Bytes> messages;
};

TEST(DhcpLaws, DhcpClient) { CheckLaws<DhcpFixture>(); }

// The course does lead through a whole life; else the laws would be kept by doing nothing.
TEST(DhcpLaws, TheCourseReachesTheEnd) {
  Course<DhcpFixture> course(1);
  course.RunAll();
  std::string told;
  for (const std::string& line : course.lines()) {
    if (line.find("frame") == std::string::npos) told += line.substr(line.find(' ')) + ",";
  }
  const std::string rest = " 192.0.2.254 192.0.2.2 1h,";
  EXPECT_EQ(told, " NeedCheck 1 192.0.2.50, LeaseUp 192.0.2.50/24" + rest +
                      " LeaseLost 2, NeedCheck 2 192.0.2.51, LeaseUp 192.0.2.51/24" + rest +
                      " LeaseLost 3,");
  EXPECT_EQ(course.frames(), 7U);  // twice DISCOVER and REQUEST, a renewal, DECLINE, RELEASE
  EXPECT_EQ(course.fixture().client.state(), "STOPPED");
}

}  // namespace
}  // namespace test::laws
