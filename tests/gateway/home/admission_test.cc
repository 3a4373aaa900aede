// Who may come in, as a script of messages: no shard, no client, no time.
#include "gateway/home/admission.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/rng.h"
#include "tests/support/world/world.h"

namespace gateway::home {
namespace {

using auth::Logins;
using testing::ElementsAre;
using testing::IsEmpty;
using Why = shard::AddressGranted::Why;
using Lines = std::vector<std::string>;

struct Text {
  std::string operator()(const shard::AddressGranted& granted) const {
    static constexpr const char* kWhy[] = {"", "no address", "logged in", "full"};
    return "ticket " + std::to_string(granted.ticket) + ": " +
           (granted.ip ? granted.ip->Text() : kWhy[static_cast<int>(granted.why)]);
  }
  std::string operator()(const shard::MakeWay& make_way) const {
    return make_way.ip.Text() + " make way" + (make_way.only_if_dead ? " if dead" : "");
  }
  std::string operator()(const shard::ClientElsewhere& client) const {
    return client.ip.Text() + (client.shard ? " is on shard " + std::to_string(*client.shard)
                                            : std::string(" is nowhere"));
  }
};

// Four shards and the addresses 10.99.0.8 to 10.99.0.15: each shard has two.
class Desk {
 public:
  explicit Desk(uint32_t max_sessions = 100) {
    conf::Model model = test::DefaultModel();
    model.pools[0].first = *stack::Ip4::Parse("10.99.0.8");
    model.pools[0].last = *stack::Ip4::Parse("10.99.0.15");
    model.limits.sessions = max_sessions;
    model.users[8].address = stack::Ip4::Parse("10.99.0.12");
    settings_ = *shard::Translate(model, std::vector<shard::InterfaceFacts>(2), 4, rng_);
    admission_.emplace(*Admission::Create(settings_));
  }

  // Tickets count from 1; each comes from a machine of its own, unless told otherwise.
  Lines Ask(uint8_t shard, const std::string& user, Logins logins, const char* from = nullptr) {
    shard::NeedAddress need{shard, ++ticket_, user, {.logins = logins}, {ticket_}, "me"};
    if (from != nullptr) need.from = *stack::Ip4::Parse(from);
    if (user == "u9") need.grants.address = stack::Ip4::Parse("10.99.0.12");
    return Say(need);
  }
  Lines Returned(const char* ip) { return Say(shard::ReturnAddress{*stack::Ip4::Parse(ip)}); }
  Lines StaysOn(const char* ip) { return Say(shard::StaysOn{*stack::Ip4::Parse(ip)}); }
  const Admission& admission() const { return *admission_; }

 private:
  template <class M>
  Lines Say(const M& message) {
    Admission::Letters letters;
    admission_->On(message, letters);
    Lines lines;
    for (const auto& letter : letters) {
      lines.push_back("to " + std::to_string(letter.shard) + ": " +
                      std::visit(Text(), letter.message));
    }
    return lines;
  }

