// The rights of the program itself (capabilities(7)): which it has, and that it keeps no more than
// it needs.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace gateway::io {

// CAP_NET_ADMIN is in effect: nftables may be asked.
bool MayAdministerNetwork();

// Gives every capability up but CAP_NET_RAW. For this thread and those it starts from now on: to be
// called before any of them. What was opened before (rings, the owner's socket of an nftables
// table) stays usable.
absl::Status KeepOnlyRawFrames();

// How many files the program may have open: the soft limit is raised to the hard one.
uint64_t RaiseOpenFiles();

}  // namespace gateway::io
