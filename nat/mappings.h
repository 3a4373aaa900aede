// Who is behind which external port: the mappings of a NAT, found from the inside and from the
// outside, the addresses and ports they take, and the clients that pay for them.
//
// Addresses come in groups: traffic that leaves by one interface is translated to any address of
// its group. A client keeps one of them as long as it has mappings ("paired", RFC 4787 REQ-2), and
// clients spread over the addresses that have most room. A port has one mapping, except where none
// was left for another client: then some share it, and are told apart by whom they talk to (nat.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "nat/flow.h"
#include "nat/index.h"
#include "nat/ports.h"
#include "nat/slab.h"
#include "stack/base/address.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"
#include "stack/base/rng.h"

namespace nat {

inline constexpr uint8_t kMaxGroups = 64;

// What a mapping is found by from the inside.
struct Inside {
  Kind kind = Kind::kUdp;
  uint8_t group = 0;
  stack::Endpoint endpoint;
  bool operator==(const Inside&) const = default;
};

struct Mapping {
  Inside inside;
  bool tracked = false;  // every remote it talks to is a flow in the table
  bool shared = false;   // others have the same port
  bool guest = false;    // it came to a port that another client held
  stack::Endpoint outside;
  stack::Ip4 client;
  uint32_t last_s = 0;                            // last outbound packet
  uint32_t flows = kNoIndex;                      // chain of its flows
  uint32_t owner = kNoIndex;                      // its client's record
  uint32_t next = kNoIndex, previous = kNoIndex;  // the client's chain
  Link by_inside, by_outside;
};

// A client in one group.
struct Client {
  stack::Ip4 ip;
  uint8_t group = 0;
  uint16_t address = 0;          // its external one, by position
  uint32_t mappings = kNoIndex;  // chain
  uint32_t mapping_count = 0;
  uint32_t flow_count = 0;
  uint32_t guest_count = 0;  // of the mappings
  Link by_name;
};

class Mappings {
 public:
  // At most `capacity` mappings. `rng` outlives the object.
  Mappings(const PortRange& ports, uint32_t capacity, stack::Rng& rng);

  // Precondition: group < kMaxGroups. Known already: nothing happens.
  void AddExternal(stack::Ip4 external, uint8_t group);
  // Precondition: no mapping has it any more.
  void RemoveExternal(stack::Ip4 external);
  bool IsExternal(stack::Ip4 ip) const { return by_ip_.contains(ip); }

  // kNoIndex if there is none. More mappings of the same port are found by NextOutside.
  uint32_t FindInside(const Inside& inside) const;
  uint32_t FindOutside(Kind kind, stack::Endpoint outside) const;
  uint32_t NextOutside(uint32_t mapping) const;

  // A mapping with a port of its own. kNatNoMapping: the group has no address. kNatQuota,
  // kNatNoPort, kNatTableFull. Precondition: there is none for `inside`.
  stack::Result<uint32_t, stack::Drop> Make(const Inside& inside, stack::Ip4 client,
                                            uint32_t now_s);
  // One that joins the mapping `host` at its port. kNatQuota, kNatTableFull. Precondition: both are
  // `tracked`, and go on to be.
  stack::Result<uint32_t, stack::Drop> Join(const Inside& inside, stack::Ip4 client, uint32_t host,
                                            uint32_t now_s);
  // Precondition: its flows are gone.
  void Remove(uint32_t mapping, uint32_t now_s);

  // A mapping of any client at the address that `client` has in the group, or would get, taken at
  // random; kNoIndex if chance found none.
  uint32_t AnyAtAddressOf(stack::Ip4 client, const Inside& inside);
  // Whether ports have become so few that mappings may soon have to share.
  bool IsShortOfPorts(uint32_t mapping) const;

  Mapping& operator[](uint32_t mapping) { return records_[mapping]; }
  const Mapping& operator[](uint32_t mapping) const { return records_[mapping]; }
  Client& OwnerOf(uint32_t mapping) { return clients_[records_[mapping].owner]; }
  // The client in a group; null if it has no mapping there.
  const Client* Find(stack::Ip4 client, uint8_t group) const;

  bool IsLive(uint32_t mapping) const { return records_.IsLive(mapping); }
  uint32_t extent() const { return records_.extent(); }
  uint32_t size() const { return records_.size(); }
  uint32_t clients() const { return clients_.size(); }

 private:
  struct External {
    stack::Ip4 ip;
    uint8_t group;
    PortPool ports;
  };

  uint32_t HashOf(const Inside& inside) const;
  uint32_t HashOf(Kind kind, stack::Endpoint outside) const;
  uint32_t HashOf(stack::Ip4 client, uint8_t group) const;
  uint32_t FindClient(stack::Ip4 client, uint8_t group) const;
  int AddressFor(stack::Ip4 client, uint8_t group) const;
  uint32_t OwnerFor(stack::Ip4 client, uint8_t group, uint16_t address);
  uint32_t Insert(const Inside& inside, stack::Ip4 client, uint16_t address, uint16_t port);
  void Chain(uint32_t mapping);
  void Unchain(uint32_t mapping);
  void Leave(uint32_t mapping, uint32_t now_s);

  const PortRange ports_;
  stack::Rng& rng_;
  const uint64_t seed_;
  std::vector<std::unique_ptr<External>> externals_;  // null where one was removed
  absl::flat_hash_map<stack::Ip4, uint16_t> by_ip_;   // position
  Slab<Mapping> records_;
  Index<Mapping, &Mapping::by_inside> by_inside_;
  Index<Mapping, &Mapping::by_outside> by_outside_;
  Slab<Client> clients_;
  Index<Client, &Client::by_name> by_name_;
};

}  // namespace nat
