// The subscriber's half of a PPP link over an L2TP call: authenticates itself, asks
// for an address and name servers, then carries IPv4. The mirror image of lns_link.h, and as much
// part of the product: `adit load` and the tests' clients are made of it.
//
//   Start -> LCP -> NeedResponse -> (MS-CHAPv2: NeedCheckSuccess) -> IPCP -> ClientUp ... -> Down
#pragma once

#include <array>
#include <cstdint>
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

// What shows the server who we are? To be answered by OnResponse with the same ticket.
struct NeedResponse {
  uint32_t ticket;
  AuthProtocol protocol;
  uint8_t id;          // of the Challenge: goes into the hash of MD5
  Bytes challenge;     // of MS-CHAPv2 16 octets, of MD5 1 to 255; of PAP none
  std::string server;  // the name in the Challenge
};

// Answers to NeedResponse, of the protocol that was asked for.
using ChapMd5Response = std::array<std::byte, 16>;
using Response = std::variant<wire::MsChapV2Response, ChapMd5Response, Password>;

// Does the server know the password too? To be answered by OnSuccessChecked with the same ticket.
struct NeedCheckSuccess {
  uint32_t ticket;
  std::string authenticator_response;  // "S=" and 40 hex digits, the rest of the message cut off
};

struct ClientUp {
  Ip4 address;  // ours
  Ip4 gateway;  // zero if the server did not say
  std::array<Ip4, 2> dns{};
  uint16_t peer_mru;  // the largest IP packet the server takes
};

using ClientEvent =
    std::variant<NeedResponse, NeedCheckSuccess, ClientUp, Suspended, Down, Step, Drop>;

struct ClientOptions {
  std::string name;     // "user" or "DOMAIN\user"
  uint16_t mru = 1400;  // what we want to receive at most; 0: do not ask (which means 1500)
  Timing timing;
  AuthProtocols authentication = {AuthProtocol::kMsChapV2};  // that we do, best first
};

class ClientLink {
 public:
  using In = ByteView;
  using Out = Outbox<ClientEvent>;

  // `rng` outlives the link.
  ClientLink(const ClientOptions& options, Rng& rng);
  ClientLink(const ClientLink&) = delete;
  ClientLink& operator=(const ClientLink&) = delete;

  void Start(absl::Time now, Out& out);
  void OnPacket(absl::Time now, const In& frame, Out& out);
  void OnResponse(absl::Time now, uint32_t ticket, const Response& response, Out& out);
  // A server that cannot prove that it knows the password ends the link with kAuthFailed.
  void OnSuccessChecked(absl::Time now, uint32_t ticket, bool genuine, Out& out);
  void Terminate(absl::Time now, DownReason reason, Out& out);
  void OnLifeSign(absl::Time now) { link_.OnLifeSign(now); }
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const;

  bool is_up() const { return up_; }

 private:
  void Act(absl::Time now, const Outcome& outcome, Out& out);
  void OnLcpUp(absl::Time now, Out& out);
  void OnAuthPacket(absl::Time now, const AuthPacket& auth, Out& out);
  void OnChallenge(absl::Time now, const wire::PppControl& packet, Out& out);
  void OnResult(absl::Time now, const wire::PppControl& packet, Out& out);
  void OnPapResult(absl::Time now, const wire::PppControl& packet, Out& out);
  void Authenticated(absl::Time now, Out& out);
  void Fail(absl::Time now, uint16_t error, Out& out);
  void OnIpcpUp(absl::Time now, Out& out);
  void OpenNetwork(absl::Time now, Out& out);
  void Close(absl::Time now, DownReason reason, Out& out);
  void Suspend(Out& out);

  const ClientOptions options_;
  ClientLcp lcp_;
  ClientIpcp ipcp_;
  Link link_;
  ChapPeer chap_;
  PapPeer pap_;
  uint32_t next_ticket_ = 1;
  uint32_t response_ticket_ = 0;  // 0: no such question is open
  uint32_t check_ticket_ = 0;
  bool up_ = false;
};
static_assert(Machine<ClientLink>);

}  // namespace stack::ppp
