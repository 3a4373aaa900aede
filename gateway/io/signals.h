// Signals as something to read: the control thread waits for them like for everything else.
#pragma once

#include <optional>

#include "absl/status/statusor.h"

namespace gateway::io {

class Signals {
 public:
  enum class Kind { kTerminate, kReport, kReload };  // SIGTERM or SIGINT; SIGUSR1; SIGHUP

  // Blocks the signals for this thread and those it starts from now on: to be made before any of
  // them.
  static absl::StatusOr<Signals> Block();
  Signals(Signals&& other) noexcept;
  Signals& operator=(Signals&&) = delete;
  ~Signals();

  int fd() const { return fd_; }     // for EventLoop::Add
  std::optional<Kind> Take() const;  // the next one, if there is one; never waits

 private:
  explicit Signals(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace gateway::io
