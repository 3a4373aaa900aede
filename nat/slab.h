// Records of one kind, named by a 32-bit index that stays good until the record is freed. Memory is
// taken a segment at a time when it is needed: a large limit costs nothing before it is used, and
// growing neither moves a record nor keeps a packet waiting. Freed indices are used again, the last
// one first; memory once taken stays. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace nat {

inline constexpr uint32_t kNoIndex = 0xffffffff;

template <class T>
class Slab {
 public:
  static constexpr uint32_t kSegment = 512;  // records

  explicit Slab(uint32_t capacity) : capacity_(capacity) {
    segments_.reserve((size_t{capacity} + kSegment - 1) / kSegment);  // pointers only
  }

  // The index of a fresh record; kNoIndex if all are in use.
  uint32_t Take() {
    const uint32_t index = free_ != kNoIndex ? free_ : Extend();
    if (index == kNoIndex) return kNoIndex;
    Record& record = At(index);
    if (index == free_) free_ = record.next_free;
    record.value = T{};
    record.next_free = kLive;
    ++size_;
    return index;
  }
  void Free(uint32_t index) {
    At(index).next_free = free_;
    free_ = index;
    --size_;
  }

  T& operator[](uint32_t index) { return At(index).value; }
  const T& operator[](uint32_t index) const { return At(index).value; }
  // For walking: indices 0..extent()-1, of which some are not live.
  bool IsLive(uint32_t index) const { return At(index).next_free == kLive; }
  uint32_t extent() const { return extent_; }
  uint32_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }

 private:
  static constexpr uint32_t kLive = kNoIndex - 1;
  struct Record {
    T value{};
    uint32_t next_free = kNoIndex;
  };

  Record& At(uint32_t index) { return segments_[index / kSegment][index % kSegment]; }
  const Record& At(uint32_t index) const { return segments_[index / kSegment][index % kSegment]; }
  uint32_t Extend() {
    if (extent_ == capacity_) return kNoIndex;
    if (extent_ % kSegment == 0) segments_.push_back(std::make_unique<Record[]>(kSegment));
    return extent_++;
  }

  std::vector<std::unique_ptr<Record[]>> segments_;
  uint32_t capacity_;
  uint32_t extent_ = 0, size_ = 0;
  uint32_t free_ = kNoIndex;  // chain
};

}  // namespace nat
