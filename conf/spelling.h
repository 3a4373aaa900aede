// Words of the file in messages: quoted so that they suit a terminal, and the known word that a
// typo was meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace conf {

// `text` in quotes, cut after 64 characters, with a "?" for everything that is not printable ASCII.
std::string Quote(std::string_view text);

// The entry of `known` nearest to `word` by edit distance, "" if none is near enough to be a typo.
std::string Nearest(std::string_view word, const std::vector<std::string_view>& known);

// ' (did you mean "nearest"?)', or "" if nothing is near.
std::string HintFor(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace conf
