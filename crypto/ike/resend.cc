#include "crypto/ike/resend.h"

#include <utility>

#include "crypto/ike/isakmp_sa.h"

namespace crypto::ike {

uint64_t FingerprintOf(ByteView message) {
  return stack::Load64(Hash(HashId::kSha256, {message}).view().data());
}

bool LastReply::Repeats(ByteView message, const Path& path, Out& out) {
  if (!known_ || FingerprintOf(message) != request_) return false;
  if (!reply_.empty() && repeats_ < kMaxRepeats) {
    ++repeats_;
    ike::Send(reply_, path, out);
  }
  return true;
}

void LastReply::Send(const Path& path, Out& out) const { ike::Send(reply_, path, out); }

void Resend::Arm(absl::Time now, Bytes message, absl::Duration first, int tries) {
  message_ = std::move(message);
  pause_ = first;
  left_ = tries - 1;
  at_ = now + first;
}

bool Resend::OnDeadline(absl::Time now, const Path& path, Out& out) {
  if (at_ > now) return true;
  if (left_ == 0) {
    Disarm();
    return false;
  }
  --left_;
  pause_ *= 2;
  at_ = now + pause_;
  Send(message_, path, out);
  return true;
}

void Resend::Again(const Path& path, Out& out) const {
  if (armed()) Send(message_, path, out);
}

}  // namespace crypto::ike
