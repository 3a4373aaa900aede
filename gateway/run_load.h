// `adit load` as a program: interfaces, threads and signals around load::Driver.
#pragma once

#include "gateway/load/options.h"

namespace gateway {

// Runs to the end, or to SIGTERM or SIGINT, and prints the report. The process's exit code: 0 if
// all clients logged in and nothing came back corrupt, 1 if not or if it cannot run at all, 2 if
// the options do not go together.
int RunLoad(const load::Options& options);

}  // namespace gateway
