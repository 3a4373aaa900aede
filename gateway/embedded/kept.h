// What the gateway without a configuration makes up for itself, and keeps: the pre-shared key, one
// user, and the addresses of clients. It is kept as a piece of configuration, in the words of
// conf/adit.toml, so that it can be read, added to, and carried over into a file of one's own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "conf/model.h"
#include "stack/base/address.h"
#include "stack/base/rng.h"

namespace gateway::embedded {

// Groups of five characters with hyphens between; 25 bits a group. Without l, o, 0 and 1.
conf::SecretText ReadableSecret(stack::Rng& rng, int groups);

// A network for clients that none of `used` overlaps; nothing if all candidates do.
std::optional<stack::Prefix> FreePool(const std::vector<stack::Prefix>& used);

struct Kept {
  conf::SecretText psk;
  std::vector<conf::User> users;  // the first is told to people
  conf::Pool pool;
};

// A new key, a user "adit" with a new password, and the pool made of `network`.
Kept MakeKept(stack::Rng& rng, const stack::Prefix& network);

// The clients' addresses in a network of at least 8: the first for adit, the last not used.
conf::Pool PoolIn(const stack::Prefix& network);
bool Overlaps(const conf::Pool& pool, const stack::Prefix& network);

// The text of the file, to be scrubbed; and back. InvalidArgument names what is wrong in `text`,
// by the name of its file.
std::string TextOf(const Kept& kept);
absl::StatusOr<Kept> ParseKept(std::string_view text, const std::string& file);

}  // namespace gateway::embedded
