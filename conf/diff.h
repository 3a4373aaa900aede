// Two configurations side by side: what a running gateway takes over when it reads its file again,
// and what has to wait for a restart. Knows nothing of how that is done.
#pragma once

#include <string>
#include <vector>

#include "conf/model.h"

namespace conf {

// Keys as issues name them: "ike.dpd", "interface[0].mtu"; a whole table whose number of entries
// changed: "pool". Never a value: some are secrets.
struct Changes {
  // Users, keys, [auth], [log]. Users one by one ("user alice changed") while they are few, else
  // "12 users added".
  std::vector<std::string> at_once;
  std::vector<std::string> at_restart;  // everything else
};

// In the order of the model. `to` was validated.
Changes Diff(const Model& from, const Model& to);

// "ike.dpd, nat.quota"; "nothing" for an empty list.
std::string ListOf(const std::vector<std::string>& keys);

}  // namespace conf
