#include "gateway/run.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/prim/rng.h"
#include "gateway/crew/crew.h"
#include "gateway/io/affinity.h"
#include "gateway/io/clock.h"
#include "gateway/io/event_loop.h"
#include "gateway/io/keylog.h"
#include "gateway/io/log.h"
#include "gateway/io/machine.h"
#include "gateway/io/pace.h"
#include "gateway/io/packet_ring.h"
#include "gateway/io/rights.h"
#include "gateway/io/signals.h"
#include "gateway/memory.h"
#include "gateway/presence/presence.h"
#include "gateway/reload.h"
#include "gateway/shard/settings.h"
#include "gateway/shard/shard.h"

namespace gateway {
namespace {

using shard::Box;
using shard::Control;

constexpr uint32_t kMaxDefaultShards = 8;
constexpr absl::Duration kDrainPoll = absl::Milliseconds(10);
constexpr absl::Duration kStopLimit = absl::Seconds(8);

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "adit: %s\n", std::string(status.message()).c_str());
  return 1;
}

io::Level LevelOf(conf::Log::Level level) {
  switch (level) {
    case conf::Log::Level::kDebug:
      return io::Level::kDebug;
    case conf::Log::Level::kInfo:
      return io::Level::kInfo;
    case conf::Log::Level::kWarning:
      return io::Level::kWarning;
    case conf::Log::Level::kError:
      return io::Level::kError;
  }
  return io::Level::kInfo;
}

// Keeps the calling thread on the CPU that is thread `index`'s. That it may was checked at start.
void PinTo(const std::vector<uint16_t>& cpus, size_t index) {
  if (!cpus.empty()) (void)io::PinThisThread(cpus[index % cpus.size()]);
}

// One shard with its thread, and all that only this thread uses.
struct Worker {
  crypto::SystemRng rng;
  io::Waker waker;
  io::EventLoop loop;
  std::unique_ptr<shard::Shard> shard;
  std::thread thread;
};

// The gateway's parts in the order in which they are built, and so ended in reverse.
class Gateway {
 public:
  Gateway(const conf::Model& model, const RunOptions& options) : model_(model), options_(options) {}
  ~Gateway() { Stop(); }

  absl::Status Start();
  absl::Status Loop();

 private:
  absl::Status CheckPinning() const;
  absl::Status OpenKeyLog();
  absl::Status EstablishPresence();
  absl::Status OpenInterfaces();
  bool LeavesByXdp(const std::string& interface) const;
  absl::Status ForeseeMemory(const io::PacketOptions& rings);
  void MakeBoxes();
  void MakeCrew();
  absl::Status MakeShards();
  void StartThreads();
  void Tell(const auto& message);
  void TakeSignals();
  void Reread();
  // What the configuration asks for, and the command line overrides.
  io::Level Level(const conf::Log& log) const;
  bool Json(const conf::Log& log) const { return log.json || options_.log_json; }
  void TakeLeases();
  void BeginStop();
  bool Drained() const;
  void Stop();
  void RunShard(Worker& worker);

  const conf::Model& model_;
  const RunOptions& options_;
  std::unique_ptr<io::KeyLog> keylog_;  // null unless asked for
  std::mutex leases_lock_;
  std::vector<std::pair<uint8_t, stack::ip::Lease>> leases_;  // told by shard 0, not yet looked at
  std::optional<io::Signals> signals_;
  io::Waker control_waker_;
  io::EventLoop control_loop_;
  std::unique_ptr<io::LogWriter> writer_;
  io::Log* log_ = nullptr;
  crypto::SystemRng rng_;
  std::optional<presence::Presence> presence_;
  std::optional<shard::Settings> settings_;
  std::optional<Reload> reload_;
  uint8_t shards_ = 1;
  size_t crew_workers_ = 1;
  std::vector<std::vector<std::unique_ptr<io::Port>>> ports_;  // [interface][shard]
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::vector<std::unique_ptr<Box>>>
      boxes_;  // [writer][reader]; shards, control, crew workers
  std::unique_ptr<crew::Crew> crew_;
  std::atomic<bool> stop_{false};
  absl::Time stopping_since_ = absl::InfiniteFuture();
};

