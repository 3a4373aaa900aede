// A small file that holds secrets: nobody but its owner may read it, and it is there whole or not
// at all, also if the machine loses power meanwhile.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gateway::io {

// The file's contents; the caller scrubs them. NotFound if there is none, PermissionDenied if
// anybody else may read or write it, FailedPrecondition if it is no plain file or larger than
// 64 KiB. Messages are for people.
absl::StatusOr<std::string> ReadPrivateFile(const std::string& path);

// Puts the file there, mode 0600, in place of the one that was there; makes its folder (0700) if
// that is missing.
absl::Status WritePrivateFile(const std::string& path, std::string_view text);

}  // namespace gateway::io
