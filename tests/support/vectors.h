// Test vectors from outside, which the project does not carry: read from the folder that
// ADIT_VECTORS names. A test that finds none says so and is reported as skipped.
#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace test {

// The folder, or "" when ADIT_VECTORS is not set or is not there.
std::string VectorsFolder();
// Whole file as text, un-gzipped if its name ends in .gz; "" if it cannot be read.
std::string ReadFile(const std::string& path);
nlohmann::json ReadJson(const std::string& path);

}  // namespace test

// Inside a TEST: ADIT_NEED_VECTORS("wycheproof/hmac_sha1_test.json.gz", path); and `path` is there.
#define ADIT_NEED_VECTORS(name, path)                                            \
  const std::string path =                                                       \
      test::VectorsFolder().empty() ? "" : test::VectorsFolder() + "/" + (name); \
  if (path.empty()) GTEST_SKIP() << "ADIT_VECTORS is not set: skipped " << (name)
