#include "gateway/io/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace gateway::io {
namespace {

constexpr size_t kEventsAWait = 64;

int MillisecondsUp(absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return -1;
  if (timeout <= absl::ZeroDuration()) return 0;
  const int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)));
  return static_cast<int>(std::min<int64_t>(ms, std::numeric_limits<int>::max()));
}

}  // namespace

EventLoop::EventLoop() : fd_(epoll_create1(EPOLL_CLOEXEC)) { ready_.reserve(kEventsAWait); }

EventLoop::~EventLoop() {
  if (fd_ >= 0) close(fd_);
}

absl::Status EventLoop::Add(int fd, uint32_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = tag;
  if (epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "cannot watch a descriptor");
}

void EventLoop::Remove(int fd) { epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr); }

std::span<const uint32_t> EventLoop::Wait(absl::Duration timeout) {
  std::array<epoll_event, kEventsAWait> events;
  ready_.clear();
  const int count =
      epoll_wait(fd_, events.data(), static_cast<int>(events.size()), MillisecondsUp(timeout));
  for (int i = 0; i < count; ++i) ready_.push_back(events[static_cast<size_t>(i)].data.u32);
  return ready_;
}

Waker::Waker() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Waker::~Waker() {
  if (fd_ >= 0) close(fd_);
}

void Waker::EndSleep() {
  sleeping_.store(false, std::memory_order_seq_cst);
  // Fails when nobody woke us: the usual case. To know that from a flag saves nothing: whoever
  // wakes us from the same CPU is off it between writing and setting the flag, and with the
  // descriptor left readable this thread would go round without a sleep until he has his turn
  // again.
  eventfd_t count;
  (void)eventfd_read(fd_, &count);
}

void Waker::Signal() {
  const int before = errno;  // a signal handler may be where this runs
  (void)eventfd_write(fd_, 1);
  errno = before;
}

}  // namespace gateway::io
