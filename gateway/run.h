// `adit run`: everything put together and started, and the control thread's loop until it is told
// to stop.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "conf/load.h"
#include "conf/model.h"
#include "stack/ip/dhcp_client.h"

namespace gateway {

struct RunOptions {
  bool log_json = false;                 // the configuration may ask for it, too
  std::optional<std::string> log_level;  // overrides the configuration
  std::optional<std::string> keylog;     // a directory for gateway/io/keylog.h
  // Reads the configuration again, for SIGHUP. Empty: there is nothing to read.
  std::function<conf::Loaded()> reread;
  // Called by the control thread, not by a shard, when DHCP gave the interface an address or
  // changed something about it. False: the gateway cannot go on with that, and ends in order.
  std::function<bool(const std::string& interface, const stack::ip::Lease&)> on_lease = {};
};

// Runs until SIGTERM or SIGINT. SIGUSR1 reports; SIGHUP takes over what can change while clients
// are on line (conf/diff.h), and says what cannot. The exit code: 0 after an orderly end, 1 if it
// could not start (said on standard error), 2 for options that make no sense.
int Run(const conf::Model& model, const RunOptions& options);

}  // namespace gateway
