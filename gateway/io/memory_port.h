// Two ports wired back to back in memory: what one sends the other receives, in order, whole, with
// its VnetHdr. For tests, benches and the built-in load generator, where no interface is wanted.
//
// Each end belongs to one thread, and the two may be different ones. Slots are kept and used again,
// so that nothing is allocated once the queue has seen frames of its usual size.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "gateway/io/port.h"

namespace gateway::io {

class MemoryPort : public Port {
 public:
  // `slots`: frames under way in each direction at most, a power of two; more are refused by Send.
  static std::pair<std::unique_ptr<MemoryPort>, std::unique_ptr<MemoryPort>> Pair(
      const std::string& left_name, const std::string& right_name, size_t slots = 1024);
  ~MemoryPort() override;

  size_t Receive(std::span<RxFrame> frames) override;
  void Release() override;
  size_t Send(std::span<TxFrame> frames) override;
  std::span<const int> fds() const override { return {&wake_fd_, 1}; }
  // There is one port at each end, so nothing to steer: the rules are only checked.
  absl::Status Steer(const SteeringRules& rules) override;
  bool TakesUdpSuperframes() const override { return true; }
  const std::string& name() const override { return name_; }
  PortStats stats() override { return stats_; }

 private:
  class Queue;
  MemoryPort(std::string name, std::shared_ptr<Queue> in, std::shared_ptr<Queue> out);

  std::string name_;
  std::shared_ptr<Queue> in_, out_;
  int wake_fd_;
  PortStats stats_;
};

}  // namespace gateway::io
