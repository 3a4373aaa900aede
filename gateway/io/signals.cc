#include "gateway/io/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace gateway::io {

absl::StatusOr<Signals> Signals::Block() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGHUP);
  signal(SIGPIPE, SIG_IGN);  // whoever reads the log may go away; the gateway stays
  if (pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) {
    return absl::InternalError("signals cannot be blocked");
  }
  const int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return absl::InternalError(std::string("signalfd: ") + std::strerror(errno));
  return Signals(fd);
}

Signals::Signals(Signals&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Signals::~Signals() {
  if (fd_ >= 0) close(fd_);
}

std::optional<Signals::Kind> Signals::Take() const {
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof info) != sizeof info) return std::nullopt;
  switch (info.ssi_signo) {
    case SIGUSR1:
      return Kind::kReport;
    case SIGHUP:
      return Kind::kReload;
    default:
      return Kind::kTerminate;
  }
}

}  // namespace gateway::io
