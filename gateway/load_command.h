// The options of `adit load`, as words with readers: main.cc gives them to the command line's
// library, which is known to no other file.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/load/options.h"

namespace gateway {

struct LoadWord {
  std::string name;   // "--clients"
  std::string value;  // what it takes, for the help text; empty: a flag
  std::string help;
  bool repeats = false;
  // Takes the value ("" for a flag); gives why it is refused, or "".
  std::function<std::string(const std::string&)> read;
};

// What is read goes into `to`, which outlives the words.
std::vector<LoadWord> LoadWords(load::Options& to);
// What to say of an option that is none.
std::string UnknownLoadWord(const std::vector<LoadWord>& words, std::string_view given);

}  // namespace gateway