absl::Status Gateway::Start() {
  auto signals = io::Signals::Block();
  if (!signals.ok()) return signals.status();
  signals_.emplace(*std::move(signals));
  writer_ = std::make_unique<io::LogWriter>(io::LogOptions{
      .level = Level(model_.log), .json = Json(model_.log), .reader = &control_waker_, .sink = {}});
  log_ = &writer_->NewLog();
  const uint32_t cpus = std::max(1U, std::thread::hardware_concurrency());
  shards_ = static_cast<uint8_t>(model_.shards.value_or(std::min(cpus, kMaxDefaultShards)));
  crew_workers_ = std::max<size_t>(1, std::min<size_t>(cpus / 2, 4));
  if (const absl::Status may = CheckPinning(); !may.ok()) return may;
  if (const absl::Status opened = OpenKeyLog(); !opened.ok()) return opened;
  if (const absl::Status there = EstablishPresence(); !there.ok()) return there;
  if (const absl::Status opened = OpenInterfaces(); !opened.ok()) return opened;
  // Whatever needed more is open, and no other thread has been started.
  if (const absl::Status kept = io::KeepOnlyRawFrames(); !kept.ok()) return kept;
  for (uint8_t i = 0; i < shards_; ++i) workers_.push_back(std::make_unique<Worker>());
  MakeBoxes();
  MakeCrew();
  if (const absl::Status made = MakeShards(); !made.ok()) return made;
  StartThreads();
  return absl::OkStatus();
}

absl::Status Gateway::CheckPinning() const {
  for (const auto& [key, cpus] :
       {std::pair("io.cpus", &model_.io.cpus), std::pair("io.crew_cpus", &model_.io.crew_cpus)}) {
    const absl::Status may = io::CheckCpus(*cpus);
    if (!may.ok()) return absl::InvalidArgumentError(absl::StrCat(key, ": ", may.message()));
  }
  return absl::OkStatus();
}

absl::Status Gateway::OpenKeyLog() {
  if (!options_.keylog) return absl::OkStatus();
  auto keylog = io::KeyLog::Open(*options_.keylog);
  if (!keylog.ok()) return keylog.status();
  keylog_ = *std::move(keylog);
  log_->Warning("keylog", {{"directory", *options_.keylog}},
                "ALL SESSION KEYS ARE WRITTEN TO DISK (--keylog): whoever has these files and a "
                "capture reads everything that clients send");
  return absl::OkStatus();
}

// Before a frame is taken: from then on the kernel does not answer what is ours.
absl::Status Gateway::EstablishPresence() {
  auto presence = presence::Presence::Establish(model_, shards_);
  if (!presence.ok()) return presence.status();
  presence_.emplace(*std::move(presence));
  for (const presence::InterfacePlan& plan : presence_->plan().interfaces) {
    const std::string way(presence::NameOf(plan.presence));
    log_->Info("presence", {{"interface", plan.name}, {"presence", way}},
               "interface " + plan.name + ": " + way + " (" + plan.reason + ")");
    for (const std::string& warning : plan.warnings) {
      log_->Warning("presence", {{"interface", plan.name}, {"presence", way}},
                    "interface " + plan.name + ": " + warning);
    }
  }
  return absl::OkStatus();
}

absl::Status Gateway::OpenInterfaces() {
  const presence::Plan& plan = presence_->plan();
  std::vector<shard::InterfaceFacts> facts;
  for (size_t i = 0; i < plan.interfaces.size(); ++i) {
    const presence::InterfacePlan& interface = plan.interfaces[i];
    facts.push_back({.mac = interface.mac,
                     .mtu = static_cast<uint16_t>(std::min<uint32_t>(presence_->nic(i).mtu, 9000)),
                     .shared = interface.presence == conf::Presence::kShare,
                     .dhcp = interface.dhcp,
                     .address = interface.address,
                     .gateway = interface.gateway,
                     .nat_first = plan.nat_first,
                     .nat_last = plan.nat_last});
  }
  auto settings = shard::Translate(model_, facts, shards_, rng_);
  if (!settings.ok()) return settings.status();
  settings_.emplace(*std::move(settings));
  const std::string engine(crypto::esp::NameOf(settings_->esp_engine.id));
  log_->Info("crypto", {{"engine", engine}, {"reason", settings_->esp_engine.why}},
             "ESP is computed by " + engine + " (" + settings_->esp_engine.why + ")");
  reload_.emplace(model_, *settings_, rng_, *log_);
  io::PacketOptions options;
  options.small_slots = model_.io.ring_slots;
  options.large_slots = model_.io.large_ring_slots;
  if (const absl::Status fits = ForeseeMemory(options); !fits.ok()) return fits;
  std::vector<stack::Ip4> own;
  for (const auto& interface : settings_->interfaces) {
    if (interface.address) own.push_back(interface.address->address);
  }
  for (size_t i = 0; i < settings_->interfaces.size(); ++i) {
    const shard::InterfaceSettings& interface = settings_->interfaces[i];
    options.promiscuous = interface.mac != presence_->nic(i).mac;
    options.steering = settings_->Steering(interface, own);
    options.xdp = LeavesByXdp(interface.name);
    auto ports = io::OpenPacketPorts(interface.name, options);
    if (!ports.ok()) return ports.status();
    ports_.push_back(*std::move(ports));
    log_->Info("interface",
               {{"interface", interface.name},
                {"address", interface.address ? interface.address->Text() : "dhcp"},
                {"mac", interface.mac.Text()},
                {"mtu", interface.mtu},
                {"serve", interface.serve},
                {"nat", interface.nat}},
               "interface opened");
  }
  return absl::OkStatus();
}

