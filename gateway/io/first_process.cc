#include "gateway/io/first_process.h"

#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "gateway/io/fd.h"

namespace gateway::io {
namespace {

constexpr timespec kBetweenCrashes{1, 0};

void Say(const std::string& what) {
  std::fprintf(stderr, "adit: %s\n", what.c_str());
  std::fflush(stderr);
}

// In a read-only root without the folder adit does without it: nothing in there is vital to it.
void Mount(const char* type, const char* folder) {
  mkdir(folder, 0755);
  if (mount(type, folder, type, MS_NOSUID | MS_NOEXEC, nullptr) == 0) return;
  if (errno == EBUSY || errno == ENOENT) return;
  Say(absl::StrCat("cannot mount ", folder, ": ", std::strerror(errno)));
}

// Without /dev/console in the root the kernel could not give us one.
void OpenConsole() {
  if (fcntl(STDERR_FILENO, F_GETFD) >= 0) return;
  const int console = open("/dev/console", O_RDWR | O_NOCTTY);
  if (console < 0) return;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) dup2(console, fd);
  if (console > STDERR_FILENO) close(console);
}

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD}) sigaddset(&set, signal);
  return set;
}

[[noreturn]] void EndMachine(bool restart) {
  std::fflush(nullptr);
  sync();
  reboot(restart ? RB_AUTOBOOT : RB_POWER_OFF);
  reboot(RB_HALT_SYSTEM);  // where there is nothing that could switch it off
  for (;;) pause();
}

// The life of one child. What became of it, as waitpid says; `restart` says what is to follow.
class Child {
 public:
  explicit Child(const std::function<int()>& work) : pid_(fork()) {
    if (pid_ != 0) return;
    const sigset_t set = Watched();
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    std::exit(work());
  }

  bool Started() const { return pid_ > 0; }
  int Wait(bool& stopping, bool& restart) {
    const sigset_t set = Watched();
    for (;;) {
      siginfo_t info;
      const int signal = sigwaitinfo(&set, &info);
      if (signal == SIGCHLD) {
        if (Reap()) return status_;
      } else if (signal == SIGTERM || signal == SIGINT) {
        stopping = true;
        restart |= signal == SIGINT;
        kill(pid_, SIGTERM);
      } else if (signal > 0) {
        kill(pid_, signal);
      }
    }
  }

 private:
  // Takes in all that have ended, orphans too; true if the child is among them.
  bool Reap() {
    bool ended = false;
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid != pid_) continue;
      ended = true;
      status_ = status;
    }
    return ended;
  }

  const pid_t pid_;
  int status_ = 0;
};

}  // namespace

// The kernel's own threads come from process 2, its second one; in a namespace of a container that
// has just been made there is no second process.
bool IsFirstProcess() { return getpid() == 1 && getpgid(2) >= 0; }

void BeFirstProcess(const std::function<int()>& work) {
  const sigset_t set = Watched();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  Mount("devtmpfs", "/dev");
  OpenConsole();
  Mount("proc", "/proc");
  if (const absl::Status up = SetLinkUp("lo"); !up.ok()) Say(std::string(up.message()));
  reboot(RB_DISABLE_CAD);  // Ctrl-Alt-Del comes as SIGINT instead of ending the machine at once
  bool stopping = false, restart = false;
  while (!stopping) {
    Child child(work);
    const int status = child.Started() ? child.Wait(stopping, restart) : -1;
    if (WIFEXITED(status)) {
      if (WEXITSTATUS(status) != 0) Say("cannot go on; the machine is switched off");
      break;
    }
    if (stopping) break;
    Say(absl::StrCat("ended by signal ", WTERMSIG(status), "; starting again"));
    sigset_t terminate;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    stopping = sigtimedwait(&terminate, nullptr, &kBetweenCrashes) == SIGTERM;
  }
  EndMachine(restart);
}

absl::Status SetLinkUp(const std::string& name) {
  ifreq link{};
  if (name.empty() || name.size() >= IFNAMSIZ) return absl::NotFoundError("no such interface");
  std::memcpy(link.ifr_name, name.data(), name.size());
  const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd || ioctl(fd.get(), SIOCGIFFLAGS, &link) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("interface ", name));
  }
  link.ifr_flags = static_cast<short>(link.ifr_flags | IFF_UP);
  if (ioctl(fd.get(), SIOCSIFFLAGS, &link) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot set interface ", name, " up"));
}

}  // namespace gateway::io
