#include "gateway/shard/esp_engine.h"

namespace gateway::shard {

using crypto::esp::EngineId;

absl::StatusOr<EspEngine> ChooseEspEngine(conf::Crypto::Engine wanted) {
  if (wanted == conf::Crypto::Engine::kBotan) return EspEngine{EngineId::kBotan, "as configured"};
  const absl::Status there = crypto::esp::CheckEngine(EngineId::kIpsecMb);
  if (wanted == conf::Crypto::Engine::kAuto) {
    return there.ok() ? EspEngine{EngineId::kIpsecMb, "the CPU has the lanes for it"}
                      : EspEngine{EngineId::kBotan, std::string(there.message())};
  }
  if (there.ok()) return EspEngine{EngineId::kIpsecMb, "as configured"};
  return absl::UnavailableError("[crypto] engine = \"ipsec-mb\": " + std::string(there.message()));
}

}  // namespace gateway::shard
