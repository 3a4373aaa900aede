#include "stack/ppp/chap.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace stack::ppp {
namespace {

using wire::ChapCode;
using wire::ChapValue;
using wire::PppControl;

constexpr size_t kMaxName = 255;
constexpr size_t kMaxMessage = 255;  // what is passed on of a result; the rest is cut off

bool Is(const PppControl& packet, ChapCode code) {
  return packet.code == static_cast<uint8_t>(code);
}

// A CHAP frame of `size` data octets or fewer, filled by `write`.
template <class F>
void SendChap(ChapCode code, uint8_t id, Sink& sink, F&& write) {
  std::array<std::byte, 640> data;
  Writer out(data);
  write(out);
  PacketBuf* frame = sink.Frame(4 + wire::kPppControlHeader + out.used());
  if (frame == nullptr) return;
  wire::AppendPppControl(*frame, wire::PppProtocol::kChap, static_cast<uint8_t>(code), id,
                         out.written());
}

void SendMessage(ChapCode code, uint8_t id, std::string_view message, Sink& sink) {
  SendChap(code, id, sink, [&](Writer& out) { out.Put(AsBytes(message)); });
}

}  // namespace

void ChapAuthenticator::Reset() {
  state_ = State::kIdle;
  repeat_at_ = absl::InfiniteFuture();
  message_.clear();
}

void ChapAuthenticator::Stop() {
  if (state_ != State::kDone) Reset();
}

// The identifier goes on counting across Resets: an answer to an earlier challenge must not fit a
// later one.
void ChapAuthenticator::Begin(absl::Time now, AuthProtocol algorithm, std::string_view name,
                              Rng& rng, Sink& sink) {
  algorithm_ = algorithm;
  state_ = State::kChallenged;
  ++id_;
  left_ = timing_.max_configure;
  name_ = name.substr(0, kMaxName);
  rng.Fill(challenge_);
  SendChallenge(now, sink);
}

void ChapAuthenticator::SendChallenge(absl::Time now, Sink& sink) {
  SendChap(ChapCode::kChallenge, id_, sink, [this](Writer& out) {
    out.U8(static_cast<uint8_t>(challenge_.size()));
    out.Put(challenge_);
    out.Put(AsBytes(name_));
  });
  --left_;
  repeat_at_ = now + timing_.restart_limit;
}

std::optional<Claim> ChapAuthenticator::OnPacket(const PppControl& packet, Sink& sink) {
  if (state_ != State::kChallenged) {
    RepeatResult(packet, sink);
    return std::nullopt;
  }
  if (!Is(packet, ChapCode::kResponse) || packet.id != id_) {
    sink.Tell(Drop::kPppDiscarded);
    return std::nullopt;
  }
  const auto parsed = ChapValue::Parse(packet.data);
  std::optional<Proof> proof;
  if (parsed && parsed->name.size() <= kMaxName) proof = ProofIn(parsed->value);
  if (!proof) {
    sink.Tell(Drop::kPppMalformed);
    return std::nullopt;
  }
  state_ = State::kVerifying;
  repeat_at_ = absl::InfiniteFuture();
  return Claim{std::string(AsText(parsed->name)), *std::move(proof)};
}

std::optional<Proof> ChapAuthenticator::ProofIn(ByteView value) const {
  if (algorithm_ == AuthProtocol::kMsChapV2) {
    const auto response = wire::MsChapV2Response::Parse(value);
    if (!response) return std::nullopt;
    return MsChapV2Proof{challenge_, *response};
  }
  ChapMd5Proof proof{id_, challenge_, {}};
  if (value.size() != proof.response.size()) return std::nullopt;
  std::ranges::copy(value, proof.response.begin());
  return proof;
}

void ChapAuthenticator::RepeatResult(const PppControl& packet, Sink& sink) {
  const bool again = state_ == State::kDone && Is(packet, ChapCode::kResponse) && packet.id == id_;
  if (again) {
    SendMessage(result_, id_, message_, sink);
  } else {
    sink.Tell(state_ == State::kIdle ? Drop::kPppNotOpen : Drop::kPppDiscarded);
  }
}

