// What is wrong with a configuration, and where: the common tongue of parse, validate and load.
// A place is one of the configuration file, or of a file of secrets that it names.
//
// A key is named by its path: "ike.psk", "interface[1].address" (tables of an array count from 0).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conf {

// Position in a file, both from 1. Line 0: not in the file, the key was left out.
struct Place {
  uint32_t line = 0;
  uint32_t column = 0;
  std::string file = {};  // "": the configuration itself
};

struct Issue {
  enum class Severity : uint8_t { kError, kWarning };
  Severity severity = Severity::kError;
  Place place;
  std::string key;     // path, or "" for the file as a whole
  std::string reason;  // a line for people; never holds a secret

  // "adit.toml:12:5: interface[0].mtu: must be 576..9000"; warnings say "warning: " before the key.
  // `file` is the name of the configuration.
  std::string Text(std::string_view file) const;
};

using Issues = std::vector<Issue>;

bool HasError(const Issues& issues);
// One line each, in their order.
std::string TextOf(const Issues& issues, std::string_view file);
// The configuration's own first, then those of the other files by name; each in the file's order.
void SortByPlace(Issues& issues);
void Append(Issues& issues, Issues&& more);

// Where each key stood, and whether its value was refused by the parser: a cross-field check then
// keeps quiet about it.
class Places {
 public:
  void Set(const std::string& path, Place place) { entries_[path].place = std::move(place); }
  void MarkBad(const std::string& path) { entries_[path].bad = true; }

  bool Has(const std::string& path) const { return entries_.contains(path); }
  // The key was refused, or a table around it.
  bool IsBad(std::string path) const;
  // The key's own place; if it was left out, that of the nearest table around it.
  Place Of(std::string path) const;

 private:
  struct Entry {
    Place place;
    bool bad = false;
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace conf
