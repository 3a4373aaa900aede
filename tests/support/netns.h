// Two network namespaces joined by a veth pair with its default offloads, for tests of real
// sockets:
//
//   peer namespace (a Linux host)      p0 10.9.0.2/24  ====  g0 10.9.0.1/24 (or bare)      ours
//
// A namespace belongs to a thread, so the body of a test runs in a thread of its own and everything
// is gone when it ends. Needs root; without it the test is skipped and says so.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace test {

class Namespaces {
 public:
  Namespaces() {
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    peer_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    ours_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    Run("ip link add g0 type veth peer name p0 netns /proc/" + std::to_string(getpid()) + "/fd/" +
        std::to_string(peer_));
    Run("ip link set lo up; sysctl -qw net.ipv6.conf.g0.disable_ipv6=1; ip link set g0 up");
    InPeer([this] {
      Run("ip link set lo up; sysctl -qw net.ipv6.conf.p0.disable_ipv6=1;"
          "ip addr add 10.9.0.2/24 dev p0; ip link set p0 up");
    });
  }
  ~Namespaces() {
    close(peer_);
    close(ours_);
  }
  Namespaces(const Namespaces&) = delete;
  Namespaces& operator=(const Namespaces&) = delete;

  // Runs `body` in the peer's namespace. Sockets it opens stay there.
  template <class F>
  void InPeer(F&& body) {
    ASSERT_EQ(setns(peer_, CLONE_NEWNET), 0);
    body();
    ASSERT_EQ(setns(ours_, CLONE_NEWNET), 0);
  }
  void Run(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

 private:
  int peer_ = -1, ours_ = -1;
};

// Runs `body` in a thread that may change its namespaces and rights as it likes.
inline void InOwnThread(const std::function<void()>& body) { std::thread(body).join(); }

}  // namespace test

#define ADIT_NEED_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make network namespaces: skipped"
