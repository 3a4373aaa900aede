// Log records: how they are packed into their fixed room, and how they become a line of text or
// JSON.
//
//   body   | event: u16 length, bytes | text: u16 length, bytes | field | field | ...
//   field  | key: u16 length, bytes | kind u8 | u64, or for kText: u16 length, bytes |
#include <algorithm>
#include <array>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "gateway/io/log.h"

namespace gateway::io {
namespace {

constexpr size_t kMaxName = 64;  // event and key
constexpr size_t kMaxText = 400;

// Of `text` as much as has room, with its length in front. Whether all of it had.
bool PutText(stack::Writer& w, std::string_view text, size_t room) {
  const size_t size = std::min(text.size(), room);
  w.U16(static_cast<uint16_t>(size));
  w.Put(stack::AsBytes(text.substr(0, size)));
  return size == text.size();
}

std::string_view TakeText(stack::Reader& r) { return stack::AsText(r.Take(r.U16())); }

// --- characters ---

struct Character {
  uint32_t code = 0;
  size_t size = 1;
  bool valid = false;
};

// The UTF-8 character `text` (not empty) begins with, RFC 3629 section 4: no overlong forms, no
// surrogates, nothing above U+10FFFF.
Character FirstCharacter(std::string_view text) {
  const auto octet = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = octet(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {lead};
  uint32_t code = lead & (0x7fU >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((octet(i) & 0xc0) != 0x80) return {lead};
    code = code << 6 | (octet(i) & 0x3fU);
  }
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kSmallest[size] || code > 0x10ffff || surrogate) return {lead};
  return {code, size, true};
}

// What could make a terminal or a reader see something else than is there: controls, and the marks
// that turn the direction of writing or break lines.
bool IsTreacherous(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x200b && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

void AppendHex(std::string& line, const char* format, uint32_t code) {
  std::array<char, 16> hex;
  const int size = std::snprintf(hex.data(), hex.size(), format, code);
  line.append(hex.data(), static_cast<size_t>(size));
}

void AppendTextCharacter(std::string& line, std::string_view bytes, const Character& c) {
  if (!c.valid || (c.code < 0x100 && IsTreacherous(c.code))) {
    AppendHex(line, "\\x%02x", c.code);
  } else if (IsTreacherous(c.code)) {
    AppendHex(line, "\\u%04x", c.code);
  } else {
    line.append(bytes);
  }
}

// RFC 8259 section 7. Bytes that are no UTF-8 become U+FFFD.
void AppendJsonCharacter(std::string& line, std::string_view bytes, const Character& c) {
  if (!c.valid) {
    line.append("\\ufffd");
  } else if (c.code == '"' || c.code == '\\') {
    line.append("\\").append(bytes);
  } else if (IsTreacherous(c.code)) {
    AppendHex(line, "\\u%04x", c.code);
  } else {
    line.append(bytes);
  }
}

template <class Append>
void ForEachCharacter(std::string_view text, Append&& append) {
  while (!text.empty()) {
    const Character c = FirstCharacter(text);
    append(text.substr(0, c.size), c);
    text.remove_prefix(c.size);
  }
}

void AppendText(std::string& line, std::string_view text) {
  ForEachCharacter(text, [&](std::string_view bytes, const Character& c) {
    AppendTextCharacter(line, bytes, c);
  });
}

// A value is put between quotes if it could be taken for something else without them.
void AppendValue(std::string& line, std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of(" \"\\=") == std::string_view::npos;
  if (plain) return AppendText(line, text);
  line.push_back('"');
  ForEachCharacter(text, [&](std::string_view bytes, const Character& c) {
    if (c.code == '"' || c.code == '\\') line.push_back('\\');
    AppendTextCharacter(line, bytes, c);
  });
  line.push_back('"');
}

void AppendJsonString(std::string& line, std::string_view text) {
  line.push_back('"');
  ForEachCharacter(text, [&](std::string_view bytes, const Character& c) {
    AppendJsonCharacter(line, bytes, c);
  });
  line.push_back('"');
}

// --- fields ---

struct PackedField {
  std::string_view key;
  Field::Kind kind = Field::Kind::kText;
  std::string_view text;
  uint64_t number = 0;
};

PackedField TakeField(stack::Reader& r) {
  PackedField field;
  field.key = TakeText(r);
  field.kind = static_cast<Field::Kind>(r.U8());
  if (field.kind == Field::Kind::kText) {
    field.text = TakeText(r);
  } else {
    field.number = r.U64();
  }
  return field;
}

bool IsBare(Field::Kind kind) {  // needs no quotes in JSON
  return kind != Field::Kind::kText && kind != Field::Kind::kIp4 && kind != Field::Kind::kEndpoint;
}

std::string TextOf(const PackedField& field) {
  const uint64_t n = field.number;
  switch (field.kind) {
    case Field::Kind::kText:
      return std::string(field.text);
    case Field::Kind::kSigned:
      return absl::StrCat(static_cast<int64_t>(n));
    case Field::Kind::kUnsigned:
      return absl::StrCat(n);
    case Field::Kind::kBool:
      return n != 0 ? "true" : "false";
    case Field::Kind::kIp4:
      return stack::Ip4{static_cast<uint32_t>(n)}.Text();
    case Field::Kind::kEndpoint:
      return stack::Endpoint{{static_cast<uint32_t>(n >> 16)}, static_cast<uint16_t>(n)}.Text();
    case Field::Kind::kMilliseconds: {
      std::array<char, 32> text;
      const auto ms = static_cast<int64_t>(n);
      std::snprintf(text.data(), text.size(), "%s%lld.%03lld", ms < 0 ? "-" : "",
                    static_cast<long long>(ms < 0 ? -(ms / 1000) : ms / 1000),
                    static_cast<long long>(ms < 0 ? -(ms % 1000) : ms % 1000));
      return text.data();
    }
  }
  return {};
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

stack::Reader BodyOf(const LogRecord& record) {
  return stack::Reader(stack::ByteView(record.body).first(record.used));
}

}  // namespace

std::string_view NameOf(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "";
}

std::optional<Level> LevelOf(std::string_view name) {
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) {
    if (NameOf(level) == name) return level;
  }
  return std::nullopt;
}

void Compose(LogRecord& record, std::string_view event, std::string_view text) {
  stack::Writer w(record.body);
  const bool all = PutText(w, event, kMaxName) & PutText(w, text, kMaxText);
  record.used = static_cast<uint16_t>(w.used());
  record.cut = !all;
}

void Append(LogRecord& record, const Field& field) {
  stack::Writer w(stack::ByteSpan(record.body).subspan(record.used));
  bool all = PutText(w, field.key(), kMaxName);
  w.U8(static_cast<uint8_t>(field.kind()));
  if (field.kind() == Field::Kind::kText) {
    const size_t left = record.body.size() - record.used - w.used();
    all &= PutText(w, field.text(), left < 2 ? 0 : std::min(left - 2, kMaxText));
  } else {
    w.U64(field.number());
  }
  record.cut |= !all || !w.ok();
  if (w.ok()) record.used = static_cast<uint16_t>(record.used + w.used());
}

void FormatText(const LogRecord& record, std::string& line) {
  constexpr std::array<std::string_view, 4> kLevels = {" debug ", " info  ", " warn  ", " error "};
  stack::Reader r = BodyOf(record);
  line.append(TimeText(record.wall)).append(kLevels[static_cast<size_t>(record.level)]);
  line.append(record.has_shard ? absl::StrCat("[", int{record.shard}, "] ") : "[-] ");
  TakeText(r);  // the event is for machines
  AppendText(line, TakeText(r));
  for (bool first = true; r.ok() && r.left() != 0; first = false) {
    const PackedField field = TakeField(r);
    line.append(first ? "  " : " ").append(field.key).append("=");
    AppendValue(line, TextOf(field));
  }
  if (record.cut) line.append(" (cut)");
}

void FormatJson(const LogRecord& record, std::string& line) {
  stack::Reader r = BodyOf(record);
  line.append("{\"time\":\"").append(TimeText(record.wall)).append("\",\"level\":\"");
  line.append(NameOf(record.level)).append("\"");
  if (record.has_shard) line.append(absl::StrCat(",\"shard\":", int{record.shard}));
  line.append(",\"event\":");
  AppendJsonString(line, TakeText(r));
  line.append(",\"text\":");
  AppendJsonString(line, TakeText(r));
  while (r.ok() && r.left() != 0) {
    const PackedField field = TakeField(r);
    line.append(",");
    AppendJsonString(line, field.key);
    line.append(":");
    if (IsBare(field.kind)) {
      line.append(TextOf(field));
    } else {
      AppendJsonString(line, TextOf(field));
    }
  }
  line.append(record.cut ? ",\"cut\":true}" : "}");
}

}  // namespace gateway::io
