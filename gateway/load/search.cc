#include "gateway/load/search.h"

namespace gateway::load {
namespace {

// Of what was to be sent; more, and the trial says nothing about the gateway.
constexpr double kMissedAllowed = 0.005;

}  // namespace

bool RateSearch::Next(uint64_t sent, uint64_t lost, uint64_t missed) {
  Trial trial;
  trial.rate = rate_;
  trial.loss = sent == 0 ? 1 : static_cast<double>(lost) / static_cast<double>(sent);
  trial.was_our_limit =
      static_cast<double>(missed) > kMissedAllowed * static_cast<double>(sent + missed);
  trial.held = trial.loss <= allowed_ && !trial.was_our_limit;
  trials_.push_back(trial);
  (trial.held ? best_ : failed_) = rate_;
  if (trials_.size() >= kMostTrials) return false;
  if (!failed_) {
    rate_ = *best_ * 2;
  } else if (!best_) {
    rate_ = *failed_ / 2;
    return rate_ >= 1;
  } else {
    rate_ = (*best_ + *failed_) / 2;
    return *failed_ / *best_ > kNear;
  }
  return true;
}

}  // namespace gateway::load
