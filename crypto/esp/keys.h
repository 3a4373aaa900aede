// The keys of one SA in one direction, as engines take them: as they are, and, if the engine wants
// that, expanded ahead. An SA holds them and not an engine, so that it can go to another thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "crypto/esp/suite.h"
#include "crypto/prim/cipher.h"
#include "crypto/prim/gcm.h"
#include "crypto/prim/secret.h"

namespace crypto::esp {

class Engine;

class SaKeys {
 public:
  // InvalidArgument if there is no such suite or a key has another size than it says. Made for
  // engines of `engine`'s kind, on whatever thread.
  static absl::StatusOr<SaKeys> Create(const Suite& suite, const Keys& keys, Direction direction,
                                       const Engine& engine);

  ByteView cipher() const { return octets_.view().subspan(cipher_at_, cipher_size_); }
  ByteView salt() const { return octets_.view().subspan(cipher_at_ + cipher_size_, salt_size_); }
  ByteView auth() const { return octets_.view().subspan(cipher_at_ + cipher_size_ + salt_size_); }
  // Laid out by the engine; empty if it wants none.
  ByteView schedule() const { return octets_.view().first(cipher_at_); }
  // For engines without a schedule, AES-GCM only; else null.
  GcmCipher* gcm() const { return gcm_.get(); }

 private:
  SaKeys(const Suite& suite, const Keys& keys, size_t schedule_size);

  Secret octets_;  // schedule, cipher's key, salt, HMAC's key: one allocation, aligned for all
  std::unique_ptr<GcmCipher> gcm_;
  uint16_t cipher_at_;
  uint8_t cipher_size_, salt_size_;
};

}  // namespace crypto::esp
