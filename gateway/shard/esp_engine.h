// Which engine computes for ESP: what the configuration asks for, held against what this build and
// this CPU have.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "conf/model.h"
#include "crypto/esp/engine.h"

namespace gateway::shard {

struct EspEngine {
  crypto::esp::EngineId id = crypto::esp::EngineId::kBotan;
  std::string why;  // for the log
};

// Unavailable, with words for people, if the engine that is asked for by name cannot be had.
absl::StatusOr<EspEngine> ChooseEspEngine(conf::Crypto::Engine wanted);

}  // namespace gateway::shard
