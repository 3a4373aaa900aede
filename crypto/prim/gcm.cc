// The library's mode takes whole granules in place, and the rest with the tag in a vector of its
// own kind at the end: that one is reserved once.
#include "crypto/prim/gcm.h"

#include <botan/aead.h>
#include <botan/exceptn.h>

#include <algorithm>
#include <string>
#include <utility>

namespace crypto {

struct GcmCipher::Impl {
  Impl(std::unique_ptr<Botan::AEAD_Mode> its_mode, Direction its_direction)
      : mode(std::move(its_mode)), direction(its_direction) {
    rest.reserve(mode->update_granularity() + kGcmTagSize);
  }
  // What comes before finish(): all whole granules. Gives what is left of `text`, also in `rest`.
  ByteSpan Begin(ByteView nonce, ByteView associated, ByteSpan text) {
    mode->set_associated_data(stack::AsU8(associated), associated.size());
    mode->start(stack::AsU8(nonce), nonce.size());
    const size_t whole = text.size() - text.size() % mode->update_granularity();
    if (whole != 0) mode->process(stack::AsU8(text), whole);
    const ByteSpan left = text.subspan(whole);
    rest.assign(stack::AsU8(left), stack::AsU8(left) + left.size());
    return left;
  }
  // Whether finish() was content: it throws at a wrong tag.
  bool Finish() {
    try {
      mode->finish(rest);
      return true;
    } catch (const Botan::Invalid_Authentication_Tag&) {
      return false;
    }
  }

  const std::unique_ptr<Botan::AEAD_Mode> mode;
  const Direction direction;
  Botan::secure_vector<uint8_t> rest;
};

GcmCipher::GcmCipher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GcmCipher::GcmCipher(GcmCipher&&) noexcept = default;
GcmCipher& GcmCipher::operator=(GcmCipher&&) noexcept = default;
GcmCipher::~GcmCipher() = default;

absl::StatusOr<GcmCipher> GcmCipher::Create(Direction direction, ByteView key) {
  if (!IsKeySize(CipherId::kAesGcm, key.size())) {
    return absl::InvalidArgumentError("no such key size");
  }
  auto mode = Botan::AEAD_Mode::create(
      "AES-" + std::to_string(key.size() * 8) + "/GCM",
      direction == Direction::kEncrypt ? Botan::ENCRYPTION : Botan::DECRYPTION);
  if (mode == nullptr) return absl::UnimplementedError("cipher not in the library");
  mode->set_key(stack::AsU8(key), key.size());
  return GcmCipher(std::make_unique<Impl>(std::move(mode), direction));
}

bool GcmCipher::Seal(ByteView nonce, ByteView associated, ByteSpan text, ByteSpan tag) {
  if (nonce.size() != kGcmNonceSize || tag.size() != kGcmTagSize) return false;
  if (impl_->direction != Direction::kEncrypt) return false;
  const ByteSpan left = impl_->Begin(nonce, associated, text);
  if (!impl_->Finish()) return false;
  const auto sealed = impl_->rest.begin();  // what was left, then the tag
  const auto middle = sealed + static_cast<ptrdiff_t>(left.size());
  std::copy(sealed, middle, stack::AsU8(left));
  std::copy(middle, impl_->rest.end(), stack::AsU8(tag));
  return true;
}

bool GcmCipher::Open(ByteView nonce, ByteView associated, ByteSpan text, ByteView tag) {
  if (nonce.size() != kGcmNonceSize || tag.size() != kGcmTagSize) return false;
  if (impl_->direction != Direction::kDecrypt) return false;
  const ByteSpan left = impl_->Begin(nonce, associated, text);
  impl_->rest.insert(impl_->rest.end(), stack::AsU8(tag), stack::AsU8(tag) + tag.size());
  if (!impl_->Finish()) return false;
  std::copy(impl_->rest.begin(), impl_->rest.end(), stack::AsU8(left));
  return true;
}

}  // namespace crypto
