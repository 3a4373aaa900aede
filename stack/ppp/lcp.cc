#include "stack/ppp/lcp.h"

#include <algorithm>
#include <array>

namespace stack::ppp {
namespace {

using wire::LcpOption;
using wire::PppCode;
using wire::PppOption;
using wire::PppOptions;

constexpr int kLoopbackProof = 5;  // our own magic number so often in a row is no chance

void Put32(Writer& out, LcpOption type, uint32_t value) {
  out.U8(static_cast<uint8_t>(type));
  out.U8(6);
  out.U32(value);
}

std::array<std::byte, 4> Bytes32(uint32_t value) {
  std::array<std::byte, 4> bytes;
  Store32(bytes.data(), value);
  return bytes;
}

std::optional<uint32_t> MagicIn(ByteView options) {
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    const bool is_magic = option->type == static_cast<uint8_t>(LcpOption::kMagic);
    if (is_magic && option->data.size() == 4) return Load32(option->data.data());
  }
  return std::nullopt;
}

}  // namespace

Lcp::Lcp(uint16_t mru, const AuthProtocols& spoken, Rng& rng)
    : rng_(rng), spoken_(spoken), wanted_mru_(mru), mru_(mru), magic_(FreshMagic()) {}

bool Lcp::Speaks(wire::PppProtocol carrier) const {
  return std::ranges::any_of(spoken_,
                             [carrier](AuthProtocol p) { return CarrierOf(p) == carrier; });
}

uint32_t Lcp::FreshMagic() {
  const uint32_t magic = rng_.U32();
  return magic == 0 ? 1 : magic;  // zero means "none" (section 6.4)
}

void Lcp::WriteRequest(Writer& out) {
  if (mru_ != 0) {
    out.U8(static_cast<uint8_t>(LcpOption::kMru));
    out.U8(4);
    out.U16(mru_);
  }
  WriteAuthentication(out);
  if (magic_ != 0) Put32(out, LcpOption::kMagic, magic_);
}

// A request that carries our own magic number is most likely our own request. Then nothing but the
// number is looked at (section 6.4): rejecting the rest would only make us give up for the wrong
// reason.
void Lcp::Judge(ByteView options, OptionReply& reply) {
  asked_ = Peer{};
  const bool is_ours = magic_ != 0 && MagicIn(options) == magic_;
  own_magic_seen_ = is_ours ? own_magic_seen_ + 1 : 0;
  if (own_magic_seen_ >= kLoopbackProof) {
    Fail(DownReason::kLoopback);
    return reply.GiveUp();
  }
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    const bool is_magic = option->type == static_cast<uint8_t>(LcpOption::kMagic);
    if (is_magic) {
      JudgeMagic(*option, reply);
    } else if (!is_ours) {
      JudgeOption(*option, reply);
    }
  }
}

// ACCM means nothing on L2TP and the compressions are taken at any time, so they are granted. What
// is rejected goes back in one Reject, each time anew: Windows repeats its callback option until
// the Reject gets through.
void Lcp::JudgeOption(const PppOption& option, OptionReply& reply) {
  const size_t size = option.data.size();
  switch (static_cast<LcpOption>(option.type)) {
    case LcpOption::kMru:
      return JudgeMru(option, reply);
    case LcpOption::kAuthentication:
      return JudgeAuthentication(option, reply);
    case LcpOption::kAccm:
      return size == 4 ? void() : reply.Reject(option);
    case LcpOption::kPfc:
    case LcpOption::kAcfc:
      return size == 0 ? void() : reply.Reject(option);
    default:
      return reply.Reject(option);
  }
}

void Lcp::JudgeMru(const PppOption& option, OptionReply& reply) {
  if (option.data.size() != 2) return reply.Reject(option);
  const uint16_t mru = Load16(option.data.data());
  if (mru >= wire::kPppMinMru) {
    asked_.mru = mru;
    return;
  }
  std::array<std::byte, 2> least;
  Store16(least.data(), wire::kPppMinMru);
  reply.Nak(option, least);
}

