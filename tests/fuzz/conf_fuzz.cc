// A configuration file of any content: it loads, or says why not, and every issue can be printed.
// The files and variables that it names are there, whatever their names are.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "conf/load.h"
#include "stack/base/bytes.h"

namespace {

class AnySource : public conf::Sources {
 public:
  absl::StatusOr<File> ReadFile(const std::string& path, size_t) const override {
    if (path.size() % 2 == 0) return absl::NotFoundError("No such file or directory");
    return File{conf::SecretText("bob * builder 10.99.0.20\nalice * wonderland\n"), 0644};
  }
  std::optional<conf::SecretText> Variable(const std::string& name) const override {
    if (name.size() % 2 == 0) return std::nullopt;
    return conf::SecretText("from the environment");
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const conf::Loaded loaded =
      conf::Load(stack::AsText(stack::AsBytes(data, size)), "fuzz.toml", AnySource());
  if (loaded.ok() != !conf::HasError(loaded.issues)) std::abort();
  if (loaded.issues.empty() != loaded.Text().empty()) std::abort();
  return 0;
}
