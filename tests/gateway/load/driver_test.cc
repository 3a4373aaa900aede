// `adit load` against a whole gateway in the same process and in virtual time, with a wire that
// loses, doubles, swaps and corrupts on command.
#include "gateway/load/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "crypto/prim/dh.h"
#include "tests/support/rng.h"
#include "tests/support/world/world.h"

namespace gateway::load {
namespace {

using test::kRouter;
using test::kServe;

// A port that does something to every frame with `size` octets or more that arrives by it.
class FaultyPort : public io::Port {
 public:
  enum class Fault { kNone, kLose, kDouble, kSwap, kCorrupt };
  std::function<bool()> has_room;  // if set: whether one more large frame gets through
  explicit FaultyPort(io::Port& port) : port_(port) {}

  // Every `every`th large frame from now on.
  void Do(Fault fault, size_t every) {
    fault_ = fault;
    every_ = every;
  }
  size_t done() const { return done_; }

  size_t Receive(std::span<io::RxFrame> frames) override {
    kept_.clear();
    const size_t count = port_.Receive(frames.first(frames.size() / 2));
    std::vector<io::RxFrame> out(frames.begin(), frames.begin() + static_cast<ptrdiff_t>(count));
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i].bytes.size() < 500) continue;
      if (has_room && !has_room()) {
        out.erase(out.begin() + static_cast<ptrdiff_t>(i--));
        continue;
      }
      if (fault_ == Fault::kNone || ++seen_ % every_ != 0) continue;
      if (fault_ == Fault::kSwap && i + 1 == out.size()) continue;
      ++done_;
      if (fault_ == Fault::kCorrupt) {
        kept_.push_back(stack::ToBytes(out[i].bytes));
        kept_.back().back() ^= std::byte{4};
        out[i].bytes = kept_.back();
      } else if (fault_ == Fault::kSwap) {
        std::swap(out[i], out[i + 1]);
        ++i;
      } else if (fault_ == Fault::kLose) {
        out.erase(out.begin() + static_cast<ptrdiff_t>(i--));
      } else {
        const io::RxFrame again = out[i];
        out.insert(out.begin() + static_cast<ptrdiff_t>(++i), again);
      }
    }
    std::copy(out.begin(), out.end(), frames.begin());
    return out.size();
  }
  void Release() override { port_.Release(); }
  size_t Send(std::span<io::TxFrame> frames) override { return port_.Send(frames); }
  std::span<const int> fds() const override { return port_.fds(); }
  absl::Status Steer(const io::SteeringRules& rules) override { return port_.Steer(rules); }
  bool TakesUdpSuperframes() const override { return true; }
  const std::string& name() const override { return port_.name(); }
  io::PortStats stats() override { return port_.stats(); }

 private:
  io::Port& port_;
  Fault fault_ = Fault::kNone;
  size_t every_ = 1, seen_ = 0, done_ = 0;
  std::deque<stack::Bytes> kept_;
};

class LoadTest : public testing::Test {
 protected:
  LoadTest() { MakeWorld({}); }

  void MakeWorld(std::function<void(conf::Model&)> change) {
    test::WorldOptions world;
    world.hands_off = true;
    world.configure = [&](conf::Model& model) {
      conf::User& user = model.users.emplace_back();
      user.name = "load";
      user.password = conf::SecretText("secret");
      if (change) change(model);
    };
    near_.reset();
    far_.reset();
    world_ = std::make_unique<test::World>(world);
    near_ = std::make_unique<FaultyPort>(world_->far_port(test::kServeSide, 0));
    far_ = std::make_unique<FaultyPort>(world_->far_port(test::kWanSide, 0));
    options_.interface = "near";
    options_.server = kServe;
    EXPECT_EQ(ReadSource("203.0.113.10-203.0.113.99/24", options_.source), "");
    options_.psk = crypto::Secret(stack::AsBytes("psk"));
    options_.user = "load";
    options_.password = crypto::Secret(stack::AsBytes("secret"));
    EXPECT_EQ(ReadPhaseOne("aes128-sha1-ecp256", options_.phase_one), "");  // quick
    options_.far = "far";
    options_.far_address = {kRouter, 24};
    options_.warmup = absl::Milliseconds(100);
    options_.duration = absl::Milliseconds(500);
    options_.login_rate = 1000;
  }

