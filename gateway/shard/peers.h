// All subscribers of a shard, and the three machines of each: IKE, L2TP and PPP. Turns one
// machine's event into another machine's call, and every step of a login into a line of the log.
//
//   ike_side.cc    IKE's events: logins, SAs, rekeying, whose SA a new one is
//   l2tp_side.cc   tunnels and calls
//   ppp_side.cc    users, addresses, the session itself
//   moving.cc      subscribers that come from another place, or belong to another shard
//   mtu_side.cc    how large a packet for a client may be
//   peers.cc       what they share: lookups, deadlines, the end of things
//
// Called from the control FIFO, by answers and by deadlines, never while a batch holds pointers to
// what could end here; the ways only look things up (and OnOpened, which ends nothing). What has
// ended lies in a graveyard until Bury(), so that references stay good for the rest of a call.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "crypto/ike/responder.h"
#include "gateway/shard/fifo.h"
#include "gateway/shard/lease.h"
#include "gateway/shard/messages.h"
#include "gateway/shard/peer.h"
#include "gateway/shard/sealer.h"
#include "gateway/shard/tables.h"
#include "stack/base/wheel.h"

namespace gateway::shard {

class Peers {
 public:
  // Takes a job for the crew; false, and the job untouched, if its queue is full.
  using AskCrew = std::function<bool(crew::Job&&)>;

  Peers(absl::Time now, Tables& tables, Sealer& sealer, AskCrew ask_crew);

  // ---- for the ways ----
  Peer* FindPeer(uint32_t id) const;
  Tunnel* FindTunnel(stack::l2tp::TunnelId own) const;
  Session* FindSession(uint32_t hop_index) const;
  // The shard that has what this number names, though the number is ours: it was moved there.
  std::optional<uint8_t> ElsewhereOf(esp::Spi spi) const;
  std::optional<uint8_t> ElsewhereOf(ike::PhaseOneId sa) const;
  // Whether data in a tunnel that is not `peer`'s is of interest: he may be about to move it.
  bool MayStray(absl::Time now, Peer& peer, bool is_ip4);
  // An ESP packet on `sa` proved itself: its sender lives and is at `from`. Null if he is gone.
  Peer* OnOpened(absl::Time now, const esp::InboundSa& sa, const stack::Endpoint& from,
                 const stack::Endpoint& to, bool udp_encapsulated);

  // ---- from the control FIFO ----
  void OnIke(absl::Time now, IkeItem& item);
  void OnL2tp(absl::Time now, L2tpItem& item);
  void OnPpp(absl::Time now, PppItem& item);
  void OnStray(absl::Time now, StrayItem& item);

  // ---- answers ----
  void OnDh(absl::Time now, crew::Answer answer);
  void OnAddress(absl::Time now, const AddressGranted& granted);
  // The user of one of our sessions logs in anew: it ends at once, or unless its client shows that
  // it lives. Home is answered by ReturnAddress or StaysOn.
  void OnMakeWay(absl::Time now, const MakeWay& make_way);
  // For logins from now on; whoever is on line stays.
  void SetCredentials(std::shared_ptr<const Credentials> credentials);
  void OnPlaceFound(absl::Time now, const PlaceFound& found);
  void OnMoved(absl::Time now, Relocation what);
  void OnMovedEnded(const MovedEnded& ended);
  // Of any peer: it may be another shard's.
  void OnPathTooBig(absl::Time now, const PathTooBig& path);

  // Ends the SAs that refused a packet since the last call: after the ways have run.
  void EndSpentSas(absl::Time now);
  void OnDeadline(absl::Time now);
  absl::Time NextDeadline() const { return wheel_.Next(); }

  // Ends every session in the order of the protocols: LCP Terminate, CDN, StopCCN, DELETE of ESP,
  // DELETE of ISAKMP. New ones are not taken any more.
  void Drain(absl::Time now);
  bool draining() const { return draining_; }
  bool empty() const { return peers_.empty(); }
  // What is there now, for tests and status.
  struct Counts {
    size_t peers = 0, children = 0, tunnels = 0, sessions = 0;
    size_t logins = 0;      // phase 1s that were heard of, half-open ones included
    size_t phase_ones = 0;  // of IKE, likewise
    size_t tickets = 0;     // addresses asked for
    size_t places = 0;      // endpoints where peers are found
    size_t elsewhere = 0;   // numbers of ours that name something on another shard
    size_t timers = 0;      // of peers, tunnels and sessions
  };
  Counts counts() const;
  // Ends what is left without waiting for anybody.
  void Abandon(absl::Time now);
  // The address `own` is not ours any more: the clients that dialled it are told so, once, and end.
  void LeaveAddress(absl::Time now, stack::Ip4 own, std::string_view why);

  // A line for each session to the log.
  void ListSessions(absl::Time now) const;

