#include "gateway/crew/crew.h"

#include <algorithm>
#include <utility>

namespace gateway::crew {
namespace {

using crypto::DhKeyPair;
using crypto::Group;

constexpr std::array<Group, 7> kGroups = {Group::kModp1024, Group::kModp1536, Group::kModp2048,
                                          Group::kModp3072, Group::kModp4096, Group::kEcp256,
                                          Group::kEcp384};
// Counts of questions are halved when one gets here, so that the most asked for group is that of
// today.
constexpr uint64_t kCountsHalvedAt = 1024;

// The group a new key pair is wanted of, if the job wants one.
std::optional<Group> FreshGroup(const Job& job) {
  if (const auto* respond = std::get_if<Respond>(&job.work)) return respond->group;
  if (const auto* generate = std::get_if<Generate>(&job.work)) return generate->group;
  return std::nullopt;
}

}  // namespace

Receipt::Receipt(std::shared_ptr<std::atomic<size_t>> count) : count_(std::move(count)) {
  count_->fetch_add(1, std::memory_order_relaxed);
}

Receipt& Receipt::operator=(Receipt&& other) noexcept {
  std::swap(count_, other.count_);
  return *this;
}

// Release: whoever sees the lower count (acquire, in Ask) sees the answer's place as free.
Receipt::~Receipt() {
  if (count_) count_->fetch_sub(1, std::memory_order_release);
}

Crew::Crew(const CrewOptions& options, std::vector<Sink> sinks)
    : options_(options), sinks_(std::move(sinks)), queues_(sinks_.size()) {
  for (Queue& queue : queues_) queue.under_way = std::make_shared<std::atomic<size_t>>(0);
  for (size_t i = 0; i < stocks_.size(); ++i) stocks_[i].group = kGroups[i];
  for (size_t worker = 0; worker < std::max<size_t>(1, options_.workers); ++worker) {
    threads_.emplace_back([this, worker] {
      if (options_.on_start) options_.on_start(worker);
      Work(worker);
    });
  }
}

Crew::~Crew() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Crew::Ask(size_t shard, Job&& job) {
  {
    const std::lock_guard lock(mutex_);
    Queue& queue = queues_[shard];
    const size_t limit = job.established ? options_.queue : options_.queue - options_.queue / 4;
    if (queue.under_way->load(std::memory_order_acquire) >= limit) {
      ++stats_.refused;
      return false;
    }
    CountQuestion(job);
    std::deque<Waiting>& line = job.established ? queue.established : queue.strangers;
    line.push_back({std::move(job), Receipt(queue.under_way)});
    ++stats_.waiting;
  }
  work_.notify_one();
  return true;
}

void Crew::CountQuestion(const Job& job) {
  const std::optional<Group> group = FreshGroup(job);
  if (!group) return;
  for (Stock& stock : stocks_) {
    if (stock.group != *group || ++stock.asked < kCountsHalvedAt) continue;
    for (Stock& each : stocks_) each.asked /= 2;
  }
}

// A worker's life: jobs first, then the stock, then sleep.
void Crew::Work(size_t worker) {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (std::optional<Turn> turn = NextJob()) {
      lock.unlock();
      Answer answer = Do(std::move(turn->waiting));
      sinks_[turn->shard](worker, std::move(answer));
      lock.lock();
      ++stats_.done;
    } else if (const std::optional<Group> group = GroupToStock()) {
      ++stocking_;
      lock.unlock();
      absl::StatusOr<DhKeyPair> key = crypto::GenerateDh(*group);
      lock.lock();
      --stocking_;
      Stock& stock = *StockOf(*group);
      if (key.ok()) {
        stock.ready.push_back(std::move(*key));
      } else {
        stock.asked = 0;  // not to be tried again and again
      }
    } else {
      work_.wait(lock);
    }
  }
}

// The shards take turns; at each turn, established peers of all shards go before strangers.
std::optional<Crew::Turn> Crew::NextJob() {
  for (const bool established : {true, false}) {
    for (size_t i = 0; i < queues_.size(); ++i) {
      const size_t shard = (turn_ + i) % queues_.size();
      std::deque<Waiting>& line =
          established ? queues_[shard].established : queues_[shard].strangers;
      if (line.empty()) continue;
      Turn turn{shard, std::move(line.front())};
      line.pop_front();
      turn_ = (shard + 1) % queues_.size();
      --stats_.waiting;
      return turn;
    }
  }
  return std::nullopt;
}

Crew::Stock* Crew::StockOf(Group group) {
  const auto stock = std::find_if(stocks_.begin(), stocks_.end(),
                                  [group](const Stock& s) { return s.group == group; });
  return stock == stocks_.end() ? nullptr : &*stock;
}

// The group most asked for, if its stock is not full.
std::optional<Group> Crew::GroupToStock() const {
  const auto most =
      std::max_element(stocks_.begin(), stocks_.end(),
                       [](const Stock& a, const Stock& b) { return a.asked < b.asked; });
  if (most->asked == 0 || most->ready.size() + stocking_ >= options_.ready_key_pairs) {
    return std::nullopt;
  }
  return most->group;
}

absl::StatusOr<DhKeyPair> Crew::KeyPair(Group group) {
  {
    const std::lock_guard lock(mutex_);
    Stock* stock = StockOf(group);
    if (stock != nullptr && !stock->ready.empty()) {
      DhKeyPair key = std::move(stock->ready.back());
      stock->ready.pop_back();
      ++stats_.from_ready;
      return key;
    }
  }
  return crypto::GenerateDh(group);
}

Answer Crew::Do(Waiting waiting) {
  Answer answer;
  answer.ticket = waiting.job.ticket;
  answer.receipt = std::move(waiting.receipt);
  if (auto* agree = std::get_if<Agree>(&waiting.job.work)) {
    answer.status = AgreeWith(*agree->key, agree->peer_public, answer);
    return answer;
  }
  absl::StatusOr<DhKeyPair> key = KeyPair(*FreshGroup(waiting.job));
  answer.status = key.status();
  if (!key.ok()) return answer;
  answer.own_public = stack::ToBytes(key->public_value());
  if (const auto* respond = std::get_if<Respond>(&waiting.job.work)) {
    answer.status = AgreeWith(*key, respond->peer_public, answer);
  } else {
    answer.key = std::move(*key);
  }
  return answer;
}

absl::Status Crew::AgreeWith(const DhKeyPair& key, stack::ByteView peer_public, Answer& answer) {
  absl::StatusOr<crypto::Secret> shared = key.Agree(peer_public);
  if (shared.ok()) answer.shared = std::move(*shared);
  return shared.status();
}

CrewStats Crew::stats() const {
  const std::lock_guard lock(mutex_);
  CrewStats stats = stats_;
  for (const Stock& stock : stocks_) stats.ready += stock.ready.size();
  return stats;
}

}  // namespace gateway::crew