  void Traffic(const std::string& text) {
    TrafficSpec spec;
    ASSERT_EQ(ReadTraffic(text, spec), "");
    options_.traffic.push_back(spec);
  }

  // Runs to the end; `at_traffic` is called when what is sent begins to count.
  Report Run(const std::function<void()>& at_traffic = {},
             const std::function<void()>& at_end = {}) {
    EXPECT_EQ(options_.Problem(), "");
    test::FixedRng rng(7);
    std::deque<crew::Job> jobs;
    Driver::Environment environment;
    environment.options = &options_;
    environment.near_port = near_.get();
    environment.far_port = far_.get();
    environment.near_mac = {{2, 0, 0, 0, 0, 0x11}};
    environment.far_mac = {{2, 0, 0, 0, 0, 0x22}};
    environment.rng = &rng;
    environment.ask_crew = [&](crew::Job&& job) {
      jobs.push_back(std::move(job));
      return true;
    };
    environment.cpu_time = [] { return absl::Seconds(1); };
    if (ahead_ > absl::ZeroDuration()) {
      environment.clock = [&] { return world_->now() - ahead_; };
    }
    environment.on_event = [&](const std::string& line) {
      events_.push_back(nlohmann::json::parse(line)["event"]);
      if (events_.back() == "traffic_begin" && at_traffic) at_traffic();
      if (events_.back() == "traffic_end" && at_end) at_end();
    };
    Driver driver(world_->now(), std::move(environment));
    const absl::Time limit = world_->now() + absl::Seconds(60);
    while (!driver.is_done() && world_->now() < limit) {
      while (driver.Round(world_->now()) || !jobs.empty()) {
        timed_ |= driver.IsTiming(world_->now());
        if (!jobs.empty()) Solve(driver, jobs);
        world_->RunFor(absl::ZeroDuration());
      }
      world_->RunFor(absl::Microseconds(500));
    }
    EXPECT_TRUE(driver.is_done());
    return driver.MakeReport(world_->now());
  }

  void Solve(Driver& driver, std::deque<crew::Job>& jobs) {
    crew::Job job = std::move(jobs.front());
    jobs.pop_front();
    crew::Answer answer;
    answer.ticket = job.ticket;
    if (const auto* generate = std::get_if<crew::Generate>(&job.work)) {
      answer.key = *crypto::GenerateDh(generate->group);
    } else {
      const auto& agree = std::get<crew::Agree>(job.work);
      answer.shared = *agree.key->Agree(agree.peer_public);
    }
    driver.OnCrew(world_->now(), std::move(answer));
  }

  std::unique_ptr<test::World> world_;
  std::unique_ptr<FaultyPort> near_, far_;
  Options options_;
  std::vector<std::string> events_;
  absl::Duration ahead_;  // the round's time of the clock's; zero: there is no clock
  bool timed_ = false;    // the driver has been waiting for something it times
};

void ExpectAllCame(const StreamResult& stream, uint64_t about) {
  const Tally& tally = stream.tally;
  EXPECT_NEAR(static_cast<double>(tally.sent), static_cast<double>(about),
              0.05 * static_cast<double>(about))
      << stream.spec.Text();
  EXPECT_EQ(tally.received, tally.sent) << stream.spec.Text();
  EXPECT_EQ(tally.duplicated, 0U);
  EXPECT_EQ(tally.reordered, 0U);
  EXPECT_EQ(tally.corrupt, 0U);
}

TEST_F(LoadTest, LogsInAndOut) {
  options_.far.clear();
  options_.clients = 20;
  options_.duration.reset();
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  EXPECT_EQ(report.logins.succeeded, 20U);
  EXPECT_EQ(report.up_at_end, 20U);
  EXPECT_EQ(report.logins.logged_out, 20U);
  for (const Histogram& step : report.logins.times) EXPECT_EQ(step.count(), 20U);
  EXPECT_THAT(events_,
              testing::ElementsAre("login_begin", "logged_in", "traffic_begin", "traffic_end"));
  world_->RunFor(absl::Minutes(2));
  std::string why;
  EXPECT_TRUE(world_->IsEmpty(&why)) << why;
}

TEST_F(LoadTest, KeepsTheLoginRate) {
  options_.far.clear();
  options_.clients = 30;
  options_.login_rate = 20;
  const Report report = Run();
  const absl::Duration took = report.logins.last_up - report.logins.first_begun;
  EXPECT_NEAR(absl::ToDoubleSeconds(took), 29 / 20.0, 0.1);
}

