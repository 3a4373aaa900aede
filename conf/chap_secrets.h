// Users from a file of pppd's (pppd(8), AUTHENTICATION), so that whoever has run xl2tpd keeps his.
//
//   # client  server  secret        addresses
//   alice     *       "wonder land" 10.99.0.20
//   bob       l2tpd   builder       *
//
// A line is a user: `client` is the name, `secret` the password. `server` is not looked at: adit
// asks for itself alone. One address is the user's own; `*` or none is any of the pools; `-`
// forbids all of them, and with them the user. What else pppd knows (networks, ranges, exclusions,
// options after `--`) has no meaning here and is warned of. Words are quoted as pppd's: '..', "..",
// and after a backslash n, r, t, s (space), a, b, f, up to three octal digits, x and up to two
// hexadecimal ones, or a character that stands for itself; a backslash at the end joins two lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/issue.h"
#include "conf/model.h"

namespace conf {

struct ChapSecrets {
  std::vector<User> users;      // in the order of the file; a name may come twice
  std::vector<uint32_t> lines;  // where each of them stands
  Issues issues;                // with the file's name and line; never with a secret
};

// `file` is the name that issues carry. At most `max_users` are read: one more is an error.
ChapSecrets ReadChapSecrets(std::string_view text, const std::string& file, size_t max_users);

}  // namespace conf
