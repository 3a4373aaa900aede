#include "nat/nat.h"

#include <algorithm>

#include "nat/rewrite.h"

namespace nat {
namespace {

using stack::ByteSpan;
using stack::Drop;
using stack::Endpoint;
using stack::Ip4;
using Role = Transport::Role;

constexpr size_t Index(Kind kind) { return static_cast<size_t>(kind); }

}  // namespace

Nat::Nat(const Options& options, stack::Rng& rng)
    : options_(options),
      rng_(rng),
      mappings_(options.max_mappings),
      flows_(options.max_flows, options.timeouts) {
  by_inside_.reserve(options.max_mappings);
  clients_.reserve(kBlocks);
}

// ---- External addresses ----

void Nat::AddExternal(Ip4 external) {
  if (IsExternal(external)) return;
  auto added = std::make_unique<External>(External{external, PortPool(options_.ports), {}});
  for (auto& table : added->mapping) table.assign(added->ports.slots(), kNoIndex);
  externals_.push_back(std::move(added));
}

void Nat::RemoveExternal(Ip4 external, uint32_t now_s) {
  for (uint32_t i = 0; i < mappings_.extent(); ++i) {
    if (mappings_.IsLive(i) && mappings_[i].external == external) RemoveMapping(i, now_s);
  }
  std::erase_if(externals_, [external](const auto& e) { return e->ip == external; });
}

Nat::External* Nat::FindExternal(Ip4 ip) {
  for (const auto& external : externals_) {
    if (external->ip == ip) return external.get();
  }
  return nullptr;
}

const Nat::External* Nat::FindExternal(Ip4 ip) const {
  return const_cast<Nat*>(this)->FindExternal(ip);
}

// ---- Client -> internet ----

Drop Nat::Outbound(ByteSpan packet, Ip4 external, Ip4 client, uint32_t now_s) {
  const auto transport = FindTransport(packet);
  if (!transport.ok()) return transport.error();
  if (transport->role == Role::kIcmpError) {
    return OutboundError(packet, *transport, external, client);
  }
  if (transport->role == Role::kEchoReply) return Drop::kNatNoMapping;  // nobody outside can ask

  const Inside inside{transport->flow.kind, transport->flow.source, external};
  uint32_t mapping = FindInside(inside);
  const bool is_new = mapping == kNoIndex;
  if (is_new) {
    if ((transport->tcp_flags & kTcpRst) != 0) return Drop::kNatNoMapping;
    const auto made = MakeMapping(inside, client, now_s);
    if (!made.ok()) return made.error();
    mapping = *made;
  }
  if (mappings_[mapping].client != client) return Drop::kSpoofedSource;
  if (const Drop drop = TrackOut(mapping, *transport, now_s); drop != Drop::kNone) {
    if (is_new) RemoveMapping(mapping, now_s);
    return drop;
  }
  mappings_[mapping].last_s = now_s;
  RewriteSource(packet, *transport, {external, mappings_[mapping].external_port});
  return Drop::kNone;
}

// The client (or a router behind it) complains about an inbound packet, which it quotes as it got
// it.
Drop Nat::OutboundError(ByteSpan packet, const Transport& transport, Ip4 external, Ip4 client) {
  const auto inner = ReadQuotation(packet, transport);
  if (!inner.ok()) return inner.error();
  if (inner->flow.kind == Kind::kIcmp && !inner->echo_reply) return Drop::kNatNoMapping;
  const uint32_t mapping = FindInside({inner->flow.kind, inner->flow.destination, external});
  if (mapping == kNoIndex) return Drop::kNatNoMapping;
  if (mappings_[mapping].client != client) return Drop::kSpoofedSource;
  RewriteQuotedDestination(packet, transport, *inner, {external, mappings_[mapping].external_port});
  RewriteSource(packet, transport, {external, 0});
  return Drop::kNone;
}

// ---- Internet -> client ----

stack::Result<Ip4, Drop> Nat::Inbound(ByteSpan packet, uint32_t now_s) {
  const auto transport = FindTransport(packet);
  if (!transport.ok()) return transport.error();
  if (transport->role == Role::kIcmpError) return InboundError(packet, *transport, now_s);
  if (transport->role == Role::kEchoRequest) return Drop::kNatNoMapping;
  const uint32_t mapping = FindOutside(transport->flow.kind, transport->flow.destination, now_s);
  if (mapping == kNoIndex || !TrackIn(mapping, *transport, now_s)) return Drop::kNatNoMapping;
  RewriteDestination(packet, *transport, mappings_[mapping].inside);
  return mappings_[mapping].client;
}

// Somebody on the way complains about an outbound packet, which it quotes as we sent it. The
// mapping's timers are left alone (RFC 5508 section 4.2): anybody can send this.
stack::Result<Ip4, Drop> Nat::InboundError(ByteSpan packet, const Transport& transport,
                                           uint32_t now_s) {
  const auto inner = ReadQuotation(packet, transport);
  if (!inner.ok()) return inner.error();
  if (inner->flow.kind == Kind::kIcmp && inner->echo_reply) return Drop::kNatNoMapping;
  if (inner->flow.source.ip != transport.flow.destination.ip) return Drop::kNatNoMapping;
  const uint32_t index = FindOutside(inner->flow.kind, inner->flow.source, now_s);
  if (index == kNoIndex) return Drop::kNatNoMapping;
  const Mapping& mapping = mappings_[index];
  if (!MayComplain(index, inner->flow.destination)) return Drop::kNatNoMapping;
  RewriteQuotedSource(packet, transport, *inner, mapping.inside);
  RewriteDestination(packet, transport, {mapping.inside.ip, 0});
  return mapping.client;
}

// Where flows decide who gets in, an error must be about one of them.
bool Nat::MayComplain(uint32_t mapping, Endpoint remote) const {
  if (options_.filtering == Filtering::kEndpointIndependent) return true;
  const uint32_t flow = flows_.Find({mappings_[mapping].kind, mappings_[mapping].inside, remote});
  return flow != kNoIndex && flows_[flow].mapping == mapping;
}

// ---- Mappings ----

uint32_t Nat::FindInside(const Inside& inside) const {
  const auto found = by_inside_.find(inside);
  return found == by_inside_.end() ? kNoIndex : found->second;
}

uint32_t Nat::FindOutside(Kind kind, Endpoint outside, uint32_t now_s) const {
  const External* external = FindExternal(outside.ip);
  if (external == nullptr) return kNoIndex;
  const int32_t slot = external->ports.SlotOf(outside.port);
  if (slot < 0) return kNoIndex;
  const uint32_t mapping = external->mapping[Index(kind)][static_cast<size_t>(slot)];
  return mapping == kNoIndex || IsExpired(mapping, now_s) ? kNoIndex : mapping;
}

stack::Result<uint32_t, Drop> Nat::MakeMapping(const Inside& inside, Ip4 client, uint32_t now_s) {
  External* external = FindExternal(inside.external);
  if (external == nullptr) return Drop::kNatNoMapping;
  const uint32_t index = mappings_.Take();
  if (index == kNoIndex) return Drop::kNatTableFull;
  const auto port = external->ports.Take(client, inside.kind, inside.endpoint.port, now_s, rng_);
  if (!port.ok()) {
    mappings_.Free(index);
    return port.error();
  }
  Mapping& mapping = mappings_[index];
  mapping.kind = inside.kind;
  mapping.external_port = *port;
  mapping.inside = inside.endpoint;
  mapping.external = inside.external;
  mapping.client = client;
  mapping.last_s = now_s;
  const auto slot = static_cast<size_t>(external->ports.SlotOf(*port));
  external->mapping[Index(inside.kind)][slot] = index;
  by_inside_.emplace(inside, index);
  Chain(index);
  return index;
}

// Puts a mapping at the head of its client's chain.
void Nat::Chain(uint32_t index) {
  Mapping& mapping = mappings_[index];
  Client& owner = clients_[mapping.client];
  mapping.next = owner.mappings;
  if (owner.mappings != kNoIndex) mappings_[owner.mappings].previous = index;
  owner.mappings = index;
  ++owner.mapping_count;
}

void Nat::Unchain(uint32_t index) {
  const Mapping& mapping = mappings_[index];
  const auto owner = clients_.find(mapping.client);
  if (mapping.next != kNoIndex) mappings_[mapping.next].previous = mapping.previous;
  (mapping.previous == kNoIndex ? owner->second.mappings : mappings_[mapping.previous].next) =
      mapping.next;
  if (--owner->second.mapping_count == 0) clients_.erase(owner);
}

void Nat::RemoveMapping(uint32_t index, uint32_t now_s) {
  Mapping& mapping = mappings_[index];
  while (mapping.flows != kNoIndex) RemoveFlow(mapping.flows);
  External* external = FindExternal(mapping.external);
  const auto slot = static_cast<size_t>(external->ports.SlotOf(mapping.external_port));
  external->mapping[Index(mapping.kind)][slot] = kNoIndex;
  external->ports.GiveBack(mapping.kind, mapping.external_port, now_s);
  by_inside_.erase({mapping.kind, mapping.inside, mapping.external});
  Unchain(index);
  mappings_.Free(index);
}

void Nat::RemoveClient(Ip4 client, uint32_t now_s) {
  for (auto owner = clients_.find(client); owner != clients_.end(); owner = clients_.find(client)) {
    RemoveMapping(owner->second.mappings, now_s);  // the last one takes the client with it
  }
}

uint32_t Nat::MappingsOf(Ip4 client) const {
  const auto owner = clients_.find(client);
  return owner == clients_.end() ? 0 : owner->second.mapping_count;
}

bool Nat::IsExpired(uint32_t index, uint32_t now_s) const {
  const Mapping& mapping = mappings_[index];
  switch (mapping.kind) {
    case Kind::kTcp:
      return mapping.flows == kNoIndex;
    case Kind::kUdp:
      return now_s - mapping.last_s >= options_.timeouts.udp_s;
    case Kind::kIcmp:
      break;
  }
  return now_s - mapping.last_s >= options_.timeouts.icmp_s;
}

// ---- Flows ----

bool Nat::TracksFlows(Kind kind) const {
  return kind == Kind::kTcp || options_.filtering == Filtering::kAddressAndPortDependent;
}

Drop Nat::TrackOut(uint32_t mapping, const Transport& transport, uint32_t now_s) {
  if (!TracksFlows(transport.flow.kind)) return Drop::kNone;
  uint32_t flow = flows_.Find(transport.flow);
  if (flow != kNoIndex && (flows_[flow].mapping != mapping || flows_.IsExpired(flow, now_s))) {
    RemoveFlow(flow);  // it took another way out before, or is long over
    flow = kNoIndex;
  }
  if (flow == kNoIndex) {
    if ((transport.tcp_flags & kTcpRst) != 0) return Drop::kNone;  // refusing a stranger's SYN
    Client& owner = clients_.find(mappings_[mapping].client)->second;
    if (owner.flow_count >= options_.flows_per_client) return Drop::kNatQuota;
    flow = flows_.Open(transport.flow, mapping, now_s, mappings_[mapping].flows);
    if (flow == kNoIndex) return Drop::kNatTableFull;
    ++owner.flow_count;
  }
  flows_.Touch(flow, transport.tcp_flags, Direction::kOut, now_s);
  return Drop::kNone;
}

// False if the filter keeps the packet out.
bool Nat::TrackIn(uint32_t mapping, const Transport& transport, uint32_t now_s) {
  if (!TracksFlows(transport.flow.kind)) return true;
  const Mapping& m = mappings_[mapping];
  const uint32_t flow = flows_.Find({m.kind, m.inside, transport.flow.source});
  if (flow == kNoIndex || flows_[flow].mapping != mapping || flows_.IsExpired(flow, now_s)) {
    return options_.filtering == Filtering::kEndpointIndependent;
  }
  flows_.Touch(flow, transport.tcp_flags, Direction::kIn, now_s);
  return true;
}

void Nat::RemoveFlow(uint32_t flow) {
  Mapping& mapping = mappings_[flows_[flow].mapping];
  --clients_.find(mapping.client)->second.flow_count;
  flows_.Close(flow, mapping.flows);
}

// ---- Time ----

void Nat::Sweep(uint32_t now_s, uint32_t budget) {
  const uint32_t flows = std::min(budget / 2, flows_.extent());
  for (uint32_t i = 0; i < flows; ++i) {
    if (swept_flows_ >= flows_.extent()) swept_flows_ = 0;
    const uint32_t at = swept_flows_++;
    if (flows_.IsLive(at) && flows_.IsExpired(at, now_s)) RemoveFlow(at);
  }
  const uint32_t mappings = std::min(budget - flows, mappings_.extent());
  for (uint32_t i = 0; i < mappings; ++i) {
    if (swept_mappings_ >= mappings_.extent()) swept_mappings_ = 0;
    const uint32_t at = swept_mappings_++;
    if (mappings_.IsLive(at) && IsExpired(at, now_s)) RemoveMapping(at, now_s);
  }
}

}  // namespace nat
