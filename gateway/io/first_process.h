// What falls to the first process of a machine: there is nobody else who would mount, bring up
// links, reap, and switch the machine off; and if it ended, the kernel would panic.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace gateway::io {

// Whether the kernel started this process as its first one. The first process of a container is not
// meant: there somebody else has done all this, and it simply ends.
bool IsFirstProcess();

// Runs `work` in a child, with /dev and /proc mounted where the root has room for them, the console
// as its standard output and `lo` up, and looks after the machine around it:
//
//   SIGTERM        the child ends in order; the machine is switched off
//   Ctrl-Alt-Del   likewise, and it starts again
//   child ends     the machine is switched off; what went wrong stands on the console
//   child crashes  it is started again
//
// SIGHUP and SIGUSR1 are passed on; SIGINT is what Ctrl-Alt-Del comes as. Never returns.
[[noreturn]] void BeFirstProcess(const std::function<int()>& work);

// Sets an interface up. NotFound if there is none, PermissionDenied without CAP_NET_ADMIN.
absl::Status SetLinkUp(const std::string& name);

}  // namespace gateway::io
