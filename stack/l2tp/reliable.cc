#include "stack/l2tp/reliable.h"

#include <algorithm>

namespace stack::l2tp {
namespace {

// What a message in order may cause to be queued; without that room it is left to retransmission,
// so that a peer who asks and never acknowledges cannot make the queue grow.
constexpr size_t kRoomForAnswers = 4;

// A peer's window beyond this is of no use, and the queue keeps room behind what is under way.
constexpr uint16_t kMaxPeerWindow = 16;

// Whatever the configuration says, a deadline lies in the future.
constexpr absl::Duration kLeastResend = absl::Milliseconds(10);

// The distance from b to a on the circle of 2^16, negative if a comes before b (5.8).
int16_t Distance(uint16_t a, uint16_t b) {
  return static_cast<int16_t>(static_cast<uint16_t>(a - b));
}

absl::Duration ResendInterval(const ReliableOptions& options, int resent) {
  return std::min(options.first_resend * (int64_t{1} << std::min(resent, 20)),
                  options.longest_resend);
}

}  // namespace

Reliable::Reliable(absl::Time now, const ReliableOptions& options)
    : options_(options),
      peer_window_(kDefaultWindow),
      threshold_(kDefaultWindow),
      last_heard_(now) {
  options_.receive_window = std::clamp<uint16_t>(options.receive_window, 1, kMaxWindow);
  options_.first_resend = std::max(options.first_resend, kLeastResend);
  options_.longest_resend = std::max(options.longest_resend, options_.first_resend);
}

void Reliable::SetPeer(TunnelId tunnel, uint16_t window) {
  peer_ = tunnel;
  peer_window_ = std::clamp<uint16_t>(window, 1, kMaxPeerWindow);
  threshold_ = peer_window_;
  congestion_window_ = std::min<size_t>(congestion_window_, peer_window_);
}

Reliable::Arrival Reliable::OnArrival(absl::Time now, const wire::L2tp& header) {
  if (!OnAcknowledged(now, header.nr())) return Arrival::kOutOfWindow;
  OnLifeSign(now);
  if (header.is_zlb()) return Arrival::kZlb;  // its Ns is that of a message still to come
  const int16_t ahead = Distance(header.ns(), nr_);
  if (ahead < 0) {
    acknowledgement_owed_ = true;
    return Arrival::kDuplicate;
  }
  if (queue_.size() + kRoomForAnswers > kMaxQueued) return Arrival::kOutOfWindow;
  if (ahead == 0) {
    early_[nr_ % kMaxWindow].used = false;
    ++nr_;
    acknowledgement_owed_ = true;
    return Arrival::kInOrder;
  }
  if (ahead >= options_.receive_window || header.payload().size() > kMaxEarlySize) {
    return Arrival::kOutOfWindow;
  }
  early_[header.ns() % kMaxWindow] = {true, {header.session(), ToBytes(header.payload())}};
  return Arrival::kEarly;
}

std::optional<Reliable::Received> Reliable::TakeEarly() {
  Early& next = early_[nr_ % kMaxWindow];
  if (!next.used || queue_.size() + kRoomForAnswers > kMaxQueued) return std::nullopt;
  next.used = false;
  ++nr_;
  acknowledgement_owed_ = true;
  return std::move(next.message);
}

// False for an Nr of messages that were never sent.
bool Reliable::OnAcknowledged(absl::Time now, uint16_t nr) {
  const uint16_t oldest = queue_.empty() ? ns_ : queue_.front().ns;
  const auto acknowledged = static_cast<uint16_t>(nr - oldest);
  const auto outstanding = static_cast<uint16_t>(next_new_ - oldest);
  if (acknowledged > outstanding) return Distance(nr, oldest) < 0;  // old news are no fault
  if (acknowledged == 0) return true;
  queue_.erase(queue_.begin(), queue_.begin() + acknowledged);
  in_flight_ -= std::min<size_t>(in_flight_, acknowledged);
  resent_ = 0;
  resend_at_ = in_flight_ > 0 ? now + options_.first_resend : absl::InfiniteFuture();
  OnWindowOpens(acknowledged);
  return true;
}

// Slow start below the threshold, then one message more for each full window (appendix A).
void Reliable::OnWindowOpens(size_t acknowledged) {
  for (; acknowledged > 0; --acknowledged) {
    if (congestion_window_ < threshold_) {
      ++congestion_window_;
    } else if (++acknowledged_in_round_ >= congestion_window_) {
      acknowledged_in_round_ = 0;
      ++congestion_window_;
    }
  }
  congestion_window_ = std::min<size_t>(congestion_window_, peer_window_);
}

bool Reliable::Queue(SessionId session, ByteView avps) {
  if (queue_.size() >= kMaxQueued) return false;
  queue_.push_back({peer_, session, ns_++, ToBytes(avps)});
  return true;
}

void Reliable::CutUnsent() {
  while (!queue_.empty() && Distance(queue_.back().ns, next_new_) >= 0) queue_.pop_back();
  ns_ = next_new_;
}

void Reliable::Silence() {
  queue_.clear();
  ns_ = next_new_;
  in_flight_ = 0;
  resend_at_ = absl::InfiniteFuture();
}

void Reliable::Send(const Queued& message, Out& out) {
  acknowledgement_owed_ = false;  // Nr says it; a frame that cannot be had is as good as lost
  const size_t size = wire::kL2tpControlHeader + message.avps.size();
  PacketBuf* frame = out.Frame(size);
  if (frame == nullptr) return;
  Writer writer(frame->Append(wire::kL2tpControlHeader));
  wire::Write(writer, {message.tunnel, message.session, message.ns, nr_},
              static_cast<uint16_t>(size));
  frame->Assign(message.avps);
}

void Reliable::SendZlb(Out& out) { Send({peer_, SessionId{}, next_new_, {}}, out); }

void Reliable::ResendOldest(Out& out) {
  if (in_flight_ > 0) Send(queue_.front(), out);
}

void Reliable::Settle(absl::Time now, Out& out) {
  while (in_flight_ < std::min(congestion_window_, queue_.size())) {
    const Queued& message = queue_[in_flight_++];
    Send(message, out);
    if (message.ns == next_new_) ++next_new_;
    if (in_flight_ == 1) resend_at_ = now + ResendInterval(options_, resent_);
  }
  if (acknowledgement_owed_) SendZlb(out);
}

bool Reliable::OnDeadline(absl::Time now, Out& out) {
  if (resend_at_ > now) return false;
  if (resent_ >= options_.resends && now - last_heard_ >= options_.silence) {
    Silence();
    return true;
  }
  ++resent_;
  threshold_ = std::max<size_t>(1, congestion_window_ / 2);
  congestion_window_ = 1;
  acknowledged_in_round_ = 0;
  in_flight_ = 1;  // the others are taken for lost and follow as the window opens
  resend_at_ = now + ResendInterval(options_, resent_);
  Send(queue_.front(), out);
  return false;
}

}  // namespace stack::l2tp
