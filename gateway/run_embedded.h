// `adit run --interface NAME`: the gateway without a configuration file. One interface both ways
// with NAT, a key and a user of its own making (embedded/kept.h), and what to type into a client.
#pragma once

#include <string>

#include "gateway/run.h"

namespace gateway {

struct EmbeddedOptions {
  std::string interface;
  std::string state;       // file for what is kept; empty: DefaultStateFile()
  bool ephemeral = false;  // keep nothing
};

// $STATE_DIRECTORY/state.toml (as systemd gives it), else /var/lib/adit/state.toml.
std::string DefaultStateFile();

// Like Run, with exit code 1 also if there is no place to keep the secrets.
int RunEmbedded(const EmbeddedOptions& embedded, RunOptions options);

}  // namespace gateway