void Lcp::JudgeMagic(const PppOption& option, OptionReply& reply) {
  if (option.data.size() != 4) return reply.Reject(option);
  const uint32_t magic = Load32(option.data.data());
  if (magic == 0 || magic == magic_) reply.Nak(option, Bytes32(FreshMagic()));
}

bool Lcp::OnNak(ByteView options) {
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    if (!OnRefused(*option, PppCode::kConfigureNak)) return false;
  }
  return true;
}

bool Lcp::OnReject(ByteView options) {
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    if (!OnRefused(*option, PppCode::kConfigureReject)) return false;
  }
  return true;
}

bool Lcp::OnRefused(const PppOption& option, PppCode code) {
  const bool reject = code == PppCode::kConfigureReject;
  switch (static_cast<LcpOption>(option.type)) {
    case LcpOption::kMru:
      reject ? void(mru_ = 0) : NakMru(option);
      return true;
    case LcpOption::kAuthentication:
      return OnAuthenticationRefused(option, code);
    case LcpOption::kMagic:
      magic_ = reject ? 0 : FreshMagic();  // a number of our own choice, not the one proposed
      return true;
    default:
      return true;  // something that we should ask for as well: no
  }
}

// Less than we wanted is fine. More is what everybody has without the option.
void Lcp::NakMru(const PppOption& option) {
  if (option.data.size() != 2) return;
  const uint16_t proposed = Load16(option.data.data());
  if (proposed < wire::kPppMinMru) return;
  mru_ = proposed <= wanted_mru_ ? proposed : uint16_t{0};
}

void LnsLcp::WriteAuthentication(Writer& out) const {
  const ByteView protocol = OptionOf(demand_);
  out.U8(static_cast<uint8_t>(LcpOption::kAuthentication));
  out.U8(static_cast<uint8_t>(2 + protocol.size()));
  out.Put(protocol);
}

void LnsLcp::JudgeAuthentication(const PppOption& option, OptionReply& reply) {
  reply.Reject(option);
}

bool LnsLcp::OnAuthenticationRefused(const PppOption& option, PppCode code) {
  const bool nak = code == PppCode::kConfigureNak;
  const std::optional<AuthProtocol> wanted = nak ? AuthProtocolOf(option.data) : std::nullopt;
  if (wanted == demand_) return true;
  wanted_ = nak ? TextOfOption(option.data) : "no authentication";
  refused_ |= static_cast<uint8_t>(1U << static_cast<uint8_t>(demand_));
  const std::optional<AuthProtocol> next = nak ? NextDemand(wanted) : std::nullopt;
  if (next) {
    demand_ = *next;
  } else {
    Fail(DownReason::kAuthRefused);
  }
  return next.has_value();
}

// What the peer asks for, if it may have that; else the best that it has not refused yet.
std::optional<AuthProtocol> LnsLcp::NextDemand(std::optional<AuthProtocol> wanted) const {
  const auto is_open = [this](AuthProtocol protocol) {
    return (refused_ >> static_cast<uint8_t>(protocol) & 1U) == 0;
  };
  if (wanted && spoken().Contains(*wanted) && is_open(*wanted)) return wanted;
  const AuthProtocol* next = std::ranges::find_if(spoken(), is_open);
  return next == spoken().end() ? std::nullopt : std::optional(*next);
}

std::string LnsLcp::Disagreement() const {
  const std::string client = wanted_.empty() ? "" : "the client wants " + wanted_ + "; ";
  return client + "allowed here: " + spoken().Text();
}

void ClientLcp::WriteAuthentication(Writer&) const {}

void ClientLcp::JudgeAuthentication(const PppOption& option, OptionReply& reply) {
  const std::optional<AuthProtocol> protocol = AuthProtocolOf(option.data);
  if (protocol && spoken().Contains(*protocol)) {
    GrantAuthentication(*protocol);
  } else {
    reply.Nak(option, OptionOf(spoken().best()));
  }
}

bool ClientLcp::OnAuthenticationRefused(const PppOption&, PppCode) { return true; }

}  // namespace stack::ppp
