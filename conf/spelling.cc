#include "conf/spelling.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace conf {
namespace {

constexpr size_t kMaxQuoted = 64;

bool SameLetter(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

// How many letters must be replaced, added, left out or swapped with their neighbour to make `a`
// into `b`.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = cost[i - 1][j - 1] + (SameLetter(a[i - 1], b[j - 1]) ? 0 : 1);
      cost[i][j] = std::min({replaced, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
      if (i > 1 && j > 1 && SameLetter(a[i - 1], b[j - 2]) && SameLetter(a[i - 2], b[j - 1])) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxQuoted)) {
    quoted += std::isprint(static_cast<unsigned char>(c)) != 0 ? c : '?';
  }
  return quoted + (text.size() > kMaxQuoted ? "...\"" : "\"");
}

std::string Nearest(std::string_view word, const std::vector<std::string_view>& known) {
  constexpr size_t kLongest = 64;
  constexpr size_t kAbbreviation = 3;
  if (word.size() > kLongest) return "";
  std::string_view nearest;
  size_t least = 1 + std::max(size_t{2}, word.size() / 3);
  for (const std::string_view candidate : known) {
    if (candidate.size() > kLongest) continue;
    const bool begins = word.size() >= kAbbreviation && candidate.starts_with(word);
    const size_t distance = begins ? 1 : EditDistance(word, candidate);
    // Two strokes make any short word into any other.
    if (distance < least && distance + 1 < std::max(word.size(), candidate.size())) {
      least = distance;
      nearest = candidate;
    }
  }
  return std::string(nearest);
}

std::string HintFor(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string nearest = Nearest(word, known);
  return nearest.empty() ? "" : " (did you mean " + Quote(nearest) + "?)";
}

}  // namespace conf
