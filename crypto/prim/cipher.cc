// CBC on the bare block cipher: the library's own mode object costs a tenth more per packet,
// because it keeps its state on the heap and walks through two more virtual calls.
#include "crypto/prim/cipher.h"

#include <botan/block_cipher.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace crypto {
namespace {

std::string NameOf(CipherId id, size_t key_octets) {
  if (id == CipherId::kTripleDesCbc) return "TripleDES";
  return "AES-" + std::to_string(key_octets * 8);
}

// block ^= mask, eight octets at a time: every block is a multiple of that.
void Xor(std::byte* block, const std::byte* mask, size_t octets) {
  for (size_t i = 0; i < octets; i += 8) {
    uint64_t a, b;
    std::memcpy(&a, block + i, 8);
    std::memcpy(&b, mask + i, 8);
    a ^= b;
    std::memcpy(block + i, &a, 8);
  }
}

void Encrypt(const Botan::BlockCipher& cipher, size_t block_size, ByteView iv, ByteSpan blocks) {
  const std::byte* before = iv.data();
  std::byte* const end = blocks.data() + blocks.size();
  for (std::byte* block = blocks.data(); block != end; block += block_size) {
    Xor(block, before, block_size);
    uint8_t* const octets = reinterpret_cast<uint8_t*>(block);
    cipher.encrypt_n(octets, octets, 1);
    before = block;
  }
}

// Blocks decrypt independently, so they go to the cipher many at once; what was in front of each is
// kept aside, since its place is overwritten before it is needed.
void Decrypt(const Botan::BlockCipher& cipher, size_t block_size, ByteView iv, ByteSpan blocks) {
  constexpr size_t kChunk = 1024;
  std::array<std::byte, kMaxBlockSize + kChunk> before;
  std::memcpy(before.data(), iv.data(), block_size);
  while (!blocks.empty()) {
    const ByteSpan chunk = blocks.first(std::min(kChunk, blocks.size()));
    std::memcpy(before.data() + block_size, chunk.data(), chunk.size());
    cipher.decrypt_n(stack::AsU8(chunk), stack::AsU8(chunk), chunk.size() / block_size);
    Xor(chunk.data(), before.data(), chunk.size());
    std::memcpy(before.data(), before.data() + chunk.size(), block_size);
    blocks = blocks.subspan(chunk.size());
  }
}

}  // namespace

struct CbcCipher::Impl {
  std::unique_ptr<Botan::BlockCipher> cipher;
  Secret key;  // that the cipher works under
};

CbcCipher::CbcCipher(std::unique_ptr<Impl> impl, size_t block_size, Direction direction)
    : impl_(std::move(impl)), block_size_(block_size), direction_(direction) {}
CbcCipher::CbcCipher(CbcCipher&&) noexcept = default;
CbcCipher& CbcCipher::operator=(CbcCipher&&) noexcept = default;
CbcCipher::~CbcCipher() = default;

absl::StatusOr<CbcCipher> CbcCipher::Create(CipherId id, Direction direction, ByteView key) {
  if (id == CipherId::kAesGcm) return absl::InvalidArgumentError("not a cipher of CBC");
  if (!IsKeySize(id, key.size())) return absl::InvalidArgumentError("no such key size");
  auto cipher = Botan::BlockCipher::create(NameOf(id, key.size()));
  if (cipher == nullptr) return absl::UnimplementedError("cipher not in the library");
  cipher->set_key(stack::AsU8(key), key.size());
  return CbcCipher(std::make_unique<Impl>(Impl{std::move(cipher), Secret(key)}), BlockSize(id),
                   direction);
}

bool CbcCipher::Rekey(ByteView key) {
  if (key.size() != impl_->key.size()) return false;
  if (ConstantTimeEqual(key, impl_->key.view())) return true;
  std::copy(key.begin(), key.end(), impl_->key.span().begin());
  impl_->cipher->set_key(stack::AsU8(key), key.size());
  return true;
}

bool CbcCipher::Process(ByteView iv, ByteSpan blocks) {
  if (iv.size() != block_size_ || blocks.size() % block_size_ != 0) return false;
  if (direction_ == Direction::kEncrypt) {
    Encrypt(*impl_->cipher, block_size_, iv, blocks);
  } else {
    Decrypt(*impl_->cipher, block_size_, iv, blocks);
  }
  return true;
}

}  // namespace crypto
