// The engine on Intel's multi-buffer library (Debian's libipsec-mb): ipsec_mb_engine.cc, or
// ipsec_mb_absent.cc in a build without it.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "crypto/esp/engine.h"
#include "stack/base/rng.h"

namespace crypto::esp {

// OK, or why this build or this CPU cannot have it.
absl::Status CheckIpsecMb();
// Only if CheckIpsecMb() is OK.
std::unique_ptr<Engine> MakeIpsecMbEngine(stack::Rng& rng);

}  // namespace crypto::esp
