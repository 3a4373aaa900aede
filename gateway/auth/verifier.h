// Who is this, and may he in? Question and answer of a login, in a shape that fits the users of the
// configuration file (local_users.h, answers at once) as well as a RADIUS server (answers later, by
// ticket). PPP asks: see stack/ppp/lns_link.h, NeedVerify; RFC 2759 sections 4 and 5 and RFC 2548
// section 2.3 for the fields.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stack/base/address.h"
#include "stack/base/bytes.h"

namespace gateway::auth {

// One MS-CHAPv2 login as it came over the wire.
struct Question {
  std::string name;  // as sent, at most 255 octets, any octets: maybe "DOMAIN\user"
  std::array<std::byte, 16> authenticator_challenge{};
  std::array<std::byte, 16> peer_challenge{};
  std::array<std::byte, 24> nt_response{};
};

// Why a login was refused. For the log alone: the client is told E=691 in either case.
enum class Refusal : uint8_t {
  kNone,  // it was not
  kUnknownUser,
  kWrongPassword,
};
std::string_view NameOf(Refusal refusal);  // snake_case and stable

struct Answer {
  Refusal refusal = Refusal::kNone;
  std::string user;                    // as accounted: without a domain
  std::string authenticator_response;  // accepted: "S=" and 40 upper-case hex digits
  std::optional<stack::Ip4> address;   // accepted: an address of his own

  bool accepted() const { return refusal == Refusal::kNone; }
};

}  // namespace gateway::auth
