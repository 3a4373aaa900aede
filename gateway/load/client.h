// One L2TP/IPsec client, sans-IO: everything a dial-in computer does, from its first IKE message to
// its IPv4 packets. RFC 3193. The other half of the gateway, made of the initiators of each
// protocol and none of the gateway's own machinery.
//
//   packet of the outer network --> OnPacket --> Received{inner packet}
//   inner packet                --> Send     --> frame: packet for the outer network
//
//   Start -> phase 1 -> quick mode -> tunnel -> call -> PPP -> Up ... Close -> Down
//
// Nothing is allocated for a data packet.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "crypto/prim/secret.h"
#include "gateway/load/event.h"
#include "gateway/load/ipsec_end.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"
#include "stack/l2tp/tunnel_lac.h"
#include "stack/ppp/client_link.h"

namespace gateway::load {

struct ClientOptions {
  IpsecOptions ipsec;
  stack::l2tp::TunnelOptions l2tp;
  stack::ppp::ClientOptions ppp;  // ppp.name is the user's name
  crypto::Secret password;        // UTF-8
};

class Client {
 public:
  using In = stack::ByteView;  // see OnPacket
  using Out = load::Out;

  // `rng` outlives the client.
  Client(ClientOptions options, stack::Rng& rng);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  void Start(absl::Time now, Out& out);  // once, first

  // A whole IPv4 packet of the outer network, addressed to us.
  void OnPacket(absl::Time now, stack::PacketBuf packet, Out& out);
  void OnPacket(absl::Time now, const In& packet, Out& out);  // the same from a copy
  // A packet of ours into the tunnel, as it is; up to Up::mtu octets. Dropped (kPppNotOpen) unless
  // the client is up. The source address is not looked at, and the packet may be anything.
  void Send(absl::Time now, stack::PacketBuf packet, Out& out);
  // An L2TP message of any kind, sealed as it is: to see what the server makes of it.
  void SendL2tp(absl::Time now, stack::PacketBuf message, Out& out);

  // Send and OnPacket for data in batches, cut in two where the cipher comes in: one call of
  // crypto::esp::Seal or Open then serves packets of many clients. No machine of this client may be
  // called in between.
  //
  // An inner packet becomes what ESP is to carry, of protocol UDP; gives the SA to seal it with.
  // nullptr if the client is not up or the buffer has no room.
  crypto::esp::OutboundSa* Wrap(absl::Time now, stack::PacketBuf& packet);
  // Then the sealed packet becomes one for the outer network.
  [[nodiscard]] stack::Drop Encapsulate(stack::PacketBuf& packet) {
    return ipsec_.Encapsulate(packet);
  }
  // The SA that opens an ESP packet for us; nullptr if there is none.
  crypto::esp::InboundSa* InboundOf(crypto::esp::Spi spi) const { return ipsec_.InboundOf(spi); }
  // Then the opened payload, of this IP protocol, goes on its way. True: it is an inner IPv4 packet
  // now; false: it was something else, and all of it is in `out`.
  bool OnOpened(absl::Time now, stack::PacketBuf& payload, uint8_t next_header, Out& out);

  void OnKeyPair(absl::Time now, const crypto::ike::KeyPairAnswer& answer, Out& out);
  void OnDh(absl::Time now, crypto::ike::DhAnswer answer, Out& out);

  void RekeyEsp(absl::Time now, Out& out) { ipsec_.RekeyEsp(now, out); }
  void RekeyPhaseOne(absl::Time now, Out& out) { ipsec_.RekeyPhaseOne(now, out); }
  void RenewPhaseOne(absl::Time now, Out& out) { ipsec_.RenewPhaseOne(now, out); }
  // Another network: IPsec begins anew from `address`, tunnel and session go on in it (Apple after
  // sleep, or from Wi-Fi to the telephone network).
  void MoveTo(absl::Time now, stack::Ip4 address, Out& out) { ipsec_.MoveTo(now, address, out); }
  void SendDelete(absl::Time now, crypto::esp::Spi spi, Out& out) {
    ipsec_.SendDelete(now, spi, out);
  }
  // What the next phase 1 offers for ESP, and every one after it.
  void OfferEsp(std::vector<crypto::ike::EspSuite> esp) { ipsec_.OfferEsp(std::move(esp)); }
  // Ends in order: LCP Terminate, CDN, StopCCN, DELETE; Down follows. Inert when it is on already.
  void Close(absl::Time now, Out& out);
  // Ends with DELETE alone, as a client does that has no time left.
  void CloseIpsec(absl::Time now, Out& out);

  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const;

