// Reading the configuration again while clients are on line: judges the new file, says in the log
// what comes of it, and gives out what the shards are to have. The control thread's.
//
// Taken over at once are users, keys, [auth] and [log] (conf/diff.h). Whoever is on line stays.
// Everything else waits for a restart and is named. A file with a mistake changes nothing.
#pragma once

#include <memory>
#include <optional>

#include "conf/load.h"
#include "conf/model.h"
#include "gateway/io/log.h"
#include "gateway/shard/credentials.h"
#include "gateway/shard/settings.h"
#include "stack/base/rng.h"

namespace gateway {

class Reload {
 public:
  // `started` and `settings` are what the gateway runs with. All arguments outlive the object.
  Reload(const conf::Model& started, const shard::Settings& settings, stack::Rng& rng, io::Log& log)
      : started_(started), settings_(settings), rng_(rng), log_(log) {}

  // The credentials from now on; null if nothing changes.
  std::shared_ptr<const shard::Credentials> Take(conf::Loaded loaded);
  // The newest configuration that was taken over.
  const conf::Model& newest() const { return newest_ ? *newest_ : started_; }

 private:
  void SayIssues(const conf::Loaded& loaded);
  void SayChanges(const conf::Model& fresh);
  void SayUnreachable(const shard::Credentials& fresh);

  const conf::Model& started_;
  const shard::Settings& settings_;
  stack::Rng& rng_;
  io::Log& log_;
  std::optional<conf::Model> newest_;
};

}  // namespace gateway
