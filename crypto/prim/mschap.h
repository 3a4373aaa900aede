// MS-CHAPv2 arithmetic, RFC 2759 section 8; the vectors of its section 9.2 are in the tests.
//
// The PPP machine carries challenges and answers and knows none of this: the authenticator asks
// here whether an NT-Response is right and what to say back. Microseconds; no state.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "crypto/prim/secret.h"

namespace crypto {

using NtResponse = std::array<std::byte, 24>;

// What both ends know of one login.
struct MsChapExchange {
  std::span<const std::byte, 16> authenticator_challenge;  // of our Challenge packet
  std::span<const std::byte, 16> peer_challenge;           // of the client's Response packet
  std::string_view user_name;  // as the client sent it; a domain in front of it ("DOM\user") is not
                               // hashed (RFC 2759 section 8.2), which is seen to here
};

// `name` without a Windows domain in front: what follows the last backslash.
std::string_view WithoutDomain(std::string_view name);

// MD4 of the password in UTF-16LE, 16 octets: as good as the password itself, hence Secret.
// InvalidArgument if `password` is not well-formed UTF-8 or longer than 256 UTF-16 units.
absl::StatusOr<Secret> NtPasswordHash(std::string_view password);

// The 8 octets both ends compute from the two challenges and the name.
std::array<std::byte, 8> ChallengeHash(const MsChapExchange& exchange);

// The client's answer. `nt_hash` is what NtPasswordHash gave.
NtResponse GenerateNtResponse(const MsChapExchange& exchange, const Secret& nt_hash);

// Whether `response` (24 octets; any other length is wrong) is that answer; in constant time.
[[nodiscard]] bool CheckNtResponse(const MsChapExchange& exchange, const Secret& nt_hash,
                                   ByteView response);

// What proves to the client that we know the password too: "S=" and 40 upper-case hex digits.
std::string GenerateAuthenticatorResponse(const MsChapExchange& exchange, const Secret& nt_hash,
                                          const NtResponse& response);

}  // namespace crypto
