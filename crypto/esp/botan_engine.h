// The engine that is always there: packets one after the other through crypto/prim.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "crypto/esp/engine.h"
#include "crypto/prim/cipher.h"
#include "crypto/prim/mac.h"

namespace crypto::esp {

// Holds one object of every algorithm and hands it the keys of each packet's SA; a packet of the
// same SA as the one before finds them in place. Only GCM's own objects are the SAs' (keys.h): the
// library allocates when it gives one another key. Each object remembers the last key it was given
// until it gets another one, or the engine ends.
class BotanEngine final : public Engine {
 public:
  explicit BotanEngine(stack::Rng& rng);

  EngineId id() const override { return EngineId::kBotan; }
  void Seal(std::span<Work> batch) override;
  void Open(std::span<Work> batch) override;
  size_t ScheduleSize(const Suite&) const override { return 0; }
  void Expand(const Suite&, const SaKeys&, Direction, ByteSpan) const override {}

  // One packet: also for an engine that is better at many.
  bool SealOne(const Work& work);
  bool OpenOne(const Work& work);

 private:
  // 3DES, AES-128, -192, -256.
  using Ciphers = std::vector<CbcCipher>;
  static Ciphers MakeCiphers(Direction direction);
  static CbcCipher& CipherOf(Ciphers& ciphers, const Suite& suite);
  HmacFunction& HmacOf(const Suite& suite);

  Ciphers encrypt_, decrypt_;
  std::vector<HmacFunction> hmacs_;  // SHA-1, -256, -384, -512
};

}  // namespace crypto::esp
