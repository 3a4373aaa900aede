#include "crypto/esp/sa.h"

#include <array>
#include <utility>

namespace crypto::esp {
namespace {

constexpr size_t kIvKeySize = 16;  // AES-128: the IVs need not be stronger than unpredictable

absl::Status Check(const SaParameters& parameters) {
  const Suite& suite = parameters.suite;
  if (parameters.spi.value < kMinSpi) return absl::InvalidArgumentError("reserved SPI");
  if (suite.auth == HashId::kMd5 || suite.auth == HashId::kMd4) {
    return absl::InvalidArgumentError("hash not offered for ESP");
  }
  if (!IsKeySize(suite.cipher, suite.key_octets) ||
      parameters.keys.encryption.size() != suite.key_octets) {
    return absl::InvalidArgumentError("encryption key of the wrong size");
  }
  if (parameters.keys.authentication.size() != AuthKeySize(suite)) {
    return absl::InvalidArgumentError("authentication key of the wrong size");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<InboundSa>> MakeInboundSa(SaParameters parameters) {
  if (absl::Status status = Check(parameters); !status.ok()) return status;
  const Suite& suite = parameters.suite;
  auto cipher =
      CbcCipher::Create(suite.cipher, Direction::kDecrypt, parameters.keys.encryption.view());
  if (!cipher.ok()) return cipher.status();
  return std::unique_ptr<InboundSa>(new InboundSa{
      .spi = parameters.spi,
      .suite = suite,
      .peer = parameters.peer,
      .lifetime = parameters.lifetime,
      .counters = {},
      .replay = ReplayWindow(parameters.replay_window),
      .cipher = *std::move(cipher),
      .hmac = Hmac(suite.auth, parameters.keys.authentication.view()),
  });
}

absl::StatusOr<std::unique_ptr<OutboundSa>> MakeOutboundSa(SaParameters parameters,
                                                           stack::Rng& rng) {
  if (absl::Status status = Check(parameters); !status.ok()) return status;
  const Suite& suite = parameters.suite;
  auto cipher =
      CbcCipher::Create(suite.cipher, Direction::kEncrypt, parameters.keys.encryption.view());
  if (!cipher.ok()) return cipher.status();
  Secret iv_key(kIvKeySize);
  rng.Fill(iv_key.span());
  auto iv_cipher = CbcCipher::Create(CipherId::kAesCbc, Direction::kEncrypt, iv_key.view());
  if (!iv_cipher.ok()) return iv_cipher.status();
  return std::unique_ptr<OutboundSa>(new OutboundSa{
      .spi = parameters.spi,
      .suite = suite,
      .peer = parameters.peer,
      .lifetime = parameters.lifetime,
      .counters = {},
      .sequence = 0,
      .cipher = *std::move(cipher),
      .hmac = Hmac(suite.auth, parameters.keys.authentication.view()),
      .iv_cipher = *std::move(iv_cipher),
      .iv_counter = 0,
  });
}

}  // namespace crypto::esp