  // Mail for home that came up.
  std::vector<Control> TakeMail() { return std::exchange(mail_, {}); }
  bool has_mail() const { return !mail_.empty() || !letters_.empty(); }
  struct Letter {
    uint8_t shard;
    Control message;
  };
  // And for other shards.
  std::vector<Letter> TakeLetters() { return std::exchange(letters_, {}); }
  // Frees what has ended. No batch and no caller may hold on to it any more.
  void Bury();

 private:
  using TunnelOut = stack::l2tp::Out;
  using LinkOut = stack::ppp::LnsLink::Out;
  struct SessionName {
    stack::l2tp::TunnelId tunnel;
    stack::l2tp::SessionId session;
  };

  // ike_side.cc
  void CarryOut(absl::Time now, ike::Out& out);
  void On(absl::Time now, const ike::Step& step);
  void On(absl::Time now, const ike::PhaseOneUp& up);
  void On(absl::Time now, const ike::KeyLog& keys);
  void On(absl::Time now, const ike::WrongPskSuspected& wrong);
  void On(absl::Time now, const ike::PhaseOneFailed& failed);
  void On(absl::Time now, const ike::PhaseOneGone& gone);
  void On(absl::Time now, const ike::InitialContact& contact);
  void On(absl::Time now, const ike::PathChanged& changed);
  void On(absl::Time now, const ike::PeerAlive& alive);
  void On(absl::Time now, const ike::PeerDead& dead);
  void On(absl::Time now, ike::ChildReady& ready);
  void On(absl::Time now, const ike::ChildUp& up);
  void On(absl::Time now, const ike::ChildFailed& failed);
  void On(absl::Time now, const ike::ChildDeleted& deleted);
  void AskForKey(absl::Time now, ike::NeedDh& need);
  void AnswerSpi(absl::Time now, const ike::NeedSpi& need);
  Peer& PeerFor(absl::Time now, const ike::ChildReady& ready, Login& login);
  Peer* PeerOf(esp::Spi spi_in) const;
  std::unique_ptr<Child> MakeChild(absl::Time now, ike::ChildReady& ready, Peer& peer);
  void Bind(ike::PhaseOneId sa, Login& login, Peer& peer);
  void Forget(ike::PhaseOneId sa);
  void RetireOlder(absl::Time now, Peer& peer, ike::PhaseOneId newest);
  void MakeRoom(Peer& peer);
  Peer& Prove(absl::Time now, Peer& seen, Child& child);
  void Retire(absl::Time now, Peer& peer, Child& child);
  void RemoveChild(Peer& peer, esp::Spi spi_in);
  void ChooseCurrent(Peer& peer);
  void ScheduleIke();

  // moving.cc
  void MoveTo(Peer& peer, const ike::Path& path);
  void UpdatePlace(Peer& peer);
  void LeavePlace(Peer& peer);
  Peer* FindAt(const stack::Endpoint& place, const ike::Identification& identity,
               const ike::Identification* idci, const Peer* except) const;
  void FindOwner(absl::Time now, ike::PhaseOneId sa, Login& login);
  void AskIfPeer(absl::Time now, ike::PhaseOneId sa, Login& login);
  void OnAnswered(absl::Time now, ike::PhaseOneId sa, Login& login);
  Peer& Recognize(absl::Time now, Peer& fresh, const Child& child);
  void Join(absl::Time now, Peer& owner, Peer& newcomer);
  void SendAway(absl::Time now, ike::PhaseOneId sa, uint8_t to);
  void SendAway(Peer& peer, uint8_t to, stack::l2tp::TunnelId tunnel, uint16_t port);
  bool IsOwn(const Peer& peer) const;
  uint8_t ShardOf(uint64_t number) const;
  void Stray(absl::Time now, Peer& peer, stack::l2tp::TunnelId tunnel, uint16_t port);
  void Challenge(absl::Time now, Peer& peer, Tunnel& tunnel, uint16_t port);
  void OnClaimFrame(absl::Time now, Peer& peer, stack::ByteView frame);
  void OnClaimDue(absl::Time now, Peer& peer);
  void MoveTunnel(absl::Time now, Tunnel& tunnel, Peer& to, uint16_t port);
  Session* ClaimedBy(const Peer& peer) const;
  void CarryOut(absl::Time now, Peer& peer, stack::Outbox<stack::Drop>& out);

  // l2tp_side.cc
  Tunnel* TunnelForSccrq(absl::Time now, Peer& peer, uint16_t port, stack::ByteView message);
  Tunnel* OpenTunnel(absl::Time now, Peer& peer, uint16_t port);
  void CarryOut(absl::Time now, Tunnel& tunnel, TunnelOut& out);
  void StartSession(absl::Time now, Tunnel& tunnel, const stack::l2tp::CallUp& call);
  void CloseTunnel(absl::Time now, Tunnel& tunnel);
  void AbandonTunnel(absl::Time now, Tunnel& tunnel);
  void AbandonOldest(absl::Time now, Peer& peer);
  void RemoveTunnel(Tunnel& tunnel);
  void Schedule(Tunnel& tunnel);

