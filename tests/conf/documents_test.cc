// conf/adit.toml says that it shows every key, and README.md that it explains every one: both lists
// are compared with what the parser asks for.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "conf/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace conf {
namespace {

using Keys = std::set<std::string>;
using testing::Contains;

Keys Known() {
  const std::vector<std::string> keys = AllKeys();
  Keys known(keys.begin(), keys.end());
  EXPECT_EQ(known.size(), keys.size());  // none is asked for twice
  return known;
}

std::string Read(const std::string& file) {
  std::ifstream in(std::string(ADIT_TEST_DATA) + "/../../" + file);
  EXPECT_TRUE(in.is_open()) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

// The keys that a document names: `table` and `key` find each in a line, as their first group. Each
// line that names a key is given to `look`, too.
template <class Look>
Keys Named(const std::string& text, const std::regex& table, const std::regex& key, Look look) {
  std::istringstream lines(text);
  Keys named;
  std::string line, prefix;
  std::smatch match;
  while (std::getline(lines, line)) {
    if (std::regex_search(line, match, table)) {
      prefix = match[1].length() == 0 ? "" : match[1].str() + ".";
    } else if (std::regex_search(line, match, key)) {
      named.insert(prefix + match[1].str());
      look(line);
    }
  }
  return named;
}

TEST(Documents, TheParserKnowsItsKeys) {
  const Keys known = Known();
  EXPECT_GT(known.size(), 50u);
  for (const char* key : {"shards", "interface.name", "pool.routes", "psk.psk_env", "log.json"}) {
    EXPECT_THAT(known, Contains(key));
  }
}

TEST(Documents, ExampleShowsEveryKeyAndNoOther) {
  const std::regex table(R"(^#?\[{1,2}(\w+)\]{1,2})"), key(R"(^#?(\w+) = )");
  EXPECT_EQ(Named(Read("conf/adit.toml"), table, key, [](const std::string&) {}), Known());
}

TEST(Documents, ReadmeExplainsEveryKeyAndNoOther) {
  const std::string text = Read("README.md");
  const size_t begin = text.find("### Reference\n");
  ASSERT_NE(begin, std::string::npos);
  const std::regex section(R"(^#### (?:At the top|`\[+(\w+)\]+`))"), row(R"(^\| `(\w+)` \|)");
  const auto well_formed = [](const std::string& line) {
    EXPECT_EQ(std::count(line.begin(), line.end(), '|'), 6) << line;
    EXPECT_TRUE(line.ends_with("| restart |") || line.ends_with("| reload |")) << line;
  };
  const std::string reference = text.substr(begin, text.find("\n## ", begin) - begin);
  EXPECT_EQ(Named(reference, section, row, well_formed), Known());
}

}  // namespace
}  // namespace conf