void ChapAuthenticator::Succeed(std::string_view message, Sink& sink) {
  SetResult(ChapCode::kSuccess, message, sink);
}

void ChapAuthenticator::Fail(std::string_view message, Sink& sink) {
  SetResult(ChapCode::kFailure, message, sink);
}

void ChapAuthenticator::SetResult(ChapCode result, std::string_view message, Sink& sink) {
  state_ = State::kDone;
  result_ = result;
  message_ = message.substr(0, kMaxMessage);
  SendMessage(result_, id_, message_, sink);
}

bool ChapAuthenticator::OnDeadline(absl::Time now, Sink& sink) {
  if (repeat_at_ > now) return false;
  repeat_at_ = absl::InfiniteFuture();
  if (left_ <= 0) return true;
  SendChallenge(now, sink);
  return false;
}

std::string FailureMessage(uint16_t error, const ChapChallenge& challenge, std::string_view text) {
  std::string hex = ToHex(challenge);
  for (char& digit : hex)
    digit = static_cast<char>(std::toupper(static_cast<unsigned char>(digit)));
  return "E=" + std::to_string(error) + " R=0 C=" + hex + " V=3 M=" + std::string(text);
}

uint16_t ErrorOf(std::string_view failure_message) {
  const size_t at = failure_message.find("E=");
  if (at == std::string_view::npos) return 0;
  uint32_t error = 0;
  for (const char c : failure_message.substr(at + 2)) {
    if (c < '0' || c > '9' || error > 6000) break;
    error = error * 10 + static_cast<uint32_t>(c - '0');
  }
  return static_cast<uint16_t>(error);
}

void ChapPeer::Reset() {
  state_ = State::kIdle;
  repeat_at_ = absl::InfiniteFuture();
}

std::optional<ChapPeer::Challenge> ChapPeer::OnChallenge(absl::Time now, AuthProtocol algorithm,
                                                         const PppControl& packet, Sink& sink) {
  const auto parsed = ChapValue::Parse(packet.data);
  const bool has_any_size = algorithm == AuthProtocol::kChapMd5;
  if (!parsed || parsed->name.size() > kMaxName ||
      (!has_any_size && parsed->value.size() != std::tuple_size_v<ChapChallenge>)) {
    sink.Tell(Drop::kPppMalformed);
    return std::nullopt;
  }
  const bool again =
      state_ != State::kIdle && packet.id == id_ && std::ranges::equal(parsed->value, challenge_);
  if (again) {
    if (state_ == State::kAnswered) SendResponse(now, sink);
    return std::nullopt;
  }
  state_ = State::kAsked;
  repeat_at_ = absl::InfiniteFuture();
  id_ = packet.id;
  challenge_ = ToBytes(parsed->value);
  return Challenge{id_, challenge_, std::string(AsText(parsed->name))};
}

void ChapPeer::Respond(absl::Time now, ByteView value, Sink& sink) {
  state_ = State::kAnswered;
  response_ = ToBytes(value.first(std::min(value.size(), kMaxValue)));
  left_ = timing_.max_configure;
  SendResponse(now, sink);
}

void ChapPeer::SendResponse(absl::Time now, Sink& sink) {
  SendChap(ChapCode::kResponse, id_, sink, [this](Writer& out) {
    out.U8(static_cast<uint8_t>(response_.size()));
    out.Put(response_);
    out.Put(AsBytes(name_));
  });
  --left_;
  repeat_at_ = now + timing_.restart_limit;
}

std::optional<ChapPeer::Result> ChapPeer::OnResult(const PppControl& packet, Sink& sink) {
  if (state_ != State::kAnswered || packet.id != id_) {
    sink.Tell(Drop::kPppDiscarded);
    return std::nullopt;
  }
  state_ = State::kDone;
  repeat_at_ = absl::InfiniteFuture();
  return Result{Is(packet, ChapCode::kSuccess),
                std::string(AsText(packet.data).substr(0, kMaxMessage))};
}

bool ChapPeer::OnDeadline(absl::Time now, Sink& sink) {
  if (repeat_at_ > now) return false;
  repeat_at_ = absl::InfiniteFuture();
  if (left_ <= 0) return true;
  SendResponse(now, sink);
  return false;
}

}  // namespace stack::ppp
