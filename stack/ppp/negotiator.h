// One control protocol (LCP or IPCP) being negotiated: runs the table of automaton.h with its
// Restart timer, counters and identifiers (RFC 1661 sections 4.4 to 5.7). What the options mean is
// the policy's business: lcp.h, ipcp.h. Used by link.h alone. No packet of another protocol gets
// here, and none with a broken header.
#pragma once

#include <array>
#include <cstdint>

#include "absl/time/time.h"
#include "stack/base/bytes.h"
#include "stack/ppp/automaton.h"
#include "stack/ppp/event.h"
#include "stack/wire/ppp.h"

namespace stack::ppp {

// The answer to a Configure-Request while it is being put together. Whatever the order of the
// options, one answer goes out: a Reject of everything to be rejected, or else a Nak of everything
// to be changed, or an Ack.
class OptionReply {
 public:
  // `may_nak` false: too many Naks in a row, those that would follow become Rejects (RFC 1661
  // section 4.6).
  explicit OptionReply(bool may_nak) : may_nak_(may_nak) {}

  void Reject(const wire::PppOption& option) { rejects_.Put(option.whole); }
  // `wanted` is what the option should hold instead.
  void Nak(const wire::PppOption& option, ByteView wanted);
  // Asks for an option that was left out. Without naks left there is no agreement.
  void Ask(uint8_t type, ByteView wanted);
  // The negotiation cannot succeed.
  void GiveUp() { hopeless_ = true; }

  bool hopeless() const { return hopeless_ || !naks_.ok(); }
  bool is_ack() const { return rejects_.used() == 0 && naks_.used() == 0; }
  wire::PppCode code() const;
  ByteView options() const;  // of a Nak or Reject

 private:
  const bool may_nak_;
  bool hopeless_ = false;
  std::array<std::byte, wire::kPppMaxControl> reject_bytes_, nak_bytes_;
  Writer rejects_{reject_bytes_}, naks_{nak_bytes_};
};

// What one control protocol wants and grants. All options given are well-formed.
class OptionPolicy {
 public:
  virtual ~OptionPolicy() = default;
  // The options of our Configure-Request, at most kMaxRequest octets.
  virtual void WriteRequest(Writer& out) = 0;
  // Looks at the peer's Configure-Request. What it says counts only once OnAgreed is called.
  virtual void Judge(ByteView options, OptionReply& reply) = 0;
  virtual void OnAgreed() = 0;
  // The peer wants our request changed. False: we cannot do without, there will be no agreement.
  virtual bool OnNak(ByteView options) = 0;
  virtual bool OnReject(ByteView options) = 0;

  static constexpr size_t kMaxRequest = 64;
};

// What a call of the Negotiator means for the layers around it.
enum class LayerChange : uint8_t {
  kNone,
  kUp,        // This-Layer-Up
  kDown,      // This-Layer-Down
  kFinished,  // This-Layer-Finished
  kHopeless,  // no agreement is possible, or a code we need was rejected: the caller closes
};

class Negotiator {
 public:
  Negotiator(wire::PppProtocol protocol, OptionPolicy& policy, const Timing& timing);
  Negotiator(const Negotiator&) = delete;
  Negotiator& operator=(const Negotiator&) = delete;

  LayerChange Open(absl::Time now, Sink& sink) { return Run(now, {Event::kOpen}, sink); }
  // `text` goes into the Terminate-Requests; not copied, so it must be a literal.
  LayerChange Close(absl::Time now, std::string_view text, Sink& sink);
  LayerChange LowerUp(absl::Time now, Sink& sink) { return Run(now, {Event::kUp}, sink); }
  LayerChange LowerDown(absl::Time now, Sink& sink) { return Run(now, {Event::kDown}, sink); }
  // Any code; those above 7 are unknown here and get a Code-Reject.
  LayerChange OnPacket(absl::Time now, const wire::PppControl& packet, Sink& sink);
  LayerChange OnDeadline(absl::Time now, Sink& sink);
  absl::Time NextDeadline() const { return restart_at_; }

  State state() const { return state_; }
  uint8_t NextId() { return ++last_id_; }

 private:
  // An event with the packet that brought it, and the answer to a Configure-Request.
  struct Cause {
    Event event;
    const wire::PppControl* packet = nullptr;
    const OptionReply* reply = nullptr;
  };

  LayerChange Run(absl::Time now, const Cause& cause, Sink& sink);
  void CountAndSend(absl::Time now, const Cause& cause, Actions actions, Sink& sink);
  void Answer(const Cause& cause, Actions actions, Sink& sink);
  LayerChange OnConfigureRequest(absl::Time now, const wire::PppControl& packet, Sink& sink);
  LayerChange OnConfigureAck(absl::Time now, const wire::PppControl& packet, Sink& sink);
  LayerChange OnNakOrReject(absl::Time now, const wire::PppControl& packet, Sink& sink);
  LayerChange OnCodeReject(absl::Time now, const wire::PppControl& packet, Sink& sink);
  void Hasten(absl::Time now);
  bool AnswersOurRequest(const wire::PppControl& packet) const;
  bool IsPartOfOurRequest(ByteView options) const;
  void SendConfigureRequest(absl::Time now, Event event, Sink& sink);
  void SendTerminateRequest(absl::Time now, Sink& sink);
  void Send(wire::PppCode code, uint8_t id, ByteView data, Sink& sink);
  void ArmRestart(absl::Time now);
  ByteView request() const { return ByteView(request_).first(request_size_); }

  const wire::PppProtocol protocol_;
  OptionPolicy& policy_;
  const Timing timing_;
  State state_ = State::kInitial;
  absl::Time restart_at_ = absl::InfiniteFuture();
  absl::Duration restart_ = absl::ZeroDuration();  // the next interval
  int restart_count_ = 0;
  int naks_sent_ = 0;      // in a row
  int naks_received_ = 0;  // in a row, Rejects too
  uint8_t last_id_ = 0;
  uint8_t request_id_ = 0;
  bool hastened_ = false;  // the first repetition was brought forward already
  bool awaiting_ = false;  // our request has not been answered yet
  std::array<std::byte, OptionPolicy::kMaxRequest> request_{};  // as last sent
  size_t request_size_ = 0;
  std::string_view terminate_text_;
};

}  // namespace stack::ppp
