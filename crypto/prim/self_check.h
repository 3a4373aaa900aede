// Whether the crypto library can do what this program asks of it. A build of it without, say, MD4
// or DES is found out at start-up in plain words, and not at the first login.
#pragma once

#include "absl/status/status.h"

namespace crypto {

// Runs every algorithm of this folder once, against a known answer where there is one; some 20 ms,
// most of it for preparing the MODP groups, which later key pairs profit from. To be called first:
// once it has said OK, no other function of the folder throws for want of an algorithm or of
// entropy.
absl::Status SelfCheck();

}  // namespace crypto
