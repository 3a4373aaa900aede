#include "gateway/load/client.h"

#include <algorithm>
#include <utility>

#include "crypto/prim/hash.h"
#include "crypto/prim/mschap.h"
#include "stack/l2tp/data.h"
#include "stack/ppp/data.h"

namespace gateway::load {
namespace {

namespace ike = crypto::ike;
namespace l2tp = stack::l2tp;
namespace ppp = stack::ppp;
using stack::Drop;
using stack::PacketBuf;

// How long a server that has begun to end the session is given to go on with it.
constexpr absl::Duration kAfterYou = absl::Seconds(3);

}  // namespace

struct Client::Exchange {
  std::array<std::byte, 16> authenticator_challenge{}, peer_challenge{};
  crypto::NtResponse response{};
};

Client::Client(ClientOptions options, stack::Rng& rng)
    : l2tp_(std::move(options.l2tp)),
      ppp_(std::move(options.ppp)),
      password_(std::move(options.password)),
      rng_(rng),
      ipsec_(std::move(options.ipsec), rng) {}

Client::~Client() = default;

void Client::Start(absl::Time now, Out& out) {
  ipsec_.Start(now, out);
  Settle(now, out);
}

stack::l2tp::TunnelId Client::server_tunnel() const {
  return tunnel_ == nullptr ? l2tp::TunnelId{} : tunnel_->peer();
}

// ---- Packets ----------------------------------------------------------------------------------

void Client::OnPacket(absl::Time now, const In& packet, Out& out) {
  PacketBuf copy = out.pool().Copy(packet);
  if (!copy) return out.Tell(Drop::kPoolDry);
  OnPacket(now, std::move(copy), out);
}

void Client::OnPacket(absl::Time now, PacketBuf packet, Out& out) {
  if (down_) return out.Tell(Drop::kPeerGone);
  PacketBuf message = ipsec_.OnPacket(now, std::move(packet), out);
  if (message) OnL2tp(now, std::move(message), out);
  Settle(now, out);
}

void Client::OnL2tp(absl::Time now, PacketBuf message, Out& out) {
  if (tunnel_ == nullptr) return out.Tell(Drop::kUnknownTunnel);
  const stack::ByteView bytes = std::as_const(message).bytes();
  if (!l2tp::IsControl(bytes)) {
    if (OnData(now, message, out)) out.Tell(Received{std::move(message)});
    return;
  }
  WithTunnel(now, out, [&](auto& tunnel, auto& to) { tunnel.OnPacket(now, bytes, to); });
}

// True: `message` is an inner packet now.
bool Client::OnData(absl::Time now, PacketBuf& message, Out& out) {
  const auto header = l2tp::PullData(message);
  Drop drop = header.ok() ? Drop::kNone : header.error();
  if (drop == Drop::kNone && header->tunnel != tunnel_->own()) drop = Drop::kUnknownTunnel;
  if (drop == Drop::kNone &&
      (link_ == nullptr || own_session_.value == 0 || header->session != own_session_)) {
    drop = Drop::kUnknownSession;
  }
  if (drop != Drop::kNone) {
    out.Tell(drop);
    return false;
  }
  tunnel_->OnLifeSign(now);
  link_->OnLifeSign(now);
  if (ppp::PullData(message) == ppp::Pulled::kIp4) {
    if (!up_) out.Tell(Drop::kPppNotOpen);
    return up_;
  }
  const stack::ByteView frame = std::as_const(message).bytes();
  WithLink(now, out, [&](auto& link, auto& to) { link.OnPacket(now, frame, to); });
  return false;
}

bool Client::OnOpened(absl::Time now, PacketBuf& payload, uint8_t next_header, Out& out) {
  Drop drop = down_ ? Drop::kPeerGone : ipsec_.Unwrap(payload, next_header);
  if (drop == Drop::kNone && tunnel_ == nullptr) drop = Drop::kUnknownTunnel;
  if (drop != Drop::kNone) {
    out.Tell(drop);
    return false;
  }
  if (l2tp::IsControl(std::as_const(payload).bytes())) {
    OnL2tp(now, std::move(payload), out);
  } else if (OnData(now, payload, out)) {
    return true;
  }
  Settle(now, out);
  return false;
}

crypto::esp::OutboundSa* Client::Wrap(absl::Time now, PacketBuf& packet) {
  if (!up_ || !ppp::PushData(packet) || !PushHeaders(packet)) return nullptr;
  return ipsec_.Wrap(now, packet);
}

void Client::Send(absl::Time now, PacketBuf packet, Out& out) {
  Drop drop = up_ ? Drop::kNone : Drop::kPppNotOpen;
  if (drop == Drop::kNone && !ppp::PushData(packet)) drop = Drop::kTooBig;
  if (drop == Drop::kNone) drop = SendFrame(now, std::move(packet), out);
  if (drop != Drop::kNone) out.Tell(drop);
}

// A PPP frame, into our call.
Drop Client::SendFrame(absl::Time now, PacketBuf frame, Out& out) {
  return PushHeaders(frame) ? ipsec_.Send(now, std::move(frame), out) : Drop::kTooBig;
}

bool Client::PushHeaders(PacketBuf& frame) {
  return sequencing_ ? l2tp::PushSequencedData(frame, tunnel_->peer(), server_session_, next_ns_++)
                     : l2tp::PushData(frame, tunnel_->peer(), server_session_);
}

void Client::SendL2tp(absl::Time now, PacketBuf message, Out& out) {
  const Drop drop = ipsec_.Send(now, std::move(message), out);
  if (drop != Drop::kNone) out.Tell(drop);
}

void Client::OnKeyPair(absl::Time now, const ike::KeyPairAnswer& answer, Out& out) {
  ipsec_.OnKeyPair(now, answer, out);
  Settle(now, out);
}

void Client::OnDh(absl::Time now, ike::DhAnswer answer, Out& out) {
  ipsec_.OnDh(now, std::move(answer), out);
  Settle(now, out);
}

// ---- The tunnel -------------------------------------------------------------------------------

void Client::DialTunnel(absl::Time now, Out& out) {
  l2tp::TunnelId own;
  while (own.value == 0) own.value = static_cast<uint16_t>(rng_.U32());
  tunnel_ = std::make_unique<l2tp::TunnelLac>(now, l2tp_, own, rng_);
  WithTunnel(now, out, [now](auto& tunnel, auto& to) { tunnel.Start(now, to); });
}

// What calls a machine again waits until the list is through.
template <class F>
void Client::WithTunnel(absl::Time now, Out& out, F&& call) {
  l2tp::Out from(out.pool());
  call(*tunnel_, from);
  std::vector<l2tp::Event> later;
  for (auto& item : from.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      const Drop drop = ipsec_.Send(now, std::move(frame->buf), out);
      if (drop != Drop::kNone) out.Tell(drop);
    } else {
      later.push_back(std::move(std::get<1>(item)));
    }
  }
  for (l2tp::Event& event : later) On(now, event, out);
}

