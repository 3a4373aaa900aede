// A phase 1 that goes from one responder to another and back: for the client it is the same one.
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "tests/crypto/ike/login.h"

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using stack::Drop;
using test::Login;

class Transferred : public testing::Test {
 protected:
  Transferred() {
    Options options;
    options.psks = test::Psks();
    other_ = std::make_unique<Responder>(test::kStart, options, rng_);
  }
  void SetUp() override {
    ASSERT_TRUE(login.Complete());
    sa = login.at_server.Last<PhaseOneUp>()->sa;
  }

  void Away() {
    login.pipe->DoB([&](absl::Time now, auto& out) {
      auto transfer = login.responder->Release(sa);
      ASSERT_TRUE(transfer.has_value());
      EXPECT_TRUE(other_->Adopt(now, *std::move(transfer), out));
    });
  }
  void Back() {
    login.pipe->DoB([&](absl::Time now, auto& out) {
      auto transfer = other_->Release(sa);
      ASSERT_TRUE(transfer.has_value());
      EXPECT_TRUE(login.responder->Adopt(now, *std::move(transfer), out));
    });
  }

  Login login;
  PhaseOneId sa;

 private:
  test::FixedRng rng_{99};

 protected:
  std::unique_ptr<Responder> other_;
};

TEST_F(Transferred, IsGoneWhereItWas) {
  const size_t events = login.at_server.events.size();
  Away();
  EXPECT_EQ(login.at_server.events.size(), events);  // nobody is told anything
  EXPECT_EQ(login.responder->established(), 0u);
  EXPECT_EQ(login.responder->Find(sa), nullptr);
  EXPECT_EQ(login.responder->NextDeadline(), absl::InfiniteFuture());
  EXPECT_EQ(other_->established(), 1u);
  ASSERT_NE(other_->Find(sa), nullptr);
  EXPECT_EQ(other_->Find(sa)->path.remote, test::kClient);
  EXPECT_FALSE(login.responder->Release(sa).has_value());
  login.Inject(login.to_server.back().first, {test::kGateway, test::kClient});
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeUnknownCookie), 1u);
}

TEST_F(Transferred, GoesOn) {
  Away();
  Back();
  login.QuickMode();
  EXPECT_TRUE(login.ChildUpTimes(2));
  login.pipe->DoB(
      [&](absl::Time now, auto& out) { EXPECT_TRUE(login.responder->StartDpd(now, sa, out)); });
  login.pipe->RunFor(absl::Seconds(1));
  ASSERT_NE(login.at_server.Last<PeerAlive>(), nullptr);
  EXPECT_TRUE(login.at_server.Last<PeerAlive>()->answered);
  login.pipe->DoA([&](absl::Time now, auto& out) { login.client->DeletePhase1(now, out); });
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.at_server.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kDeletedByPeer);
  EXPECT_EQ(login.responder->established(), 0u);
}

// What was taken before is not taken once more: MM5 gets its old answer, a quick mode none.
TEST_F(Transferred, KnowsWhatWasSaid) {
  const auto said = login.to_server;
  Away();
  Back();
  const size_t children = login.at_server.Count<ChildReady>();
  const size_t answers = login.to_client.size();
  for (const auto& [bytes, path] : said) login.Inject(bytes, path);
  login.pipe->RunFor(absl::Milliseconds(100));
  EXPECT_EQ(login.at_server.Count<ChildReady>(), children);
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeDuplicate), 3u);  // MM5; QM1 and QM3
  EXPECT_EQ(login.to_client.size(), answers + 2);             // to MM5, and to a new MM1
}

TEST_F(Transferred, AHalfOpenOneStays) {
  Login half;
  half.Start();
  half.pipe->RunUntil([&] { return half.responder->half_open() == 1; }, absl::Seconds(1));
  const auto* step = half.at_server.Last<Step>();
  ASSERT_NE(step, nullptr);
  EXPECT_FALSE(half.responder->Release(step->sa).has_value());
  EXPECT_EQ(half.responder->half_open(), 1u);
}

}  // namespace
