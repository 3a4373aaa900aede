// HMAC (RFC 2104) over the hashes of hash.h: the prf of IKE, and the integrity half of ESP.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>

#include "crypto/prim/hash.h"
#include "crypto/prim/secret.h"

namespace crypto {

// One key, many messages. The key is set up once (its two padded blocks are hashed ahead);
// Update, Final and Verify do not allocate. One thread at a time.
class Hmac {
 public:
  // Any key length, zero included; keys longer than the hash's block are hashed first (RFC 2104).
  Hmac(HashId id, ByteView key);
  Hmac(Hmac&&) noexcept;
  Hmac& operator=(Hmac&&) noexcept;
  ~Hmac();

  void Update(ByteView bytes);
  // Ends the message and begins the next one. Writes the leftmost out.size() octets, as
  // HMAC-SHA1-96 and its kin want; what is beyond size() in a longer `out` stays as it was.
  void Final(ByteSpan out);
  // Ends the message and begins the next one. Whether `tag`, 1 to size() octets, is the leftmost
  // part of the HMAC; in constant time. An empty or too long tag is never right.
  [[nodiscard]] bool Verify(ByteView tag);

  size_t size() const { return size_; }  // octets of the untruncated HMAC

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  size_t size_;
};

// The same for keys that are many and messages that lie whole: those of all ESP SAs of a thread.
// Holds a hash and no key; every message comes with its own. Does not allocate, but for keys that
// are longer than the hash's block. One thread at a time.
class HmacFunction {
 public:
  explicit HmacFunction(HashId id);
  HmacFunction(HmacFunction&&) noexcept;
  HmacFunction& operator=(HmacFunction&&) noexcept;
  ~HmacFunction();

  // Writes the leftmost tag.size() octets, at most HashSize(id), of the HMAC of `message`, which
  // may not overlap `tag`. Any key length, as above.
  void Sign(ByteView key, ByteView message, ByteSpan tag);
  // Whether `tag`, 1 to HashSize(id) octets, is the leftmost part of it; in constant time.
  [[nodiscard]] bool Verify(ByteView key, ByteView message, ByteView tag);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// HMAC of all `parts`, one after the other, in one shot.
Secret HmacOf(HashId id, ByteView key, std::initializer_list<ByteView> parts);

}  // namespace crypto
