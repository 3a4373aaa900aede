#include "gateway/io/held_sockets.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace gateway::io {
namespace {

constexpr int kFarthest = 255;

Fd OpenSocket(int type, int protocol) { return Fd(socket(AF_INET, type | SOCK_CLOEXEC, protocol)); }

absl::Status Failed(const char* protocol, uint16_t port, const char* what) {
  const int error = errno;
  std::string text = absl::StrCat("cannot ", what, " ", protocol);
  if (port != 0) absl::StrAppend(&text, " port ", port);
  absl::StrAppend(&text, ": ", strerror(error));
  if (error == EACCES) {
    absl::StrAppend(&text,
                    " (needs CAP_NET_BIND_SERVICE, or sysctl "
                    "net.ipv4.ip_unprivileged_port_start = ",
                    port, " or lower)");
  } else if (error == EADDRINUSE) {
    absl::StrAppend(&text, " (a program of this host has it)");
  } else if (error == EMFILE || error == ENFILE) {
    absl::StrAppend(&text, " (raise the limit of open files, or give nat.ports a smaller range)");
  }
  return absl::UnavailableError(text);
}

bool TakeNothing(const Fd& fd) {
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog filter{1, &nothing};
  return setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

}  // namespace

absl::Status HeldSockets::Bind(const Fd& fd, const char* protocol, uint16_t port) const {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(address_.value);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) {
    return absl::OkStatus();
  }
  return Failed(protocol, port, "hold");
}

absl::Status HeldSockets::HoldUdp(uint16_t port) {
  Fd fd = OpenSocket(SOCK_DGRAM, 0);
  if (!fd || !TakeNothing(fd)) return Failed("UDP", port, "open a socket for");
  if (absl::Status bound = Bind(fd, "UDP", port); !bound.ok()) return bound;
  sockets_.push_back(std::move(fd));
  return absl::OkStatus();
}

absl::Status HeldSockets::HoldEsp() {
  Fd fd = OpenSocket(SOCK_RAW, IPPROTO_ESP);
  if (!fd || !TakeNothing(fd)) return Failed("protocol 50", 0, "open a socket for");
  if (absl::Status bound = Bind(fd, "protocol 50", 0); !bound.ok()) return bound;
  sockets_.push_back(std::move(fd));
  return absl::OkStatus();
}

absl::Status HeldSockets::HoldTcp(uint16_t port) {
  Fd fd = OpenSocket(SOCK_STREAM, 0);
  // Before it listens: there is no moment in which it would answer.
  if (!fd || setsockopt(fd.get(), IPPROTO_IP, IP_MINTTL, &kFarthest, sizeof kFarthest) != 0) {
    return Failed("TCP", port, "open a socket for");
  }
  if (absl::Status bound = Bind(fd, "TCP", port); !bound.ok()) return bound;
  if (listen(fd.get(), 1) != 0) return Failed("TCP", port, "listen on");
  sockets_.push_back(std::move(fd));
  return absl::OkStatus();
}

}  // namespace gateway::io
