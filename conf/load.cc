#include "conf/load.h"

#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "conf/parse.h"
#include "conf/validate.h"

namespace conf {
namespace {

// A syntax error leaves nothing to judge, and would drown in what is then missing.
bool IsWholeFile(const Issues& issues) { return !issues.empty() && issues[0].key.empty(); }

// As much of the file as Parse would take, and one octet more; nothing if it cannot be read. One
// buffer, never moved: secrets are in it.
std::optional<std::string> ReadWhole(const std::string& path) {
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
  if (!file) return std::nullopt;
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  std::string text(kMaxText + 1, '\0');
  const size_t size = std::fread(text.data(), 1, text.size(), file.get());
  if (std::ferror(file.get()) != 0) return std::nullopt;
  text.resize(size);
  return text;
}

}  // namespace

Loaded Load(std::string_view text, std::string file) {
  Parsed parsed = Parse(text);
  Loaded loaded{std::move(parsed.model), std::move(parsed.issues), std::move(file)};
  if (IsWholeFile(loaded.issues)) return loaded;
  Issues more = Validate(loaded.model, parsed.places);
  loaded.issues.insert(loaded.issues.end(), std::make_move_iterator(more.begin()),
                       std::make_move_iterator(more.end()));
  SortByPlace(loaded.issues);
  return loaded;
}

Loaded LoadFile(const std::string& path) {
  std::optional<std::string> text = ReadWhole(path);
  if (!text) {
    Loaded failed;
    failed.file = path;
    failed.issues.push_back({Issue::Severity::kError, {}, "", "cannot be read"});
    return failed;
  }
  Loaded loaded = Load(*text, path);
  ScrubMemory(text->data(), text->size());
  return loaded;
}

}  // namespace conf
