// What no single key can tell: whether the configuration makes sense as a whole.
//
// Errors: nothing to serve on, no pool, no pre-shared key, addresses that collide (pools,
// interfaces, users, gateways), routes that lead nowhere, keys that the chosen presence on an
// interface has no use for, too few NAT ports for the shards. Warnings: what works but is hardly
// meant, or is weak.
#pragma once

#include "conf/issue.h"
#include "conf/model.h"

namespace conf {

// All cross-field issues, each at the key that should change. Keys the parser refused are not
// judged again.
Issues Validate(const Model& model, const Places& places);

}  // namespace conf
