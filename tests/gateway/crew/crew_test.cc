#include "gateway/crew/crew.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

#include "gtest/gtest.h"

namespace gateway::crew {
namespace {

using crypto::Group;

// A shard's mail: what the crew put there, to be waited for.
class Mail {
 public:
  Crew::Sink Sink() {
    return [this](size_t worker, Answer answer) {
      std::unique_lock lock(mutex_);
      came_.wait(lock, [this] { return !held_; });
      answers_.push_back(std::move(answer));
      workers_.push_back(worker);
      came_.notify_all();
    };
  }
  // Waits for `count` answers and takes them.
  std::vector<Answer> Take(size_t count) {
    std::unique_lock lock(mutex_);
    came_.wait_for(lock, std::chrono::seconds(60), [&] { return answers_.size() >= count; });
    return std::exchange(answers_, {});
  }
  // While held, the crew stands still at its first answer.
  void Hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    came_.notify_all();
  }
  size_t workers_seen(size_t worker) {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count(workers_.begin(), workers_.end(), worker));
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Answer> answers_;
  std::vector<size_t> workers_;
  bool held_ = false;
};

Job RespondJob(uint64_t ticket, Group group, stack::ByteView peer, bool established = false) {
  return {ticket, established, Respond{group, stack::ToBytes(peer)}};
}

TEST(Crew, RespondsWithASecretThePeerComputesToo) {
  Mail mail;
  Crew crew({.workers = 1, .queue = 8, .ready_key_pairs = 0}, {mail.Sink()});
  for (const Group group : {Group::kModp1024, Group::kModp2048, Group::kEcp256}) {
    const auto peer = crypto::GenerateDh(group);
    ASSERT_TRUE(peer.ok());
    ASSERT_TRUE(crew.Ask(0, RespondJob(42, group, peer->public_value())));
    const std::vector<Answer> answers = mail.Take(1);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].ticket, 42U);
    ASSERT_TRUE(answers[0].status.ok()) << answers[0].status;
    EXPECT_EQ(answers[0].own_public.size(), crypto::PublicValueSize(group));
    const auto shared = peer->Agree(answers[0].own_public);
    ASSERT_TRUE(shared.ok());
    EXPECT_TRUE(*shared == answers[0].shared);
    EXPECT_FALSE(answers[0].key.has_value());
  }
}

TEST(Crew, InitiatorsGenerateFirstAndAgreeLater) {
  Mail mail;
  Crew crew({.workers = 1, .queue = 8, .ready_key_pairs = 0}, {mail.Sink()});
  ASSERT_TRUE(crew.Ask(0, {1, true, Generate{Group::kModp1024}}));
  std::vector<Answer> generated = mail.Take(1);
  ASSERT_EQ(generated.size(), 1U);
  ASSERT_TRUE(generated[0].key.has_value());
  EXPECT_TRUE(generated[0].shared.empty());

  const auto peer = crypto::GenerateDh(Group::kModp1024);
  const auto own = std::make_shared<const crypto::DhKeyPair>(std::move(*generated[0].key));
  ASSERT_TRUE(crew.Ask(0, {2, true, Agree{own, stack::ToBytes(peer->public_value())}}));
  const std::vector<Answer> agreed = mail.Take(1);
  ASSERT_EQ(agreed.size(), 1U);
  EXPECT_EQ(agreed[0].ticket, 2U);
  EXPECT_TRUE(*peer->Agree(generated[0].own_public) == agreed[0].shared);
}

TEST(Crew, RefusesValuesThatAreNoElements) {
  Mail mail;
  Crew crew({.workers = 1, .queue = 8, .ready_key_pairs = 0}, {mail.Sink()});
  const stack::Bytes zero(128), cut(127, std::byte{1});
  ASSERT_TRUE(crew.Ask(0, RespondJob(1, Group::kModp1024, zero)));
  ASSERT_TRUE(crew.Ask(0, RespondJob(2, Group::kModp1024, cut)));
  ASSERT_TRUE(crew.Ask(0, {3, false, Generate{static_cast<Group>(99)}}));
  const std::vector<Answer> answers = mail.Take(3);
  ASSERT_EQ(answers.size(), 3U);
  for (const Answer& answer : answers) {
    EXPECT_TRUE(absl::IsInvalidArgument(answer.status)) << answer.status;
    EXPECT_TRUE(answer.shared.empty());
  }
}

