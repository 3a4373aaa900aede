// Pre-shared keys, what IKE accepts, limits.
#include <cstdint>
#include <map>
#include <string>

#include "conf/judge.h"

namespace conf {
namespace {

constexpr size_t kShortPsk = 8;

void CheckStrength(Judge& judge, const std::string& key, const SecretText& psk) {
  if (psk.empty() || psk.size() >= kShortPsk) return;
  judge.Warn(key, "shorter than 8 characters: whoever records one login can guess it");
}

// The key, of the three that may hold it, which does.
std::string PskKey(const Judge& judge, const std::string& table) {
  for (const char* key : {".psk_file", ".psk_env"}) {
    if (judge.IsGiven(table + key)) return table + key;
  }
  return table + ".psk";
}

void CheckPsks(Judge& judge) {
  const Model& model = judge.model;
  const std::string common = PskKey(judge, "ike");
  if (model.ike.psk.empty() && model.psks.empty() && !judge.IsBad(common) && !judge.IsBad("psk")) {
    judge.Error("ike.psk", "is missing: clients cannot authenticate");
  }
  CheckStrength(judge, common, model.ike.psk);
  std::map<stack::Prefix, size_t> seen;
  for (size_t i = 0; i < model.psks.size(); ++i) {
    const std::string table = "psk[" + std::to_string(i) + "]";
    const std::string remote = table + ".remote";
    CheckStrength(judge, PskKey(judge, table), model.psks[i].key);
    if (judge.IsBad(remote)) continue;
    if (!seen.emplace(model.psks[i].remote, i).second) {
      judge.Error(remote, model.psks[i].remote.Text() + " has a pre-shared key already");
    }
    if (model.psks[i].remote.length == 0 && !model.ike.psk.empty()) {
      judge.Warn(remote, "is everybody: " + common + " is never used");
    }
  }
}

void CheckAlgorithms(Judge& judge) {
  const Ike& ike = judge.model.ike;
  if (ike.profile == Ike::Profile::kModern && ike.modp1024.value_or(false)) {
    judge.Warn("ike.modp1024",
               "lets in what profile = \"modern\" keeps out: 1024 bits are within reach of states");
  }
  if (ike.md5) {
    judge.Warn("ike.md5",
               "accepts what is weaker than all else here: only very old clients need it");
  }
}

void CheckPublicAddress(Judge& judge) {
  const auto& address = judge.model.ike.public_address;
  if (!address) return;
  for (const Interface& interface : judge.model.interfaces) {
    if (!interface.address || interface.address->address != *address) continue;
    judge.Warn("ike.public_address",
               "is the own address of \"" + interface.name + "\": needed only behind a router");
  }
}

void CheckLimits(Judge& judge) {
  const Limits& limits = judge.model.limits;
  uint64_t addresses = 0;
  for (const Pool& pool : judge.model.pools) {
    if (pool.first.IsZero()) continue;
    addresses += uint64_t{1} + pool.last.value - pool.first.value;
    if (pool.Contains(pool.gateway)) --addresses;
  }
  if (judge.IsGiven("limits.sessions") && addresses != 0 && limits.sessions > addresses) {
    judge.Warn("limits.sessions",
               "the pools have only " + std::to_string(addresses) + " addresses for clients");
  }
  if (judge.IsGiven("limits.half_open_per_prefix") &&
      limits.half_open_per_prefix > limits.half_open) {
    judge.Warn("limits.half_open_per_prefix",
               "is more than half_open = " + std::to_string(limits.half_open) + " of all together");
  }
}

}  // namespace

void JudgeSecurity(Judge& judge) {
  CheckPsks(judge);
  CheckAlgorithms(judge);
  CheckPublicAddress(judge);
  CheckLimits(judge);
}

}  // namespace conf
