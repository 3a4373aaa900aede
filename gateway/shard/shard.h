// A shard: one thread's share of the gateway, with everything it needs of its own. A packet of a
// client is worked on here from the ring to the ring, without a lock.
//
// Round() is one turn: receive, run the batches, flush, run the control FIFO, answer mail, do what
// is due. It is driven by shard_thread.h, or by a test under virtual time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/home/home.h"
#include "gateway/io/log.h"
#include "gateway/io/port.h"
#include "gateway/shard/down.h"
#include "gateway/shard/fifo.h"
#include "gateway/shard/messages.h"
#include "gateway/shard/peers.h"
#include "gateway/shard/post.h"
#include "gateway/shard/sealer.h"
#include "gateway/shard/segment.h"
#include "gateway/shard/settings.h"
#include "gateway/shard/tables.h"
#include "gateway/shard/up.h"

namespace gateway::shard {

// What is there at a moment on account of clients. All zero when the last one has left, but for the
// routes that the configuration gives.
struct Census {
  Peers::Counts peers;
  size_t sas = 0;  // inbound ones
  size_t routes = 0;
  size_t nat_clients = 0, nat_mappings = 0;
  size_t small_buffers = 0, large_buffers = 0;  // packet buffers in use
  size_t addresses = 0, places = 0;             // home's: granted, and of the directory
};

class Shard {
 public:
  // All pointers outlive the shard.
  struct Environment {
    uint8_t index = 0;
    const Settings* settings = nullptr;
    std::vector<io::Port*> ports;  // by interface
    std::vector<Box*> in;          // everything that has mail for this shard
    std::vector<Box*> out;         // by shard; null for itself
    Peers::AskCrew ask_crew;
    // Told by shard 0 when DHCP gave the interface an address or changed something about it.
    std::function<void(uint8_t interface, const stack::ip::Lease&)> on_lease = {};
    stack::Rng* rng = nullptr;
    io::Log* log = nullptr;
    io::KeyLog* keylog = nullptr;  // may stay so
  };

  static absl::StatusOr<std::unique_ptr<Shard>> Create(absl::Time now, Environment environment);

  // One turn. True if there was anything to do: then there may be more.
  bool Round(absl::Time now);
  // When Round has something to do even if nothing arrives.
  absl::Time NextDeadline() const;
  bool HasMail() const;

  // After Drain came: every session has ended. Read by the control thread.
  bool drained() const { return drained_.load(std::memory_order_acquire); }

  // Gives DHCP leases back. After the last round of every shard, by whoever has joined their
  // threads: until then sessions need the addresses to say farewell from.
  void Leave(absl::Time now);

  Census census() const;
  const Stats& stats() const { return tables_.stats; }
  const Tables& tables() const { return tables_; }
  const Peers& peers() const { return peers_; }

 private:
  Shard(absl::Time now, Environment environment);

  // intake.cc: stages 1 to 4 of both ways
  size_t ReceiveFrom(absl::Time now, uint8_t interface);
  void TakeFrame(absl::Time now, uint8_t interface, const io::RxFrame& frame);
  bool TakeEspWhereItLies(absl::Time now, uint8_t interface, stack::ByteView frame);
  void TakeTrain(absl::Time now, uint8_t interface, Segmenter& segments);
  void TakeEthernet(absl::Time now, uint8_t interface, stack::PacketBuf frame);
  void TakePacket(absl::Time now, uint8_t interface, stack::PacketBuf packet);
  void TakeWhole(absl::Time now, uint8_t interface, stack::PacketBuf packet);
  stack::Drop Classify(absl::Time now, uint8_t interface, stack::PacketBuf& packet);
  bool IsKernels(uint8_t owner, stack::ByteView packet) const;
  stack::Drop ToUs(absl::Time now, uint8_t interface, uint8_t owner, stack::PacketBuf& packet);
  stack::Drop TakeUdp(absl::Time now, uint8_t interface, bool serve, stack::PacketBuf& packet);
  void AddEsp(absl::Time now, stack::PacketBuf packet, const stack::Endpoint& from,
              const stack::Endpoint& to);
  stack::Drop TakePathTooBig(stack::PacketBuf& packet);
  stack::Drop TakeBroadcast(uint8_t interface, stack::PacketBuf& packet);
  stack::Drop TakeIke(stack::PacketBuf& message, const stack::Endpoint& from,
                      const stack::Endpoint& to);
  stack::Drop AnswerPing(absl::Time now, uint8_t interface, stack::PacketBuf& packet);
  void TakeMailed(absl::Time now, const PacketMeta& meta, stack::ByteView bytes);

  // shard.cc
  bool ReadMail(absl::Time now);
  void On(absl::Time now, Control& message);
  void ChangeAddress(absl::Time now, const InterfaceAddress& change);
  template <class M>
  void ToHome(absl::Time now, const M& message);
  void CarryOutHome(absl::Time now);
  void RunWays(absl::Time now);
  void RunFifo(absl::Time now);
  void TellAll(absl::Time now, const PathTooBig& path);
  void SendQuestions(absl::Time now);
  void RunDeadlines(absl::Time now);
  void TellTooLate(absl::Time now, stack::ByteView first_fragment);
  void FinishDraining(absl::Time now);
  void Report(absl::Time now);
  void Report(const SuperframesRefused& refused);

  const Environment env_;
  Tables tables_;
  Post post_;
  Fifo fifo_;
  Sealer sealer_;
  Peers peers_;
  Down down_;
  Up up_;
  std::unique_ptr<home::Home> home_;  // shard 0 only
  home::Outcome outcome_;
  // Behind the packet that intake has in hand. The ways take it along; if the packet goes nowhere
  // they know, it is still there afterwards.
  Train train_;
  std::vector<Coalescer::Kinds> refused_;  // by interface, shard 0 only: reported
  absl::Time next_chores_, next_sweep_;
  // Strangers' word on the size of a path: who has no better one needs few of them.
  stack::ip::TokenBucket path_reports_{20, 20};
  absl::Time drain_until_ = absl::InfiniteFuture();
  std::atomic<bool> drained_{false};
};

}  // namespace gateway::shard
