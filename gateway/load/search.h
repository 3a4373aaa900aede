// The search for the highest rate that a gateway carries: doubles while the loss is allowed, then
// halves the gap.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace gateway::load {

class RateSearch {
 public:
  struct Trial {
    double rate = 0;             // that was asked for
    double loss = 0;             // share of what was sent
    bool held = false;           // the loss was allowed, and we ourselves sent all of it
    bool was_our_limit = false;  // we could not send that much
  };

  // `start`: packets a second of the first trial; `allowed`: loss, 0 to 1.
  RateSearch(double start, double allowed) : rate_(start), allowed_(allowed) {}

  double rate() const { return rate_; }  // of the trial to do next
  // The trial at rate() is over: `sent` packets, of which `lost` did not come back, and `missed`
  // should have been sent but were not. False if the search is over, too.
  bool Next(uint64_t sent, uint64_t lost, uint64_t missed);

  // The highest rate that held; nothing if none did.
  std::optional<double> best() const { return best_; }
  const std::vector<Trial>& trials() const { return trials_; }

 private:
  static constexpr size_t kMostTrials = 24;
  static constexpr double kNear = 1.04;  // rates this close are the same

  double rate_;
  double allowed_;
  std::optional<double> best_, failed_;
  std::vector<Trial> trials_;
};

}  // namespace gateway::load
