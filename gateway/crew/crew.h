// The crew: worker threads that do what would hold up packets for milliseconds. Today that is the
// Diffie-Hellman of IKE (RFC 2409 section 5; groups in crypto/prim/dh.h). A shard asks with a
// ticket and goes on; the answer comes back through the sink it gave, by mailbox.
//
// Each shard has a bounded queue of its own and the workers take turns among the shards, so that a
// flood of strangers' first messages at one shard costs the others nothing. Peers that are
// established already go before strangers. When a queue is full Ask refuses: the machine gets
// `Busy`, goes back to the state before, and the client's retransmission asks again. A worker with
// nothing to do makes key pairs of the group most asked for in advance, a few, so that an answer
// costs one exponentiation instead of two.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/prim/dh.h"
#include "crypto/prim/secret.h"
#include "stack/base/bytes.h"

namespace gateway::crew {

// A fresh key pair and the agreement with `peer_public` in one go: the responder's question.
struct Respond {
  crypto::Group group;
  stack::Bytes peer_public;
};
// A fresh key pair, kept for the agreement to come: the initiator's first question.
struct Generate {
  crypto::Group group;
};
// The agreement of the key pair made before: the initiator's second.
struct Agree {
  std::shared_ptr<const crypto::DhKeyPair> key;
  stack::Bytes peer_public;
};

struct Job {
  uint64_t ticket = 0;       // comes back with the answer; means nothing to the crew
  bool established = false;  // the peer has proved itself: goes before strangers
  std::variant<Respond, Generate, Agree> work;
};

// Counts as long as it lives; see Answer::receipt.
class Receipt {
 public:
  Receipt() = default;
  explicit Receipt(std::shared_ptr<std::atomic<size_t>> count);
  Receipt(Receipt&& other) noexcept = default;
  Receipt& operator=(Receipt&& other) noexcept;
  ~Receipt();

 private:
  std::shared_ptr<std::atomic<size_t>> count_;
};

struct Answer {
  uint64_t ticket = 0;
  // InvalidArgument: the peer's value is no usable element of the group; Internal: could not
  // compute.
  absl::Status status;
  stack::Bytes own_public;               // Respond, Generate
  crypto::Secret shared;                 // Respond, Agree
  std::optional<crypto::DhKeyPair> key;  // Generate: to be handed back with Agree, shared
  Receipt receipt;  // the question counts as under way until its answer is destroyed
};

struct CrewOptions {
  size_t workers = 1;
  // Questions a shard may have under way; strangers may use three quarters. Enough for all who dial
  // again when a gateway comes back: with one worker and MODP-2048 they wait less than clients do
  // before they ask once more.
  size_t queue = 512;
  size_t ready_key_pairs = 16;  // made in advance; 0: none
  // Called on each worker's thread (0..workers-1) before anything else.
  std::function<void(size_t worker)> on_start = {};
};

struct CrewStats {
  uint64_t done = 0;
  uint64_t refused = 0;     // Ask said no
  uint64_t from_ready = 0;  // key pairs that were there already
  size_t waiting = 0;       // jobs in the queues now
  size_t ready = 0;         // key pairs in stock now
};

class Crew {
 public:
  // Called on the crew thread `worker` (0..workers-1) with each answer, in no order. It must not
  // block; it puts the answer into the mailbox from this worker to the shard, into reserved room.
  using Sink = std::function<void(size_t worker, Answer answer)>;

  // sinks[i] is shard i's.
  Crew(const CrewOptions& options, std::vector<Sink> sinks);
  // Ends the threads after the jobs they are at; what still waits is thrown away unanswered. No
  // sink is called after it.
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // From any thread. False, and `job` untouched, if the shard has too many questions under way.
  [[nodiscard]] bool Ask(size_t shard, Job&& job);

  // Questions of one shard that can be under way at most, from Ask until the Answer is destroyed.
  // With so many reserved places in the mailbox from each worker to the shard, every answer
  // arrives.
  size_t MaxUnderWay() const { return options_.queue; }

  CrewStats stats() const;

 private:
  struct Waiting {
    Job job;
    Receipt receipt;
  };
  struct Queue {
    std::deque<Waiting> established, strangers;
    std::shared_ptr<std::atomic<size_t>> under_way;
  };
  struct Turn {
    size_t shard;
    Waiting waiting;
  };
  // One group's count of questions and stock of key pairs.
  struct Stock {
    crypto::Group group{};
    uint64_t asked = 0;
    std::vector<crypto::DhKeyPair> ready;
  };

  void Work(size_t worker);
  std::optional<Turn> NextJob();
  void CountQuestion(const Job& job);
  Stock* StockOf(crypto::Group group);
  std::optional<crypto::Group> GroupToStock() const;
  absl::StatusOr<crypto::DhKeyPair> KeyPair(crypto::Group group);
  Answer Do(Waiting waiting);
  static absl::Status AgreeWith(const crypto::DhKeyPair& key, stack::ByteView peer_public,
                                Answer& answer);

  const CrewOptions options_;
  const std::vector<Sink> sinks_;
  mutable std::mutex mutex_;  // guards all below; never held while computing
  std::condition_variable work_;
  std::vector<Queue> queues_;
  std::array<Stock, 7> stocks_;
  size_t turn_ = 0;      // the shard whose turn it is
  size_t stocking_ = 0;  // key pairs being made for stock
  bool stopping_ = false;
  CrewStats stats_;
  std::vector<std::thread> threads_;
};

}  // namespace gateway::crew
