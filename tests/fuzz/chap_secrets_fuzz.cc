// A file of pppd's secrets of any content: every user that comes out of it is one that a
// configuration could have, and has its line.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "conf/chap_secrets.h"
#include "conf/parse.h"
#include "conf/values.h"
#include "stack/base/bytes.h"

namespace {

bool IsGood(const conf::User& user) {
  std::string name;
  return conf::ReadLine(user.name, 253, name).empty() && !user.password.empty() &&
         user.password.size() <= conf::kMaxSecret &&
         (!user.address || conf::IsHostAddress(*user.address));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMaxUsers = 100;
  const std::string_view text = stack::AsText(stack::AsBytes(data, size));
  const conf::ChapSecrets read = conf::ReadChapSecrets(text, "chap-secrets", kMaxUsers);
  if (read.users.size() > kMaxUsers || read.lines.size() != read.users.size()) std::abort();
  if (!std::ranges::all_of(read.users, IsGood)) std::abort();
  if (std::ranges::adjacent_find(read.lines, std::ranges::greater_equal()) != read.lines.end()) {
    std::abort();  // one user a line
  }
  if (!conf::TextOf(read.issues, "f").empty() == read.issues.empty()) std::abort();
  return 0;
}
