// CHAP (RFC 1994 section 4) with MS-CHAPv2 (RFC 2759) or MD5: carries challenge, answer and result,
// and repeats them when they get lost. Neither half knows a password or computes a hash: the link
// asks. PAP stands beside it in pap.h; LCP has agreed on one of them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "stack/base/rng.h"
#include "stack/ppp/auth.h"
#include "stack/ppp/event.h"
#include "stack/wire/ppp.h"

namespace stack::ppp {

// The authenticator. One challenge, one answer that counts, one result, which is said again as
// often as the same answer comes (RFC 1994 section 4.2: a Success may get lost).
class ChapAuthenticator {
 public:
  explicit ChapAuthenticator(const Timing& timing) : timing_(timing) {}

  // Sends a fresh challenge, whatever went before. `algorithm` is not PAP.
  void Begin(absl::Time now, AuthProtocol algorithm, std::string_view name, Rng& rng, Sink& sink);
  // Forgets everything; nothing is repeated any more.
  void Reset();
  // The link goes down: no more challenges, but a result that was told is still repeated.
  void Stop();

  // The claim to be verified, if this packet brings it. Everything else is repeated or dropped.
  std::optional<Claim> OnPacket(const wire::PppControl& packet, Sink& sink);

  // The result of the claim handed out. For MS-CHAPv2 texts as RFC 2759 sections 5 and 6 have them.
  void Succeed(std::string_view message, Sink& sink);
  void Fail(std::string_view message, Sink& sink);

  // True once, when the last repetition of the challenge stayed without an answer.
  bool OnDeadline(absl::Time now, Sink& sink);
  absl::Time NextDeadline() const { return repeat_at_; }

 private:
  enum class State : uint8_t { kIdle, kChallenged, kVerifying, kDone };

  void SendChallenge(absl::Time now, Sink& sink);
  std::optional<Proof> ProofIn(ByteView value) const;
  void RepeatResult(const wire::PppControl& packet, Sink& sink);
  void SetResult(wire::ChapCode result, std::string_view message, Sink& sink);

  Timing timing_;
  AuthProtocol algorithm_ = AuthProtocol::kMsChapV2;
  State state_ = State::kIdle;
  uint8_t id_ = 0;
  int left_ = 0;  // repetitions of the challenge
  absl::Time repeat_at_ = absl::InfiniteFuture();
  ChapChallenge challenge_{};
  std::string name_;
  wire::ChapCode result_ = wire::ChapCode::kFailure;
  std::string message_;
};

// "E=691 R=0 C=<32 hex> V=3 M=<text>", MS-CHAPv2's. The challenge is asked for by the format alone:
// no retry is offered (R=0), for it would let a guesser try on without dialling in again, and hold
// the login open while somebody types.
std::string FailureMessage(uint16_t error, const ChapChallenge& challenge, std::string_view text);

// The peer: answers a challenge, repeats the answer until there is a result.
class ChapPeer {
 public:
  ChapPeer(std::string_view name, const Timing& timing)
      : timing_(timing), name_(name.substr(0, 255)) {}

  void Reset();

  struct Challenge {
    uint8_t id;
    Bytes value;  // of MS-CHAPv2 16 octets, of MD5 1 to 255
    std::string server;
  };
  // A challenge not seen before. One already answered gets the same answer again.
  std::optional<Challenge> OnChallenge(absl::Time now, AuthProtocol algorithm,
                                       const wire::PppControl& packet, Sink& sink);
  // The value that answers the last challenge, at most kMaxValue octets.
  void Respond(absl::Time now, ByteView value, Sink& sink);
  static constexpr size_t kMaxValue = wire::MsChapV2Response::kSize;

  struct Result {
    bool success;
    std::string message;
  };
  // The result of our answer, once; empty for anything else.
  std::optional<Result> OnResult(const wire::PppControl& packet, Sink& sink);

  // True once, when the last repetition of the answer stayed without a result.
  bool OnDeadline(absl::Time now, Sink& sink);
  absl::Time NextDeadline() const { return repeat_at_; }

 private:
  enum class State : uint8_t { kIdle, kAsked, kAnswered, kDone };

  void SendResponse(absl::Time now, Sink& sink);

  Timing timing_;
  State state_ = State::kIdle;
  uint8_t id_ = 0;
  int left_ = 0;
  absl::Time repeat_at_ = absl::InfiniteFuture();
  Bytes challenge_, response_;
  std::string name_;
};

// The E= code of a Failure message, 0 if it has none.
uint16_t ErrorOf(std::string_view failure_message);

}  // namespace stack::ppp
