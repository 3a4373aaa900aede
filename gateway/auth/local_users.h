// The users of the configuration file. Of their passwords only what the allowed protocols need is
// kept, in scrubbed memory, made once at start or reload; Verify is then a matter of microseconds
// and is called directly. RFC 2759 section 8, RFC 1994 section 4.1, RFC 1334 section 2.
//
//   MS-CHAPv2   the NT hash
//   PAP         the NT hash too: what the client sends is hashed and compared
//   CHAP-MD5    the password itself: the client's hash goes over it
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "crypto/prim/secret.h"
#include "gateway/auth/verifier.h"
#include "stack/base/address.h"
#include "stack/base/rng.h"

namespace gateway::auth {

struct LocalUser {
  std::string name;           // 1 to 255 octets, no backslash; compared octet by octet
  std::string_view password;  // UTF-8; read during Create only, the caller's to scrub
  Grants grants = {};
};

class LocalUsers {
 public:
  // InvalidArgument for an empty, overlong or repeated name, one with a backslash, a password that
  // is no UTF-8, and an address that two users have. `rng` makes the password that unknown users
  // are checked against.
  static absl::StatusOr<LocalUsers> Create(const std::vector<LocalUser>& users,
                                           const stack::ppp::AuthProtocols& allowed,
                                           stack::Rng& rng);

  LocalUsers(LocalUsers&&) = default;
  LocalUsers& operator=(LocalUsers&&) = default;

  // Const and without shared state: any thread, any number at the same time. An unknown name takes
  // as long as a wrong password, so that names cannot be found out by trying.
  Answer Verify(const Question& question) const;

  size_t size() const { return users_.size(); }

 private:
  struct Entry {
    crypto::Secret nt_hash;
    crypto::Secret password;  // empty unless CHAP-MD5 is allowed
    Grants grants;
  };

  LocalUsers() = default;
  absl::Status Add(const LocalUser& user, bool keep_password);

  absl::flat_hash_map<std::string, Entry> users_;
  absl::flat_hash_map<stack::Ip4, std::string> owners_;  // of the fixed addresses
  Entry nobody_;  // what unknown names are checked against; never matches
};

}  // namespace gateway::auth
