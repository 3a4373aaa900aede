#include "nat/mappings.h"

#include <algorithm>

#include "absl/hash/hash.h"

namespace nat {
namespace {

using stack::Drop;
using stack::Endpoint;
using stack::Ip4;

uint64_t RandomSeed(stack::Rng& rng) { return uint64_t{rng.U32()} << 32 | rng.U32(); }

uint32_t Short(size_t hash) { return static_cast<uint32_t>(hash ^ hash >> 32); }

}  // namespace

Mappings::Mappings(const PortRange& ports, uint32_t capacity, stack::Rng& rng)
    : ports_(ports),
      rng_(rng),
      seed_(RandomSeed(rng)),
      records_(capacity),
      by_inside_(records_, capacity),
      by_outside_(records_, capacity),
      clients_(capacity),  // each has a mapping at least
      by_name_(clients_, capacity) {}

// ---- Addresses ----

void Mappings::AddExternal(Ip4 external, uint8_t group) {
  if (IsExternal(external)) return;
  auto place = std::find(externals_.begin(), externals_.end(), nullptr);
  if (place == externals_.end()) place = externals_.insert(place, nullptr);
  *place = std::make_unique<External>(External{external, group, PortPool(ports_)});
  by_ip_[external] = static_cast<uint16_t>(place - externals_.begin());
}

void Mappings::RemoveExternal(Ip4 external) {
  const auto found = by_ip_.find(external);
  if (found == by_ip_.end()) return;
  externals_[found->second] = nullptr;
  by_ip_.erase(found);
}

// The address a client has already, else the one of the group with most room, and among equal ones
// any, but always the same for one client. -1: the group has none.
int Mappings::AddressFor(Ip4 client, uint8_t group) const {
  if (const Client* known = Find(client, group)) return known->address;
  const size_t count = externals_.size();
  const size_t first = count == 0 ? 0 : HashOf(client, group) % count;
  int best = -1;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = (first + i) % count;
    const External* external = externals_[at].get();
    if (external == nullptr || external->group != group) continue;
    const bool better = best < 0 || external->ports.free_blocks() >
                                        externals_[static_cast<size_t>(best)]->ports.free_blocks();
    if (better) best = static_cast<int>(at);
  }
  return best;
}

bool Mappings::IsShortOfPorts(uint32_t mapping) const {
  const PortPool& ports = externals_[clients_[records_[mapping].owner].address]->ports;
  return ports.blocks_in_use() * 4 >= ports.blocks() * 3;
}

// ---- Finding ----

uint32_t Mappings::HashOf(const Inside& inside) const {
  const uint64_t name = uint64_t{inside.endpoint.ip.value} << 32 |
                        uint64_t{inside.endpoint.port} << 16 | uint64_t{inside.group} << 8 |
                        static_cast<uint64_t>(inside.kind);
  return Short(absl::HashOf(seed_, name));
}

uint32_t Mappings::HashOf(Kind kind, Endpoint outside) const {
  const uint64_t name =
      uint64_t{outside.ip.value} << 32 | uint64_t{outside.port} << 16 | static_cast<uint64_t>(kind);
  return Short(absl::HashOf(seed_, name));
}

uint32_t Mappings::HashOf(Ip4 client, uint8_t group) const {
  return Short(absl::HashOf(seed_, uint64_t{client.value} << 8 | group));
}

uint32_t Mappings::FindInside(const Inside& inside) const {
  return by_inside_.Find(HashOf(inside), [&](const Mapping& m) { return m.inside == inside; });
}

uint32_t Mappings::FindOutside(Kind kind, Endpoint outside) const {
  return by_outside_.Find(HashOf(kind, outside), [&](const Mapping& m) {
    return m.outside == outside && m.inside.kind == kind;
  });
}

uint32_t Mappings::NextOutside(uint32_t mapping) const {
  const Mapping& before = records_[mapping];
  return by_outside_.FindNext(mapping, [&](const Mapping& m) {
    return m.outside == before.outside && m.inside.kind == before.inside.kind;
  });
}

uint32_t Mappings::FindClient(Ip4 client, uint8_t group) const {
  return by_name_.Find(HashOf(client, group),
                       [&](const Client& c) { return c.ip == client && c.group == group; });
}

const Client* Mappings::Find(Ip4 client, uint8_t group) const {
  const uint32_t found = FindClient(client, group);
  return found == kNoIndex ? nullptr : &clients_[found];
}