bool Gateway::LeavesByXdp(const std::string& interface) const {
  const auto it = std::ranges::find(model_.interfaces, interface, &conf::Interface::name);
  return it != model_.interfaces.end() && it->io == conf::FrameIo::kXdp;
}

// Before any of it is taken.
absl::Status Gateway::ForeseeMemory(const io::PacketOptions& rings) {
  const MemoryNeed need =
      EstimateMemory(*settings_, rings, model_.limits.sessions, shards_ + 1U + crew_workers_);
  const uint64_t machine = io::MemoryLimit();
  if (const absl::Status fits = CheckMemory(need, machine); !fits.ok()) return fits;
  const io::Level level = need.Most() <= machine ? io::Level::kInfo : io::Level::kWarning;
  log_->Line(level, "memory",
             {{"rings_kib", need.rings >> 10},
              {"buffers_kib", need.pools >> 10},
              {"mailboxes_kib", need.mailboxes >> 10},
              {"nat_kib", need.nat >> 10},
              {"session_kib", need.session >> 10},
              {"sessions", model_.limits.sessions},
              {"sessions_kib", need.sessions >> 10},
              {"half_open_kib", need.half_open >> 10},
              {"most_kib", need.Most() >> 10},
              {"machine_kib", machine >> 10}},
             level == io::Level::kInfo
                 ? "memory that the configuration may need"
                 : "the limits allow for more memory than this machine has: lower limits.sessions");
  return absl::OkStatus();
}

void Gateway::MakeBoxes() {
  shard::MailboxSizes control;  // writers other than shards send no packets
  control.packet_bytes = 4096;
  for (size_t writer = 0; writer < shards_ + 1U + crew_workers_; ++writer) {
    auto& row = boxes_.emplace_back();
    for (const auto& worker : workers_) {
      row.push_back(
          std::make_unique<Box>(worker->waker, writer < shards_ ? shard::MailboxSizes{} : control));
    }
  }
}

void Gateway::MakeCrew() {
  std::vector<crew::Crew::Sink> sinks;
  for (uint8_t to = 0; to < shards_; ++to) {
    sinks.push_back([this, to](size_t worker, crew::Answer answer) {
      Box& box = *boxes_[shards_ + 1U + worker][to];
      // Room is reserved for as many as can be under way.
      if (!box.PutControl(std::move(answer), shard::Room::kReserved)) return;
      box.Flush();
    });
  }
  crew::CrewOptions options;
  options.workers = crew_workers_;
  options.on_start = [&cpus = model_.io.crew_cpus](size_t worker) { PinTo(cpus, worker); };
  crew_ = std::make_unique<crew::Crew>(options, std::move(sinks));
}

absl::Status Gateway::MakeShards() {
  const absl::Time now = io::MonotonicNow();
  for (uint8_t i = 0; i < shards_; ++i) {
    Worker& worker = *workers_[i];
    shard::Shard::Environment environment;
    environment.index = i;
    environment.settings = &*settings_;
    for (const auto& ports : ports_) environment.ports.push_back(ports[i].get());
    for (size_t writer = 0; writer < boxes_.size(); ++writer) {
      if (writer != i) environment.in.push_back(boxes_[writer][i].get());
    }
    for (uint8_t to = 0; to < shards_; ++to) {
      environment.out.push_back(to == i ? nullptr : boxes_[i][to].get());
    }
    environment.ask_crew = [this, i](crew::Job&& job) { return crew_->Ask(i, std::move(job)); };
    if (options_.on_lease) {
      environment.on_lease = [this](uint8_t interface, const stack::ip::Lease& lease) {
        const std::lock_guard lock(leases_lock_);
        leases_.emplace_back(interface, lease);
        control_waker_.Signal();
      };
    }
    environment.rng = &worker.rng;
    environment.log = &writer_->NewLog(i);
    environment.keylog = keylog_.get();
    auto shard = shard::Shard::Create(now, std::move(environment));
    if (!shard.ok()) return shard.status();
    worker.shard = *std::move(shard);
    absl::Status watched = worker.loop.Add(worker.waker.fd(), 0);
    for (const auto& ports : ports_) {
      for (const int fd : ports[i]->fds()) watched.Update(worker.loop.Add(fd, 1));
    }
    if (!watched.ok()) return watched;
  }
  return absl::OkStatus();
}

