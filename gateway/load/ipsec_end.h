// The client's end of L2TP's transport: IKE and ESP, from whole IPv4 packets of the outer network
// to L2TP messages and back. RFC 3193; RFC 3948 for ESP and IKE in one UDP port.
//
//   ipsec_end.cc   packets, questions, deadlines
//   ipsec_ike.cc   IKE's events, rekeying, the end
//
// Two phase 1s may be there at a time, the old one and the one that replaces it, and several pairs
// of ESP SAs: the newest one carries what is sent, all of them receive.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "crypto/esp/engine.h"
#include "crypto/esp/sa.h"
#include "crypto/ike/initiator.h"
#include "gateway/load/event.h"
#include "stack/base/rng.h"
#include "stack/wire/ip4.h"

namespace gateway::load {

struct IpsecOptions {
  stack::Ip4 address, server;         // outer; `address` is the private one behind a NAT
  crypto::ike::InitiatorOptions ike;  // key, suites, NAT traversal
  // Computes for ESP; shared by all clients of a thread, and outlives them. Null: the client makes
  // one of its own.
  crypto::esp::Engine* engine = nullptr;
  uint16_t l2tp_port = 1701;         // ours
  uint16_t server_l2tp_port = 1701;  // any other is wrong: to see what the server makes of it
  uint16_t mtu = 1500;               // of the outer network
  absl::Duration rekey_esp = absl::InfiniteDuration();
  absl::Duration rekey_phase_one = absl::InfiniteDuration();
  absl::Duration keepalive = absl::Seconds(20);  // behind a NAT, RFC 3948 section 4
  absl::Duration linger = absl::Seconds(30);     // a replaced pair still receives
};

class IpsecEnd {
 public:
  IpsecEnd(IpsecOptions options, stack::Rng& rng);  // `rng` outlives the object
  IpsecEnd(const IpsecEnd&) = delete;
  IpsecEnd& operator=(const IpsecEnd&) = delete;
  ~IpsecEnd();

  // Phase 1, and a first pair of SAs after it: is_up() tells when, is_over() if it came to nothing.
  void Start(absl::Time now, Out& out);

  // A whole IPv4 packet of the outer network. Gives the L2TP message that was inside; a buffer
  // without slot if there was none. Fragments are dropped: whoever feeds the client puts them
  // together.
  stack::PacketBuf OnPacket(absl::Time now, stack::PacketBuf packet, Out& out);
  // Seals an L2TP message for the server; needs is_up(). kNone if it is among the frames of `out`.
  stack::Drop Send(absl::Time now, stack::PacketBuf message, Out& out);

  // OnPacket and Send for data in batches: cut in two where the cipher comes in, so that one
  // Seal or Open serves many clients.
  //
  // Puts the headers on that go inside ESP, and gives the SA to seal `message` with; nullptr if
  // there is none, or no room.
  crypto::esp::OutboundSa* Wrap(absl::Time now, stack::PacketBuf& message);
  // Puts those on that go outside, after sealing: `packet` is then for the outer network.
  [[nodiscard]] stack::Drop Encapsulate(stack::PacketBuf& packet);
  // The SA that opens what comes with `spi`; nullptr if there is none.
  crypto::esp::InboundSa* InboundOf(crypto::esp::Spi spi) const;
  // Takes the inner UDP header off: what is left of an opened ESP payload is an L2TP message.
  [[nodiscard]] stack::Drop Unwrap(stack::PacketBuf& payload, uint8_t next_header) const;

  void OnKeyPair(absl::Time now, const crypto::ike::KeyPairAnswer& answer, Out& out);
  void OnDh(absl::Time now, crypto::ike::DhAnswer answer, Out& out);

  // A new pair of SAs; the old one is deleted when the new one is up.
  void RekeyEsp(absl::Time now, Out& out);
  // A new phase 1 from the same endpoint, a pair of SAs under it, then DELETE for all that is
  // older.
  void RekeyPhaseOne(absl::Time now, Out& out);
  // A new phase 1 and nothing else: the pairs of SAs live on.
  void RenewPhaseOne(absl::Time now, Out& out);
  // Another network: all SAs are forgotten without a word, and phase 1 begins anew from `address`.
  void MoveTo(absl::Time now, stack::Ip4 address, Out& out);
  // DELETE for an SPI of any kind: to see what the server makes of it.
  void SendDelete(absl::Time now, crypto::esp::Spi spi, Out& out);
  // What the next phase 1 offers for ESP, and every one after it.
  void OfferEsp(std::vector<crypto::ike::EspSuite> esp) { options_.ike.esp = std::move(esp); }
  // DELETE for everything; is_over() afterwards.
  void Close(absl::Time now, Out& out);

  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const;

