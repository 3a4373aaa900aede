// One table of the file, read key by key.
//
// Every key asked for becomes a known one, and RejectUnknown comes last. A value that is refused is
// an issue, leaves its target as it was and is marked bad, so that checks across keys keep quiet
// about it. Where the keys themselves are wanted (the list of all of them), the same readers run
// over empty tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "conf/issue.h"
#include "conf/secret_text.h"
#include "conf/toml.h"

namespace conf {

// A reader of one text value: the reason why it is refused, "" if it is not.
using TextReader = std::function<std::string(std::string_view)>;

class Table {
 public:
  struct Out {
    Places& places;
    Issues& issues;
    std::vector<std::string>* keys = nullptr;  // gets the path of every key, and nothing is read
  };
  using Reader = std::function<void(Table&)>;

  // `path` is "" for the file, else with its dot: "ike.", "interface[0].".
  Table(const Node& node, std::string path, const Out& out)
      : node_(node), path_(std::move(path)), out_(out) {}

  // true or false.
  void Flag(const char* key, bool& to);
  void Flag(const char* key, std::optional<bool>& to);

  // An integer min..max, both included.
  template <class T>
  void Number(const char* key, T& to, int64_t min, int64_t max) {
    if (const auto number = Integer(key, min, max)) to = static_cast<T>(*number);
  }
  template <class T>
  void Number(const char* key, std::optional<T>& to, int64_t min, int64_t max) {
    if (const auto number = Integer(key, min, max)) to = static_cast<T>(*number);
  }
  void Seconds(const char* key, absl::Duration& to, int64_t min, int64_t max);
  void Microseconds(const char* key, absl::Duration& to, int64_t min, int64_t max);

  void Text(const char* key, const TextReader& read);
  // An array of at most `max` strings, each of which is given to `read`.
  void Texts(const char* key, size_t max, const TextReader& read);
  // A string of 1..max octets that no message shows.
  void Secret(const char* key, SecretText& to, size_t max);

  // [key]
  void Sub(const char* key, const Reader& read);
  // [[key]], at most `max` times.
  void Each(const char* key, size_t max, const Reader& read);

  void Require(const char* key);
  // At most one of `keys` is given; at least one too, if `needed`.
  void RequireOneOf(const std::vector<const char*>& keys, bool needed);
  void RejectUnknown();
  // The value of `key` is refused.
  void Bad(std::string_view key, std::string reason);

  bool Has(const char* key) const { return node_.Find(key) != nullptr; }
  bool HasText(const char* key) const;
  bool HasEmptyArray(const char* key) const;
  // Of `key`, or of the table itself for "": "ike.psk", "psk[0]".
  std::string PathOf(std::string_view key) const;

 private:
  // A key that holds a value, or a table: its node, nullptr if it is not there.
  const Node* Find(const char* key);
  const Node* FindTable(const char* key);
  // As Find, but nullptr and refused if the value is of another kind.
  const Node* Find(const char* key, Node::Kind kind);
  std::optional<int64_t> Integer(const char* key, int64_t min, int64_t max);
  void WrongType(std::string_view key, std::string_view wanted, const Node& node);

  const Node& node_;
  const std::string path_;
  const Out out_;
  std::vector<std::string_view> known_;
};

}  // namespace conf
