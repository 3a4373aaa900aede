// The traffic of `adit load`: what is sent each way and when, and the judgement of what arrives.
//
// Each --traffic is a Stream; in it every client has a flow of its own, between its PPP address and
// the far end, and numbers its packets. Before anything is counted, each client says hello through
// the tunnel (for TCP: shakes hands), so that the far end learns where it is to be found behind
// whatever translates addresses.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "gateway/load/far_end.h"
#include "gateway/load/fleet.h"
#include "gateway/load/inner.h"
#include "gateway/load/options.h"
#include "gateway/load/outlet.h"
#include "gateway/load/pinger.h"
#include "gateway/load/tally.h"

namespace gateway::load {

// When packets are due: so many a second, in batches.
class Pace {
 public:
  // `rate` a second from now on; 0: always as many as are asked for.
  void Begin(absl::Time now, double rate);
  void End() { running_ = false; }
  bool is_running() const { return running_; }
  // How many are due, at most `most`, in multiples of `step`; they then count as issued.
  size_t Due(absl::Time now, size_t most, size_t step);
  // When the next `step` of them are due.
  absl::Time Next(size_t step) const;
  // Those that were due, but so long ago that they were left out: whoever asks was too slow.
  uint64_t missed() const { return missed_; }
  void ForgetMissed() { missed_ = 0; }

 private:
  absl::Time begin_;
  double rate_ = 0;
  uint64_t issued_ = 0, missed_ = 0;
  bool running_ = false;
};

struct Stream {
  TrafficSpec spec;
  uint8_t number = 0;
  uint32_t burst = 1;  // packets of one client in a row
  Tally tally;
  Pace pace;
  std::vector<Track> tracks;      // by client
  std::vector<FarPlace> places;   // by client; port 0: not known
  std::vector<uint32_t> clients;  // whose flow is there
  size_t cursor = 0;              // in `clients`
  Prepared prepared;
  Pace refresh;  // of the way down: hellos on, so that no NAT forgets it
  size_t refreshed = 0;
};

class Traffic : public InnerSink, public FarSink {
 public:
  // All of them outlive the object; `far` is nullptr where there is no far end.
  struct Environment {
    const Options* options = nullptr;
    stack::PacketPool* pool = nullptr;
    Outlet* near_outlet = nullptr;
    FarEnd* far = nullptr;
    std::function<absl::Time()> clock;  // the time in the middle of a round; may be empty
  };
  explicit Traffic(const Environment& environment);
  void SetFleet(Fleet& fleet) { fleet_ = &fleet; }  // before anything else

  void OnInner(absl::Time now, uint32_t client, stack::ByteView packet) override;
  void OnFar(absl::Time now, const Arrival& arrival) override;

  // One after the other, each called until it is true:
  void ForgetPaths();              // of UDP: they may have changed since
  bool MakePaths(absl::Time now);  // hellos; gives up on who does not get through
  bool Prepare(absl::Time now);    // seals a few more packets ahead

  void Begin(absl::Time now);    // begins to send
  void Measure(absl::Time now);  // what leaves from now on counts
  void End();                    // stops sending
  // Sends what is due. True if it was anything.
  bool Generate(absl::Time now);
  absl::Time NextDeadline() const;
  // Whether packets that were prepared were asked for, and have all been sent.
  bool IsExhausted() const;
  bool AllArrived() const;
  // Whether a lone packet, or the last ping, left a moment ago and has not arrived: what it took
  // would be told with the time to wake up in it.
  bool IsTiming(absl::Time now) const;

  const std::deque<Stream>& streams() const { return streams_; }
  void SetRate(size_t stream, double rate) { streams_[stream].spec.rate = rate; }
  uint64_t missed() const;
  uint64_t without_path() const { return without_path_; }  // flows that are not there
  Pinger& pinger() { return pinger_; }
  const Pinger& pinger() const { return pinger_; }

 private:
  absl::Time Time(absl::Time round) const { return env_.clock ? env_.clock() : round; }
  Flow FlowOf(const Stream& stream, uint32_t client) const;  // as the client sees it
  void SayHello(absl::Time now, const Stream& stream, uint32_t client);
  void Refresh(absl::Time now, Stream& stream);
  void OnHello(Stream& stream, const Mark& mark, const FarPlace& from);
  Stream* StreamAt(uint16_t port, uint16_t base, const Segment& segment);
  // One payload of `stream` has arrived.
  void Judge(absl::Time now, Stream& stream, Mark::Kind kind, const Mark& mark, bool intact);
  void SendBurst(absl::Time now, Stream& stream, size_t count);
  void SendUp(absl::Time now, Stream& stream, uint32_t client, size_t count);
  void SendDown(absl::Time now, Stream& stream, uint32_t client, size_t count);
  size_t PreparedWanted(const Stream& stream) const;

  const Environment env_;
  const Options& options_;
  Fleet* fleet_ = nullptr;
  std::deque<Stream> streams_;
  Pinger pinger_;
  absl::Time last_left_ = absl::InfinitePast();  // of the packets that are lone
  // MakePaths.
  absl::Time paths_since_ = absl::InfiniteFuture(), round_since_ = absl::InfinitePast();
  size_t hello_stream_ = 0;
  uint32_t hello_client_ = 0;
  uint64_t without_path_ = 0;
  bool preparing_ = false;
};

}  // namespace gateway::load