void Client::On(absl::Time now, l2tp::Event& event, Out& out) {
  std::visit(stack::Overloaded{
                 [&](Drop drop) { out.Tell(drop); },
                 [&](const l2tp::Step&) {},
                 [&](const l2tp::TunnelUp&) { out.Tell(Step{Milestone::kTunnelUp}); },
                 [&](const l2tp::CallUp& call) { OnCallUp(now, call, out); },
                 [&](const l2tp::CallDown& down) { OnCallDown(now, down, out); },
                 [&](const l2tp::TunnelDown& down) { OnTunnelDown(now, down, out); },
                 [&](const l2tp::Gone&) { tunnel_over_ = true; },
             },
             event);
}

void Client::OnCallUp(absl::Time now, const l2tp::CallUp& call, Out& out) {
  out.Tell(Step{Milestone::kCallUp});
  own_session_ = call.own;
  server_session_ = call.peer;
  sequencing_ = call.sequencing_required;
  link_ = std::make_unique<ppp::ClientLink>(ppp_, rng_);
  WithLink(now, out, [now](auto& link, auto& to) { link.Start(now, to); });
}

void Client::OnCallDown(absl::Time now, const l2tp::CallDown& down, Out& out) {
  out.Tell(Step{Milestone::kCallDown});
  own_session_ = server_session_ = {};
  up_ = false;
  if (down.why == l2tp::End::kHungUp) return;
  const bool in_order = down.why == l2tp::End::kPeerHungUp;
  End(in_order ? DownReason::kEndedByServer : DownReason::kTunnelFailed,
      std::string(l2tp::NameOf(down.why)));
  timers_.Arm(Timer::kAfterYou, now + kAfterYou);
}

void Client::OnTunnelDown(absl::Time now, const l2tp::TunnelDown& down, Out& out) {
  out.Tell(Step{Milestone::kTunnelDown});
  tunnel_down_ = true;
  if (down.why == l2tp::End::kHungUp) return;
  const bool in_order = down.why == l2tp::End::kPeerStopped;
  End(in_order ? DownReason::kEndedByServer : DownReason::kTunnelFailed,
      std::string(l2tp::NameOf(down.why)));
  timers_.Arm(Timer::kAfterYou, now + kAfterYou);
}

// ---- The link ---------------------------------------------------------------------------------

template <class F>
void Client::WithLink(absl::Time now, Out& out, F&& call) {
  LinkOut from(out.pool());
  call(*link_, from);
  std::vector<ppp::ClientEvent> later;
  for (auto& item : from.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      const Drop drop = SendFrame(now, std::move(frame->buf), out);
      if (drop != Drop::kNone) out.Tell(drop);
    } else {
      later.push_back(std::move(std::get<1>(item)));
    }
  }
  for (ppp::ClientEvent& event : later) On(now, event, out);
}

