// The gateway's half of a PPP link over an L2TP call: demands authentication, assigns an address,
// then carries IPv4. Read RFC 1661 section 3 (phases), then link.h for what both halves share, and
// auth.h, chap.h and pap.h.
//
//   Start -> LCP -> CHAP or PAP -> NeedVerify -> NeedAddress -> IPCP -> Up ... Suspended -> Up ...
//   -> Down
//
// In: PPP frames as they stand behind the L2TP header (FF 03 or not), all that ppp/data.h does not
// take. Out: PPP frames with FF 03, to be put behind an L2TP header. Nothing here computes with a
// password: whether an answer is right is asked, and told by OnVerified.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "stack/base/address.h"
#include "stack/base/rng.h"
#include "stack/ppp/auth.h"
#include "stack/ppp/chap.h"
#include "stack/ppp/event.h"
#include "stack/ppp/ipcp.h"
#include "stack/ppp/lcp.h"
#include "stack/ppp/link.h"
#include "stack/ppp/pap.h"

namespace stack::ppp {

// Is this proof right? To be answered by OnVerified with the same ticket.
struct NeedVerify {
  uint32_t ticket;
  std::string name;  // as sent, at most 255 octets, any octets: maybe "DOMAIN\user"
  std::string user;  // the part behind the last backslash (RFC 2759 section 4)
  Proof proof;
};

// May this user come in now, and with which address? To be answered by OnAddress with the same
// ticket. Asked once a link, and before the client is told that its proof was right.
struct NeedAddress {
  uint32_t ticket;
  std::string user;
};

// The link carries IPv4. Told again after Suspended.
struct Up {
  Ip4 client;   // the only source address its packets may have
  Ip4 gateway;  // our end
  uint16_t
      peer_mru;  // the largest IP packet the client takes: 128 and more, 1500 if it did not say
  std::string user;
};

using LnsEvent = std::variant<NeedVerify, NeedAddress, Up, Suspended, Down, Step, Drop>;

// Answers to NeedVerify.
struct Accepted {
  // MS-CHAPv2: "S=" and 40 upper-case hex digits (RFC 2759 section 5). Nothing for the others.
  std::string authenticator_response = {};
};
struct Refused {};
using Verdict = std::variant<Accepted, Refused>;

// Answers to NeedAddress.
struct Assignment {
  Ip4 client;
  Ip4 gateway;
  std::array<Ip4, 2> dns{};  // zero: none; the client's question for it is then rejected
};
struct NotAdmitted {
  // kNoAddress, kFull, or kLoggedIn: then the client is told that its authentication failed.
  DownReason reason = DownReason::kNoAddress;
};
using Admission = std::variant<Assignment, NotAdmitted>;

// The E= codes of RFC 2759 section 6 that are sent.
inline constexpr uint16_t kAuthenticationFailure = 691;
// The password is right, but the account may not come in now: clients do not ask for another
// password then.
inline constexpr uint16_t kNoDialinPermission = 649;

struct LnsOptions {
  std::string name = "adit";  // in the CHAP Challenge
  uint16_t mru = 1400;        // what we want to receive at most
  Timing timing;
  AuthProtocols authentication = {AuthProtocol::kMsChapV2};  // allowed, best first
};

class LnsLink {
 public:
  using In = ByteView;
  using Out = Outbox<LnsEvent>;

  // `rng` is the shard's and outlives the link.
  LnsLink(const LnsOptions& options, Rng& rng);
  LnsLink(const LnsLink&) = delete;
  LnsLink& operator=(const LnsLink&) = delete;

  // The call is up: the first Configure-Request goes out. Once. Packets before it die as
  // kPppNotOpen.
  void Start(absl::Time now, Out& out);
  void OnPacket(absl::Time now, const In& frame, Out& out);
  void OnVerified(absl::Time now, uint32_t ticket, const Verdict& verdict, Out& out);
  // No assignment ends the link with the reason given. An answer that comes after Down is ignored:
  // the caller then gives the address back, as it does with the address of every link that tells
  // Down.
  void OnAddress(absl::Time now, uint32_t ticket, const Admission& admission, Out& out);
  // Orderly shutdown: Terminate-Request, sent again once if not acknowledged, then Down{reason}.
  void Terminate(absl::Time now, DownReason reason, Out& out);
  // Asks the client for a life sign now: LCP Echo-Request. Nothing happens before LCP is open.
  void Probe(Out& out);
  // Data came from the client: it lives, no Echo-Request is needed. Cheap enough for every packet.
  void OnLifeSign(absl::Time now) { link_.OnLifeSign(now); }
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const;

  bool is_up() const { return up_; }
  // What the peer is, or was, to authenticate itself by.
  AuthProtocol authentication() const { return lcp_.demand(); }

 private:
  void Act(absl::Time now, const Outcome& outcome, Out& out);
  void Authenticate(absl::Time now, Out& out);
  void OnAuthPacket(const AuthPacket& auth, Out& out);
  void Accept(absl::Time now, const Accepted& accepted, Out& out);
  void Refuse(absl::Time now, uint16_t error, DownReason reason, Out& out);
  void OpenNetwork(absl::Time now, Out& out);
  void Close(absl::Time now, DownReason reason, Out& out);
  void Suspend(Out& out);

  const LnsOptions options_;
  Rng& rng_;
  LnsLcp lcp_;
  LnsIpcp ipcp_;
  Link link_;
  ChapAuthenticator chap_;
  PapAuthenticator pap_;
  uint32_t next_ticket_ = 1;
  uint32_t verify_ticket_ = 0;  // 0: no such question is open
  uint32_t address_ticket_ = 0;
  std::string claimed_user_;         // whose answer is being verified
  std::optional<std::string> user_;  // as authenticated
  std::string success_;              // the Success text, held back until there is an address
  std::optional<Assignment> assignment_;
  bool up_ = false;
};
static_assert(Machine<LnsLink>);

}  // namespace stack::ppp
