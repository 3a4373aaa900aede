// How a thread sleeps: on descriptors (EventLoop), and until another thread has something for it
// (Waker).
//
// Level-triggered epoll: what is left undone is reported again. Sleeping is what costs (a sleep and
// wake-up is some 10 us of CPU), so a shard works until Receive and the mailboxes are empty, and
// only then waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace gateway::io {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Watches `fd` for reading; Wait reports it as `tag` (several may share one). The descriptor
  // stays the caller's, who removes it before closing.
  absl::Status Add(int fd, uint32_t tag);
  void Remove(int fd);

  // Waits for at most `timeout` (InfiniteDuration: for ever; zero or less: only looks; else rounded
  // up to a millisecond) and returns the tags of what is ready, good until the next call. Empty on
  // timeout, and when a signal came.
  std::span<const uint32_t> Wait(absl::Duration timeout);

 private:
  int fd_;
  std::vector<uint32_t> ready_;
};

// Wakes one sleeping thread, at the price of one load while it is awake. The sleeper:
//
//   waker.BeginSleep();
//   loop.Wait(AnyWorkLeft() ? zero : timeout);  // a look at every queue AFTER BeginSleep
//   waker.EndSleep();
//
// and whoever has something for it publishes first, then calls Wake(). No wake-up is lost, because
// of four sequentially consistent accesses in one order all threads agree on:
//
//   sleeper   (1) sleeping = true   (2) load of the queue's index
//   waker     (3) store of the queue's index   (4) load of sleeping
//
// If (4) reads false it precedes (1), so (3) precedes (2), which therefore sees what was published.
// The queues of gateway/io/spsc_ring.h do (2) and (3) so in empty() and Publish().
class Waker {
 public:
  Waker();
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // For EventLoop::Add. Readable after a Wake() that found the thread asleep, until EndSleep.
  int fd() const { return fd_; }

  // By the thread that sleeps.
  void BeginSleep() { sleeping_.store(true, std::memory_order_seq_cst); }
  void EndSleep();

  // By any thread, after publishing.
  void Wake() {
    if (sleeping_.load(std::memory_order_seq_cst)) Signal();
  }
  // By any thread or signal handler, asleep or not: the next Wait of the thread returns at once.
  void Signal();

 private:
  const int fd_;
  alignas(64) std::atomic<bool> sleeping_{false};
};

}  // namespace gateway::io