TEST_F(LoadTest, SendsUdpBothWaysThroughTheNat) {
  options_.clients = 5;
  options_.ping_interval = absl::Milliseconds(10);
  Traffic("up:udp:1400:2000");
  Traffic("down:udp:700:3000");
  Traffic("up:udp:64:500");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  ASSERT_EQ(report.streams.size(), 3U);
  ExpectAllCame(report.streams[0], 1000);
  ExpectAllCame(report.streams[1], 1500);
  ExpectAllCame(report.streams[2], 250);
  EXPECT_EQ(report.streams[0].tally.received_octets, report.streams[0].tally.received * 1400);
  EXPECT_NEAR(static_cast<double>(report.ping.received), 50, 2);
  EXPECT_EQ(report.ping.lost(), 0U);
  EXPECT_EQ(report.end - report.begin, absl::Milliseconds(500));
}

// Virtual time stands still in a round, so that what anything took is what the clock is behind.
TEST_F(LoadTest, WhatIsTimedIsTimedByTheClock) {
  ahead_ = absl::Milliseconds(3);
  options_.ping_interval = absl::Milliseconds(10);
  Traffic("up:udp:200:100");
  Traffic("down:udp:200:100");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  EXPECT_NEAR(static_cast<double>(report.ping.times.Percentile(0.5)), 3e6, 6e5);
  for (const StreamResult& stream : report.streams) {
    EXPECT_NEAR(static_cast<double>(stream.tally.latency.Percentile(0.5)), 3e6, 6e5);
  }
}

TEST_F(LoadTest, LonePacketsAreWaitedForAndManyAreNot) {
  Traffic("up:udp:200:100");
  EXPECT_TRUE(Run().IsGood());
  EXPECT_TRUE(timed_);
  timed_ = false;
  options_.traffic.clear();
  Traffic("up:udp:200:2000");
  EXPECT_TRUE(Run().IsGood());
  EXPECT_FALSE(timed_);
}

TEST_F(LoadTest, FindsTheClientsWhereTheGatewayRoutes) {
  MakeWorld([](conf::Model& model) { model.interfaces[1].nat = false; });
  options_.clients = 2;
  Traffic("down:udp:1400:1000");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  ExpectAllCame(report.streams[0], 500);
}

TEST_F(LoadTest, TcpComesInSuperframesAfterAHandshake) {
  options_.clients = 3;
  Traffic("down:tcp:1400:3000");
  Traffic("up:tcp:1000:1000");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  ExpectAllCame(report.streams[0], 1500);
  ExpectAllCame(report.streams[1], 500);
}

TEST_F(LoadTest, BehindItsNatEveryClientIsToldApart) {
  options_.nat = true;
  EXPECT_EQ(ReadSource("203.0.113.10/24", options_.source), "");
  options_.clients = 12;
  Traffic("up:udp:1400:2000");
  Traffic("down:udp:1400:2000");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  ExpectAllCame(report.streams[0], 1000);
  ExpectAllCame(report.streams[1], 1000);
}

TEST_F(LoadTest, ForcedIntoUdpItSendsSuperframesUp) {
  options_.nat_t = NatT::kForce;
  options_.gso = true;
  Traffic("up:udp:1400:4000");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  ExpectAllCame(report.streams[0], 2000);
  EXPECT_GT(report.near_port.tx_superframes, 50U);
}

TEST_F(LoadTest, PreparedPacketsAreSentWhenTheyAreDue) {
  options_.nat_t = NatT::kForce;
  options_.gso = true;
  options_.clients = 3;
  options_.prepare = 1;
  Traffic("up:udp:1400:4000");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  ExpectAllCame(report.streams[0], 2000);
  EXPECT_EQ(report.streams[0].tally.latency.count(), 0U) << "nobody knows when they were sent";
}

TEST_F(LoadTest, EndsWhenWhatWasPreparedIsSpent) {
  options_.prepare = 0.3;
  Traffic("up:udp:1400:4000");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  EXPECT_NEAR(absl::ToDoubleSeconds(report.end - report.begin), 0.26, 0.07);
}

