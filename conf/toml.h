// TOML text -> a tree of values, each with its place. The only part of conf that knows toml++.
//
// Every string is a SecretText, since only its reader knows whether it is one: the whole tree is
// overwritten when it dies, and so are the strings of toml++'s own tree. (What its parser left in
// buffers of its own on the way is out of reach.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/issue.h"
#include "conf/secret_text.h"

namespace conf {

struct Member;

struct Node {
  enum class Kind : uint8_t { kTable, kArray, kText, kInteger, kDecimal, kFlag, kDate };

  Kind kind = Kind::kTable;
  Place place;
  bool flag = false;            // kFlag
  int64_t integer = 0;          // kInteger
  SecretText text;              // kText
  std::vector<Node> elements;   // kArray
  std::vector<Member> members;  // kTable, in the order of their names

  // The member called `key`, nullptr if there is none.
  const Member* Find(std::string_view key) const;
};

struct Member {
  std::string key;
  Place place;  // the key's
  Node value;
};

// "a string", "an integer" ...
std::string_view NameOf(Node::Kind kind);

struct Document {
  Node root;                   // a table; what lies deeper than any key of ours is left out
  std::optional<Issue> error;  // of syntax: then the tree is empty
};

// `text` is UTF-8 TOML 1.0.
Document ReadToml(std::string_view text);

}  // namespace conf
