// PAP, RFC 1334 section 2: the peer says name and password, and says them again until there is an
// answer. Inside ESP nobody reads along, but the gateway gets to know the password; hence it is
// spoken only where the configuration names it. The other authentication protocols: chap.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "stack/ppp/auth.h"
#include "stack/ppp/event.h"
#include "stack/wire/ppp.h"

namespace stack::ppp {

// The authenticator: waits. The first request counts, those that follow get the same answer, since
// an Ack may get lost.
class PapAuthenticator {
 public:
  explicit PapAuthenticator(const Timing& timing) : timing_(timing) {}

  // Waits for a request from now on, whatever went before.
  void Begin(absl::Time now);
  // Forgets everything; nothing is answered any more.
  void Reset();
  // The link goes down: no request counts any more, but a result that was told is repeated.
  void Stop();

  // The claim to be verified, if this packet brings it. Everything else is answered or dropped.
  std::optional<Claim> OnPacket(const wire::PppControl& packet, Sink& sink);

  // The result of the claim handed out.
  void Succeed(std::string_view message, Sink& sink);
  void Fail(std::string_view message, Sink& sink);

  // True once, when no request came in time.
  bool OnDeadline(absl::Time now);
  absl::Time NextDeadline() const { return give_up_at_; }

 private:
  enum class State : uint8_t { kIdle, kWaiting, kVerifying, kDone };

  void SetResult(wire::PapCode result, std::string_view message, Sink& sink);
  void SendResult(Sink& sink);

  Timing timing_;
  State state_ = State::kIdle;
  uint8_t id_ = 0;  // of the last request
  absl::Time give_up_at_ = absl::InfiniteFuture();
  wire::PapCode result_ = wire::PapCode::kAuthenticateNak;
  std::string message_;
};

// The peer: says it, and repeats it until there is a result.
class PapPeer {
 public:
  PapPeer(std::string_view name, const Timing& timing)
      : timing_(timing), name_(name.substr(0, 255)) {}

  void Reset();
  void Request(absl::Time now, const Password& password, Sink& sink);
  // Whether we are let in, once; empty for anything else.
  std::optional<bool> OnResult(const wire::PppControl& packet, Sink& sink);

  // True once, when the last repetition stayed without a result.
  bool OnDeadline(absl::Time now, Sink& sink);
  absl::Time NextDeadline() const { return repeat_at_; }

 private:
  void SendRequest(absl::Time now, Sink& sink);

  Timing timing_;
  std::optional<Password> password_;  // while there is no result
  uint8_t id_ = 0;
  int left_ = 0;
  absl::Time repeat_at_ = absl::InfiniteFuture();
  std::string name_;
};

}  // namespace stack::ppp
