// The engines of ESP that there are here, for tests that run over each: botan always, ipsec-mb
// where the build and the CPU have it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crypto/esp/engine.h"

namespace test {

inline std::vector<crypto::esp::EngineId> EspEngines() {
  using crypto::esp::EngineId;
  if (!crypto::esp::CheckEngine(EngineId::kIpsecMb).ok()) return {EngineId::kBotan};
  return {EngineId::kBotan, EngineId::kIpsecMb};
}

inline std::string NameOf(crypto::esp::EngineId id) {
  return id == crypto::esp::EngineId::kBotan ? "Botan" : "IpsecMb";
}

}  // namespace test
