// A configuration that is complete and good, to be added to or broken, and sources of secrets that
// a test makes up.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "conf/load.h"
#include "gtest/gtest.h"

namespace test {

inline const std::string kGood = R"([[interface]]
name = "eth0"
address = "203.0.113.1/24"
gateway = "203.0.113.254"
serve = true
nat = true
[[pool]]
range = "10.99.0.10-10.99.0.250"
gateway = "10.99.0.1"
[[user]]
name = "alice"
password = "wonderland"
[ike]
psk = "a long enough one"
)";

inline std::string Replaced(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

class FakeSources : public conf::Sources {
 public:
  std::map<std::string, std::string> files, variables;  // by path or name
  unsigned mode = 0600;                                 // of every file

  absl::StatusOr<File> ReadFile(const std::string& path, size_t max) const override {
    const auto found = files.find(path);
    if (found == files.end()) return absl::NotFoundError("No such file or directory");
    return File{conf::SecretText(std::string_view(found->second).substr(0, max)), mode};
  }
  std::optional<conf::SecretText> Variable(const std::string& name) const override {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return conf::SecretText(found->second);
  }
};

inline std::string Report(const std::string& text, const conf::Sources& sources = FakeSources()) {
  return conf::Load(text, "f", sources).Text();
}

}  // namespace test