  bool is_up() const { return over_ == nullptr && Current() != nullptr; }
  bool is_over() const { return over_ != nullptr; }
  const Down& why() const { return *over_; }  // only if is_over()
  // The largest L2TP message that goes through in one piece; 0 if not is_up().
  uint16_t MaxMessage() const;

 private:
  struct PhaseOne {
    PhaseOne(absl::Time now, const IpsecOptions& options, stack::Rng& rng);
    crypto::ike::Initiator machine;
    bool up = false;
    bool replaces = false;  // what is older, once it has a pair of SAs
    bool renews = false;    // older phase 1s alone, at once
  };
  // A pair of SAs.
  struct Child {
    crypto::ike::PhaseOneId phase_one;
    std::unique_ptr<crypto::esp::InboundSa> in;
    std::unique_ptr<crypto::esp::OutboundSa> out;
    bool udp_encapsulated = false;
    crypto::ike::Path path;
    absl::Time remove_at = absl::InfiniteFuture();  // it is deleted, and receives until then
  };
  struct Question {
    crypto::ike::PhaseOneId sa;
    crypto::ike::Ticket ticket;
  };
  enum class Timer : uint8_t { kKeepalive, kRekeyEsp, kRekeyPhaseOne };

  void OnIke(absl::Time now, stack::PacketBuf message, const stack::Endpoint& from,
             const stack::Endpoint& to, Out& out);
  stack::PacketBuf OnUdp(absl::Time now, stack::PacketBuf packet, const stack::Endpoint& from,
                         const stack::Endpoint& to, Out& out);
  stack::PacketBuf OnEsp(stack::PacketBuf packet, Out& out);

  // Calls into a phase 1, and works through what it says.
  template <class F>
  void With(absl::Time now, PhaseOne& phase_one, Out& out, F&& call) {
    crypto::ike::Out from(out.pool());
    call(phase_one.machine, from);
    CarryOut(now, phase_one, from, out);
  }
  void CarryOut(absl::Time now, PhaseOne& phase_one, crypto::ike::Out& from, Out& out);
  void On(absl::Time now, PhaseOne& phase_one, crypto::ike::Event& event, Out& out);
  void OnUp(absl::Time now, PhaseOne& phase_one, const crypto::ike::PhaseOneUp& up, Out& out);
  void OnFailed(PhaseOne& phase_one, const crypto::ike::PhaseOneFailed& failed);
  void OnGone(PhaseOne& phase_one, const crypto::ike::PhaseOneGone& gone, Out& out);
  void OnReady(crypto::ike::ChildReady& ready);
  void OnChildUp(absl::Time now, PhaseOne& phase_one, const crypto::ike::ChildUp& up, Out& out);
  void OnChildFailed(absl::Time now, const crypto::ike::ChildFailed& failed, Out& out);
  void OnDeleted(absl::Time now, const crypto::ike::ChildDeleted& deleted, Out& out);

  PhaseOne* Find(crypto::ike::PhaseOneId id) const;
  PhaseOne* NewestUp() const;
  const Child* Current() const;
  crypto::ike::Ticket Ask(const PhaseOne& phase_one, crypto::ike::Ticket ticket);
  PhaseOne* Redeem(crypto::ike::Ticket& ticket);
  crypto::ike::EspSpi FreeSpi() const;
  void DeleteOthers(absl::Time now, crypto::esp::Spi keep, Out& out);
  void DeleteOlder(absl::Time now, const PhaseOne& keep, Out& out);
  void Remove(PhaseOne& phase_one);
  void End(DownReason reason, std::string text);
  void EndIfDeserted();

  void SendIke(const crypto::ike::Path& path, stack::PacketBuf message, Out& out);
  stack::Drop SendIp(stack::wire::IpProtocol protocol, stack::PacketBuf payload, Out& out);
  stack::Drop PushIp(stack::wire::IpProtocol protocol, stack::PacketBuf& payload);
  void SendKeepalive(absl::Time now, Out& out);

  IpsecOptions options_;
  stack::Rng& rng_;
  std::unique_ptr<crypto::esp::Engine> own_engine_;    // unless one was given
  std::vector<std::unique_ptr<PhaseOne>> phase_ones_;  // oldest first
  std::vector<std::unique_ptr<PhaseOne>> buried_;      // freed when no call is on the way in them
  std::vector<Child> children_;                        // oldest first
  std::map<crypto::ike::Ticket, Question> questions_;
  crypto::ike::Ticket last_ticket_ = 0;
  stack::Deadlines<Timer, 3> timers_;
  std::optional<crypto::ike::Path> natted_;  // to be kept alive
  absl::Time last_sent_ = absl::InfinitePast();
  std::unique_ptr<Down> over_;
  uint16_t next_ip_id_;
};

}  // namespace gateway::load
