#include "gateway/run_load.h"

#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/prim/rng.h"
#include "gateway/crew/crew.h"
#include "gateway/io/affinity.h"
#include "gateway/io/clock.h"
#include "gateway/io/event_loop.h"
#include "gateway/io/nic.h"
#include "gateway/io/packet_ring.h"
#include "gateway/io/signals.h"
#include "gateway/load/driver.h"

namespace gateway {
namespace {

// A burst of 16 ms at a million packets a second must fit while we are at something else.
constexpr size_t kSmallSlots = 16384, kLargeSlots = 480;
constexpr size_t kSendBuffer = size_t{16} << 20U;
// Sleeping and waking up costs more than to look again when something is due this soon.
constexpr absl::Duration kSpin = absl::Milliseconds(2);
constexpr size_t kReadyKeyPairs = 64;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "adit load: %s\n", std::string(status.message()).c_str());
  return 1;
}

// The same numbers each time; for cookies, nonces and ids that need only differ.
class SeededRng : public stack::Rng {
 public:
  explicit SeededRng(uint64_t seed) : state_(seed) {}
  void Fill(stack::ByteSpan out) override {
    for (std::byte& b : out) b = static_cast<std::byte>(Next() >> 56U);
  }

 private:
  uint64_t Next() {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
    return z ^ (z >> 31U);
  }
  uint64_t state_;
};

// An interface of ours, with a MAC beside the kernel's, which therefore leaves our frames alone.
struct Side {
  stack::Mac mac;
  std::unique_ptr<io::Port> port;
};

absl::StatusOr<Side> Open(const std::string& name) {
  const auto nic = io::ReadNic(name);
  if (!nic.ok()) return nic.status();
  io::PacketOptions options;
  options.small_slots = kSmallSlots;
  options.large_slots = kLargeSlots;
  options.send_buffer = kSendBuffer;
  auto ports = io::OpenPacketPorts(name, options);
  if (!ports.ok()) return ports.status();
  return Side{io::DerivedMac(nic->mac, name), std::move(ports->front())};
}

// What the crew has answered, until the loop takes it.
class Answers {
 public:
  void Put(crew::Answer answer) {
    {
      const std::lock_guard lock(lock_);
      answers_.push_back(std::move(answer));
    }
    waker.Wake();
  }
  std::vector<crew::Answer> Take() {
    const std::lock_guard lock(lock_);
    return std::exchange(answers_, {});
  }
  bool empty() const {
    const std::lock_guard lock(lock_);
    return answers_.empty();
  }
  io::Waker waker;

 private:
  mutable std::mutex lock_;
  std::vector<crew::Answer> answers_;
};

class Runner {
 public:
  explicit Runner(const load::Options& options) : options_(options) {}

  absl::Status Start();
  load::Report Run();

 private:
  bool TakeAnswers();
  void Sleep(absl::Time now);

  const load::Options& options_;
  std::optional<io::Signals> signals_;
  Side near_, far_;
  std::unique_ptr<stack::Rng> rng_;
  io::EventLoop loop_;
  Answers answers_;
  std::unique_ptr<crew::Crew> crew_;
  std::unique_ptr<load::Driver> driver_;
};

absl::Status Runner::Start() {
  auto signals = io::Signals::Block();
  if (!signals.ok()) return signals.status();
  signals_.emplace(*std::move(signals));
  auto near = Open(options_.interface);
  if (!near.ok()) return near.status();
  near_ = *std::move(near);
  if (!options_.far.empty()) {
    auto far = Open(options_.far);
    if (!far.ok()) return far.status();
    far_ = *std::move(far);
  }
  if (options_.seed) {
    rng_ = std::make_unique<SeededRng>(*options_.seed);
  } else {
    rng_ = std::make_unique<crypto::SystemRng>();
  }
  crew::CrewOptions crew;
  crew.workers = options_.crew;
  crew.queue = 2 * size_t{options_.clients} + 64;
  crew.ready_key_pairs = kReadyKeyPairs;
  crew_ = std::make_unique<crew::Crew>(
      crew, std::vector<crew::Crew::Sink>{
                [this](size_t, crew::Answer answer) { answers_.Put(std::move(answer)); }});
  // After the crew's threads, which stay free to go elsewhere.
  if (options_.cpu >= 0) {
    const auto cpu = static_cast<uint16_t>(options_.cpu);
    if (absl::Status may = io::CheckCpus({cpu}); !may.ok()) return may;
    if (!io::PinThisThread(cpu)) return absl::UnavailableError("the kernel refuses --cpu");
  }
  load::Driver::Environment environment;
  environment.options = &options_;
  environment.near_port = near_.port.get();
  environment.far_port = far_.port.get();
  environment.near_mac = near_.mac;
  environment.far_mac = far_.mac;
  environment.rng = rng_.get();
  environment.ask_crew = [this](crew::Job&& job) { return crew_->Ask(0, std::move(job)); };
  environment.cpu_time = io::ThreadCpuTime;
  environment.clock = io::MonotonicNow;
  if (options_.events) {
    environment.on_event = [](const std::string& line) {
      std::fprintf(stderr, "%s\n", line.c_str());
      std::fflush(stderr);
    };
  }
  driver_ = std::make_unique<load::Driver>(io::MonotonicNow(), std::move(environment));
  absl::Status watched = loop_.Add(signals_->fd(), 0);
  watched.Update(loop_.Add(answers_.waker.fd(), 0));
  for (const int fd : near_.port->fds()) watched.Update(loop_.Add(fd, 0));
  if (far_.port != nullptr) {
    for (const int fd : far_.port->fds()) watched.Update(loop_.Add(fd, 0));
  }
  return watched;
}

bool Runner::TakeAnswers() {
  std::vector<crew::Answer> answers = answers_.Take();
  for (crew::Answer& answer : answers) driver_->OnCrew(io::MonotonicNow(), std::move(answer));
  return !answers.empty();
}

void Runner::Sleep(absl::Time now) {
  answers_.waker.BeginSleep();
  const bool more = !answers_.empty();
  loop_.Wait(more ? absl::ZeroDuration() : driver_->NextDeadline() - now);
  answers_.waker.EndSleep();
}

load::Report Runner::Run() {
  uint32_t rounds = 0;
  while (!driver_->is_done()) {
    const absl::Time now = io::MonotonicNow();
    bool busy = TakeAnswers();
    busy |= driver_->Round(now);
    if (++rounds % 256 == 0 || !busy) {
      while (const auto signal = signals_->Take()) {
        if (*signal == io::Signals::Kind::kTerminate) driver_->Stop(now);
      }
    }
    const bool may_sleep = !busy && !driver_->IsTiming(now);
    if (may_sleep && driver_->NextDeadline() - now > kSpin) Sleep(now);
  }
  return driver_->MakeReport(io::MonotonicNow());
}

bool WriteFile(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace

int RunLoad(const load::Options& options) {
  if (const std::string problem = options.Problem(); !problem.empty()) {
    std::fprintf(stderr, "adit load: %s\n", problem.c_str());
    return 2;
  }
  load::Report report;
  {
    Runner runner(options);
    if (const absl::Status started = runner.Start(); !started.ok()) return Fail(started);
    report = runner.Run();
  }
  const std::string text = options.json == "-" ? report.Json() : report.Text();
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!options.json.empty() && options.json != "-" && !WriteFile(options.json, report.Json())) {
    std::fprintf(stderr, "adit load: cannot write %s\n", options.json.c_str());
    return 1;
  }
  return report.IsGood() ? 0 : 1;
}

}  // namespace gateway
