// What a configuration names but does not hold: secrets in files and in the environment, and users
// in files of pppd's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "conf/issue.h"
#include "conf/parse.h"
#include "conf/secret_text.h"

namespace conf {

// Where these are read from: the host, or what a test makes up.
class Sources {
 public:
  struct File {
    SecretText text;
    unsigned mode = 0;  // permission bits, as 0600
  };

  virtual ~Sources() = default;
  // The first octets of a regular file, `max` at most; the status says in a few words why not.
  virtual absl::StatusOr<File> ReadFile(const std::string& path, size_t max) const = 0;
  // The value of an environment variable, nothing if it is not set.
  virtual std::optional<SecretText> Variable(const std::string& name) const = 0;
};

class HostSources : public Sources {
 public:
  absl::StatusOr<File> ReadFile(const std::string& path, size_t max) const override;
  std::optional<SecretText> Variable(const std::string& name) const override;
};

// The first octets of any file, `max` at most. All buffers on the way are scrubbed.
absl::StatusOr<SecretText> ReadBeginning(const std::string& path, size_t max);

// Completes `parsed`: pre-shared keys that stand elsewhere, then the users of auth.chap_secrets,
// behind those of the file; a name that is there already is left out with a warning. Relative
// paths begin in `folder`. What is wrong goes to `parsed`, too.
void BringSecrets(const Sources& sources, const std::string& folder, Parsed& parsed);

}  // namespace conf
