#include "gateway/reload.h"

#include <string>
#include <utility>

#include "conf/diff.h"

namespace gateway {

std::shared_ptr<const shard::Credentials> Reload::Take(conf::Loaded loaded) {
  SayIssues(loaded);
  absl::StatusOr<std::shared_ptr<const shard::Credentials>> fresh = nullptr;
  if (loaded.ok()) fresh = shard::TranslateCredentials(loaded.model, settings_.PoolNames(), rng_);
  if (!fresh.ok()) log_.Error("reload_issue", {}, std::string(fresh.status().message()));
  if (!fresh.ok() || *fresh == nullptr) {
    log_.Error("reload_failed", {{"file", loaded.file}},
               "the configuration was not taken over: adit goes on as before");
    return nullptr;
  }
  SayChanges(loaded.model);
  SayUnreachable(**fresh);
  newest_ = std::move(loaded.model);
  return *std::move(fresh);
}

void Reload::SayIssues(const conf::Loaded& loaded) {
  for (const conf::Issue& issue : loaded.issues) {
    const bool is_error = issue.severity == conf::Issue::Severity::kError;
    log_.Line(is_error ? io::Level::kError : io::Level::kWarning, "reload_issue", {},
              issue.Text(loaded.file));
  }
}

// What is taken over is told against the last reading, what waits against the start: it waits
// still.
void Reload::SayChanges(const conf::Model& fresh) {
  log_.Info(
      "reloaded", {{"users", fresh.users.size()}},
      "configuration read again; taken over: " + conf::ListOf(conf::Diff(newest(), fresh).at_once));
  const auto waiting = conf::Diff(started_, fresh).at_restart;
  if (waiting.empty()) return;
  log_.Warning("restart_needed", {},
               "changed, but only a restart takes it over: " + conf::ListOf(waiting));
}

// The network is steered by the addresses of the start.
void Reload::SayUnreachable(const shard::Credentials& fresh) {
  for (const stack::Ip4 address : fresh.fixed_addresses) {
    if (settings_.IsClient(address)) continue;
    log_.Warning("restart_needed", {{"address", address}},
                 "a user's new address lies outside of all pools: he can log in after a restart");
  }
}

}  // namespace gateway
