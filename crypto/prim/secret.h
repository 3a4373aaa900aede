// Secret: bytes nobody else may see. Owned, scrubbed before the memory is given back, compared in
// constant time, and impossible to print or to copy by accident.
//
// Every key, pre-shared key, password hash and Diffie-Hellman secret of the program lives in one.
// It allocates, so it belongs to the set-up of sessions, never to a packet's way.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>

#include "stack/base/bytes.h"

namespace crypto {

using stack::ByteSpan;
using stack::ByteView;

// Whether `a` and `b` are the same bytes, in a time that depends on their sizes alone. Unequal
// sizes are unequal; the sizes themselves are no secret.
[[nodiscard]] bool ConstantTimeEqual(ByteView a, ByteView b);

// Overwrites `bytes` with zeros in a way the compiler may not leave out.
void Scrub(ByteSpan bytes);

class Secret {
 public:
  Secret() = default;               // empty
  explicit Secret(size_t size);     // `size` zero bytes, to be filled through span()
  explicit Secret(ByteView bytes);  // a copy; the original is the caller's to scrub
  Secret(Secret&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    Clear();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { Clear(); }

  // All `parts`, one after the other.
  static Secret Concat(std::initializer_list<ByteView> parts);

  Secret Clone() const { return Secret(view()); }  // copies are made on purpose only
  void Clear();                                    // scrubs and frees now

  ByteView view() const { return {bytes_.get(), size_}; }
  ByteSpan span() { return {bytes_.get(), size_}; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  friend bool operator==(const Secret& a, const Secret& b) {
    return ConstantTimeEqual(a.view(), b.view());
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t size_ = 0;
};

}  // namespace crypto