  bool is_up() const { return up_; }      // from Up to the end of IP
  bool is_down() const { return down_; }  // Down was told
  // The ids under which the server knows us; 0 while there are none.
  stack::l2tp::TunnelId server_tunnel() const;
  stack::l2tp::SessionId server_session() const { return server_session_; }

 private:
  using LinkOut = stack::ppp::ClientLink::Out;
  enum class Timer : uint8_t {
    kAfterYou
  };  // the server has begun to end the session: it may finish

  void OnL2tp(absl::Time now, stack::PacketBuf message, Out& out);
  bool OnData(absl::Time now, stack::PacketBuf& message, Out& out);
  bool PushHeaders(stack::PacketBuf& frame);
  stack::Drop SendFrame(absl::Time now, stack::PacketBuf frame, Out& out);

  // Calls into a machine, and works through what it says.
  template <class F>
  void WithTunnel(absl::Time now, Out& out, F&& call);
  template <class F>
  void WithLink(absl::Time now, Out& out, F&& call);
  void On(absl::Time now, stack::l2tp::Event& event, Out& out);
  void On(absl::Time now, stack::ppp::ClientEvent& event, Out& out);
  void OnCallUp(absl::Time now, const stack::l2tp::CallUp& call, Out& out);
  void OnCallDown(absl::Time now, const stack::l2tp::CallDown& down, Out& out);
  void OnTunnelDown(absl::Time now, const stack::l2tp::TunnelDown& down, Out& out);
  void OnLinkUp(const stack::ppp::ClientUp& link, Out& out);
  void OnLinkDown(absl::Time now, stack::ppp::DownReason reason, Out& out);
  void Respond(absl::Time now, const stack::ppp::NeedResponse& need, Out& out);
  std::optional<stack::ppp::Response> RespondToMsChapV2(stack::ByteView challenge);
  stack::ppp::Response RespondToChapMd5(uint8_t id, stack::ByteView challenge) const;
  void CheckServer(absl::Time now, const stack::ppp::NeedCheckSuccess& need, Out& out);

  void DialTunnel(absl::Time now, Out& out);
  void CloseTunnel(absl::Time now, Out& out);
  void End(DownReason reason, std::string text);
  // After every call: what has changed below.
  void Settle(absl::Time now, Out& out);

  struct Exchange;  // of MS-CHAPv2

  const stack::l2tp::TunnelOptions l2tp_;
  const stack::ppp::ClientOptions ppp_;
  const crypto::Secret password_;
  stack::Rng& rng_;
  IpsecEnd ipsec_;
  std::unique_ptr<stack::l2tp::TunnelLac> tunnel_;  // stays when it is gone
  std::unique_ptr<stack::ppp::ClientLink> link_;    // likewise
  std::unique_ptr<Exchange> exchange_;
  stack::l2tp::SessionId own_session_, server_session_;  // 0: no call
  bool sequencing_ = false;
  uint16_t next_ns_ = 0;
  stack::Deadlines<Timer, 1> timers_;
  std::optional<Down> ending_;  // why, from the first cause on
  bool tunnel_down_ = false;    // it carries nothing more
  bool tunnel_over_ = false;    // and nothing more needs to be said in it
  bool up_ = false, down_ = false;
};

static_assert(stack::Machine<Client>);

// Answers the Diffie-Hellman questions in `out` on the spot, and those that come of it; Drop::kNone
// stands in their places afterwards. For tests and benches: others have a crew for it.
void SolveInline(absl::Time now, Client& client, Out& out);

}  // namespace gateway::load