  // ppp_side.cc
  void CarryOut(absl::Time now, Session& session, LinkOut& out);
  void On(absl::Time now, Session& session, const stack::ppp::NeedAddress& need);
  void On(absl::Time now, Session& session, const stack::ppp::Up& up);
  void On(absl::Time now, Session& session, const stack::ppp::Step& step);
  void Verify(absl::Time now, Session& session, const stack::ppp::NeedVerify& need);
  auth::Answer Ask(const auth::Question& question) const;
  void Suspend(Session& session);
  void LookForLife(absl::Time now, Session& session);
  void Replace(absl::Time now, Session& session);
  void ReturnAddressOf(absl::Time now, Session& session);
  void HangUp(absl::Time now, Session& session, const stack::ppp::Down& down);
  void EndSession(absl::Time now, Session& session, std::string_view why);
  void Schedule(Session& session);

  // mtu_side.cc
  uint16_t MtuTowards(const Session& session) const;
  void Refit(Peer& peer);
  void ForgetPathMtu(Peer& peer);

  // peers.cc
  void OnPeerDue(absl::Time now, Peer& peer);
  void Schedule(Peer& peer);
  void NoteDesertion(absl::Time now, Peer& peer);
  absl::Duration DesertionLimit(const Peer& peer) const;
  void AskForLife(absl::Time now, Peer& peer);
  void KeepAlive(absl::Time now, Peer& peer);
  void Watch(absl::Time now, ike::PhaseOneId sa);
  void EndUnclaimed(absl::Time now);
  void Close(absl::Time now, Peer& peer);
  bool HasEnded(absl::Time now, const Child& child) const;
  void EndChildren(absl::Time now, Peer& peer);
  void DeleteChild(absl::Time now, const Peer& peer, const Child& child);
  void DeleteSas(absl::Time now, Peer& peer);
  void RemovePeer(absl::Time now, Peer& peer, std::string_view why);
  void Erase(Peer& peer);
  void Say(io::Level level, absl::Time now, std::string_view event, absl::Time began,
           const stack::Endpoint& remote, const std::string& text);
  void SayWith(io::Level level, absl::Time now, std::string_view event, io::Log::Fields fields,
               std::string_view text);
  std::string_view UserOf(const Peer& peer) const;

  Tables& tables_;
  Sealer& sealer_;
  const AskCrew ask_crew_;
  std::shared_ptr<const Credentials> credentials_;  // the newest
  ike::Responder responder_;
  stack::Wheel wheel_;
  Timed ike_timer_{Timed::Kind::kIke};
  Timed login_timer_{Timed::Kind::kLogins};
  Leases<ike::Out> ike_outs_;
  Leases<TunnelOut> tunnel_outs_;
  Leases<LinkOut> link_outs_;

  absl::flat_hash_map<ike::PhaseOneId, Login> logins_;
  absl::flat_hash_map<uint32_t, std::unique_ptr<Peer>> peers_;
  absl::flat_hash_map<stack::Endpoint, std::vector<uint32_t>> places_;
  absl::flat_hash_map<ike::PhaseOneId, uint8_t> phase_ones_elsewhere_;
  absl::flat_hash_map<esp::Spi, uint8_t> sas_elsewhere_;
  // Phase 1s in the order in which they came up, each to be looked at once more: what has found no
  // peer by then is not kept.
  struct Unclaimed {
    absl::Time due;
    ike::PhaseOneId sa;
  };
  std::deque<Unclaimed> unclaimed_;
  absl::flat_hash_map<stack::l2tp::TunnelId, Tunnel*> tunnels_;
  absl::flat_hash_map<uint64_t, SessionName> address_tickets_;
  absl::flat_hash_map<stack::Ip4, SessionName> by_address_;  // from grant to return
  uint32_t last_peer_ = 0;
  uint64_t last_ticket_ = 0;
  bool draining_ = false;
  std::vector<Control> mail_;
  std::vector<Letter> letters_;
  // Lines of logins a second, and at once: more are written only as LineLimited allows. Whoever has
  // the group key can repeat steps of the protocols as fast as he can send.
  stack::ip::TokenBucket lines_{200, 2000};

  std::vector<std::unique_ptr<Peer>> dead_peers_;
  std::vector<std::unique_ptr<Tunnel>> dead_tunnels_;
  std::vector<std::unique_ptr<Session>> dead_sessions_;
};

// The router's name for a session, and back.
constexpr uint32_t HopOf(stack::l2tp::TunnelId tunnel, stack::l2tp::SessionId session) {
  return uint32_t{tunnel.value} << 16 | session.value;
}

}  // namespace gateway::shard
