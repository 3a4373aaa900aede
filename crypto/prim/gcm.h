// AES in Galois/Counter Mode (NIST SP 800-38D; for ESP RFC 4106): encryption and integrity in one,
// in place, with nonces of 12 octets and tags of 16.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "crypto/prim/cipher.h"
#include "crypto/prim/secret.h"

namespace crypto {

inline constexpr size_t kGcmNonceSize = 12;
inline constexpr size_t kGcmTagSize = 16;

// One key in one direction; used for any number of messages by one thread at a time.
class GcmCipher {
 public:
  // InvalidArgument if `key` has not 16, 24 or 32 octets. kEncrypt makes one that seals, kDecrypt
  // one that opens.
  static absl::StatusOr<GcmCipher> Create(Direction direction, ByteView key);
  GcmCipher(GcmCipher&&) noexcept;
  GcmCipher& operator=(GcmCipher&&) noexcept;
  ~GcmCipher();

  // Both work on `text` of any size, zero included, in place; nothing may overlap it. The tag
  // covers `associated` as well. False, and nothing done, if `nonce` or `tag` has another size than
  // above, or the object was made for the other direction. Neither allocates for a genuine message.
  //
  // Whoever seals two messages with one nonce gives both texts away, and the means to forge more:
  // the nonce is a counter's value, never a random one.
  [[nodiscard]] bool Seal(ByteView nonce, ByteView associated, ByteSpan text, ByteSpan tag);
  // False also if the tag is wrong, found in constant time; `text` then holds rubbish, and the
  // object is as good as before.
  [[nodiscard]] bool Open(ByteView nonce, ByteView associated, ByteSpan text, ByteView tag);

 private:
  struct Impl;
  explicit GcmCipher(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace crypto
