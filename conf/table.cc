#include "conf/table.h"

#include <algorithm>

#include "conf/spelling.h"

namespace conf {

void Table::Flag(const char* key, bool& to) {
  if (const Node* node = Find(key, Node::Kind::kFlag)) to = node->flag;
}

void Table::Flag(const char* key, std::optional<bool>& to) {
  if (const Node* node = Find(key, Node::Kind::kFlag)) to = node->flag;
}

void Table::Seconds(const char* key, absl::Duration& to, int64_t min, int64_t max) {
  if (const auto seconds = Integer(key, min, max)) to = absl::Seconds(*seconds);
}

void Table::Microseconds(const char* key, absl::Duration& to, int64_t min, int64_t max) {
  if (const auto us = Integer(key, min, max)) to = absl::Microseconds(*us);
}

std::optional<int64_t> Table::Integer(const char* key, int64_t min, int64_t max) {
  const Node* node = Find(key, Node::Kind::kInteger);
  if (node == nullptr) return std::nullopt;
  if (node->integer < min || node->integer > max) {
    Bad(key, "must be " + std::to_string(min) + ".." + std::to_string(max));
    return std::nullopt;
  }
  return node->integer;
}

void Table::Text(const char* key, const TextReader& read) {
  const Node* node = Find(key, Node::Kind::kText);
  if (node == nullptr) return;
  const std::string reason = read(node->text.Reveal());
  if (!reason.empty()) Bad(key, reason);
}

void Table::Texts(const char* key, size_t max, const TextReader& read) {
  const Node* node = Find(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kArray) return WrongType(key, "an array of strings", *node);
  if (node->elements.size() > max) {
    return Bad(key, "has more than " + std::to_string(max) + " entries");
  }
  for (size_t i = 0; i < node->elements.size(); ++i) {
    const Node& element = node->elements[i];
    const std::string name = std::string(key) + "[" + std::to_string(i) + "]";
    out_.places.Set(path_ + name, element.place);
    if (element.kind != Node::Kind::kText) {
      WrongType(name, NameOf(Node::Kind::kText), element);
    } else if (const std::string reason = read(element.text.Reveal()); !reason.empty()) {
      Bad(name, reason);
    }
  }
}

void Table::Secret(const char* key, SecretText& to, size_t max) {
  const Node* node = Find(key, Node::Kind::kText);
  if (node == nullptr) return;
  if (node->text.empty() || node->text.size() > max) {
    return Bad(key, "must have 1.." + std::to_string(max) + " characters");
  }
  to = node->text.Copy();
}

void Table::Sub(const char* key, const Reader& read) {
  static const Node kNothing;
  const Node* node = FindTable(key);
  if (node == nullptr && out_.keys == nullptr) return;
  if (node != nullptr && node->kind != Node::Kind::kTable) {
    return Bad(key, "must be one table: write [" + std::string(key) + "]");
  }
  Table sub(node == nullptr ? kNothing : *node, path_ + key + ".", out_);
  read(sub);
  sub.RejectUnknown();
}

void Table::Each(const char* key, size_t max, const Reader& read) {
  if (out_.keys != nullptr) return Sub(key, read);
  const Node* node = FindTable(key);
  if (node == nullptr) return;
  const auto is_table = [](const Node& entry) { return entry.kind == Node::Kind::kTable; };
  if (node->kind != Node::Kind::kArray || !std::ranges::all_of(node->elements, is_table)) {
    return Bad(key, "must be tables: write [[" + std::string(key) + "]] above each");
  }
  if (node->elements.size() > max) return Bad(key, "more than " + std::to_string(max) + " of them");
  for (size_t i = 0; i < node->elements.size(); ++i) {
    const std::string name = path_ + key + "[" + std::to_string(i) + "]";
    out_.places.Set(name, node->elements[i].place);
    Table sub(node->elements[i], name + ".", out_);
    read(sub);
    sub.RejectUnknown();
  }
}

void Table::Require(const char* key) {
  if (!Has(key)) Bad(key, "is missing");
}

void Table::RequireOneOf(const std::vector<const char*>& keys, bool needed) {
  std::string names, first;
  for (const char* key : keys) {
    names += (names.empty() ? "" : key == keys.back() ? " or " : ", ") + std::string(key);
    if (!Has(key)) continue;
    if (!first.empty()) Bad(key, first + " is given too: only one of them can count");
    if (first.empty()) first = key;
  }
  if (needed && first.empty()) Bad("", "needs " + names);
}

void Table::RejectUnknown() {
  for (const Member& member : node_.members) {
    if (std::ranges::find(known_, member.key) != known_.end()) continue;
    out_.places.Set(path_ + member.key, member.place);
    Bad(member.key, "unknown key" + HintFor(member.key, known_));
  }
}

void Table::Bad(std::string_view key, std::string reason) {
  const std::string path = PathOf(key);
  out_.places.MarkBad(path);
  const std::string quoted = Quote(key);
  const bool plain = quoted == "\"" + std::string(key) + "\"";
  out_.issues.push_back({Issue::Severity::kError, out_.places.Of(path),
                         plain ? path : path_ + quoted, std::move(reason)});
}

bool Table::HasText(const char* key) const {
  const Member* member = node_.Find(key);
  return member != nullptr && member->value.kind == Node::Kind::kText;
}

bool Table::HasEmptyArray(const char* key) const {
  const Member* member = node_.Find(key);
  return member != nullptr && member->value.kind == Node::Kind::kArray &&
         member->value.elements.empty();
}

std::string Table::PathOf(std::string_view key) const {
  if (key.empty() && !path_.empty()) return path_.substr(0, path_.size() - 1);
  return path_ + std::string(key);
}

const Node* Table::Find(const char* key) {
  if (out_.keys != nullptr) out_.keys->push_back(PathOf(key));
  return FindTable(key);
}

const Node* Table::FindTable(const char* key) {
  known_.emplace_back(key);
  const Member* member = node_.Find(key);
  if (member == nullptr) return nullptr;
  out_.places.Set(PathOf(key), member->place);
  return &member->value;
}

const Node* Table::Find(const char* key, Node::Kind kind) {
  const Node* node = Find(key);
  if (node == nullptr || node->kind == kind) return node;
  WrongType(key, NameOf(kind), *node);
  return nullptr;
}

void Table::WrongType(std::string_view key, std::string_view wanted, const Node& node) {
  Bad(key, "must be " + std::string(wanted) + ", not " + std::string(NameOf(node.kind)));
}

}  // namespace conf
