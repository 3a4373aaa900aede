// Who is this, and may he in? Question and answer of a login, in a shape that fits the users of the
// configuration file (local_users.h, answers at once) as well as a RADIUS server (answers later, by
// ticket). PPP asks: see stack/ppp/lns_link.h, NeedVerify; RFC 2759 sections 4 and 5, RFC 2865
// sections 5.2 and 5.3 and RFC 2548 section 2.3 for the fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stack/base/address.h"
#include "stack/ppp/auth.h"

namespace gateway::auth {

// One login as it came over the wire.
using Question = stack::ppp::Claim;

// What becomes of a user's second login while the first is on line.
enum class Logins : uint8_t {
  kMany,     // both stay
  kReplace,  // the new one ends the old one
  kRefuse,   // the new one fails, unless the old one is dead
};

// What a user has of his own.
struct Grants {
  std::optional<stack::Ip4> address = {};  // the one address he always gets
  std::optional<uint8_t> pool = {};        // the only pool his addresses come from; by index
  Logins logins = Logins::kMany;
};

// Why a login was refused. For the log alone: the client is told the same in every case.
enum class Refusal : uint8_t {
  kNone,  // it was not
  kUnknownUser,
  kWrongPassword,
  kNoPassword,  // the protocol is not allowed any more, and nothing was kept to judge it by
};
std::string_view NameOf(Refusal refusal);  // snake_case and stable

struct Answer {
  Refusal refusal = Refusal::kNone;
  std::string user;                    // as accounted: without a domain
  std::string authenticator_response;  // MS-CHAPv2, accepted: "S=" and 40 upper-case hex digits
  Grants grants;                       // accepted

  bool accepted() const { return refusal == Refusal::kNone; }
};

}  // namespace gateway::auth
