// Block ciphers in CBC mode (NIST SP 800-38A; for ESP RFC 3602 and RFC 2451), in place over whole
// blocks. Padding belongs to the protocol: ESP and IKE pad differently.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "crypto/prim/secret.h"

namespace crypto {

enum class CipherId : uint8_t {
  kAesCbc,        // key of 16, 24 or 32 octets, blocks of 16
  kTripleDesCbc,  // key of 24 octets, blocks of 8
  kAesGcm,        // keys and blocks as AES; no CBC: gcm.h
};

enum class Direction : uint8_t { kEncrypt, kDecrypt };

inline constexpr size_t kMaxBlockSize = 16;

// Octets of a block, which is also the size of CBC's IV.
constexpr size_t BlockSize(CipherId id) { return id == CipherId::kTripleDesCbc ? 8 : 16; }

// Whether `octets` is a key size the cipher knows.
constexpr bool IsKeySize(CipherId id, size_t octets) {
  if (id == CipherId::kTripleDesCbc) return octets == 24;
  return octets == 16 || octets == 24 || octets == 32;
}

// One key in one direction; used for any number of messages by one thread at a time.
class CbcCipher {
 public:
  // InvalidArgument if the key has a size the cipher does not know, or the cipher is not one of
  // CBC.
  static absl::StatusOr<CbcCipher> Create(CipherId id, Direction direction, ByteView key);
  CbcCipher(CbcCipher&&) noexcept;
  CbcCipher& operator=(CbcCipher&&) noexcept;
  ~CbcCipher();

  // Encrypts or decrypts `blocks` in place; does not allocate. `iv` may not overlap `blocks`.
  // False, and nothing done, if `iv` is not one block or `blocks` is not whole blocks. IKE's next
  // IV is the last block of ciphertext: of `blocks` afterwards when encrypting, before the call
  // when decrypting.
  [[nodiscard]] bool Process(ByteView iv, ByteSpan blocks);

  // From now on `key`. Costs next to nothing if that is the key already, and does not allocate; so
  // one object serves the many keys of a thread, packet by packet. False, and nothing done, if
  // `key` is not of the size that this object was made with.
  [[nodiscard]] bool Rekey(ByteView key);

  size_t block_size() const { return block_size_; }

 private:
  struct Impl;
  CbcCipher(std::unique_ptr<Impl> impl, size_t block_size, Direction direction);

  std::unique_ptr<Impl> impl_;
  size_t block_size_;
  Direction direction_;
};

}  // namespace crypto
