// Outboxes to work with, used again: while one machine's events are carried out, another machine is
// called, and that needs an Outbox of its own.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "stack/base/packet_buf.h"

namespace gateway::shard {

template <class Out>
class Leases {
 public:
  explicit Leases(stack::PacketPool& pool) : pool_(pool) {}

  class Lease {
   public:
    Lease(Leases& home, std::unique_ptr<Out> out) : home_(home), out_(std::move(out)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      out_->Clear();
      home_.free_.push_back(std::move(out_));
    }
    Out& operator*() const { return *out_; }
    Out* operator->() const { return out_.get(); }

   private:
    Leases& home_;
    std::unique_ptr<Out> out_;
  };

  Lease Take() {
    if (free_.empty()) return {*this, std::make_unique<Out>(pool_)};
    std::unique_ptr<Out> out = std::move(free_.back());
    free_.pop_back();
    return {*this, std::move(out)};
  }

 private:
  stack::PacketPool& pool_;
  std::vector<std::unique_ptr<Out>> free_;
};

}  // namespace gateway::shard
