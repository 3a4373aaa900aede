// What IKE agreed on, in ESP's words: the one place where the vocabularies of the two meet.
#pragma once

#include <optional>

#include "crypto/esp/suite.h"
#include "crypto/ike/suite.h"

namespace gateway {

// `suite` as IKE chose it: one that crypto::ike::KeySizesOf knows, whose sizes are then those of
// the result. Anything else gives a suite of which no SA can be made.
inline crypto::esp::Suite EspSuiteOf(const crypto::ike::EspSuite& suite) {
  using crypto::CipherId;
  using crypto::HashId;
  using crypto::ike::EspAuth;
  using crypto::ike::EspCipher;
  switch (suite.cipher) {
    case EspCipher::kAesGcm16:
      return {CipherId::kAesGcm, suite.key_bits / 8U, std::nullopt};
    case EspCipher::kTripleDes:
    case EspCipher::kAesCbc:
      break;
    default:
      return {CipherId::kAesCbc, 0, std::nullopt};
  }
  const bool is_aes = suite.cipher == EspCipher::kAesCbc;
  crypto::esp::Suite to{is_aes ? CipherId::kAesCbc : CipherId::kTripleDesCbc,
                        is_aes ? suite.key_bits / 8U : 24U, std::nullopt};
  if (suite.auth == EspAuth::kHmacSha1) to.auth = HashId::kSha1;
  if (suite.auth == EspAuth::kHmacSha2_256) to.auth = HashId::kSha256;
  if (suite.auth == EspAuth::kHmacSha2_384) to.auth = HashId::kSha384;
  if (suite.auth == EspAuth::kHmacSha2_512) to.auth = HashId::kSha512;
  return to;
}

}  // namespace gateway
