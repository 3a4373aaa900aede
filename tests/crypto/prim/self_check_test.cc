#include "crypto/prim/self_check.h"

#include <gtest/gtest.h>

namespace crypto {
namespace {

// Its answers come from the RFCs and from other implementations, so this is one more check of them
// all.
TEST(SelfCheck, FindsTheLibraryComplete) { EXPECT_EQ(SelfCheck(), absl::OkStatus()); }

}  // namespace
}  // namespace crypto
