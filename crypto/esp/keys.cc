#include "crypto/esp/keys.h"

#include <algorithm>
#include <utility>

#include "crypto/esp/engine.h"

namespace crypto::esp {
namespace {

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

}  // namespace

SaKeys::SaKeys(const Suite& suite, const Keys& keys, size_t schedule_size)
    : octets_(schedule_size + keys.encryption.size() + keys.authentication.size()),
      cipher_at_(static_cast<uint16_t>(schedule_size)),
      cipher_size_(static_cast<uint8_t>(suite.key_octets)),
      salt_size_(static_cast<uint8_t>(keys.encryption.size() - suite.key_octets)) {
  stack::Writer out(octets_.span().subspan(schedule_size));
  out.Put(keys.encryption.view());
  out.Put(keys.authentication.view());
}

absl::StatusOr<SaKeys> SaKeys::Create(const Suite& suite, const Keys& keys, Direction direction,
                                      const Engine& engine) {
  if (absl::Status status = Check(suite, keys); !status.ok()) return status;
  SaKeys made(suite, keys, engine.ScheduleSize(suite));
  if (made.cipher_at_ != 0) {
    engine.Expand(suite, made, direction, made.octets_.span().first(made.cipher_at_));
  } else if (IsGcm(suite)) {
    auto cipher = GcmCipher::Create(direction, made.cipher());
    if (!cipher.ok()) return cipher.status();
    made.gcm_ = std::make_unique<GcmCipher>(*std::move(cipher));
  }
  return made;
}

}  // namespace crypto::esp