void Client::On(absl::Time now, ppp::ClientEvent& event, Out& out) {
  std::visit(stack::Overloaded{
                 [&](Drop drop) { out.Tell(drop); },
                 [&](const ppp::Step& step) {
                   using Kind = ppp::Step::Kind;
                   if (step.kind == Kind::kLcpOpened) out.Tell(Step{Milestone::kLcpUp});
                   if (step.kind == Kind::kAuthenticated) out.Tell(Step{Milestone::kAuthenticated});
                 },
                 [&](const ppp::NeedResponse& need) { Respond(now, need, out); },
                 [&](const ppp::NeedCheckSuccess& need) { CheckServer(now, need, out); },
                 [&](const ppp::ClientUp& link) { OnLinkUp(link, out); },
                 [&](const ppp::Suspended&) { up_ = false; },
                 [&](const ppp::Down& down) { OnLinkDown(now, down.reason, out); },
             },
             event);
}

void Client::Respond(absl::Time now, const ppp::NeedResponse& need, Out& out) {
  std::optional<ppp::Response> response;
  switch (need.protocol) {
    case ppp::AuthProtocol::kMsChapV2:
      response = RespondToMsChapV2(need.challenge);
      break;
    case ppp::AuthProtocol::kChapMd5:
      response = RespondToChapMd5(need.id, need.challenge);
      break;
    case ppp::AuthProtocol::kPap:
      response = ppp::Password(password_.view());
      break;
  }
  if (!response) return End(DownReason::kLinkFailed, "password is not usable");
  WithLink(now, out,
           [&](auto& link, auto& to) { link.OnResponse(now, need.ticket, *response, to); });
}

std::optional<ppp::Response> Client::RespondToMsChapV2(stack::ByteView challenge) {
  const auto hash = crypto::NtPasswordHash(stack::AsText(password_.view()));
  exchange_ = std::make_unique<Exchange>();
  if (!hash.ok() || challenge.size() != exchange_->authenticator_challenge.size()) {
    return std::nullopt;
  }
  std::ranges::copy(challenge, exchange_->authenticator_challenge.begin());
  rng_.Fill(exchange_->peer_challenge);
  exchange_->response = crypto::GenerateNtResponse(
      {exchange_->authenticator_challenge, exchange_->peer_challenge, ppp_.name}, *hash);
  return stack::wire::MsChapV2Response{exchange_->peer_challenge, exchange_->response};
}

// RFC 1994 section 4.1.
ppp::Response Client::RespondToChapMd5(uint8_t id, stack::ByteView challenge) const {
  const std::array<std::byte, 1> octet = {std::byte{id}};
  const crypto::Digest hash =
      crypto::Hash(crypto::HashId::kMd5, {octet, password_.view(), challenge});
  ppp::ChapMd5Response response;
  std::ranges::copy(hash.view(), response.begin());
  return response;
}

void Client::CheckServer(absl::Time now, const ppp::NeedCheckSuccess& need, Out& out) {
  const auto hash = crypto::NtPasswordHash(stack::AsText(password_.view()));
  bool genuine = false;
  if (hash.ok() && exchange_ != nullptr) {
    const std::string expected = crypto::GenerateAuthenticatorResponse(
        {exchange_->authenticator_challenge, exchange_->peer_challenge, ppp_.name}, *hash,
        exchange_->response);
    genuine = crypto::ConstantTimeEqual(stack::AsBytes(expected),
                                        stack::AsBytes(need.authenticator_response));
  }
  WithLink(now, out,
           [&](auto& link, auto& to) { link.OnSuccessChecked(now, need.ticket, genuine, to); });
}

void Client::OnLinkUp(const ppp::ClientUp& link, Out& out) {
  out.Tell(Step{Milestone::kIpUp});
  constexpr size_t kHeaders = l2tp::kSequencedDataHeader + ppp::kDataHeader;
  const size_t room = ipsec_.MaxMessage();
  Up up{link.address, link.gateway, link.dns, link.peer_mru};
  if (room > kHeaders) up.mtu = static_cast<uint16_t>(std::min<size_t>(up.mtu, room - kHeaders));
  up_ = true;
  out.Tell(up);
}

// A server that ends the session in order says CDN and StopCCN next. In every other case the rest
// is ours to say.
void Client::OnLinkDown(absl::Time now, ppp::DownReason reason, Out& out) {
  out.Tell(Step{Milestone::kLinkDown});
  const bool was_up = std::exchange(up_, false);
  const bool by_server = reason == ppp::DownReason::kPeerTerminated;
  End(by_server && was_up ? DownReason::kEndedByServer : DownReason::kLinkFailed,
      std::string(ppp::NameOf(reason)));
  if (!by_server) return CloseTunnel(now, out);
  timers_.Arm(Timer::kAfterYou, now + kAfterYou);
}

