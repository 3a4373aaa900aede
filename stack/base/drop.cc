#include "stack/base/drop.h"

namespace stack {
namespace {

struct Words {
  std::string_view name, text;
};

// clang-format off
#define ADIT_DROP_WORDS(id, name, text) {name, text},
constexpr std::array<Words, kDropCount> kWords = {{
    {"none", "alive"},
    ADIT_DROPS(ADIT_DROP_WORDS)
}};
#undef ADIT_DROP_WORDS
// clang-format on

}  // namespace

std::string_view NameOf(Drop drop) {
  const auto i = static_cast<size_t>(drop);
  return i < kDropCount ? kWords[i].name : "unknown";
}

std::string_view TextOf(Drop drop) {
  const auto i = static_cast<size_t>(drop);
  return i < kDropCount ? kWords[i].text : "unknown";
}

}  // namespace stack
