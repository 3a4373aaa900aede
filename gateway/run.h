// `adit run`: everything put together and started, and the control thread's loop until it is told
// to stop.
#pragma once

#include <optional>
#include <string>

#include "conf/model.h"

namespace gateway {

struct RunOptions {
  bool log_json = false;                 // the configuration may ask for it, too
  std::optional<std::string> log_level;  // overrides the configuration
  std::optional<std::string> keylog;     // a directory for gateway/io/keylog.h
};

// Runs until SIGTERM or SIGINT. The exit code: 0 after an orderly end, 1 if it could not start
// (said on standard error), 2 for options that make no sense.
int Run(const conf::Model& model, const RunOptions& options);

}  // namespace gateway
