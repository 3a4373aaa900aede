// Unpredictable IVs for CBC (NIST SP 800-38A appendix C; RFC 3602 section 3): a counter encrypted
// by AES under a random key of its own. As hard to foretell as AES is to break, never twice the
// same, and a hundred times cheaper than a visit to the generator.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "crypto/prim/secret.h"
#include "stack/base/rng.h"

namespace crypto {

// One a thread serves all its SAs. What an SA shows of its IVs are values of one permutation at
// points that no other SA is given, and they say nothing about its values elsewhere: so one key for
// all is as safe as a key for each.
class IvSource {
 public:
  static constexpr size_t kBlock = 16;

  explicit IvSource(stack::Rng& rng);
  ~IvSource();

  // A block that did not come before; whoever needs a shorter IV takes its beginning. Good until
  // the next call. Does not allocate.
  ByteView Next() {
    if (next_ == drawn_.size()) Draw();
    const ByteView block = ByteView(drawn_).subspan(next_, kBlock);
    next_ += kBlock;
    return block;
  }

 private:
  void Draw();

  struct Impl;
  std::unique_ptr<Impl> impl_;
  uint64_t counter_ = 0;
  // Drawn ahead: the cipher's rounds overlap between blocks, and eight cost little more than one.
  std::array<std::byte, 16 * kBlock> drawn_;
  size_t next_ = drawn_.size();
};

}  // namespace crypto
