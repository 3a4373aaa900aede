#include "gateway/load/driver.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/load/json.h"

namespace gateway::load {
namespace {

constexpr absl::Duration kResolveLimit = absl::Seconds(5);
constexpr absl::Duration kDrainLimit = absl::Milliseconds(500);
constexpr absl::Duration kLogOutLimit = absl::Seconds(5);
constexpr absl::Duration kUsualDuration = absl::Seconds(10);
constexpr double kFirstRate = 1000;  // of a search that is not told where to begin
// Of one port in one round: more than a round sends, so that our own rings do not fill up.
constexpr size_t kBatchesAtOnce = 16;
// What a batch each way, a burst of superframes and reassembly need; and a multiple of that.
constexpr size_t kSmallSlots = 8192, kLargeSlots = 384;

Lan::Options NearLan(const Options& options, const stack::Mac& mac) {
  return {mac, options.source.first, options.source.last, options.gateway.value_or(options.server)};
}

Lan::Options FarLan(const Options& options, const stack::Mac& mac) {
  const stack::Ip4 ip = options.far_address.address;
  return {mac, ip, ip, options.far_gateway};
}

}  // namespace

Driver::Driver(absl::Time now, Environment environment)
    : env_(std::move(environment)),
      options_(*env_.options),
      pool_(kSmallSlots, kLargeSlots),
      near_outlet_(*env_.near_port, options_.gso),
      far_outlet_(env_.far_port == nullptr ? nullptr
                                           : std::make_unique<Outlet>(*env_.far_port, false)),
      near_lan_(NearLan(options_, env_.near_mac), pool_, near_outlet_),
      far_lan_(far_outlet_ == nullptr
                   ? nullptr
                   : std::make_unique<Lan>(FarLan(options_, env_.far_mac), pool_, *far_outlet_)),
      far_(far_lan_ == nullptr
               ? nullptr
               : std::make_unique<FarEnd>(options_, pool_, *far_lan_, *far_outlet_)),
      traffic_({&options_, &pool_, &near_outlet_, far_.get(), env_.clock}),
      phase_end_(now + kResolveLimit),
      began_(now) {
  Fleet::Environment fleet;
  fleet.options = &options_;
  fleet.pool = &pool_;
  fleet.rng = env_.rng;
  fleet.lan = &near_lan_;
  fleet.outlet = &near_outlet_;
  fleet.sink = &traffic_;
  fleet.ask_crew = env_.ask_crew;
  fleet_ = std::make_unique<Fleet>(now, std::move(fleet));
  traffic_.SetFleet(*fleet_);
  if (options_.find_rate) {
    const double start = options_.traffic[0].rate;
    search_.emplace(start > 0 ? start : kFirstRate, *options_.find_rate);
    traffic_.SetRate(0, search_->rate());
  }
}

Driver::~Driver() = default;

// ---- A round ----------------------------------------------------------------------------------

bool Driver::Round(absl::Time now) {
  bool busy = Receive(now);
  near_lan_.OnDeadline(now);
  if (far_lan_ != nullptr) far_lan_->OnDeadline(now);
  fleet_->OnDeadline(now);
  traffic_.pinger().OnDeadline(now, env_.clock, *fleet_, pool_);
  const Phase before = phase_;
  Advance(now);
  busy |= phase_ != before || phase_ == Phase::kPrepare;
  busy |= traffic_.Generate(now);
  near_outlet_.Flush();
  if (far_outlet_ != nullptr) far_outlet_->Flush();
  return busy;
}

bool Driver::Receive(absl::Time now) {
  std::array<io::RxFrame, io::kBatch> frames;
  size_t all = 0;
  for (size_t batch = 0, count = 1; count > 0 && batch < kBatchesAtOnce; ++batch) {
    count = env_.near_port->Receive(frames);
    for (const io::RxFrame& frame : std::span(frames).first(count)) fleet_->OnFrame(now, frame);
    env_.near_port->Release();
    fleet_->OnBatchEnd(now);
    all += count;
  }
  if (far_ == nullptr) return all > 0;
  for (size_t batch = 0, count = 1; count > 0 && batch < kBatchesAtOnce; ++batch) {
    count = env_.far_port->Receive(frames);
    for (const io::RxFrame& frame : std::span(frames).first(count)) {
      far_->OnFrame(now, frame, traffic_);
    }
    env_.far_port->Release();
    all += count;
  }
  return all > 0;
}

absl::Time Driver::NextDeadline() const {
  absl::Time next = std::min(
      {phase_end_, near_lan_.NextDeadline(), fleet_->NextDeadline(), traffic_.NextDeadline()});
  if (far_lan_ != nullptr) next = std::min(next, far_lan_->NextDeadline());
  return next;
}

// ---- The phases -------------------------------------------------------------------------------

void Driver::Enter(absl::Time now, Phase phase, absl::Duration limit) {
  phase_ = phase;
  phase_end_ = limit == absl::InfiniteDuration() ? absl::InfiniteFuture() : now + limit;
}

void Driver::Advance(absl::Time now) {
  const bool is_over = now >= phase_end_;
  switch (phase_) {
    case Phase::kResolve:
      if (near_lan_.hop()) return AfterResolve(now);
      if (!is_over) return;
      failure_ = absl::StrCat("nobody answers ARP for ",
                              options_.gateway.value_or(options_.server).Text());
      return Enter(now, Phase::kDone);
    case Phase::kLogin:
      if (fleet_->IsSettled()) AfterLogin(now);
      return;
    case Phase::kPaths:
      if (traffic_.MakePaths(now)) Enter(now, Phase::kPrepare);
      return;
    case Phase::kPrepare:
      if (!traffic_.Prepare(now)) return;
      traffic_.Begin(now);
      return Enter(now, Phase::kWarmUp, options_.warmup);
    case Phase::kWarmUp:
      if (is_over) BeginMeasure(now);
      return;
    case Phase::kMeasure:
      if (is_over || traffic_.IsExhausted() || HaveAllLeft()) EndMeasure(now);
      return;
    case Phase::kDrain:
      if (is_over || traffic_.AllArrived()) AfterDrain(now);
      return;
    case Phase::kLogOut:
      if (is_over || fleet_->IsEmpty()) Enter(now, Phase::kDone);
      return;
    case Phase::kDone:
      return;
  }
}

bool Driver::HasMiddle() const {
  return !options_.traffic.empty() || options_.ping_interval > absl::ZeroDuration();
}

// There is nothing to wait for: who has left does not come back, and nothing is measured.
bool Driver::HaveAllLeft() const { return !HasMiddle() && !options_.churn && fleet_->IsEmpty(); }

absl::Duration Driver::MeasureTime() const {
  if (search_) return options_.step;
  if (options_.duration) return *options_.duration;
  if (HasMiddle()) return kUsualDuration;
  return options_.hold > absl::ZeroDuration() ? absl::InfiniteDuration() : absl::ZeroDuration();
}

void Driver::AfterResolve(absl::Time now) {
  Tell(now, "login_begin");
  fleet_->Begin(now);
  if (!options_.churn) return Enter(now, Phase::kLogin);
  begin_ = now;  // who churns is measured while logging in
  cpu_at_begin_ = env_.cpu_time();
  traffic_.Measure(now);
  Enter(now, Phase::kMeasure, options_.duration.value_or(kUsualDuration));
}

void Driver::AfterLogin(absl::Time now) {
  Tell(now, "logged_in");
  if (fleet_->up() == 0) return BeginLogOut(now);
  if (!options_.traffic.empty()) return Enter(now, Phase::kPaths);
  if (HasMiddle()) return Enter(now, Phase::kWarmUp, options_.warmup);
  BeginMeasure(now);
}

void Driver::BeginMeasure(absl::Time now) {
  traffic_.Measure(now);
  begin_ = now;
  cpu_at_begin_ = env_.cpu_time();
  Tell(now, "traffic_begin");
  Enter(now, Phase::kMeasure, MeasureTime());
}

void Driver::EndMeasure(absl::Time now) {
  traffic_.End();
  traffic_.pinger().End();
  end_ = now;
  cpu_in_window_ = env_.cpu_time() - cpu_at_begin_;
  Tell(now, "traffic_end");
  Enter(now, Phase::kDrain, HasMiddle() ? kDrainLimit : absl::ZeroDuration());
}

void Driver::AfterDrain(absl::Time now) {
  std::vector<StreamResult> results;
  for (const Stream& stream : traffic_.streams()) {
    results.push_back({stream.spec, stream.tally, stream.pace.missed()});
  }
  bool again = false;
  if (search_) {
    const Tally& tally = results[0].tally;
    again = search_->Next(tally.sent, tally.lost(), results[0].missed + tally.refused);
  }
  if (!search_ || results_.empty() || search_->trials().back().held) {
    results_ = std::move(results);  // of the highest rate that held
    ping_ = traffic_.pinger().counts();
  }
  if (!again) return BeginLogOut(now);
  traffic_.SetRate(0, search_->rate());
  traffic_.ForgetPaths();
  Enter(now, Phase::kPaths);
}

void Driver::BeginLogOut(absl::Time now) {
  up_at_end_ = fleet_->up();
  fleet_->LogOut(now);
  Enter(now, Phase::kLogOut, kLogOutLimit);
}

void Driver::Stop(absl::Time now) {
  if (phase_ == Phase::kLogOut) return Enter(now, Phase::kDone);
  if (phase_ == Phase::kMeasure) EndMeasure(now);
  if (phase_ == Phase::kDrain) AfterDrain(now);
  failure_ = "interrupted";
  if (phase_ != Phase::kLogOut) BeginLogOut(now);
}

void Driver::Tell(absl::Time now, std::string_view what) {
  if (!env_.on_event) return;
  JsonWriter json(false);
  json.Open();
  json.Add("event", what);
  json.Add("monotonic_s", absl::ToDoubleSeconds(now - absl::UnixEpoch()));
  json.Add("up", uint64_t{fleet_->up()});
  json.Add("failed", fleet_->logins().failed);
  if (search_) json.Add("pps", search_->rate());
  json.Close();
  env_.on_event(json.text());
}

Report Driver::MakeReport(absl::Time now) {
  Report report;
  report.failure = failure_;
  report.logins = fleet_->logins();
  report.clients = options_.clients;
  report.up_at_end = up_at_end_;
  report.streams = results_;
  report.without_path = traffic_.without_path();
  report.too_big = fleet_->too_big();
  report.begin = begin_;
  report.end = end_;
  report.ping = ping_;
  report.has_ping = options_.ping_interval > absl::ZeroDuration();
  report.search = search_;
  report.cpu_in_window = cpu_in_window_;
  report.cpu = env_.cpu_time();
  report.wall = now - began_;
  report.near_port = env_.near_port->stats();
  if (env_.far_port != nullptr) report.far_port = env_.far_port->stats();
  report.refused = near_outlet_.refused() + (far_outlet_ == nullptr ? 0 : far_outlet_->refused());
  report.drops = fleet_->drops();
  return report;
}

}  // namespace gateway::load
