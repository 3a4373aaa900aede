#include "crypto/esp/transform.h"

#include <algorithm>
#include <utility>

namespace crypto::esp {
namespace {

constexpr size_t kIvKeySize = 16;  // AES-128: the IVs need not be stronger than unpredictable
constexpr std::array<std::byte, kMaxBlockSize> kZeroIv{};

absl::Status Check(const Suite& suite, const Keys& keys) {
  if (IsGcm(suite) == suite.auth.has_value()) {
    return absl::InvalidArgumentError("a cipher goes with an HMAC, and GCM with none");
  }
  if (suite.auth == HashId::kMd5 || suite.auth == HashId::kMd4) {
    return absl::InvalidArgumentError("hash not offered for ESP");
  }
  if (!IsKeySize(suite.cipher, suite.key_octets) ||
      keys.encryption.size() != CipherKeySize(suite)) {
    return absl::InvalidArgumentError("encryption key of the wrong size");
  }
  if (keys.authentication.size() != AuthKeySize(suite)) {
    return absl::InvalidArgumentError("authentication key of the wrong size");
  }
  return absl::OkStatus();
}

ByteView GcmKeyOf(const Suite& suite, const Keys& keys) {
  return keys.encryption.view().first(suite.key_octets);
}
Salt SaltOf(const Keys& keys) { return Salt(keys.encryption.view().last(kGcmSaltSize)); }

}  // namespace

Parts CutUp(const Suite& suite, ByteSpan packet) {
  const size_t iv = IvSize(suite), icv = IcvSize(suite);
  const size_t before = kHeaderSize + iv;
  return {.header = packet.first(kHeaderSize),
          .iv = packet.subspan(kHeaderSize, iv),
          .ciphered = packet.subspan(before, packet.size() - before - icv),
          .icv = packet.last(icv),
          .authenticated = packet.first(packet.size() - icv)};
}

Salt::Salt(ByteView keymat_end) {
  std::copy_n(keymat_end.begin(), octets_.size(), octets_.begin());
}

std::array<std::byte, kGcmNonceSize> Salt::NonceOf(ByteView iv) const {
  std::array<std::byte, kGcmNonceSize> nonce;
  const auto behind = std::copy(octets_.begin(), octets_.end(), nonce.begin());
  std::copy_n(iv.begin(), kGcmIvSize, behind);
  return nonce;
}

// ---- Inbound ----------------------------------------------------------------------------------

absl::StatusOr<InboundTransform> InboundTransform::Create(const Suite& suite, const Keys& keys) {
  if (absl::Status status = Check(suite, keys); !status.ok()) return status;
  if (IsGcm(suite)) {
    auto cipher = GcmCipher::Create(Direction::kDecrypt, GcmKeyOf(suite, keys));
    if (!cipher.ok()) return cipher.status();
    return InboundTransform(Gcm{*std::move(cipher), SaltOf(keys)});
  }
  auto cipher = CbcCipher::Create(suite.cipher, Direction::kDecrypt, keys.encryption.view());
  if (!cipher.ok()) return cipher.status();
  return InboundTransform(
      CbcHmac{*std::move(cipher), HmacKey(*suite.auth, keys.authentication.view())});
}

bool InboundTransform::Open(const Parts& parts) {
  return std::visit([&parts](auto& keyed) { return keyed.Open(parts); }, keyed_);
}

bool InboundTransform::CbcHmac::Open(const Parts& parts) {
  return hmac.Verify(parts.authenticated, parts.icv) && cipher.Process(parts.iv, parts.ciphered);
}

bool InboundTransform::Gcm::Open(const Parts& parts) {
  return cipher.Open(salt.NonceOf(parts.iv), parts.header, parts.ciphered, parts.icv);
}

// ---- Outbound ---------------------------------------------------------------------------------

absl::StatusOr<OutboundTransform> OutboundTransform::Create(const Suite& suite, const Keys& keys,
                                                            stack::Rng& rng) {
  if (absl::Status status = Check(suite, keys); !status.ok()) return status;
  if (IsGcm(suite)) {
    auto cipher = GcmCipher::Create(Direction::kEncrypt, GcmKeyOf(suite, keys));
    if (!cipher.ok()) return cipher.status();
    return OutboundTransform(Gcm{*std::move(cipher), SaltOf(keys)});
  }
  auto cipher = CbcCipher::Create(suite.cipher, Direction::kEncrypt, keys.encryption.view());
  if (!cipher.ok()) return cipher.status();
  Secret iv_key(kIvKeySize);
  rng.Fill(iv_key.span());
  auto iv_cipher = CbcCipher::Create(CipherId::kAesCbc, Direction::kEncrypt, iv_key.view());
  if (!iv_cipher.ok()) return iv_cipher.status();
  return OutboundTransform(CbcHmac{
      *std::move(cipher), HmacKey(*suite.auth, keys.authentication.view()), *std::move(iv_cipher)});
}

bool OutboundTransform::Seal(const Parts& parts) {
  const uint64_t counter = counter_++;
  return std::visit([&](auto& keyed) { return keyed.Seal(parts, counter); }, keyed_);
}

// One AES block of the counter; shorter IVs take its beginning.
bool OutboundTransform::CbcHmac::Seal(const Parts& parts, uint64_t counter) {
  std::array<std::byte, kMaxBlockSize> block{};
  stack::Store64(block.data(), counter);
  if (!iv_cipher.Process(kZeroIv, block)) return false;
  std::copy_n(block.begin(), parts.iv.size(), parts.iv.begin());
  if (!cipher.Process(parts.iv, parts.ciphered)) return false;
  hmac.Sign(parts.authenticated, parts.icv);
  return true;
}

bool OutboundTransform::Gcm::Seal(const Parts& parts, uint64_t counter) {
  stack::Store64(parts.iv.data(), counter);
  return cipher.Seal(salt.NonceOf(parts.iv), parts.header, parts.ciphered, parts.icv);
}

}  // namespace crypto::esp
