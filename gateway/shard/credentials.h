// Who may come in, and by which key: the part of the configuration that a reload exchanges while
// clients are on line. An immutable snapshot, shared by all threads; each shard takes the newest
// one for the logins that begin then. Whoever is on line stays, also if he is not in it any more.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "conf/model.h"
#include "crypto/ike/options.h"
#include "gateway/auth/local_users.h"
#include "stack/base/address.h"
#include "stack/base/rng.h"
#include "stack/ppp/auth.h"

namespace gateway::shard {

struct Credentials {
  auth::LocalUsers users;
  stack::ppp::AuthProtocols authentication;  // allowed, best first
  std::vector<stack::Ip4> fixed_addresses;   // of users, in order
  std::shared_ptr<const crypto::ike::PskStore> psks;
};

// `pools`: the names of those that are in use, by index. InvalidArgument, for people, for a user
// whose pool is not one of them; everything else was validated before.
absl::StatusOr<std::shared_ptr<const Credentials>> TranslateCredentials(
    const conf::Model& model, const std::vector<std::string>& pools, stack::Rng& rng);

}  // namespace gateway::shard
