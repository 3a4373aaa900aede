// TOML text -> Model: types, ranges, spelling. Opens no file: what stands in files of their own and
// in the environment is only named here, and brought by conf/sources.h.
//
// Nothing is guessed: an unknown key is an error (with the nearest known one as a hint), so is a
// value of the wrong type or out of range. All of them are reported at once; a value that was
// refused leaves its default in the model and is marked bad in `places`. A syntax error ends the
// parse and is the only issue.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/issue.h"
#include "conf/model.h"

namespace conf {

inline constexpr size_t kMaxText = size_t{1} << 20;
inline constexpr size_t kMaxSecret = 256;  // octets of a pre-shared key or a password
inline constexpr size_t kMaxUsers = 65536;

// A pre-shared key that stands elsewhere: `key` = `name` said so.
struct ElsewherePsk {
  enum class Where : uint8_t { kFile, kVariable };
  Where where = Where::kFile;
  std::string key;            // "ike.psk_file", "psk[0].psk_env"
  std::string name;           // of the file or variable
  std::optional<size_t> psk;  // whose: Model::psks[*psk], or Ike::psk
};

struct Parsed {
  Model model;
  std::vector<ElsewherePsk> elsewhere;
  Places places;
  Issues issues;        // errors only; in file order
  bool is_toml = true;  // if not, the one issue says why and nothing else is worth judging
};

// `text` is UTF-8 TOML 1.0; at most kMaxText. Secrets in the parse tree are overwritten.
Parsed Parse(std::string_view text);

// Every key that a file may have, in the order in which they are read: "shards", "interface.name".
std::vector<std::string> AllKeys();

}  // namespace conf
