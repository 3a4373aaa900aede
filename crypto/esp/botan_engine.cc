#include "crypto/esp/botan_engine.h"

#include <algorithm>
#include <utility>

namespace crypto::esp {
namespace {

constexpr HashId kHashes[] = {HashId::kSha1, HashId::kSha256, HashId::kSha384, HashId::kSha512};

// GCM's nonce: the secret half, then the packet's (RFC 4106 section 4).
std::array<std::byte, kGcmNonceSize> NonceOf(const Work& work) {
  std::array<std::byte, kGcmNonceSize> nonce;
  const ByteView salt = work.keys->salt();
  std::copy(work.parts.iv.begin(), work.parts.iv.end(),
            std::copy(salt.begin(), salt.end(), nonce.begin()));
  return nonce;
}

}  // namespace

BotanEngine::BotanEngine(stack::Rng& rng)
    : Engine(rng),
      encrypt_(MakeCiphers(Direction::kEncrypt)),
      decrypt_(MakeCiphers(Direction::kDecrypt)) {
  for (const HashId hash : kHashes) hmacs_.emplace_back(hash);
}

// The library's self-check has found all of them, or the program would not have started.
BotanEngine::Ciphers BotanEngine::MakeCiphers(Direction direction) {
  Ciphers ciphers;
  ciphers.push_back(*CbcCipher::Create(CipherId::kTripleDesCbc, direction, Secret(24).view()));
  for (const size_t key : {16, 24, 32}) {
    ciphers.push_back(*CbcCipher::Create(CipherId::kAesCbc, direction, Secret(key).view()));
  }
  return ciphers;
}

CbcCipher& BotanEngine::CipherOf(Ciphers& ciphers, const Suite& suite) {
  return ciphers[suite.cipher == CipherId::kTripleDesCbc ? 0 : suite.key_octets / 8 - 1];
}

HmacFunction& BotanEngine::HmacOf(const Suite& suite) {
  const auto found = std::find(std::begin(kHashes), std::end(kHashes), *suite.auth);
  return hmacs_[static_cast<size_t>(found - std::begin(kHashes))];
}

void BotanEngine::Seal(std::span<Work> batch) {
  for (Work& work : batch) work.done = SealOne(work);
}

void BotanEngine::Open(std::span<Work> batch) {
  for (Work& work : batch) work.done = OpenOne(work);
}

bool BotanEngine::SealOne(const Work& work) {
  const Parts& parts = work.parts;
  const SaKeys& keys = *work.keys;
  if (IsGcm(*work.suite)) {
    return keys.gcm() != nullptr &&
           keys.gcm()->Seal(NonceOf(work), parts.header, parts.ciphered, parts.icv);
  }
  CbcCipher& cipher = CipherOf(encrypt_, *work.suite);
  if (!cipher.Rekey(keys.cipher()) || !cipher.Process(parts.iv, parts.ciphered)) return false;
  HmacOf(*work.suite).Sign(keys.auth(), parts.authenticated, parts.icv);
  return true;
}

bool BotanEngine::OpenOne(const Work& work) {
  const Parts& parts = work.parts;
  const SaKeys& keys = *work.keys;
  if (work.clear.data() != parts.ciphered.data()) {
    std::copy(parts.ciphered.begin(), parts.ciphered.end(), work.clear.begin());
  }
  if (IsGcm(*work.suite)) {
    return keys.gcm() != nullptr &&
           keys.gcm()->Open(NonceOf(work), parts.header, work.clear, parts.icv);
  }
  if (!HmacOf(*work.suite).Verify(keys.auth(), parts.authenticated, parts.icv)) return false;
  CbcCipher& cipher = CipherOf(decrypt_, *work.suite);
  return cipher.Rekey(keys.cipher()) && cipher.Process(parts.iv, work.clear);
}

}  // namespace crypto::esp
