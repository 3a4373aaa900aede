// Records of one kind, named by a 32-bit index that stays good until the record is freed. All
// memory is taken at construction; freed indices are used again, the last one first. One thread.
#pragma once

#include <cstdint>
#include <vector>

namespace nat {

inline constexpr uint32_t kNoIndex = 0xffffffff;

template <class T>
class Slab {
 public:
  explicit Slab(uint32_t capacity) : capacity_(capacity) {
    records_.reserve(capacity);
    free_.reserve(capacity);
  }

  // The index of a fresh record; kNoIndex if all are in use.
  uint32_t Take() {
    if (!free_.empty()) {
      const uint32_t index = free_.back();
      free_.pop_back();
      records_[index] = Record{};
      records_[index].live = true;
      return index;
    }
    if (records_.size() == capacity_) return kNoIndex;
    records_.emplace_back();
    records_.back().live = true;
    return static_cast<uint32_t>(records_.size() - 1);
  }
  void Free(uint32_t index) {
    records_[index].live = false;
    free_.push_back(index);  // reserved: never allocates
  }

  T& operator[](uint32_t index) { return records_[index].value; }
  const T& operator[](uint32_t index) const { return records_[index].value; }
  // For walking: indices 0..extent()-1, of which some are not live.
  bool IsLive(uint32_t index) const { return records_[index].live; }
  uint32_t extent() const { return static_cast<uint32_t>(records_.size()); }
  uint32_t size() const { return static_cast<uint32_t>(records_.size() - free_.size()); }
  uint32_t capacity() const { return capacity_; }

 private:
  struct Record {
    T value{};
    bool live = false;
  };
  std::vector<Record> records_;
  std::vector<uint32_t> free_;
  uint32_t capacity_;
};

}  // namespace nat
