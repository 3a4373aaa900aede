#include "gateway/io/netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/io/fd.h"

namespace gateway::io {
namespace {

constexpr size_t kRoom = 64 << 10;  // no answer of the kernel is larger
constexpr size_t kHeader = NLMSG_ALIGN(sizeof(nlmsghdr));

absl::Status Refused(int error) {
  return absl::ErrnoToStatus(error, "netlink: the kernel does not answer");
}

// What one read brought. True when the dump is at its end.
absl::StatusOr<bool> TakeMessages(stack::ByteView bytes,
                                  const std::function<void(stack::ByteView)>& take) {
  while (bytes.size() >= kHeader) {
    const auto header = NetlinkStruct<nlmsghdr>(bytes);
    if (header.nlmsg_len < kHeader || header.nlmsg_len > bytes.size()) break;
    const stack::ByteView body = bytes.subspan(kHeader, header.nlmsg_len - kHeader);
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) return Refused(-NetlinkStruct<nlmsgerr>(body).error);
    take(body);
    bytes = bytes.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
  }
  return false;
}

}  // namespace

void CopyStart(stack::ByteView from, stack::ByteSpan to) {
  std::memcpy(to.data(), from.data(), to.size());
}

absl::Status NetlinkDump(int family, uint16_t type, stack::ByteView request,
                         const std::function<void(stack::ByteView)>& take) {
  const Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family));
  if (!fd) return Refused(errno);
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(kHeader + request.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  std::vector<std::byte> message(header.nlmsg_len);
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + kHeader, request.data(), request.size());
  if (send(fd.get(), message.data(), message.size(), 0) < 0) return Refused(errno);
  std::vector<std::byte> room(kRoom);
  for (;;) {
    const ssize_t size = recv(fd.get(), room.data(), room.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return Refused(errno);
    const auto end = TakeMessages({room.data(), static_cast<size_t>(size)}, take);
    if (!end.ok()) return end.status();
    if (*end) return absl::OkStatus();
  }
}

void ForNetlinkAttributes(stack::ByteView list,
                          const std::function<void(uint16_t, stack::ByteView)>& take) {
  constexpr size_t kStart = RTA_ALIGN(sizeof(rtattr));
  while (list.size() >= kStart) {
    const auto attribute = NetlinkStruct<rtattr>(list);
    if (attribute.rta_len < kStart || attribute.rta_len > list.size()) return;
    take(attribute.rta_type, list.subspan(kStart, attribute.rta_len - kStart));
    list = list.subspan(std::min<size_t>(RTA_ALIGN(attribute.rta_len), list.size()));
  }
}

}  // namespace gateway::io
