#include "gateway/io/rights.h"

#include <sys/capability.h>
#include <sys/resource.h>

#include <cerrno>
#include <memory>
#include <type_traits>

namespace gateway::io {
namespace {

struct FreeCapabilities {
  void operator()(cap_t caps) const { cap_free(caps); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, FreeCapabilities>;

bool IsSet(cap_t caps, cap_value_t capability, cap_flag_t set) {
  cap_flag_value_t value = CAP_CLEAR;
  return cap_get_flag(caps, capability, set, &value) == 0 && value == CAP_SET;
}

}  // namespace

bool MayAdministerNetwork() {
  const Capabilities caps(cap_get_proc());
  return caps && IsSet(caps.get(), CAP_NET_ADMIN, CAP_EFFECTIVE);
}

absl::Status KeepOnlyRawFrames() {
  const Capabilities before(cap_get_proc()), after(cap_init());
  if (!before || !after) return absl::ErrnoToStatus(errno, "cannot read the capabilities");
  const cap_value_t kept = CAP_NET_RAW;
  if (IsSet(before.get(), kept, CAP_PERMITTED)) {
    for (const cap_flag_t set : {CAP_PERMITTED, CAP_EFFECTIVE}) {
      cap_set_flag(after.get(), set, 1, &kept, CAP_SET);
    }
  }
  if (cap_set_proc(after.get()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "cannot give capabilities up");
}

uint64_t RaiseOpenFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

}  // namespace gateway::io
