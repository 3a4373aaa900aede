#include "stack/base/drop.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace stack {
namespace {

bool IsSnakeCase(std::string_view name) {
  if (name.empty() || name.front() == '_' || name.back() == '_') return false;
  for (const char c : name) {
    if (c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')) return false;
  }
  return name.find("__") == std::string_view::npos;
}

TEST(Drop, EachHasANameOfItsOwnAndALine) {
  std::set<std::string> names, texts;
  for (size_t i = 0; i < kDropCount; ++i) {
    const auto drop = static_cast<Drop>(i);
    EXPECT_TRUE(IsSnakeCase(NameOf(drop))) << NameOf(drop);
    EXPECT_TRUE(names.insert(std::string(NameOf(drop))).second) << NameOf(drop);
    EXPECT_FALSE(TextOf(drop).empty());
    EXPECT_TRUE(texts.insert(std::string(TextOf(drop))).second) << TextOf(drop);
  }
  EXPECT_EQ(NameOf(Drop::kNone), "none");
  EXPECT_EQ(NameOf(Drop::kPeerGone), "peer_gone");  // the table and the enum run in step to the end
}

TEST(Drop, AnUnknownNumberIsNoCrash) {
  EXPECT_EQ(NameOf(Drop::kCount), "unknown");
  EXPECT_EQ(TextOf(static_cast<Drop>(255)), "unknown");
}

TEST(DropCounters, Count) {
  DropCounters counters;
  counters.Add(Drop::kReplayed);
  counters.Add(Drop::kReplayed);
  EXPECT_EQ(counters[Drop::kReplayed], 2U);
  EXPECT_EQ(counters[Drop::kBadIcv], 0U);
}

}  // namespace
}  // namespace stack
