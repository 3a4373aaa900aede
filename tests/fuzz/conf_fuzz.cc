// A configuration file of any content: it loads, or says why not, and every issue can be printed.
#include <cstdint>
#include <cstdlib>

#include "conf/load.h"
#include "stack/base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const conf::Loaded loaded = conf::Load(stack::AsText(stack::AsBytes(data, size)), "fuzz.toml");
  if (loaded.ok() != !conf::HasError(loaded.issues)) std::abort();
  if (loaded.issues.empty() != loaded.Text().empty()) std::abort();
  return 0;
}
