// Times, counted so that percentiles can be told to within two percent whatever their number and
// size: buckets as wide as a 32nd of the power of two they lie in, 15 KB in all.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace gateway::load {

class Histogram {
 public:
  void Add(uint64_t value) {
    ++buckets_[BucketOf(value)];
    ++count_;
    if (value > max_) max_ = value;
  }
  void Add(const Histogram& other) {
    for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    if (other.max_ > max_) max_ = other.max_;
  }
  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  // The value that `share` (0 to 1) of all are not above; 0 if there are none.
  uint64_t Percentile(double share) const {
    if (count_ == 0) return 0;
    const auto rank = static_cast<uint64_t>(share * static_cast<double>(count_) + 0.999999);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank && buckets_[i] > 0) return UpperEnd(i) < max_ ? UpperEnd(i) : max_;
    }
    return max_;
  }

 private:
  static constexpr unsigned kFine = 5;  // 32 buckets a power of two
  static constexpr size_t kSub = size_t{1} << kFine;

  static size_t BucketOf(uint64_t value) {
    if (value < kSub) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1U - kFine;
    return (shift + 1U) * kSub + static_cast<size_t>(value >> shift) - kSub;
  }
  static uint64_t UpperEnd(size_t bucket) {
    if (bucket < kSub) return bucket;
    const size_t shift = bucket / kSub - 1;
    return ((bucket % kSub + kSub + 1) << shift) - 1;
  }

  std::array<uint64_t, (64 - kFine + 1) * kSub> buckets_{};
  uint64_t count_ = 0, max_ = 0;
};

}  // namespace gateway::load
