// The other end of the clients' traffic, beyond the gateway: one address on an interface of its
// own, which answers ARP and pings and hands everything else on. It replies to where a packet came
// from, so that NAT or routing in between make no difference to it.
#pragma once

#include "absl/time/time.h"
#include "gateway/io/port.h"
#include "gateway/load/inner.h"
#include "gateway/load/lan.h"
#include "gateway/load/options.h"
#include "gateway/load/outlet.h"
#include "stack/base/drop.h"

namespace gateway::load {

// Where a client is to be found from here.
struct FarPlace {
  stack::Endpoint at;
  stack::Mac mac;  // that the packet came from
};

// Takes what arrives. `size`: the payload is so many octets for every packet there was, the last
// one may be shorter. `sum_is_due`: nobody has verified the checksum yet.
class FarSink {
 public:
  struct Arrival {
    Segment segment;
    size_t size = 0;
    bool sum_is_due = false;
    FarPlace from;
  };
  virtual ~FarSink() = default;
  virtual void OnFar(absl::Time now, const Arrival& arrival) = 0;
};

class FarEnd {
 public:
  // All of them outlive the object.
  FarEnd(const Options& options, stack::PacketPool& pool, Lan& lan, Outlet& outlet)
      : options_(options), pool_(pool), lan_(lan), outlet_(outlet) {}

  void OnFrame(absl::Time now, const io::RxFrame& frame, FarSink& sink);
  // `vnet` of a superframe is as MakeSuperframe gave it.
  void Send(stack::PacketBuf packet, const FarPlace& to, const io::VnetHdr& vnet,
            const Parcel& parcel);
  stack::Ip4 address() const { return options_.far_address.address; }

  const stack::DropCounters& drops() const { return drops_; }

 private:
  void AnswerEcho(const stack::wire::Ip4Packet& request, const stack::Mac& from);

  const Options& options_;
  stack::PacketPool& pool_;
  Lan& lan_;
  Outlet& outlet_;
  stack::DropCounters drops_;
};

}  // namespace gateway::load
