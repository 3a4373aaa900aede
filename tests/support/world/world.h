// A whole gateway in one thread and in virtual time, and the world around it.
//
//   Caller --- (NatBox) --- wire, with faults --- serve [shard 0..n] wan --- internet
//
// The shards are the product's, with all their machines, on memory ports; mailboxes, crew and log
// are wired as in the program, but driven by Run* here. On the other ends of the ports is a network
// that answers ARP for everybody, spreads frames over the shards by the product's own rules, as the
// kernel does, and knows the clients by their outer address. The same seed gives the same run.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "conf/model.h"
#include "gateway/io/event_loop.h"
#include "gateway/io/keylog.h"
#include "gateway/io/log.h"
#include "gateway/io/memory_port.h"
#include "gateway/load/client.h"
#include "gateway/shard/messages.h"
#include "gateway/shard/settings.h"
#include "gateway/shard/shard.h"
#include "stack/base/drop.h"
#include "stack/wire/arp.h"
#include "tests/support/rng.h"
#include "tests/support/world/caller.h"

namespace test {

// The stage. Clients are on-link at the serving side; the internet is behind a router on the other.
inline constexpr stack::Ip4 kServe{0xcb007101};   // 203.0.113.1/24, where clients dial in
inline constexpr stack::Ip4 kWan{0xc6120001};     // 198.18.0.1/24, clients' address in the internet
inline constexpr stack::Ip4 kRouter{0xc61200fe};  // 198.18.0.254
inline constexpr stack::Ip4 kHost{0xc0000250};    // 192.0.2.80, somebody in the internet
inline constexpr stack::Ip4 kInside{0x0a630001};  // 10.99.0.1, the gateway in PPP
inline constexpr uint8_t kServeSide = 0, kWanSide = 1;

// One interface serves and the other leads to the internet; a pool of 200 addresses; users u1 to u9
// with passwords p1 to p9; pre-shared key "psk".
conf::Model DefaultModel();

struct WorldOptions {
  uint8_t shards = 1;
  uint64_t seed = 1;
  std::function<void(conf::Model&)> configure = {};  // changes to DefaultModel()
  // What the machine says of each interface of the model.
  std::function<void(std::vector<gateway::shard::InterfaceFacts>&)> facts = {};
  // Of the outer wire, each way.
  int loss_percent = 0, duplicate_percent = 0;
  absl::Duration least_delay = absl::Milliseconds(5), most_delay = absl::Milliseconds(5);
  size_t port_slots = 1024;
  bool hands_off = false;  // the far ports are somebody else's: there is no network and no caller
  gateway::io::KeyLog* keylog = nullptr;
  // A router in front of the gateway has this address, which clients dial, and forwards to it.
  std::optional<stack::Ip4> public_address = {};
};

class World {
 public:
  explicit World(WorldOptions options = {});
  ~World();

  absl::Time now() const { return now_; }
  Caller& Add(const Caller::Options& options);
  void Remove(Caller& caller);  // one that is down
  NatBox& AddNat(const std::string& external);

  // ---- what happens ----
  void Dial(Caller& caller);
  // Dials and waits for Up. False after `limit`.
  bool LogIn(Caller& caller, absl::Duration limit = absl::Seconds(60));
  void Do(Caller& caller,
          const std::function<void(absl::Time, gateway::load::Client&, gateway::load::Out&)>& what);
  void Send(Caller& caller, stack::ByteView packet);       // into the tunnel
  void SendOuter(Caller& caller, stack::ByteView packet);  // past the client, onto the wire
  // What the caller's NAT, if there is one, makes of an outer packet; false if it does not let it
  // pass.
  bool ThroughNat(Caller& caller, stack::ByteSpan packet);
  void FromInternet(stack::ByteView packet, const gateway::io::VnetHdr& vnet = {});
  // A frame on the port of its shard, or of the one given.
  void Frame(uint8_t interface, stack::ByteView packet, const gateway::io::VnetHdr& vnet = {},
             std::optional<uint8_t> shard = std::nullopt);
  // A station asks who has `target`.
  void AskArp(uint8_t interface, stack::Ip4 sender, stack::Ip4 target);
  void Tell(const gateway::shard::Control& message);  // to all shards, as the control thread
  void SetLoss(int percent) { options_.loss_percent = percent; }
  void ForgetNats();  // every NAT gives every flow another port from now on
  // The caller turns up in another network, and goes on from there.
  void Move(Caller& caller, const std::string& address, NatBox* nat = nullptr);
  // Called before a packet reaches a client, who may be given others first.
  std::function<void(Caller& to, const stack::Bytes& packet)> on_delivery;
  // Sees every packet that is put on the outer wire, both ways, before it may be lost.
  std::function<void(const stack::Bytes& packet)> on_outer;
  bool crew_is_busy = false;  // every question is refused
  bool deaf = false;          // nothing passes the outer wire

