// NAT44 for TCP, UDP and ICMP echo: RFC 4787, RFC 5382, RFC 5508 (read section 4 of the first).
// Up: the stage after the router. Down: the first stage behind IPv4 input.
//
// Mapping is endpoint-independent (RFC 4787 REQ-1): (protocol, inside address and port) has one
// external port whoever it talks to, so peers can meet through rendezvous servers. Filtering is
// endpoint-independent by default (REQ-8 where transparency matters most): whoever knows the
// external port may answer to it; kAddressAndPortDependent lets in only whom the client has written
// to first.
//
// Where a client cannot have a port any more because all are in use, it shares one with others
// (endpoint-dependent, the last resort): replies are told apart by their sender, so two who share a
// port never talk to the same remote endpoint, and only remotes they have written to may answer.
// For that the remotes of every mapping are kept in the flow table from the moment ports get short.
//
// A mapping belongs to the client that made it and is gone with it. UDP and ICMP mappings live by
// their own timer, refreshed by outbound packets only; TCP mappings by their flows
// (nat/conntrack.h). An unsolicited SYN that no mapping lets in is dropped in silence (RFC 5382
// REQ-4a), so that a simultaneous open succeeds. One instance a shard: no lock, no clock (`now_s`:
// coarse seconds, never going back). All tables are bounded, and grow as they are used, with every
// packet doing its own small share of that. A packet that is dropped has not been changed.
#pragma once

#include <cstdint>

#include "nat/conntrack.h"
#include "nat/flow.h"
#include "nat/icmp_inner.h"
#include "nat/mappings.h"
#include "nat/ports.h"
#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"
#include "stack/base/rng.h"

namespace nat {

enum class Filtering : uint8_t { kEndpointIndependent, kAddressAndPortDependent };

struct Options {
  PortRange ports{};  // this shard's part of each external address
  Timeouts timeouts{};
  Filtering filtering = Filtering::kEndpointIndependent;
  uint32_t max_mappings = 65536;  // of this shard
  uint32_t max_flows = 65536;     // of this shard
  uint32_t flows_per_client = 4096;
};

class Nat {
 public:
  // `rng` outlives the object.
  Nat(const Options& options, stack::Rng& rng);

  // An address of ours that traffic of the group (0..kMaxGroups-1) is translated to. Known already:
  // nothing happens.
  void AddExternal(stack::Ip4 external, uint8_t group);
  // It is ours no more: all its mappings go. Looks at the whole table.
  void RemoveExternal(stack::Ip4 external, uint32_t now_s);
  bool IsExternal(stack::Ip4 ip) const { return mappings_.IsExternal(ip); }

  // Client -> internet. `packet` is one whole IPv4 packet from its header on; its source becomes an
  // address of the group and a port of it. `client` is whoever pays for the mapping, usually the
  // packet's source: the name for RemoveClient. kNone if translated, else the packet is dropped:
  //   kNatNoMapping   an RST or ICMP error about nothing we know; the group has no address
  //   kNatQuota, kNatNoPort, kNatTableFull   no mapping or flow to be had
  //   kSpoofedSource  the source's mapping belongs to another client
  //   kNatProtocol, kNatMalformed            see FindTransport
  stack::Drop Outbound(stack::ByteSpan packet, uint8_t group, stack::Ip4 client, uint32_t now_s);

  // Internet -> client. The destination becomes the inside one; gives the client. kNatNoMapping and
  // kNatProtocol mean that the packet is not for a client: adit's own services on that address come
  // next.
  stack::Result<stack::Ip4, stack::Drop> Inbound(stack::ByteSpan packet, uint32_t now_s);

  // The session ended: all the client's mappings, flows and ports are free.
  void RemoveClient(stack::Ip4 client, uint32_t now_s);

  // Frees what timed out, looking at up to `budget` table entries (2 or more) from where the last
  // call stopped; to be called so often that the whole table is seen every minute or so. UDP and
  // ICMP mappings let nothing in from the moment they expire, swept or not; TCP mappings stay until
  // the last of their flows is swept.
  void Sweep(uint32_t now_s, uint32_t budget);
  uint32_t entries() const { return mappings_.extent() + flows_.extent(); }  // to be swept

  uint32_t mappings() const { return mappings_.size(); }
  uint32_t flows() const { return flows_.size(); }
  uint32_t MappingsOf(stack::Ip4 client) const;
  uint32_t clients() const { return mappings_.clients(); }
  uint64_t shared() const { return shared_; }  // mappings that had to share a port, ever

 private:
  uint32_t FindOutside(Kind kind, stack::Endpoint outside, stack::Endpoint remote,
                       uint32_t now_s) const;
  stack::Drop OutboundError(stack::ByteSpan packet, const Transport& transport, uint8_t group,
                            stack::Ip4 client);
  stack::Result<stack::Ip4, stack::Drop> InboundError(stack::ByteSpan packet,
                                                      const Transport& transport, uint32_t now_s);
  stack::Result<uint32_t, stack::Drop> MakeMapping(const Inside& inside, stack::Ip4 client,
                                                   stack::Endpoint remote, uint32_t now_s);
  stack::Result<uint32_t, stack::Drop> SharePort(const Inside& inside, stack::Ip4 client,
                                                 stack::Endpoint remote, uint32_t now_s);
  bool MayShareWith(uint32_t host, stack::Endpoint remote, uint32_t now_s) const;
  void RemoveMapping(uint32_t mapping, uint32_t now_s);
  bool IsExpired(uint32_t mapping, uint32_t now_s) const;
  bool MayComplain(uint32_t mapping, stack::Endpoint remote) const;

  uint32_t FlowTo(uint32_t mapping, stack::Endpoint remote, uint32_t now_s) const;
  stack::Drop TrackOut(uint32_t mapping, const Transport& transport, uint32_t now_s);
  stack::Drop OpenFlow(uint32_t mapping, const Transport& transport, uint32_t now_s);
  bool TrackIn(uint32_t mapping, const Transport& transport, uint32_t now_s);
  void RemoveFlow(uint32_t flow);

  const Options options_;
  Mappings mappings_;
  Conntrack flows_;
  uint64_t groups_ = 0;  // a bit for each that was ever used
  uint64_t shared_ = 0;
  uint32_t swept_mappings_ = 0, swept_flows_ = 0;  // where the next Sweep goes on
};

}  // namespace nat
