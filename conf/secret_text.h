// A secret as it came out of the configuration file: a pre-shared key, a password.
//
// The bytes live in one heap block that is overwritten when the value dies. It can be moved, and
// copied only by name; it is never printed: there is no operator<<, and Reveal() is easy to grep
// for.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace conf {

class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string_view text);
  SecretText(SecretText&& other) noexcept;
  SecretText& operator=(SecretText&& other) noexcept;
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { Scrub(); }

  SecretText Copy() const { return SecretText(Reveal()); }
  // The secret itself: borrowed, good as long as this object. Never to be logged.
  std::string_view Reveal() const { return {bytes_.get(), size_}; }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  // Constant time for equal lengths: a reload compares secrets.
  friend bool operator==(const SecretText& a, const SecretText& b);

 private:
  void Scrub();

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
};

// Overwrites `size` bytes at `memory` in a way the compiler may not leave out.
void ScrubMemory(void* memory, size_t size);

}  // namespace conf