uint32_t Mappings::AnyAtAddressOf(Ip4 client, const Inside& inside) {
  const int address = AddressFor(client, inside.group);
  if (address < 0) return kNoIndex;
  const External& external = *externals_[static_cast<size_t>(address)];
  const int32_t port = external.ports.AnyInUse(inside.kind, rng_);
  if (port < 0) return kNoIndex;
  return FindOutside(inside.kind, {external.ip, static_cast<uint16_t>(port)});
}

// ---- Coming and going ----

stack::Result<uint32_t, Drop> Mappings::Make(const Inside& inside, Ip4 client, uint32_t now_s) {
  const int address = AddressFor(client, inside.group);
  if (address < 0) return Drop::kNatNoMapping;
  if (records_.full()) return Drop::kNatTableFull;
  External& external = *externals_[static_cast<size_t>(address)];
  const auto port = external.ports.Take(client, inside.kind, inside.endpoint.port, now_s, rng_);
  if (!port.ok()) return port.error();
  const uint32_t index = Insert(inside, client, static_cast<uint16_t>(address), *port);
  records_[index].last_s = now_s;
  return index;
}

stack::Result<uint32_t, Drop> Mappings::Join(const Inside& inside, Ip4 client, uint32_t host,
                                             uint32_t now_s) {
  const Client* known = Find(client, inside.group);
  if (known != nullptr && known->guest_count >= ports_.quota) return Drop::kNatQuota;
  if (records_.full()) return Drop::kNatTableFull;
  const uint32_t index = Insert(inside, client, OwnerOf(host).address, records_[host].outside.port);
  Mapping& mapping = records_[index];
  mapping.last_s = now_s;
  mapping.tracked = mapping.guest = mapping.shared = records_[host].shared = true;
  ++OwnerOf(index).guest_count;
  return index;
}

uint32_t Mappings::Insert(const Inside& inside, Ip4 client, uint16_t address, uint16_t port) {
  const uint32_t index = records_.Take();
  Mapping& mapping = records_[index];
  mapping.inside = inside;
  mapping.outside = {externals_[address]->ip, port};
  mapping.client = client;
  mapping.owner = OwnerFor(client, inside.group, address);
  by_inside_.Insert(index, HashOf(inside));
  by_outside_.Insert(index, HashOf(inside.kind, mapping.outside));
  Chain(index);
  return index;
}

uint32_t Mappings::OwnerFor(Ip4 client, uint8_t group, uint16_t address) {
  const uint32_t known = FindClient(client, group);
  if (known != kNoIndex) return known;
  const uint32_t index = clients_.Take();
  clients_[index].ip = client;
  clients_[index].group = group;
  clients_[index].address = address;
  by_name_.Insert(index, HashOf(client, group));
  return index;
}

// Puts a mapping at the head of its client's chain.
void Mappings::Chain(uint32_t index) {
  Client& owner = OwnerOf(index);
  records_[index].next = owner.mappings;
  if (owner.mappings != kNoIndex) records_[owner.mappings].previous = index;
  owner.mappings = index;
  ++owner.mapping_count;
}

// The last one takes its client along.
void Mappings::Unchain(uint32_t index) {
  const Mapping& mapping = records_[index];
  Client& owner = OwnerOf(index);
  if (mapping.next != kNoIndex) records_[mapping.next].previous = mapping.previous;
  (mapping.previous == kNoIndex ? owner.mappings : records_[mapping.previous].next) = mapping.next;
  if (mapping.guest) --owner.guest_count;
  if (--owner.mapping_count != 0) return;
  by_name_.Erase(mapping.owner);
  clients_.Free(mapping.owner);
}

void Mappings::Remove(uint32_t index, uint32_t now_s) {
  by_inside_.Erase(index);
  by_outside_.Erase(index);
  Leave(index, now_s);
  Unchain(index);
  records_.Free(index);
}

// The port is free when nobody is left at it; one who is left alone need not share any more.
void Mappings::Leave(uint32_t index, uint32_t now_s) {
  const Mapping& mapping = records_[index];
  const uint32_t other =
      mapping.shared ? FindOutside(mapping.inside.kind, mapping.outside) : kNoIndex;
  if (other == kNoIndex) {
    PortPool& ports = externals_[OwnerOf(index).address]->ports;
    ports.GiveBack(mapping.inside.kind, mapping.outside.port, now_s);
  } else if (NextOutside(other) == kNoIndex) {
    records_[other].shared = false;
  }
}

}  // namespace nat
