// Against loss: a responder repeats its stored answer when the same request comes again, and the
// one who waits for an answer repeats the question with growing pauses. RFC 2408 section 5.1.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "crypto/ike/event.h"
#include "crypto/prim/hash.h"

namespace crypto::ike {

// 64 bits of SHA-256: tells a repeated message from another one.
uint64_t FingerprintOf(ByteView message);

// The answer to the last request. Answered again, octet for octet, at most kMaxRepeats times, to
// wherever the repetition came from; so an overheard request is worth three more answers and no
// more.
class LastReply {
 public:
  static constexpr int kMaxRepeats = 3;

  // The request now worked on, whose answer comes later or never.
  void Expect(ByteView request) { *this = LastReply(FingerprintOf(request)); }
  void Answer(Bytes reply) { reply_ = std::move(reply); }
  void Send(const Path& path, Out& out) const;  // the answer, for the first time
  void Forget() { *this = LastReply(); }
  // Whether `message` is that request again; then the answer, if there is one, is sent.
  bool Repeats(ByteView message, const Path& path, Out& out);

  LastReply() = default;

 private:
  explicit LastReply(uint64_t request) : request_(request), known_(true) {}
  uint64_t request_ = 0;
  bool known_ = false;
  int repeats_ = 0;
  Bytes reply_;
};

// A question that is repeated until its answer comes: after `first`, then after twice as long each
// time, `tries` times in all.
class Resend {
 public:
  void Arm(absl::Time now, Bytes message, absl::Duration first, int tries);
  void Disarm() { *this = Resend(); }
  absl::Time Next() const { return at_; }
  // When due: sends again by `path`, or gives false because all tries are used up.
  bool OnDeadline(absl::Time now, const Path& path, Out& out);
  // Sends again by `path`, out of turn.
  void Again(const Path& path, Out& out) const;
  bool armed() const { return !message_.empty(); }

 private:
  Bytes message_;
  absl::Duration pause_;
  int left_ = 0;
  absl::Time at_ = absl::InfiniteFuture();
};

}  // namespace crypto::ike
