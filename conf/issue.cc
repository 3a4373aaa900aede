#include "conf/issue.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace conf {

std::string Issue::Text(std::string_view file) const {
  std::string text(place.file.empty() ? file : place.file);
  if (place.line != 0) {
    text += ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
  } else if (!key.empty()) {
    text += ":1:1";  // a table that is not there at all: editors want a place to jump to
  }
  text += ": ";
  if (severity == Severity::kWarning) text += "warning: ";
  if (!key.empty()) text += key + ": ";
  return text + reason;
}

bool HasError(const Issues& issues) {
  return std::ranges::any_of(
      issues, [](const Issue& issue) { return issue.severity == Issue::Severity::kError; });
}

std::string TextOf(const Issues& issues, std::string_view file) {
  std::string text;
  for (const Issue& issue : issues) text += issue.Text(file) + "\n";
  return text;
}

void SortByPlace(Issues& issues) {
  std::ranges::stable_sort(issues, [](const Issue& a, const Issue& b) {
    return std::tie(a.place.file, a.place.line, a.place.column) <
           std::tie(b.place.file, b.place.line, b.place.column);
  });
}

void Append(Issues& issues, Issues&& more) {
  issues.insert(issues.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
}

namespace {

// "interface[0].mtu" -> "interface[0]" -> "interface" -> false.
bool GoAround(std::string& path) {
  const size_t end = path.find_last_of(".[");
  if (end == std::string::npos) return false;
  path.resize(end);
  return true;
}

}  // namespace

bool Places::IsBad(std::string path) const {
  do {
    const auto found = entries_.find(path);
    if (found != entries_.end() && found->second.bad) return true;
  } while (GoAround(path));
  return false;
}

Place Places::Of(std::string path) const {
  do {
    const auto found = entries_.find(path);
    if (found != entries_.end() && found->second.place.line != 0) return found->second.place;
  } while (GoAround(path));
  return {};
}

}  // namespace conf
