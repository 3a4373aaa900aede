// Reliable delivery of control messages: numbering, window, retransmission, acknowledgement.
//
// RFC 2661 sections 5.8 and 4.4.3 (Receive Window Size), appendix A (slow start). Shared by the LNS
// and LAC halves of a tunnel and by all its calls, since there is one number space a tunnel. Ns
// counts messages with a body, Nr is the next one expected; both wrap at 2^16. Acknowledgements are
// never delayed: what is owed at the end of a call rides on an outgoing message or goes as a ZLB.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "stack/l2tp/event.h"

namespace stack::l2tp {

inline constexpr uint16_t kDefaultWindow = 4;  // of a peer that names none (4.4.3)

struct ReliableOptions {
  absl::Duration first_resend = absl::Seconds(1);  // doubles up to ...
  absl::Duration longest_resend = absl::Seconds(8);
  int resends = 5;  // after so many without an answer the peer is silent, if ...
  absl::Duration silence = absl::Seconds(60);  // nothing at all was heard for so long
  uint16_t receive_window = 4;                 // what we announce; 1..8
};

class Reliable {
 public:
  static constexpr size_t kMaxQueued = 32;       // messages not yet acknowledged by the peer
  static constexpr uint16_t kMaxWindow = 8;      // early messages kept, at most
  static constexpr size_t kMaxEarlySize = 1024;  // longer ones are left to retransmission

  enum class Arrival : uint8_t {
    kInOrder,      // deliver it, then whatever TakeEarly gives
    kZlb,          // nothing to deliver
    kDuplicate,    // seen before; an acknowledgement is owed again
    kEarly,        // kept until the gap is filled
    kOutOfWindow,  // not taken: beyond the window, Nr of a message never sent, or no room for
                   // answers
  };
  struct Received {
    SessionId session;
    Bytes avps;
  };

  // `now` is when the peer counts as last heard.
  Reliable(absl::Time now, const ReliableOptions& options);

  // The peer's tunnel id, for the headers of everything queued from now on, and its window (0 is
  // taken as 1).
  void SetPeer(TunnelId tunnel, uint16_t window);

  // Takes the header of a message whose AVPs are known to be well framed.
  Arrival OnArrival(absl::Time now, const wire::L2tp& header);
  std::optional<Received> TakeEarly();
  // Something else of the peer was seen alive, e.g. data.
  void OnLifeSign(absl::Time now) { last_heard_ = now > last_heard_ ? now : last_heard_; }

  // Puts a message behind the others, to leave with the next Settle. False if there is no room.
  bool Queue(SessionId session, ByteView avps);
  // Forgets what was queued but never sent; what was sent keeps its number and is resent.
  void CutUnsent();
  // Forgets all that is queued: the peer will not read it any more.
  void Silence();

  // An acknowledgement at once, by itself, before anything that waits for the window.
  void SendZlb(Out& out);
  // Sends the oldest unacknowledged message again, out of turn; its timer goes on.
  void ResendOldest(Out& out);
  // Sends what the window allows; if an acknowledgement is then still owed, a ZLB.
  void Settle(absl::Time now, Out& out);

  // Resends what is due. True once the peer is silent: nothing more is resent after that.
  bool OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const { return resend_at_; }

  bool idle() const { return queue_.empty(); }  // everything sent was acknowledged
  size_t in_flight() const { return in_flight_; }
  uint16_t next_expected() const { return nr_; }  // Nr
  uint16_t receive_window() const { return options_.receive_window; }
  absl::Time last_heard() const { return last_heard_; }

 private:
  struct Queued {
    TunnelId tunnel;
    SessionId session;
    uint16_t ns;
    Bytes avps;
  };
  struct Early {
    bool used = false;
    Received message;
  };

  bool OnAcknowledged(absl::Time now, uint16_t nr);
  void OnWindowOpens(size_t acknowledged);
  void Send(const Queued& message, Out& out);

  ReliableOptions options_;
  TunnelId peer_;
  uint16_t peer_window_;
  uint16_t ns_ = 0;        // of the next message queued
  uint16_t next_new_ = 0;  // the first Ns that was never sent
  uint16_t nr_ = 0;
  bool acknowledgement_owed_ = false;
  std::vector<Queued> queue_;     // short, and mostly empty: a deque would keep half a kilobyte
  size_t in_flight_ = 0;          // the first so many of queue_ are under way
  size_t congestion_window_ = 1;  // 1..peer_window_
  size_t threshold_, acknowledged_in_round_ = 0;
  int resent_ = 0;
  absl::Time resend_at_ = absl::InfiniteFuture();
  absl::Time last_heard_;
  std::array<Early, kMaxWindow> early_;  // by Ns modulo its size
};

}  // namespace stack::l2tp
