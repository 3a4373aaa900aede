// `adit load`, all of it but the threads: from the first ARP to the report. Ports, time and the
// crew's answers come from outside; so a test drives it in virtual time against a gateway in the
// same process.
//
//   resolve -> login -> paths -> (prepare -> warm-up -> measure -> drain)* -> log out -> done
//
// Without traffic and pings the middle is only the time to wait.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "gateway/io/port.h"
#include "gateway/load/far_end.h"
#include "gateway/load/fleet.h"
#include "gateway/load/lan.h"
#include "gateway/load/options.h"
#include "gateway/load/outlet.h"
#include "gateway/load/report.h"
#include "gateway/load/search.h"
#include "gateway/load/traffic.h"

namespace gateway::load {

class Driver {
 public:
  struct Environment {
    const Options* options = nullptr;
    io::Port* near_port = nullptr;
    io::Port* far_port = nullptr;  // nullptr: there is no far end
    stack::Mac near_mac, far_mac;  // ours
    stack::Rng* rng = nullptr;
    std::function<bool(crew::Job&&)> ask_crew;
    // CPU time of this thread so far.
    std::function<absl::Duration()> cpu_time;
    // The time in the middle of a round; may be empty.
    std::function<absl::Time()> clock;
    // One line of JSON about a thing that has just happened; may be empty.
    std::function<void(const std::string&)> on_event;
  };
  // All of the environment outlives the driver.
  Driver(absl::Time now, Environment environment);
  ~Driver();

  // Does what there is to do; true if that was anything.
  bool Round(absl::Time now);
  void OnCrew(absl::Time now, crew::Answer answer) { fleet_->OnCrew(now, std::move(answer)); }
  absl::Time NextDeadline() const;
  // Whether what arrives next is timed, so that nobody should sleep before it.
  bool IsTiming(absl::Time now) const { return traffic_.IsTiming(now); }
  // From the outside: log out and end.
  void Stop(absl::Time now);

  bool is_done() const { return phase_ == Phase::kDone; }
  Report MakeReport(absl::Time now);
  const Fleet& fleet() const { return *fleet_; }

 private:
  enum class Phase : uint8_t {
    kResolve,
    kLogin,
    kPaths,
    kPrepare,
    kWarmUp,
    kMeasure,
    kDrain,
    kLogOut,
    kDone
  };

  bool Receive(absl::Time now);
  void Advance(absl::Time now);
  void Enter(absl::Time now, Phase phase, absl::Duration limit = absl::InfiniteDuration());
  void AfterResolve(absl::Time now);
  void AfterLogin(absl::Time now);
  void BeginMeasure(absl::Time now);
  void EndMeasure(absl::Time now);
  void AfterDrain(absl::Time now);
  void BeginLogOut(absl::Time now);
  bool HasMiddle() const;
  bool HaveAllLeft() const;
  absl::Duration MeasureTime() const;
  void Tell(absl::Time now, std::string_view what);

  const Environment env_;
  const Options& options_;
  stack::PacketPool pool_;
  Outlet near_outlet_;
  std::unique_ptr<Outlet> far_outlet_;
  Lan near_lan_;
  std::unique_ptr<Lan> far_lan_;
  std::unique_ptr<FarEnd> far_;
  Traffic traffic_;
  std::unique_ptr<Fleet> fleet_;
  std::optional<RateSearch> search_;

  Phase phase_ = Phase::kResolve;
  absl::Time phase_end_;
  const absl::Time began_;
  absl::Time begin_, end_;
  absl::Duration cpu_at_begin_, cpu_in_window_;
  std::vector<StreamResult> results_;
  PingCounts ping_;
  bool resolved_once_ = false;
  uint32_t up_at_end_ = 0;
  std::string failure_;
};

}  // namespace gateway::load
