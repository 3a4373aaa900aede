#include "conf/secret_text.h"

#include <cstring>
#include <utility>

namespace conf {

void ScrubMemory(void* memory, size_t size) {
  if (size != 0) explicit_bzero(memory, size);
}

SecretText::SecretText(std::string_view text) : size_(text.size()) {
  if (size_ == 0) return;
  bytes_ = std::make_unique<char[]>(size_);
  std::memcpy(bytes_.get(), text.data(), size_);
}

SecretText::SecretText(SecretText&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

SecretText& SecretText::operator=(SecretText&& other) noexcept {
  if (this == &other) return *this;
  Scrub();
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void SecretText::Scrub() { ScrubMemory(bytes_.get(), size_); }

bool operator==(const SecretText& a, const SecretText& b) {
  if (a.size_ != b.size_) return false;
  unsigned differences = 0;
  for (size_t i = 0; i < a.size_; ++i) {
    differences |= static_cast<unsigned>(a.bytes_[i] ^ b.bytes_[i]);
  }
  return differences == 0;
}

}  // namespace conf
