#include "crypto/esp/engine.h"

#include "crypto/esp/botan_engine.h"
#include "crypto/esp/ipsec_mb_engine.h"

namespace crypto::esp {

std::string_view NameOf(EngineId id) { return id == EngineId::kBotan ? "botan" : "ipsec-mb"; }

Parts CutUp(const Suite& suite, ByteSpan packet) {
  const size_t iv = IvSize(suite), icv = IcvSize(suite);
  const size_t before = kHeaderSize + iv;
  return {.header = packet.first(kHeaderSize),
          .iv = packet.subspan(kHeaderSize, iv),
          .ciphered = packet.subspan(before, packet.size() - before - icv),
          .icv = packet.last(icv),
          .authenticated = packet.first(packet.size() - icv)};
}

absl::Status CheckEngine(EngineId id) {
  return id == EngineId::kIpsecMb ? CheckIpsecMb() : absl::OkStatus();
}

std::unique_ptr<Engine> MakeEngine(EngineId id, stack::Rng& rng) {
  if (id == EngineId::kIpsecMb && CheckIpsecMb().ok()) return MakeIpsecMbEngine(rng);
  return std::make_unique<BotanEngine>(rng);
}

}  // namespace crypto::esp
