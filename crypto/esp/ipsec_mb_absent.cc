// A build without the multi-buffer library.
#include "crypto/esp/botan_engine.h"
#include "crypto/esp/ipsec_mb_engine.h"

namespace crypto::esp {

absl::Status CheckIpsecMb() {
  return absl::UnimplementedError("adit was built without libipsec-mb");
}

std::unique_ptr<Engine> MakeIpsecMbEngine(stack::Rng& rng) {
  return std::make_unique<BotanEngine>(rng);
}

}  // namespace crypto::esp