  // ---- time ----
  bool RunUntil(const std::function<bool()>& done, absl::Duration limit);
  void RunFor(absl::Duration time);
  // Works until nothing is left to do at this moment; the wire's delay included.
  void Settle() { RunFor(absl::Milliseconds(50)); }

  // ---- what is to be seen ----
  std::vector<stack::Bytes> internet;  // packets that came out on the wan side
  std::vector<stack::Bytes> lan;       // and on any interface that `configure` has added
  // What the gateway said by ARP, and where.
  std::vector<std::pair<uint8_t, stack::wire::Arp>> arp;
  bool host_echoes = false;  // kHost answers pings, and sends UDP back
  uint64_t misdirected = 0;  // frames with another MAC address than the next hop's
  std::vector<std::string> log;
  bool Logged(std::string_view text) const;
  uint8_t shards() const { return options_.shards; }
  gateway::shard::Shard& shard(uint8_t i) { return *workers_[i]->shard; }
  uint64_t Dropped(stack::Drop reason) const;  // by all shards
  std::string Drops() const;                   // all of them, for a failing test to print
  gateway::shard::Census Counts() const;       // of all shards together
  // Whether no shard holds anything of any client any more.
  bool IsEmpty(std::string* why = nullptr) const;

  // ---- for a test that does without the world ----
  gateway::io::MemoryPort& far_port(uint8_t interface, uint8_t shard_index) {
    return *far_[interface][shard_index];
  }
  stack::PacketPool& pool() { return pool_; }
  const gateway::shard::Settings& settings() const { return settings_; }
  stack::Bytes FrameOf(uint8_t interface, stack::ByteView packet) const;
  uint8_t ShardOf(uint8_t interface, stack::ByteView frame) const;

 private:
  struct Worker {
    explicit Worker(uint64_t seed) : rng(seed) {}
    FixedRng rng;
    gateway::io::Waker waker;
    std::unique_ptr<gateway::shard::Shard> shard;
    std::vector<gateway::crew::Job> jobs;
  };

  void MakeShards();
  absl::Time Next() const;
  std::string WhoIsDue() const;
  void Step();
  void RunShards();
  bool SolveJobs();
  bool TakeFrames();
  void TakeApart(uint8_t interface, const gateway::io::RxFrame& frame);
  void TakeFrame(uint8_t interface, stack::ByteView frame);
  void AnswerArp(uint8_t interface, stack::ByteView payload);
  void ToCallers(stack::ByteView packet);
  void ToInternet(stack::ByteView packet);
  void Echo(stack::ByteView packet);
  void OnWire(stack::Bytes packet, std::function<void(stack::Bytes)> arrive);
  void Drain(Caller& caller);
  bool Chance(int percent) { return rng_.Below(100) < static_cast<uint64_t>(percent); }

  WorldOptions options_;
  absl::Time now_;
  FixedRng rng_;
  stack::PacketPool pool_;
  gateway::shard::Settings settings_;
  std::vector<gateway::io::SteeringRules> rules_;
  std::unique_ptr<gateway::io::LogWriter> writer_;
  std::vector<std::vector<std::unique_ptr<gateway::io::MemoryPort>>> near_, far_;
  std::vector<std::vector<std::unique_ptr<gateway::shard::Box>>> boxes_;  // shards, control, crew
  std::vector<std::unique_ptr<Worker>> workers_;
  std::multimap<absl::Time, std::function<void()>> wire_;
  std::vector<std::unique_ptr<Caller>> callers_;
  uint64_t callers_made_ =
      0;  // each draws other numbers, also one that takes a removed one's place
  std::vector<std::unique_ptr<NatBox>> nats_;
  std::vector<size_t> empty_routes_;
  uint64_t added_ = 0;  // callers, ever
  int steps_ = 0;       // without time moving on
};

}  // namespace test
