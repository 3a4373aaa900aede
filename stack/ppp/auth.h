// The authentication protocols of a link: how LCP names them, in which order they are wanted, and
// what a peer gives to prove who it is. RFC 1661 section 6.2, RFC 1334 (PAP), RFC 1994 (CHAP with
// MD5), RFC 2759 (MS-CHAPv2). EAP is never spoken.
//
// LCP agrees on one of them (lcp.h), then chap.h or pap.h carries it out. Neither computes: whether
// a proof is right is asked, see NeedVerify in lns_link.h.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "stack/base/bytes.h"
#include "stack/wire/ppp.h"

namespace stack::ppp {

enum class AuthProtocol : uint8_t { kMsChapV2, kChapMd5, kPap };
std::string_view NameOf(AuthProtocol protocol);  // "MS-CHAPv2"

// Whose packets carry it: CHAP or PAP.
wire::PppProtocol CarrierOf(AuthProtocol protocol);
// What stands in LCP's authentication option, C223 81 for MS-CHAPv2; and back, none if it is
// not one of the three.
ByteView OptionOf(AuthProtocol protocol);
std::optional<AuthProtocol> AuthProtocolOf(ByteView option);
// The same for people, with names also for those that are not spoken here: "EAP".
std::string TextOfOption(ByteView option);

// Some of them, best first, each once. Never empty.
class AuthProtocols {
 public:
  AuthProtocols(std::initializer_list<AuthProtocol> best_first) {
    for (const AuthProtocol protocol : best_first) Add(protocol);
  }
  // Behind the others; nothing happens if it is there already.
  void Add(AuthProtocol protocol) {
    if (!Contains(protocol)) list_[size_++] = protocol;
  }
  const AuthProtocol* begin() const { return list_.data(); }
  const AuthProtocol* end() const { return list_.data() + size_; }
  AuthProtocol best() const { return list_[0]; }
  bool Contains(AuthProtocol protocol) const {
    return std::find(begin(), end(), protocol) != end();
  }
  std::string Text() const;  // "MS-CHAPv2, PAP"

 private:
  std::array<AuthProtocol, 3> list_{};
  uint8_t size_ = 0;
};

// Overwrites `bytes` in a way the compiler may not leave out.
void Scrub(ByteSpan bytes);

// A password as PAP sends it, scrubbed when it is not needed any more.
class Password {
 public:
  explicit Password(ByteView bytes);  // at most 255 octets, as many as PAP can send
  Password(const Password&) = default;
  Password& operator=(const Password&) = default;
  ~Password() { Scrub(bytes_); }
  ByteView view() const { return ByteView(bytes_).first(size_); }

 private:
  std::array<std::byte, 255> bytes_{};
  uint8_t size_;
};

using ChapChallenge = std::array<std::byte, 16>;  // as long as RFC 2759 section 3 asks for

// What a peer shows, and all that is needed to judge it.
struct MsChapV2Proof {
  ChapChallenge challenge;  // ours
  wire::MsChapV2Response response;
};
struct ChapMd5Proof {
  uint8_t id;  // goes into the hash (RFC 1994 section 4.1)
  ChapChallenge challenge;
  std::array<std::byte, 16> response;
};
struct PapProof {
  Password password;
};
using Proof = std::variant<MsChapV2Proof, ChapMd5Proof, PapProof>;

// A proof and whose it claims to be: what an authenticator makes of a packet.
struct Claim {
  std::string name;  // as sent, at most 255 octets, any octets: maybe "DOMAIN\user"
  Proof proof;
};

}  // namespace stack::ppp
