#include "crypto/prim/iv_source.h"

#include <botan/block_cipher.h>

namespace crypto {
namespace {

constexpr size_t kKeySize = 16;  // AES-128: the IVs need not be stronger than unpredictable

}  // namespace

struct IvSource::Impl {
  std::unique_ptr<Botan::BlockCipher> cipher;
};

IvSource::IvSource(stack::Rng& rng)
    : impl_(new Impl{Botan::BlockCipher::create_or_throw("AES-128")}) {
  Secret key(kKeySize);
  rng.Fill(key.span());
  impl_->cipher->set_key(stack::AsU8(key.view()), key.size());
}

IvSource::~IvSource() { Scrub(drawn_); }

void IvSource::Draw() {
  drawn_.fill(std::byte{0});
  for (size_t at = 0; at < drawn_.size(); at += kBlock) {
    stack::Store64(drawn_.data() + at, counter_++);
  }
  uint8_t* const blocks = stack::AsU8(ByteSpan(drawn_));
  impl_->cipher->encrypt_n(blocks, blocks, drawn_.size() / kBlock);
  next_ = 0;
}

}  // namespace crypto