// ---- The end ----------------------------------------------------------------------------------

void Client::Close(absl::Time now, Out& out) {
  if (down_ || ending_) return;
  End(DownReason::kClosed, {});
  if (link_ != nullptr && own_session_.value != 0) {
    WithLink(now, out, [now](auto& link, auto& to) {
      link.Terminate(now, ppp::DownReason::kAdministrative, to);
    });
  } else {
    CloseTunnel(now, out);
  }
  Settle(now, out);
}

void Client::CloseIpsec(absl::Time now, Out& out) {
  if (down_) return;
  End(DownReason::kClosed, {});
  ipsec_.Close(now, out);
  Settle(now, out);
}

void Client::CloseTunnel(absl::Time now, Out& out) {
  if (tunnel_ == nullptr || tunnel_down_) {
    tunnel_over_ = true;
    return;
  }
  const l2tp::ResultCode hang_up = l2tp::Code(l2tp::CdnResult::kLossOfCarrier);
  WithTunnel(now, out,
             [&](auto& tunnel, auto& to) { tunnel.HangUp(now, own_session_, hang_up, to); });
  const l2tp::ResultCode stop = l2tp::Code(l2tp::StopCcnResult::kClear);
  WithTunnel(now, out, [&](auto& tunnel, auto& to) { tunnel.Close(now, stop, to); });
}

void Client::End(DownReason reason, std::string text) {
  if (!ending_) ending_ = Down{reason, std::move(text)};
}

void Client::Settle(absl::Time now, Out& out) {
  if (ipsec_.is_up() && tunnel_ == nullptr && !ending_) DialTunnel(now, out);
  if (ending_ && tunnel_over_) ipsec_.Close(now, out);
  if (!ipsec_.is_over() || down_) return;
  End(ipsec_.why().reason, ipsec_.why().text);
  up_ = false;
  down_ = true;
  timers_.DisarmAll();
  out.Tell(*ending_);
}

void Client::OnDeadline(absl::Time now, Out& out) {
  if (down_) return;
  if (ipsec_.NextDeadline() <= now) ipsec_.OnDeadline(now, out);
  if (tunnel_ != nullptr && tunnel_->NextDeadline() <= now) {
    WithTunnel(now, out, [now](auto& tunnel, auto& to) { tunnel.OnDeadline(now, to); });
  }
  if (link_ != nullptr && own_session_.value != 0 && link_->NextDeadline() <= now) {
    WithLink(now, out, [now](auto& link, auto& to) { link.OnDeadline(now, to); });
  }
  if (timers_.TakeDue(Timer::kAfterYou, now)) CloseTunnel(now, out);
  Settle(now, out);
}

absl::Time Client::NextDeadline() const {
  if (down_) return absl::InfiniteFuture();
  absl::Time next = std::min(ipsec_.NextDeadline(), timers_.Next());
  if (tunnel_ != nullptr) next = std::min(next, tunnel_->NextDeadline());
  if (link_ != nullptr && own_session_.value != 0) next = std::min(next, link_->NextDeadline());
  return next;
}

// ---- Convenience ------------------------------------------------------------------------------

namespace {

ike::KeyPairAnswer Solve(const NeedKeyPair& need) {
  auto pair = crypto::GenerateDh(need.group);
  if (!pair.ok()) return {need.ticket, nullptr};
  return {need.ticket, std::make_shared<const crypto::DhKeyPair>(*std::move(pair))};
}

ike::DhAnswer Solve(const NeedAgreement& need) {
  ike::DhAnswer answer;
  answer.ticket = need.ticket;
  auto shared = need.pair->Agree(need.peer_public);
  answer.outcome =
      shared.ok() ? ike::DhAnswer::Outcome::kDone : ike::DhAnswer::Outcome::kBadPublicValue;
  if (shared.ok()) answer.shared = *std::move(shared);
  return answer;
}

}  // namespace

void SolveInline(absl::Time now, Client& client, Out& out) {
  for (size_t i = 0; i < out.items().size(); ++i) {  // answers add items behind
    auto* event = std::get_if<1>(&out.items()[i]);
    if (event == nullptr) continue;
    if (auto* pair = std::get_if<NeedKeyPair>(event)) {
      const NeedKeyPair need = *pair;
      *event = Drop::kNone;
      client.OnKeyPair(now, Solve(need), out);
    } else if (auto* agreement = std::get_if<NeedAgreement>(event)) {
      const NeedAgreement need = *agreement;
      *event = Drop::kNone;
      client.OnDh(now, Solve(need), out);
    }
  }
}

}  // namespace gateway::load