TEST_F(LoadTest, RekeysWithoutALoss) {
  options_.clients = 3;
  options_.rekey = absl::Milliseconds(200);
  options_.duration = absl::Seconds(1);
  Traffic("up:udp:500:1000");
  Traffic("down:udp:500:1000");
  const Report report = Run();
  EXPECT_TRUE(report.IsGood()) << report.Text();
  EXPECT_GE(report.logins.rekeys, 9U);
  ExpectAllCame(report.streams[0], 1000);
  ExpectAllCame(report.streams[1], 1000);
}

// ---- What goes wrong --------------------------------------------------------------------------

// For a wire that treats frames as packets.
void WithoutSuperframes(conf::Model& model) { model.io.superframes = false; }

class FaultTest : public LoadTest {
 protected:
  FaultTest() { MakeWorld(WithoutSuperframes); }
  Report RunWith(FaultyPort& port, FaultyPort::Fault fault) {
    return Run([&port, fault] { port.Do(fault, 10); },
               [&port] { port.Do(FaultyPort::Fault::kNone, 1); });
  }
  using Fault = FaultyPort::Fault;
};

TEST_F(FaultTest, LossIsCountedToThePacket) {
  Traffic("up:udp:1400:2000");
  const Report report = RunWith(*far_, Fault::kLose);
  EXPECT_TRUE(report.IsGood()) << "loss is a figure, not an error";
  EXPECT_GT(far_->done(), 80U);
  EXPECT_EQ(report.streams[0].tally.lost(), far_->done());
}

TEST_F(FaultTest, ADuplicateIsCountedOnce) {
  Traffic("up:udp:1400:2000");
  const Report report = RunWith(*far_, Fault::kDouble);
  EXPECT_GT(far_->done(), 80U);
  EXPECT_EQ(report.streams[0].tally.duplicated, far_->done());
  EXPECT_EQ(report.streams[0].tally.lost(), 0U);
}

TEST_F(FaultTest, DisorderIsSeen) {
  options_.burst = 16;
  Traffic("up:udp:1400:20000");
  const Report report = RunWith(*far_, Fault::kSwap);
  EXPECT_GT(far_->done(), 80U);
  EXPECT_EQ(report.streams[0].tally.reordered, far_->done());
  EXPECT_EQ(report.streams[0].tally.max_distance, 1U);
  EXPECT_EQ(report.streams[0].tally.lost(), 0U);
}

TEST_F(FaultTest, OneBitInAPayloadFailsTheRun) {
  Traffic("up:udp:1400:2000");
  const Report report = RunWith(*far_, Fault::kCorrupt);
  EXPECT_GT(far_->done(), 80U);
  EXPECT_EQ(report.streams[0].tally.corrupt, far_->done());
  EXPECT_FALSE(report.IsGood());
}

TEST_F(FaultTest, OneBitInAnEspPacketIsALossForTheIcvSeesIt) {
  Traffic("down:udp:1400:2000");
  const Report report = RunWith(*near_, Fault::kCorrupt);
  EXPECT_GT(near_->done(), 80U);
  EXPECT_EQ(report.drops[stack::Drop::kBadIcv], near_->done());
  EXPECT_EQ(report.streams[0].tally.lost(), near_->done());
  EXPECT_TRUE(report.IsGood());
}

TEST_F(FaultTest, ReplayedEspIsNotTakenTwice) {
  Traffic("down:udp:1400:2000");
  const Report report = RunWith(*near_, Fault::kDouble);
  EXPECT_EQ(report.drops[stack::Drop::kReplayed], near_->done());
  EXPECT_EQ(report.streams[0].tally.duplicated, 0U);
}

TEST_F(FaultTest, AWrongPasswordIsAFailureOfItsStep) {
  options_.far.clear();
  options_.clients = 3;
  options_.password = crypto::Secret(stack::AsBytes("wrong"));
  const Report report = Run();
  EXPECT_FALSE(report.IsGood());
  EXPECT_EQ(report.logins.failed, 3U);
  ASSERT_EQ(report.logins.failures.size(), 1U);
  EXPECT_EQ(report.logins.failures.begin()->first.first, LoginStep::kAuth);
  EXPECT_EQ(report.logins.times[static_cast<size_t>(LoginStep::kLcp)].count(), 3U);
}

