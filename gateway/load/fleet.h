// The clients of `adit load`: who dials when, what became of every login, and their packets both
// ways, opened and sealed in batches across clients.
//
//   near port -> OnFrame -> [client's SA] -> Open, 64 at a time -> InnerSink
//   Send -> [client's SA] -> Seal, 64 at a time -> (NAT) -> Outlet
//
// IKE, L2TP control and PPP go to the client's machines one by one. One thread; time, frames and
// answers of the crew come in, as everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "crypto/esp/engine.h"
#include "crypto/esp/open.h"
#include "crypto/esp/seal.h"
#include "gateway/crew/crew.h"
#include "gateway/io/port.h"
#include "gateway/load/client.h"
#include "gateway/load/histogram.h"
#include "gateway/load/lan.h"
#include "gateway/load/nat.h"
#include "gateway/load/options.h"
#include "gateway/load/outlet.h"
#include "stack/base/wheel.h"
#include "stack/ip/reassembly.h"

namespace gateway::load {

// The parts of a login in their order; kWhole is all of them.
enum class LoginStep : uint8_t {
  kPhaseOne,
  kQuickMode,
  kTunnel,
  kCall,
  kLcp,
  kAuth,
  kIpcp,
  kWhole
};
inline constexpr size_t kLoginSteps = 8;
std::string_view NameOf(LoginStep step);  // snake_case, stable

struct LoginCounts {
  uint64_t tried = 0, succeeded = 0, failed = 0;
  // Of failed ones: the step that was not reached, and why, in the protocol's words.
  std::map<std::pair<LoginStep, std::string>, uint64_t> failures;
  std::array<Histogram, kLoginSteps> times;  // nanoseconds
  absl::Time first_begun = absl::InfiniteFuture(), last_up = absl::InfinitePast();
  uint64_t logged_out = 0;  // by us
  uint64_t broken_off = 0;  // by the server, or it fell silent
  std::map<std::string, uint64_t> breaks;
  uint64_t rekeys = 0;
};

// Who takes the packets that come out of the tunnels.
class InnerSink {
 public:
  virtual ~InnerSink() = default;
  virtual void OnInner(absl::Time now, uint32_t client, stack::ByteView packet) = 0;
};

class Fleet {
 public:
  struct Environment {
    const Options* options = nullptr;
    stack::PacketPool* pool = nullptr;
    stack::Rng* rng = nullptr;
    Lan* lan = nullptr;
    Outlet* outlet = nullptr;
    InnerSink* sink = nullptr;
    // Has room for two questions of every client.
    std::function<bool(crew::Job&&)> ask_crew;
  };
  // All of the environment outlives the fleet.
  Fleet(absl::Time now, Environment environment);
  ~Fleet();

  void Begin(absl::Time now);  // the first logins are due
  void OnFrame(absl::Time now, const io::RxFrame& frame);
  void OnBatchEnd(absl::Time now);  // after the last OnFrame of a batch
  void OnCrew(absl::Time now, crew::Answer answer);
  void OnDeadline(absl::Time now);
  absl::Time NextDeadline() const;

  // A packet of `client` into its tunnel; what of it counts is in `parcel`. It leaves with
  // FlushSends at the latest. False if it cannot be sent: the client is not up, or the packet is
  // larger than its MTU.
  bool Send(absl::Time now, uint32_t client, stack::PacketBuf packet, const Parcel& parcel);
  void FlushSends();

  bool IsUp(uint32_t client) const;
  const Up& UpOf(uint32_t client) const { return subscribers_[client]->up; }
  uint32_t clients() const { return static_cast<uint32_t>(subscribers_.size()); }
  uint32_t up() const { return up_; }

  bool IsSettled() const;       // all have been tried, and each is up or has failed
  void LogOut(absl::Time now);  // nobody dials any more, and all say goodbye
  bool IsEmpty() const { return alive_ == 0; }

  const LoginCounts& logins() const { return logins_; }
  const stack::DropCounters& drops() const { return drops_; }
  uint64_t too_big() const { return too_big_; }

 private:
  enum class State : uint8_t { kAshore, kDialing, kUp, kLeaving, kGone };
  struct Subscriber : stack::WheelEntry {
    uint32_t number = 0;      // from 0
    uint32_t generation = 0;  // of `client`
    State state = State::kAshore;
    LoginStep next = LoginStep::kPhaseOne;  // the step that is under way
    absl::Time begun, step_begun;
    absl::Time act_at = absl::InfiniteFuture();  // hold is over; time to dial again
    Up up{};
    std::unique_ptr<Client> client;
  };
  struct Question {
    uint32_t client, generation;
    crypto::ike::Ticket ticket;
    bool is_key_pair;
  };
  struct Sealing {
    stack::PacketBuf packet;
    uint32_t client = 0;
    Parcel parcel;
  };
  struct Opening {
    stack::PacketBuf packet;
    uint32_t client = 0;
  };
  static constexpr size_t kBatch = 64;

  ClientOptions OptionsOf(uint32_t client) const;
  void Dial(absl::Time now, Subscriber& who);
  void DialDue(absl::Time now);
  void OnDue(absl::Time now, Subscriber& who);
  // Carries out what a client has said, and asks it again when it is due.
  void Drain(absl::Time now, Subscriber& who);
  void On(absl::Time now, Subscriber& who, Event& event);
  void OnStep(absl::Time now, Subscriber& who, Milestone what);
  void OnUp(absl::Time now, Subscriber& who, const Up& up);
  void OnDown(absl::Time now, Subscriber& who, const Down& down);
  void Reach(absl::Time now, Subscriber& who, LoginStep step);
  void Leave(absl::Time now, Subscriber& who);
  void Ask(const Subscriber& who, const NeedKeyPair& need);
  void Ask(const Subscriber& who, const NeedAgreement& need);
  void SendOuter(uint32_t client, stack::PacketBuf packet, const Parcel& parcel);

  bool OnFast(absl::Time now, const stack::wire::Ip4Packet& ip, const io::VnetHdr& vnet);
  void Collect(absl::Time now, uint32_t client, stack::ByteView esp);
  void OpenCollected(absl::Time now);
  void OnSlow(absl::Time now, const io::RxFrame& frame);
  Subscriber* At(stack::Ip4 destination, uint16_t port);

  const Environment env_;
  const Options& options_;
  const Places places_;
  const std::unique_ptr<crypto::esp::Engine> engine_;  // computes for all clients, outlives them
  stack::Wheel wheel_;                                 // outlives what is in it
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  Out out_;
  stack::ip::Reassembly reassembly_;
  stack::DropCounters drops_;
  std::unordered_map<uint64_t, Question> questions_;
  uint64_t last_question_ = 0;
  std::vector<Question> refused_;  // by the crew; answered when the client's list is through

  absl::Time begun_at_ = absl::InfiniteFuture();
  uint32_t next_to_dial_ = 0;  // all before it have been dialled once
  bool ended_ = false;
  uint32_t up_ = 0, alive_ = 0, dialing_ = 0;
  LoginCounts logins_;
  uint64_t too_big_ = 0;

  std::array<Sealing, kBatch> sealing_;
  std::array<crypto::esp::SealJob, kBatch> seal_jobs_;
  size_t seals_ = 0;
  std::array<Opening, kBatch> opening_;
  std::array<crypto::esp::OpenJob, kBatch> open_jobs_;
  size_t opens_ = 0;
};

}  // namespace gateway::load
