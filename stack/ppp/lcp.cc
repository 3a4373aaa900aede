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

Lcp::Lcp(uint16_t mru, Rng& rng) : rng_(rng), wanted_mru_(mru), mru_(mru), magic_(FreshMagic()) {}

uint32_t Lcp::FreshMagic() {
  const uint32_t magic = rng_.U32();
  return magic == 0 ? 1 : magic;  // zero means "none" (section 6.4)
}

ByteView Lcp::MsChapV2() {
  static constexpr std::array<std::byte, 3> kData = {
      std::byte{0xc2}, std::byte{0x23}, static_cast<std::byte>(wire::ChapAlgorithm::kMsChapV2)};
  return kData;
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
  out.U8(static_cast<uint8_t>(LcpOption::kAuthentication));
  out.U8(5);
  out.Put(MsChapV2());
}

void LnsLcp::JudgeAuthentication(const PppOption& option, OptionReply& reply) {
  reply.Reject(option);
}

bool LnsLcp::OnAuthenticationRefused(const PppOption& option, PppCode code) {
  const bool agrees = code == PppCode::kConfigureNak && std::ranges::equal(option.data, MsChapV2());
  if (!agrees) Fail(DownReason::kAuthRefused);
  return agrees;
}

void ClientLcp::WriteAuthentication(Writer&) const {}

void ClientLcp::JudgeAuthentication(const PppOption& option, OptionReply& reply) {
  if (std::ranges::equal(option.data, MsChapV2())) {
    GrantAuthentication();
  } else {
    reply.Nak(option, MsChapV2());
  }
}

bool ClientLcp::OnAuthenticationRefused(const PppOption&, PppCode) { return true; }

}  // namespace stack::ppp
