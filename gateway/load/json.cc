#include "gateway/load/json.h"

#include <cmath>
#include <cstdio>

namespace gateway::load {

void JsonWriter::OpenWith(std::string_view key, char bracket) {
  if (depth_ > 0) Key(key);
  text_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonWriter::CloseWith(char bracket) {
  --depth_;
  if (!first_) NewLine();
  text_ += bracket;
  first_ = false;
}

void JsonWriter::NewLine() {
  if (!pretty_) return;
  text_ += '\n';
  text_.append(2 * depth_, ' ');
}

void JsonWriter::Key(std::string_view key) {
  if (!first_) text_ += pretty_ ? "," : ", ";
  first_ = false;
  NewLine();
  if (key.empty()) return;
  Quoted(key);
  text_ += ": ";
}

void JsonWriter::Quoted(std::string_view text) {
  text_ += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      text_ += escape;
    } else {
      text_ += c;
    }
  }
  text_ += '"';
}

void JsonWriter::Add(std::string_view key, uint64_t value) {
  Key(key);
  text_ += std::to_string(value);
}

void JsonWriter::Add(std::string_view key, double value) {
  if (!std::isfinite(value)) return AddNull(key);
  Key(key);
  char number[32];
  std::snprintf(number, sizeof number, "%.6g", value);
  // Six digits are enough for a rate and too few for a time since boot.
  if (std::fabs(value) >= 1e3) std::snprintf(number, sizeof number, "%.6f", value);
  text_ += number;
}

void JsonWriter::Add(std::string_view key, bool value) {
  Key(key);
  text_ += value ? "true" : "false";
}

void JsonWriter::Add(std::string_view key, std::string_view value) {
  Key(key);
  Quoted(value);
}

void JsonWriter::AddNull(std::string_view key) {
  Key(key);
  text_ += "null";
}

}  // namespace gateway::load
