// The users of the configuration file. Passwords are turned into NT hashes once, at start or
// reload, and kept in scrubbed memory; Verify is then a matter of microseconds and is called
// directly. RFC 2759 section 8.
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
  std::string name;                   // 1 to 255 octets, no backslash; compared octet by octet
  std::string_view password;          // UTF-8; read during Create only, the caller's to scrub
  std::optional<stack::Ip4> address;  // the one address this user always gets
};

class LocalUsers {
 public:
  // InvalidArgument for an empty, overlong or repeated name, one with a backslash, a password that
  // is no UTF-8, and an address that two users have. `rng` makes the hash that unknown users are
  // checked against.
  static absl::StatusOr<LocalUsers> Create(const std::vector<LocalUser>& users, stack::Rng& rng);

  LocalUsers(LocalUsers&&) = default;
  LocalUsers& operator=(LocalUsers&&) = default;

  // Const and without shared state: any thread, any number at the same time. An unknown name takes
  // as long as a wrong password, so that names cannot be found out by trying.
  Answer Verify(const Question& question) const;

  size_t size() const { return users_.size(); }

 private:
  struct Entry {
    crypto::Secret nt_hash;
    std::optional<stack::Ip4> address;
  };

  LocalUsers() = default;
  absl::Status Add(const LocalUser& user);

  absl::flat_hash_map<std::string, Entry> users_;
  absl::flat_hash_map<stack::Ip4, std::string> owners_;  // of the fixed addresses
  Entry nobody_;  // what unknown names are checked against; never matches
};

}  // namespace gateway::auth
