// The way into conf for the program: a file, or its text, to a checked Model.
#pragma once

#include <string>
#include <string_view>

#include "conf/issue.h"
#include "conf/model.h"
#include "conf/sources.h"

namespace conf {

struct Loaded {
  Model model;    // to be used only if ok()
  Issues issues;  // of parse, sources and validate together, by place; warnings too
  std::string file;

  bool ok() const { return !HasError(issues); }
  std::string Text() const { return TextOf(issues, file); }  // one line an issue; "" if none
};

// Parse, BringSecrets and Validate. `file` is the name that issues carry, and its folder the one
// where relative paths in the text begin.
Loaded Load(std::string_view text, std::string file, const Sources& sources = HostSources());
// The same from a file; one that cannot be read is an issue too. The text is scrubbed after use.
Loaded LoadFile(const std::string& path);

}  // namespace conf