  test::FixedRng rng_;
  shard::Settings settings_;
  std::optional<Admission> admission_;
  uint32_t ticket_ = 0;
};

TEST(Admission, ManyLoginsGetAnAddressEach) {
  Desk desk;
  EXPECT_THAT(desk.Ask(1, "alice", Logins::kMany), ElementsAre("to 1: ticket 1: 10.99.0.9"));
  EXPECT_THAT(desk.Ask(1, "alice", Logins::kMany), ElementsAre("to 1: ticket 2: 10.99.0.13"));
  // Shard 1 has none left: another's, and that one has to know.
  EXPECT_THAT(desk.Ask(1, "alice", Logins::kMany),
              ElementsAre("to 2: 10.99.0.10 is on shard 1", "to 1: ticket 3: 10.99.0.10"));
  EXPECT_THAT(desk.Returned("10.99.0.10"), ElementsAre("to 2: 10.99.0.10 is nowhere"));
  EXPECT_THAT(desk.Returned("10.99.0.10"), IsEmpty());
  EXPECT_EQ(desk.admission().sessions(), 2U);
}

TEST(Admission, ANewLoginWaitsForTheOldOneToGoAndGetsItsAddress) {
  Desk desk;
  desk.Ask(1, "alice", Logins::kReplace);
  EXPECT_THAT(desk.Ask(2, "alice", Logins::kReplace), ElementsAre("to 1: 10.99.0.9 make way"));
  EXPECT_THAT(desk.Returned("10.99.0.9"),
              ElementsAre("to 1: 10.99.0.9 is nowhere", "to 1: 10.99.0.9 is on shard 2",
                          "to 2: ticket 2: 10.99.0.9"));
}

// Three at once from as many shards: each in its turn, the last one stays.
TEST(Admission, LoginsThatComeTogetherReplaceEachOther) {
  Desk desk;
  EXPECT_THAT(desk.Ask(1, "alice", Logins::kReplace), ElementsAre("to 1: ticket 1: 10.99.0.9"));
  EXPECT_THAT(desk.Ask(2, "alice", Logins::kReplace), ElementsAre("to 1: 10.99.0.9 make way"));
  EXPECT_THAT(desk.Ask(3, "alice", Logins::kReplace), IsEmpty());
  EXPECT_THAT(desk.Returned("10.99.0.9"),
              ElementsAre("to 1: 10.99.0.9 is nowhere", "to 1: 10.99.0.9 is on shard 2",
                          "to 2: ticket 2: 10.99.0.9", "to 2: 10.99.0.9 make way"));
  EXPECT_THAT(desk.Returned("10.99.0.9"),
              ElementsAre("to 1: 10.99.0.9 is nowhere", "to 1: 10.99.0.9 is on shard 3",
                          "to 3: ticket 3: 10.99.0.9"));
  EXPECT_EQ(desk.admission().sessions(), 1U);
}

TEST(Admission, ASecondLoginIsRefusedOnlyIfTheFirstLives) {
  Desk desk;
  desk.Ask(1, "alice", Logins::kRefuse);
  EXPECT_THAT(desk.Ask(2, "alice", Logins::kRefuse),
              ElementsAre("to 1: 10.99.0.9 make way if dead"));
  EXPECT_THAT(desk.StaysOn("10.99.0.9"), ElementsAre("to 2: ticket 2: logged in"));
  EXPECT_EQ(desk.admission().turned_away_logged_in(), 1U);
  desk.Ask(3, "alice", Logins::kRefuse);
  EXPECT_THAT(desk.Returned("10.99.0.9"), testing::Contains("to 3: ticket 3: 10.99.0.9"));
}

TEST(Admission, TheSameMachineAgainIsNotRefused) {
  Desk desk;
  desk.Ask(1, "alice", Logins::kRefuse, "198.51.100.7");
  EXPECT_THAT(desk.Ask(2, "alice", Logins::kRefuse, "198.51.100.7"),
              ElementsAre("to 1: 10.99.0.9 make way"));
}

// Those behind one who is refused are not forgotten, and an answer that comes late hurts nobody.
TEST(Admission, TheNextInLineIsDecidedToo) {
  Desk desk;
  desk.Ask(1, "alice", Logins::kRefuse);
  desk.Ask(2, "alice", Logins::kRefuse);
  EXPECT_THAT(desk.Ask(3, "alice", Logins::kReplace), IsEmpty());
  EXPECT_THAT(desk.StaysOn("10.99.0.9"),
              ElementsAre("to 2: ticket 2: logged in", "to 1: 10.99.0.9 make way"));
  EXPECT_THAT(desk.StaysOn("10.99.0.9"), IsEmpty());
  EXPECT_THAT(desk.Returned("10.99.0.9"), testing::Contains("to 3: ticket 3: 10.99.0.9"));
  EXPECT_THAT(desk.StaysOn("10.99.0.9"), IsEmpty());
  EXPECT_THAT(desk.StaysOn("192.0.2.1"), IsEmpty());
}

// After a reload a user may be allowed less than he has.
TEST(Admission, AllSessionsOfAUserMakeWay) {
  Desk desk;
  desk.Ask(1, "alice", Logins::kMany);
  desk.Ask(2, "alice", Logins::kMany);
  EXPECT_THAT(desk.Ask(3, "alice", Logins::kReplace),
              ElementsAre("to 1: 10.99.0.9 make way", "to 2: 10.99.0.10 make way"));
  EXPECT_THAT(desk.Returned("10.99.0.10"), ElementsAre("to 2: 10.99.0.10 is nowhere"));
  EXPECT_THAT(desk.Returned("10.99.0.9"), testing::Contains("to 3: ticket 3: 10.99.0.9"));
}

TEST(Admission, AnAddressOfHisOwn) {
  Desk desk;
  EXPECT_THAT(desk.Ask(0, "u9", Logins::kReplace), ElementsAre("to 0: ticket 1: 10.99.0.12"));
  EXPECT_THAT(desk.Ask(0, "u9", Logins::kMany), ElementsAre("to 0: ticket 2: no address"));
  EXPECT_THAT(desk.Ask(0, "u9", Logins::kReplace), ElementsAre("to 0: 10.99.0.12 make way"));
}

TEST(Admission, FullIsFullButWhoReplacesHimselfComesIn) {
  Desk desk(2);
  desk.Ask(1, "alice", Logins::kReplace);
  desk.Ask(1, "bob", Logins::kReplace);
  EXPECT_THAT(desk.Ask(1, "carol", Logins::kReplace), ElementsAre("to 1: ticket 3: full"));
  EXPECT_EQ(desk.admission().turned_away_full(), 1U);
  desk.Ask(1, "alice", Logins::kReplace);
  EXPECT_THAT(desk.Returned("10.99.0.9"), testing::Contains("to 1: ticket 4: 10.99.0.9"));
}

TEST(Admission, NothingIsLeftWhenAllHaveGone) {
  Desk desk;
  desk.Ask(1, "alice", Logins::kMany);
  desk.Ask(1, "bob", Logins::kReplace);
  desk.Returned("10.99.0.9");
  desk.Returned("10.99.0.13");
  EXPECT_EQ(desk.admission().sessions(), 0U);
  EXPECT_EQ(desk.admission().users(), 0U);
  EXPECT_EQ(desk.admission().addresses().in_use(), 0U);
}

}  // namespace
}  // namespace gateway::home
