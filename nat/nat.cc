#include "nat/nat.h"

#include <algorithm>
#include <bit>

#include "nat/rewrite.h"

namespace nat {
namespace {

using stack::ByteSpan;
using stack::Drop;
using stack::Endpoint;
using stack::Ip4;
using Role = Transport::Role;

// Ports tried for one that may be shared, and how many may share it: bounds of the work a packet
// can cause.
constexpr int kSharingTries = 32;
constexpr int kMaxSharers = 8;

}  // namespace

Nat::Nat(const Options& options, stack::Rng& rng)
    : options_(options),
      mappings_(options.ports, options.max_mappings, rng),
      flows_(options.max_flows, options.timeouts, uint64_t{rng.U32()} << 32 | rng.U32()) {}

void Nat::AddExternal(Ip4 external, uint8_t group) {
  mappings_.AddExternal(external, group);
  groups_ |= uint64_t{1} << group;
}

void Nat::RemoveExternal(Ip4 external, uint32_t now_s) {
  if (!IsExternal(external)) return;
  for (uint32_t i = 0; i < mappings_.extent(); ++i) {
    if (mappings_.IsLive(i) && mappings_[i].outside.ip == external) RemoveMapping(i, now_s);
  }
  mappings_.RemoveExternal(external);
}

// ---- Client -> internet ----

Drop Nat::Outbound(ByteSpan packet, uint8_t group, Ip4 client, uint32_t now_s) {
  const auto transport = FindTransport(packet);
  if (!transport.ok()) return transport.error();
  if (transport->role == Role::kIcmpError) return OutboundError(packet, *transport, group, client);
  if (transport->role == Role::kEchoReply) return Drop::kNatNoMapping;  // nobody outside can ask

  const Inside inside{transport->flow.kind, group, transport->flow.source};
  uint32_t mapping = mappings_.FindInside(inside);
  const bool is_new = mapping == kNoIndex;
  if (is_new) {
    if ((transport->tcp_flags & kTcpRst) != 0) return Drop::kNatNoMapping;
    const auto made = MakeMapping(inside, client, transport->flow.destination, now_s);
    if (!made.ok()) return made.error();
    mapping = *made;
  }
  if (mappings_[mapping].client != client) return Drop::kSpoofedSource;
  if (const Drop drop = TrackOut(mapping, *transport, now_s); drop != Drop::kNone) {
    if (is_new) RemoveMapping(mapping, now_s);
    return drop;
  }
  mappings_[mapping].last_s = now_s;
  RewriteSource(packet, *transport, mappings_[mapping].outside);
  return Drop::kNone;
}

// The client (or a router behind it) complains about an inbound packet, which it quotes as it got
// it.
Drop Nat::OutboundError(ByteSpan packet, const Transport& transport, uint8_t group, Ip4 client) {
  const auto inner = ReadQuotation(packet, transport);
  if (!inner.ok()) return inner.error();
  if (inner->flow.kind == Kind::kIcmp && !inner->echo_reply) return Drop::kNatNoMapping;
  const uint32_t index = mappings_.FindInside({inner->flow.kind, group, inner->flow.destination});
  if (index == kNoIndex) return Drop::kNatNoMapping;
  const Mapping& mapping = mappings_[index];
  if (mapping.client != client) return Drop::kSpoofedSource;
  RewriteQuotedDestination(packet, transport, *inner, mapping.outside);
  RewriteSource(packet, transport, {mapping.outside.ip, 0});
  return Drop::kNone;
}

// ---- Internet -> client ----

stack::Result<Ip4, Drop> Nat::Inbound(ByteSpan packet, uint32_t now_s) {
  const auto transport = FindTransport(packet);
  if (!transport.ok()) return transport.error();
  if (transport->role == Role::kIcmpError) return InboundError(packet, *transport, now_s);
  if (transport->role == Role::kEchoRequest) return Drop::kNatNoMapping;
  const Flow& flow = transport->flow;
  const uint32_t mapping = FindOutside(flow.kind, flow.destination, flow.source, now_s);
  if (mapping == kNoIndex || !TrackIn(mapping, *transport, now_s)) return Drop::kNatNoMapping;
  RewriteDestination(packet, *transport, mappings_[mapping].inside.endpoint);
  return mappings_[mapping].client;
}

// Somebody on the way complains about an outbound packet, which it quotes as we sent it. The
// mapping's timers are left alone (RFC 5508 section 4.2): anybody can send this.
stack::Result<Ip4, Drop> Nat::InboundError(ByteSpan packet, const Transport& transport,
                                           uint32_t now_s) {
  const auto inner = ReadQuotation(packet, transport);
  if (!inner.ok()) return inner.error();
  const Flow& flow = inner->flow;
  if (flow.kind == Kind::kIcmp && inner->echo_reply) return Drop::kNatNoMapping;
  if (flow.source.ip != transport.flow.destination.ip) return Drop::kNatNoMapping;
  const uint32_t index = FindOutside(flow.kind, flow.source, flow.destination, now_s);
  if (index == kNoIndex) return Drop::kNatNoMapping;
  const Mapping& mapping = mappings_[index];
  if (!MayComplain(index, flow.destination)) return Drop::kNatNoMapping;
  RewriteQuotedSource(packet, transport, *inner, mapping.inside.endpoint);
  RewriteDestination(packet, transport, {mapping.inside.endpoint.ip, 0});
  return mapping.client;
}

// Where flows decide who gets in, an error must be about one of them.
bool Nat::MayComplain(uint32_t mapping, Endpoint remote) const {
  if (options_.filtering == Filtering::kEndpointIndependent) return true;
  const Inside& inside = mappings_[mapping].inside;
  const uint32_t flow = flows_.Find({inside.kind, inside.endpoint, remote});
  return flow != kNoIndex && flows_[flow].mapping == mapping;
}

// ---- Mappings ----

// Of several that share the port, the one that talks to this remote.
uint32_t Nat::FindOutside(Kind kind, Endpoint outside, Endpoint remote, uint32_t now_s) const {
  uint32_t mapping = mappings_.FindOutside(kind, outside);
  if (mapping == kNoIndex) return kNoIndex;
  if (!mappings_[mapping].shared) return IsExpired(mapping, now_s) ? kNoIndex : mapping;
  while (mapping != kNoIndex && FlowTo(mapping, remote, now_s) == kNoIndex) {
    mapping = mappings_.NextOutside(mapping);
  }
  return mapping;
}

stack::Result<uint32_t, Drop> Nat::MakeMapping(const Inside& inside, Ip4 client, Endpoint remote,
                                               uint32_t now_s) {
  const auto made = mappings_.Make(inside, client, now_s);
  if (!made.ok()) {
    return made.error() == Drop::kNatNoPort ? SharePort(inside, client, remote, now_s) : made;
  }
  mappings_[*made].tracked = inside.kind == Kind::kTcp ||
                             options_.filtering == Filtering::kAddressAndPortDependent ||
                             mappings_.IsShortOfPorts(*made);
  return made;
}

stack::Result<uint32_t, Drop> Nat::SharePort(const Inside& inside, Ip4 client, Endpoint remote,
                                             uint32_t now_s) {
  for (int tries = 0; tries < kSharingTries; ++tries) {
    const uint32_t host = mappings_.AnyAtAddressOf(client, inside);
    if (host == kNoIndex || !MayShareWith(host, remote, now_s)) continue;
    const auto joined = mappings_.Join(inside, client, host, now_s);
    if (joined.ok()) ++shared_;
    return joined;
  }
  return Drop::kNatNoPort;
}

// Nobody at the port of `host` may talk to the newcomer's remote: replies could not be told apart.
bool Nat::MayShareWith(uint32_t host, Endpoint remote, uint32_t now_s) const {
  int sharers = 0;
  const Mapping& first = mappings_[host];
  for (uint32_t m = mappings_.FindOutside(first.inside.kind, first.outside); m != kNoIndex;
       m = mappings_.NextOutside(m)) {
    if (++sharers >= kMaxSharers || !mappings_[m].tracked) return false;
    if (FlowTo(m, remote, now_s) != kNoIndex) return false;
  }
  return true;
}

void Nat::RemoveMapping(uint32_t index, uint32_t now_s) {
  while (mappings_[index].flows != kNoIndex) RemoveFlow(mappings_[index].flows);
  mappings_.Remove(index, now_s);
}

void Nat::RemoveClient(Ip4 client, uint32_t now_s) {
  for (uint64_t rest = groups_; rest != 0; rest &= rest - 1) {
    const auto group = static_cast<uint8_t>(std::countr_zero(rest));
    // The last mapping takes the client along.
    while (const Client* owner = mappings_.Find(client, group)) {
      RemoveMapping(owner->mappings, now_s);
    }
  }
}

uint32_t Nat::MappingsOf(Ip4 client) const {
  uint32_t count = 0;
  for (uint64_t rest = groups_; rest != 0; rest &= rest - 1) {
    const Client* owner = mappings_.Find(client, static_cast<uint8_t>(std::countr_zero(rest)));
    if (owner != nullptr) count += owner->mapping_count;
  }
  return count;
}

bool Nat::IsExpired(uint32_t index, uint32_t now_s) const {
  const Mapping& mapping = mappings_[index];
  switch (mapping.inside.kind) {
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

// The living flow of a mapping to a remote; kNoIndex without one.
uint32_t Nat::FlowTo(uint32_t mapping, Endpoint remote, uint32_t now_s) const {
  const Inside& inside = mappings_[mapping].inside;
  const uint32_t flow = flows_.Find({inside.kind, inside.endpoint, remote});
  const bool lives =
      flow != kNoIndex && flows_[flow].mapping == mapping && !flows_.IsExpired(flow, now_s);
  return lives ? flow : kNoIndex;
}

Drop Nat::TrackOut(uint32_t mapping, const Transport& transport, uint32_t now_s) {
  if (!mappings_[mapping].tracked) return Drop::kNone;
  uint32_t flow = flows_.Find(transport.flow);
  if (flow != kNoIndex && (flows_[flow].mapping != mapping || flows_.IsExpired(flow, now_s))) {
    RemoveFlow(flow);  // it took another way out before, or is long over
    flow = kNoIndex;
  }
  if (flow == kNoIndex) return OpenFlow(mapping, transport, now_s);
  flows_.Touch(flow, transport.tcp_flags, Direction::kOut, now_s);
  return Drop::kNone;
}

Drop Nat::OpenFlow(uint32_t mapping, const Transport& transport, uint32_t now_s) {
  if ((transport.tcp_flags & kTcpRst) != 0) return Drop::kNone;  // refusing a stranger's SYN
  Mapping& m = mappings_[mapping];
  const Endpoint remote = transport.flow.destination;
  if (m.shared && FindOutside(m.inside.kind, m.outside, remote, now_s) != kNoIndex) {
    return Drop::kNatNoPort;  // another who shares the port talks to this remote
  }
  Client& owner = mappings_.OwnerOf(mapping);
  const bool has_quota = owner.flow_count < options_.flows_per_client;
  const uint32_t flow = has_quota ? flows_.Open(transport.flow, mapping, now_s, m.flows) : kNoIndex;
  if (flow == kNoIndex) {
    const bool must = m.shared || m.inside.kind == Kind::kTcp ||
                      options_.filtering == Filtering::kAddressAndPortDependent;
    if (must) return has_quota ? Drop::kNatTableFull : Drop::kNatQuota;
    m.tracked = false;  // then its port is not to be shared
    return Drop::kNone;
  }
  ++owner.flow_count;
  flows_.Touch(flow, transport.tcp_flags, Direction::kOut, now_s);
  return Drop::kNone;
}

// False if the filter keeps the packet out.
bool Nat::TrackIn(uint32_t mapping, const Transport& transport, uint32_t now_s) {
  if (!mappings_[mapping].tracked) return true;
  const uint32_t flow = FlowTo(mapping, transport.flow.source, now_s);
  if (flow == kNoIndex) return options_.filtering == Filtering::kEndpointIndependent;
  flows_.Touch(flow, transport.tcp_flags, Direction::kIn, now_s);
  return true;
}

void Nat::RemoveFlow(uint32_t flow) {
  const uint32_t mapping = flows_[flow].mapping;
  --mappings_.OwnerOf(mapping).flow_count;
  flows_.Close(flow, mappings_[mapping].flows);
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
