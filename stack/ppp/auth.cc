#include "stack/ppp/auth.h"

namespace stack::ppp {
namespace {

using wire::ChapAlgorithm;
using wire::PppProtocol;

constexpr std::array<std::byte, 3> Chap(ChapAlgorithm algorithm) {
  return {std::byte{0xc2}, std::byte{0x23}, static_cast<std::byte>(algorithm)};
}
constexpr std::array<std::byte, 3> kMsChapV2Option = Chap(ChapAlgorithm::kMsChapV2);
constexpr std::array<std::byte, 3> kChapMd5Option = Chap(ChapAlgorithm::kMd5);
constexpr std::array<std::byte, 2> kPapOption = {std::byte{0xc0}, std::byte{0x23}};
constexpr std::array<AuthProtocol, 3> kAll = {AuthProtocol::kMsChapV2, AuthProtocol::kChapMd5,
                                              AuthProtocol::kPap};

}  // namespace

std::string_view NameOf(AuthProtocol protocol) {
  switch (protocol) {
    case AuthProtocol::kMsChapV2:
      return "MS-CHAPv2";
    case AuthProtocol::kChapMd5:
      return "CHAP-MD5";
    case AuthProtocol::kPap:
      return "PAP";
  }
  return "unknown";
}

PppProtocol CarrierOf(AuthProtocol protocol) {
  return protocol == AuthProtocol::kPap ? PppProtocol::kPap : PppProtocol::kChap;
}

ByteView OptionOf(AuthProtocol protocol) {
  switch (protocol) {
    case AuthProtocol::kMsChapV2:
      return kMsChapV2Option;
    case AuthProtocol::kChapMd5:
      return kChapMd5Option;
    case AuthProtocol::kPap:
      return kPapOption;
  }
  return {};
}

std::optional<AuthProtocol> AuthProtocolOf(ByteView option) {
  for (const AuthProtocol protocol : kAll) {
    if (std::ranges::equal(option, OptionOf(protocol))) return protocol;
  }
  return std::nullopt;
}

std::string TextOfOption(ByteView option) {
  if (const auto known = AuthProtocolOf(option)) return std::string(NameOf(*known));
  if (option.size() < 2) return "something unreadable";
  const auto protocol = static_cast<PppProtocol>(Load16(option.data()));
  if (protocol == PppProtocol::kChap && option.size() == 3) {
    const bool first_version = option[2] == static_cast<std::byte>(ChapAlgorithm::kMsChap);
    return first_version ? "MS-CHAPv1" : "CHAP algorithm 0x" + ToHex(option.subspan(2));
  }
  const std::string_view name = NameOf(protocol);
  return name == "unknown" ? "protocol 0x" + ToHex(option.first(2)) : std::string(name);
}

std::string AuthProtocols::Text() const {
  std::string text;
  for (const AuthProtocol protocol : *this) {
    if (!text.empty()) text += ", ";
    text += NameOf(protocol);
  }
  return text;
}

Password::Password(ByteView bytes)
    : size_(static_cast<uint8_t>(std::min(bytes.size(), bytes_.size()))) {
  std::copy_n(bytes.begin(), size_, bytes_.begin());
}

// Through a volatile pointer: a compiler may leave out stores to what nobody reads any more.
void Scrub(ByteSpan bytes) {
  volatile std::byte* const octets = bytes.data();
  for (size_t i = 0; i < bytes.size(); ++i) octets[i] = std::byte{0};
}

}  // namespace stack::ppp
