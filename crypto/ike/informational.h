// Informational exchanges under an ISAKMP SA: DELETE, notifications, and dead peer detection.
// RFC 2409 section 5.7, RFC 2408 sections 3.14 and 3.15, RFC 3706.
//
//    HDR*, HASH(1), N or D..        one message, no answer (but R-U-THERE-ACK, one of its own)
//
// Both ends of an SA speak alike here: there are no roles.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/time/time.h"
#include "crypto/ike/event.h"
#include "crypto/ike/isakmp_sa.h"
#include "crypto/ike/payload.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"

namespace crypto::ike {

// A notify of ours under the SA.
void SendNotify(IsakmpSa& sa, const Notify& notify, const Path& path, stack::Rng& rng, Out& out);
// DELETE of our inbound ESP SA, and of the ISAKMP SA itself.
void SendDeleteChild(IsakmpSa& sa, EspSpi spi_in, stack::Rng& rng, Out& out);
void SendDeletePhaseOne(IsakmpSa& sa, stack::Rng& rng, Out& out);

struct DpdOptions {
  bool enabled = true;
  absl::Duration retry = absl::Seconds(5);  // between R-U-THEREs
  int tries = 4;
};

class Informational {
 public:
  using In = stack::Datagram;
  using Out = ike::Out;

  // `sa` and `rng` outlive it. `seen`: messages that were taken already.
  Informational(IsakmpSa& sa, const DpdOptions& dpd, stack::Rng& rng, SeenIds seen = {})
      : sa_(sa), dpd_(dpd), rng_(rng), seen_(std::move(seen)), sequence_(rng.U32() >> 1) {}

  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const { return timers_.Next(); }

  // False if the peer never advertised DPD. PeerAlive or PeerDead follows; a second call while one
  // is under way changes nothing.
  bool StartDpd(absl::Time now, Out& out);
  // The last dead peer detection that came to an end found nobody.
  bool silent() const { return silent_; }
  // The peer deleted the ISAKMP SA. The owner tells PhaseOneGone and lets go.
  bool deleted_by_peer() const { return deleted_by_peer_; }
  // The error notify that came since the last call, kNone if there was none: it names no exchange.
  NotifyType TakeRefusal() { return std::exchange(refusal_, NotifyType::kNone); }
  // For the one that goes on in this one's place.
  SeenIds TakeSeen() { return std::move(seen_); }

 private:
  enum class Timer { kRetry, kCount };

  void OnNotify(ByteView body, const Path& from, Out& out);
  void OnDelete(ByteView body, Out& out);
  void OnAreYouThere(const Notify& notify, const Path& from, Out& out);
  void OnAck(const Notify& notify, const Path& from, Out& out);
  void Ask(absl::Time now, Out& out);

  IsakmpSa& sa_;
  const DpdOptions dpd_;
  stack::Rng& rng_;
  SeenIds seen_;
  bool deleted_by_peer_ = false, silent_ = false;
  NotifyType refusal_ = NotifyType::kNone;

  uint32_t sequence_;  // of our last R-U-THERE; begins at random below 2^31 (RFC 3706)
  int asked_ = 0;      // R-U-THEREs sent since the last ACK; 0: none under way
  bool peer_asked_ = false;
  uint32_t peer_sequence_ = 0;  // the highest of the peer's R-U-THEREs
  stack::Deadlines<Timer, static_cast<size_t>(Timer::kCount)> timers_;
};
static_assert(stack::Machine<Informational>);

}  // namespace crypto::ike
