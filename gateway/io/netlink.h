// Questions to the kernel by netlink(7), at start: a dump is asked for and read to its end. No
// right is needed for any of them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/status.h"
#include "stack/base/bytes.h"

namespace gateway::io {

// Asks `family` (NETLINK_ROUTE, NETLINK_SOCK_DIAG) for a dump of `type` with the given request
// body, and calls `take` with the body of each answer. The bytes come from the kernel and are
// aligned as netlink says; they are borrowed for the call.
absl::Status NetlinkDump(int family, uint16_t type, stack::ByteView request,
                         const std::function<void(stack::ByteView)>& take);

// A struct of the kernel's from the start of `bytes`; all zero if that is shorter.
template <class T>
T NetlinkStruct(stack::ByteView bytes);

// Calls `take(type, value)` for each attribute of a list.
void ForNetlinkAttributes(stack::ByteView list,
                          const std::function<void(uint16_t, stack::ByteView)>& take);

// --- details ---

void CopyStart(stack::ByteView from, stack::ByteSpan to);

template <class T>
T NetlinkStruct(stack::ByteView bytes) {
  T value{};
  if (bytes.size() >= sizeof(T)) CopyStart(bytes, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

}  // namespace gateway::io
