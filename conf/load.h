// The way into conf for the program: a file, or its text, to a checked Model.
#pragma once

#include <string>
#include <string_view>

#include "conf/issue.h"
#include "conf/model.h"

namespace conf {

struct Loaded {
  Model model;    // to be used only if ok()
  Issues issues;  // of parse and validate together, in file order; warnings too
  std::string file;

  bool ok() const { return !HasError(issues); }
  std::string Text() const { return TextOf(issues, file); }  // one line an issue; "" if none
};

// Parse and Validate. `file` is the name that issues carry.
Loaded Load(std::string_view text, std::string file);
// The same from a file; one that cannot be read is an issue too. The text is scrubbed after use.
Loaded LoadFile(const std::string& path);

}  // namespace conf
