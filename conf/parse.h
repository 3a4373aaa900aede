// TOML text -> Model: types, ranges, spelling. The only part of conf that knows toml++.
//
// Nothing is guessed: an unknown key is an error (with the nearest known one as a hint), so is a
// value of the wrong type or out of range. All of them are reported at once; a value that was
// refused leaves its default in the model and is marked bad in `places`. A syntax error ends the
// parse and is the only issue.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "conf/issue.h"
#include "conf/model.h"

namespace conf {

inline constexpr size_t kMaxText = size_t{1} << 20;

struct Parsed {
  Model model;
  Places places;
  Issues issues;  // errors only; in file order
};

// `text` is UTF-8 TOML 1.0; at most kMaxText. Secrets in the parse tree are overwritten.
Parsed Parse(std::string_view text);

// The entry of `known` nearest to `word` by edit distance, "" if none is near enough to be a typo.
std::string Nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace conf