TEST_F(FaultTest, NobodyThereIsSaid) {
  options_.far.clear();
  options_.server = {kServe.value + 1};
  const Report report = Run();
  EXPECT_THAT(report.failure, testing::HasSubstr("ARP"));
  EXPECT_FALSE(report.IsGood());
}

// ---- Coming and going, and looking for a rate -------------------------------------------------

TEST_F(LoadTest, ChurnLogsInAgain) {
  options_.far.clear();
  options_.clients = 4;
  options_.churn = true;
  options_.hold = absl::Milliseconds(200);
  options_.duration = absl::Seconds(2);
  const Report report = Run();
  EXPECT_GT(report.logins.succeeded, 20U);
  EXPECT_EQ(report.logins.failed, 0U);
  EXPECT_EQ(report.logins.logged_out + report.logins.broken_off, report.logins.succeeded);
  EXPECT_EQ(report.logins.broken_off, 0U);
}

TEST_F(LoadTest, FindsARate) {
  MakeWorld(WithoutSuperframes);
  // Ten packets each half millisecond get through: 20,000 a second.
  absl::Time moment;
  int room = 0;
  far_->has_room = [&] {
    if (std::exchange(moment, world_->now()) != world_->now()) room = 10;
    return room-- > 0;
  };
  options_.find_rate = 0.01;
  options_.warmup = absl::Milliseconds(20);
  options_.step = absl::Milliseconds(100);
  Traffic("up:udp:600:4000");
  const Report report = Run();
  ASSERT_TRUE(report.search.has_value());
  ASSERT_TRUE(report.search->best().has_value()) << report.Text();
  EXPECT_NEAR(*report.search->best(), 20'000, 1'500) << report.Text();
  EXPECT_EQ(report.streams[0].spec.rate, *report.search->best());
}

// ---- The report -------------------------------------------------------------------------------

TEST_F(LoadTest, TheJsonHasTheSameFacts) {
  options_.clients = 2;
  options_.ping_interval = absl::Milliseconds(10);
  Traffic("up:udp:1400:1000");
  Traffic("down:udp:1400:1000");
  const Report report = Run();
  const nlohmann::json json = nlohmann::json::parse(report.Json());
  EXPECT_EQ(json["good"], true);
  EXPECT_EQ(json["failure"], nullptr);
  EXPECT_EQ(json["logins"]["tried"], 2);
  EXPECT_EQ(json["logins"]["succeeded"], 2);
  EXPECT_EQ(json["logins"]["failed"], 0);
  for (const char* step :
       {"phase_1", "quick_mode", "tunnel", "call", "lcp", "auth", "ipcp", "whole"}) {
    EXPECT_EQ(json["logins"]["steps"][step]["count"], 2) << step;
    for (const char* what : {"p50_ms", "p90_ms", "p99_ms", "max_ms"}) {
      EXPECT_TRUE(json["logins"]["steps"][step][what].is_number()) << step;
    }
  }
  const nlohmann::json& traffic = json["traffic"];
  EXPECT_NEAR(traffic["end_monotonic_s"].get<double>() - traffic["begin_monotonic_s"].get<double>(),
              0.5, 1e-5);
  for (const char* way : {"up", "down"}) {
    EXPECT_EQ(traffic[way]["received"], traffic[way]["sent"]);
    EXPECT_EQ(traffic[way]["lost"], 0);
    EXPECT_EQ(traffic[way]["corrupt"], 0);
    EXPECT_NEAR(traffic[way]["received_pps"].get<double>(), 1000, 50);
    EXPECT_NEAR(traffic[way]["received_mbit_s"].get<double>(), 11.2, 0.6);
    EXPECT_TRUE(traffic[way]["latency"]["p99_ms"].is_number());
  }
  ASSERT_EQ(traffic["streams"].size(), 2U);
  EXPECT_EQ(traffic["streams"][1]["spec"], "down:udp:1400:1000");
  EXPECT_EQ(json["ping"]["lost"], 0);
  EXPECT_TRUE(json["ping"]["times"]["p50_ms"].is_number());
  EXPECT_EQ(json["search"], nullptr);
  EXPECT_EQ(json["self"]["was_bottleneck"], false);
  EXPECT_THAT(report.Text(), testing::HasSubstr("2 tried, 2 succeeded, 0 failed"));
  EXPECT_THAT(report.Text(), testing::Not(testing::HasSubstr("ATTENTION")));
}

}  // namespace
}  // namespace gateway::load