// With the crew held at the first answer, the queue's bounds can be counted.
TEST(Crew, KeepsRoomForEstablishedPeersAndForOtherShards) {
  Mail zero, one;
  Crew crew({.workers = 1, .queue = 8, .ready_key_pairs = 0}, {zero.Sink(), one.Sink()});
  zero.Hold(true);
  size_t strangers = 0, established = 0;
  while (crew.Ask(0, {strangers, false, Generate{Group::kModp1024}})) ++strangers;
  EXPECT_EQ(strangers, 6U);
  while (crew.Ask(0, {100 + established, true, Generate{Group::kModp1024}})) ++established;
  EXPECT_EQ(established, 2U);
  EXPECT_TRUE(crew.Ask(1, {200, false, Generate{Group::kModp1024}}));
  EXPECT_EQ(crew.stats().refused, 2U);
  zero.Hold(false);
  EXPECT_EQ(one.Take(1).size(), 1U);

  // Answers nobody has read still take room: else the mailbox could overflow.
  std::vector<Answer> answers = zero.Take(8);
  ASSERT_EQ(answers.size(), 8U);
  EXPECT_FALSE(crew.Ask(0, {300, true, Generate{Group::kModp1024}}));
  answers.pop_back();
  EXPECT_TRUE(crew.Ask(0, {300, true, Generate{Group::kModp1024}}));
  EXPECT_EQ(zero.Take(1).size(), 1U);
}

TEST(Crew, EstablishedPeersGoFirstAndShardsTakeTurns) {
  Mail zero, one;
  std::mutex mutex;
  std::vector<uint64_t> order;
  const auto noted = [&](Crew::Sink sink) -> Crew::Sink {
    return [&, sink](size_t worker, Answer answer) {
      {
        const std::lock_guard lock(mutex);
        order.push_back(answer.ticket);
      }
      sink(worker, std::move(answer));
    };
  };
  Crew crew({.workers = 1, .queue = 16, .ready_key_pairs = 0},
            {noted(zero.Sink()), noted(one.Sink())});
  zero.Hold(true);
  ASSERT_TRUE(crew.Ask(0, {0, false, Generate{Group::kEcp256}}));
  while (crew.stats().waiting != 0) std::this_thread::yield();  // the worker is at it
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(crew.Ask(0, {i, false, Generate{Group::kEcp256}}));
  for (uint64_t i = 11; i <= 12; ++i) {
    ASSERT_TRUE(crew.Ask(1, {i, false, Generate{Group::kEcp256}}));
  }
  ASSERT_TRUE(crew.Ask(0, {4, true, Generate{Group::kEcp256}}));
  zero.Hold(false);
  EXPECT_EQ(zero.Take(5).size(), 5U);
  EXPECT_EQ(one.Take(2).size(), 2U);
  EXPECT_EQ(order, (std::vector<uint64_t>{0, 4, 11, 1, 12, 2, 3}));
}

TEST(Crew, AnIdleCrewStocksTheGroupMostAskedFor) {
  Mail mail;
  Crew crew({.workers = 2, .queue = 16, .ready_key_pairs = 4}, {mail.Sink()});
  EXPECT_EQ(crew.stats().ready, 0U) << "nothing is made before anybody asks";
  ASSERT_TRUE(crew.Ask(0, {1, false, Generate{Group::kEcp256}}));
  EXPECT_EQ(mail.Take(1).size(), 1U);
  for (int i = 0; i < 2000 && crew.stats().ready < 4; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(crew.stats().ready, 4U);
  ASSERT_TRUE(crew.Ask(0, {2, false, Generate{Group::kEcp256}}));
  const std::vector<Answer> answers = mail.Take(1);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(crew.stats().from_ready, 1U);
}

TEST(Crew, KeyPairsAreNeverUsedTwice) {
  Mail mail;
  Crew crew({.workers = 2, .queue = 64, .ready_key_pairs = 8}, {mail.Sink()});
  std::map<std::string, int> seen;
  for (int round = 0; round < 4; ++round) {
    for (uint64_t i = 0; i < 16; ++i) ASSERT_TRUE(crew.Ask(0, {i, true, Generate{Group::kEcp256}}));
    for (size_t got = 0; got < 16;) {
      for (const Answer& answer : mail.Take(1)) {
        ++seen[stack::ToHex(answer.own_public)];
        ++got;
      }
    }
  }
  EXPECT_EQ(seen.size(), 64U);
}

TEST(Crew, EndsWithQuestionsWaiting) {
  Mail mail;
  std::vector<Answer> kept;
  {
    Crew crew({.workers = 2, .queue = 64, .ready_key_pairs = 4}, {mail.Sink()});
    for (uint64_t i = 0; i < 64; ++i)
      ASSERT_TRUE(crew.Ask(0, {i, true, Generate{Group::kModp1024}}));
    kept = mail.Take(1);
  }
  ASSERT_FALSE(kept.empty());  // an answer, and its receipt, may outlive the crew
}

}  // namespace
}  // namespace gateway::crew
