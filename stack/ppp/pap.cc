#include "stack/ppp/pap.h"

#include <array>

namespace stack::ppp {
namespace {

using wire::PapCode;
using wire::PppControl;

constexpr size_t kMaxText = 255;  // what one octet of length allows

void PutText(Writer& out, ByteView text) {
  out.U8(static_cast<uint8_t>(text.size()));
  out.Put(text);
}

void SendPap(PapCode code, uint8_t id, ByteView data, Sink& sink) {
  PacketBuf* frame = sink.Frame(4 + wire::kPppControlHeader + data.size());
  if (frame == nullptr) return;
  wire::AppendPppControl(*frame, wire::PppProtocol::kPap, static_cast<uint8_t>(code), id, data);
}

}  // namespace

void PapAuthenticator::Begin(absl::Time now) {
  state_ = State::kWaiting;
  give_up_at_ = now + timing_.max_configure * timing_.restart_limit;
}

void PapAuthenticator::Reset() {
  state_ = State::kIdle;
  give_up_at_ = absl::InfiniteFuture();
  message_.clear();
}

void PapAuthenticator::Stop() {
  if (state_ != State::kDone) Reset();
}

std::optional<Claim> PapAuthenticator::OnPacket(const PppControl& packet, Sink& sink) {
  const bool is_request = packet.code == static_cast<uint8_t>(PapCode::kAuthenticateRequest);
  if (state_ == State::kIdle || !is_request) {
    sink.Tell(is_request ? Drop::kPppNotOpen : Drop::kPppDiscarded);
    return std::nullopt;
  }
  id_ = packet.id;
  if (state_ != State::kWaiting) {
    if (state_ == State::kDone) SendResult(sink);
    return std::nullopt;
  }
  const auto request = wire::PapRequest::Parse(packet.data);
  if (!request) {
    sink.Tell(request.error());
    return std::nullopt;
  }
  state_ = State::kVerifying;
  give_up_at_ = absl::InfiniteFuture();
  return Claim{std::string(AsText(request->name)), PapProof{Password(request->password)}};
}

void PapAuthenticator::Succeed(std::string_view message, Sink& sink) {
  SetResult(PapCode::kAuthenticateAck, message, sink);
}

void PapAuthenticator::Fail(std::string_view message, Sink& sink) {
  SetResult(PapCode::kAuthenticateNak, message, sink);
}

void PapAuthenticator::SetResult(PapCode result, std::string_view message, Sink& sink) {
  state_ = State::kDone;
  result_ = result;
  message_ = message.substr(0, kMaxText);
  SendResult(sink);
}

// Under the identifier of the request that came last (section 2.2.2).
void PapAuthenticator::SendResult(Sink& sink) {
  std::array<std::byte, 1 + kMaxText> data;
  Writer out(data);
  PutText(out, AsBytes(message_));
  SendPap(result_, id_, out.written(), sink);
}

bool PapAuthenticator::OnDeadline(absl::Time now) {
  if (give_up_at_ > now) return false;
  give_up_at_ = absl::InfiniteFuture();
  return true;
}

void PapPeer::Reset() {
  password_.reset();
  repeat_at_ = absl::InfiniteFuture();
}

void PapPeer::Request(absl::Time now, const Password& password, Sink& sink) {
  password_ = password;
  ++id_;
  left_ = timing_.max_configure;
  SendRequest(now, sink);
}

void PapPeer::SendRequest(absl::Time now, Sink& sink) {
  std::array<std::byte, 2 * (1 + kMaxText)> data;
  Writer out(data);
  PutText(out, AsBytes(name_));
  PutText(out, password_->view());
  SendPap(PapCode::kAuthenticateRequest, id_, out.written(), sink);
  Scrub(data);
  --left_;
  repeat_at_ = now + timing_.restart_limit;
}

std::optional<bool> PapPeer::OnResult(const PppControl& packet, Sink& sink) {
  const bool ack = packet.code == static_cast<uint8_t>(PapCode::kAuthenticateAck);
  const bool nak = packet.code == static_cast<uint8_t>(PapCode::kAuthenticateNak);
  if (!password_ || packet.id != id_ || !(ack || nak)) {
    sink.Tell(Drop::kPppDiscarded);
    return std::nullopt;
  }
  Reset();
  return ack;
}

bool PapPeer::OnDeadline(absl::Time now, Sink& sink) {
  if (repeat_at_ > now) return false;
  repeat_at_ = absl::InfiniteFuture();
  if (left_ <= 0) return true;
  SendRequest(now, sink);
  return false;
}

}  // namespace stack::ppp
