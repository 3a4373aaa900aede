// JSON as it is written (RFC 8259): objects and lists by nesting, keys in the order they are given.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gateway::load {

class JsonWriter {
 public:
  // `pretty`: a line a value, indented; else all on one line.
  explicit JsonWriter(bool pretty) : pretty_(pretty) {}

  // Inside a list the key is empty.
  void Open(std::string_view key = {}) { OpenWith(key, '{'); }
  void OpenList(std::string_view key) { OpenWith(key, '['); }
  void Close() { CloseWith('}'); }
  void CloseList() { CloseWith(']'); }

  void Add(std::string_view key, uint64_t value);
  void Add(std::string_view key, double value);  // null if it is no finite number
  void Add(std::string_view key, bool value);
  void Add(std::string_view key, std::string_view value);
  void Add(std::string_view key, const char* value) { Add(key, std::string_view(value)); }
  void AddNull(std::string_view key);

  const std::string& text() const { return text_; }

 private:
  void OpenWith(std::string_view key, char bracket);
  void CloseWith(char bracket);
  void Key(std::string_view key);
  void NewLine();
  void Quoted(std::string_view text);

  const bool pretty_;
  std::string text_;
  size_t depth_ = 0;
  bool first_ = true;  // of its object or list
};

}  // namespace gateway::load
