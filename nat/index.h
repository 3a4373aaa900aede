// Finds the records of a slab by a key: a hash table that never stops to grow.
//
// Linear hashing (Litwin 1980): whenever there are more records than buckets, one bucket is split
// into two, in turn, so that an insertion costs the same at ten records and at ten million; a table
// that doubles would hold up every packet behind it for milliseconds. Buckets are chains through
// the records themselves (Link), and come in segments of 4 KB as they are needed.
//
//        0 ........ split_ ........ level_ ........ level_ + split_
//        | split already | not yet  | their other halves |           bucket = hash mod 2*level_ or
//                                                                    mod level_
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "nat/slab.h"

namespace nat {

// A record's place in one index.
struct Link {
  uint32_t hash = 0;
  uint32_t next = kNoIndex;
};

// `kLink` is the member of T that belongs to this index. Hashes must be seeded with something that
// strangers do not know.
template <class T, Link T::*kLink>
class Index {
 public:
  // `records` outlives the index and holds at most `capacity` of them.
  Index(Slab<T>& records, uint32_t capacity) : records_(records) {
    segments_.reserve(size_t{capacity} / kSegment + 2);  // pointers only
    AddSegment();
  }
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  // A record of this hash for which `is(record)` holds; kNoIndex if there is none.
  template <class Is>
  uint32_t Find(uint32_t hash, Is&& is) const {
    return FindFrom(Head(hash), hash, is);
  }
  // Another one, behind `index`.
  template <class Is>
  uint32_t FindNext(uint32_t index, Is&& is) const {
    const Link& link = records_[index].*kLink;
    return FindFrom(link.next, link.hash, is);
  }

  void Insert(uint32_t index, uint32_t hash) {
    if (++size_ > level_ + split_) Split();
    Push(index, hash);
  }
  // Precondition: it is there.
  void Erase(uint32_t index) {
    const Link& link = records_[index].*kLink;
    uint32_t* at = &Head(link.hash);
    while (*at != index) at = &(records_[*at].*kLink).next;
    *at = link.next;
    --size_;
  }

 private:
  static constexpr uint32_t kSegment = 1024;  // buckets

  uint32_t BucketOf(uint32_t hash) const {
    const uint32_t bucket = hash & (level_ - 1);
    return bucket < split_ ? hash & (2 * level_ - 1) : bucket;
  }
  uint32_t& Bucket(uint32_t number) { return segments_[number / kSegment][number % kSegment]; }
  uint32_t& Head(uint32_t hash) { return Bucket(BucketOf(hash)); }
  uint32_t Head(uint32_t hash) const {
    const uint32_t number = BucketOf(hash);
    return segments_[number / kSegment][number % kSegment];
  }
  template <class Is>
  uint32_t FindFrom(uint32_t index, uint32_t hash, Is&& is) const {
    while (index != kNoIndex) {
      const T& record = records_[index];
      if ((record.*kLink).hash == hash && is(record)) return index;
      index = (record.*kLink).next;
    }
    return kNoIndex;
  }
  void Push(uint32_t index, uint32_t hash) {
    uint32_t& head = Head(hash);
    records_[index].*kLink = {hash, head};
    head = index;
  }
  // Divides the records of the next bucket between it and a new one at the end.
  void Split() {
    if ((level_ + split_) % kSegment == 0) AddSegment();
    uint32_t rest = Bucket(split_);
    Bucket(split_) = kNoIndex;
    if (++split_ == level_) {
      level_ *= 2;
      split_ = 0;
    }
    while (rest != kNoIndex) {
      const Link link = records_[rest].*kLink;
      Push(rest, link.hash);
      rest = link.next;
    }
  }
  void AddSegment() {
    segments_.push_back(std::make_unique_for_overwrite<uint32_t[]>(kSegment));
    std::fill_n(segments_.back().get(), kSegment, kNoIndex);
  }

  Slab<T>& records_;
  std::vector<std::unique_ptr<uint32_t[]>> segments_;
  uint32_t level_ = kSegment, split_ = 0;
  uint32_t size_ = 0;
};

}  // namespace nat