void Gateway::StartThreads() {
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->thread = std::thread([this, i] {
      PinTo(model_.io.cpus, i);
      RunShard(*workers_[i]);
    });
  }
  log_->Info("started", {{"shards", shards_}, {"crew", crew_workers_}, {"version", ADIT_VERSION}},
             "adit is running");
}

// Works until there is nothing left, looks for more while it is likely to come at once, and only
// then sleeps.
void Gateway::RunShard(Worker& worker) {
  shard::Shard& shard = *worker.shard;
  io::Pace pace(model_.io.busy_poll);
  while (!stop_.load(std::memory_order_acquire)) {
    const absl::Time now = io::MonotonicNow();
    if (shard.Round(now)) {
      pace.Worked(now);
      continue;
    }
    if (pace.ShouldLookAgain(now)) {
      // Where the kernel's own packet work shares this CPU, it must not wait for us to tire.
      std::this_thread::yield();
      continue;
    }
    worker.waker.BeginSleep();
    const bool more = shard.HasMail() || stop_.load(std::memory_order_acquire);
    worker.loop.Wait(more ? absl::ZeroDuration() : shard.NextDeadline() - now);
    worker.waker.EndSleep();
  }
}

void Gateway::Tell(const auto& message) {
  for (const auto& box : boxes_[shards_]) {
    if (box->PutControl(Control(message), shard::Room::kReserved)) box->Flush();
  }
}

bool Gateway::Drained() const {
  return std::all_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return worker->shard->drained(); });
}

void Gateway::TakeSignals() {
  while (const auto signal = signals_->Take()) {
    if (*signal == io::Signals::Kind::kReport) {
      Tell(shard::Report{});
    } else if (*signal == io::Signals::Kind::kReload) {
      Reread();
    } else {
      BeginStop();
    }
  }
}

void Gateway::Reread() {
  if (!options_.reread) return log_->Warning("reload_failed", {}, "there is no file to read again");
  auto credentials = reload_->Take(options_.reread());
  if (credentials == nullptr) return;
  const conf::Log& log = reload_->newest().log;
  writer_->Change(Level(log), Json(log));
  Tell(shard::NewCredentials{std::move(credentials)});
}

io::Level Gateway::Level(const conf::Log& log) const {
  const auto given = options_.log_level ? io::LevelOf(*options_.log_level) : std::nullopt;
  return given.value_or(LevelOf(log.level));
}

void Gateway::TakeLeases() {
  std::vector<std::pair<uint8_t, stack::ip::Lease>> leases;
  {
    const std::lock_guard lock(leases_lock_);
    leases.swap(leases_);
  }
  for (const auto& [interface, lease] : leases) {
    if (!options_.on_lease(model_.interfaces[interface].name, lease)) BeginStop();
  }
}

void Gateway::BeginStop() {
  if (stopping_since_ != absl::InfiniteFuture()) return;
  stopping_since_ = io::MonotonicNow();
  log_->Info("stopping", {}, "ending all sessions");
  Tell(shard::Report{});
  Tell(shard::Drain{});
}

absl::Status Gateway::Loop() {
  absl::Status watched = control_loop_.Add(signals_->fd(), 0);
  watched.Update(control_loop_.Add(control_waker_.fd(), 1));
  if (!watched.ok()) return watched;
  for (;;) {
    control_waker_.BeginSleep();
    writer_->Drain();
    const bool stopping = stopping_since_ != absl::InfiniteFuture();
    control_loop_.Wait(stopping ? kDrainPoll : absl::InfiniteDuration());
    control_waker_.EndSleep();
    TakeSignals();
    TakeLeases();
    if (stopping && (Drained() || io::MonotonicNow() - stopping_since_ > kStopLimit)) {
      return absl::OkStatus();
    }
  }
}

void Gateway::Stop() {
  stop_.store(true, std::memory_order_release);
  for (const auto& worker : workers_) {
    worker->waker.Signal();
    if (worker->thread.joinable()) worker->thread.join();
  }
  crew_.reset();  // its sinks write into the boxes
  const bool in_order = stopping_since_ != absl::InfiniteFuture();
  if (in_order && !workers_.empty()) workers_.front()->shard->Leave(io::MonotonicNow());
  if (writer_ == nullptr) return;
  if (in_order) log_->Info("stopped", {}, "adit has ended");
  writer_->Drain();
}

}  // namespace

int Run(const conf::Model& model, const RunOptions& options) {
  if (options.log_level && !io::LevelOf(*options.log_level)) {
    std::fprintf(stderr, "adit: --log-level: one of debug, info, warning, error\n");
    return 2;
  }
  Gateway gateway(model, options);
  if (const absl::Status started = gateway.Start(); !started.ok()) return Fail(started);
  const absl::Status ended = gateway.Loop();
  return ended.ok() ? 0 : Fail(ended);
}

}  // namespace gateway
