// The NAT that `adit load --nat` pretends to be: each client behind it has a private address of its
// own and two ports of the NAT's, one in place of 500 and one of 4500, that follow from its number.
// So nothing has to be remembered or looked up.
//
// IPsec's own view of it is that of any NAT: NAT-D differs (RFC 3947 section 3.2), the server sees
// clients by port.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/load/options.h"
#include "stack/base/address.h"
#include "stack/base/bytes.h"

namespace gateway::load {

// Two ports each, from kFirstNatPort to the end.
inline constexpr uint16_t kFirstNatPort = 1024;
inline constexpr uint32_t kClientsBehindNat = (65536 - kFirstNatPort) / 2;

// Where client number `client` (from 0) is, by the rules above or without a NAT.
class Places {
 public:
  Places(const SourceRange& source, bool nat) : source_(source), nat_(nat) {}

  // What the client takes its own address for.
  stack::Ip4 Inside(uint32_t client) const;
  // What the server sees.
  stack::Ip4 Outside(uint32_t client) const;
  // The client a packet from the server is for: `port` is its destination port, if it has any.
  // There may be no client of that number.
  std::optional<uint32_t> ClientAt(stack::Ip4 destination, uint16_t port) const;

  // A whole IPv4 packet of `client` on its way out, or to it on its way in, as the NAT rewrites it.
  // Without a NAT, nothing happens. False if it is no UDP, which does not pass.
  bool Outbound(uint32_t client, stack::ByteSpan packet) const;
  bool Inbound(uint32_t client, stack::ByteSpan packet) const;
  // Whether `port` of the outside is a client's 4500.
  bool IsFloated(uint16_t port) const;

 private:
  const SourceRange source_;
  const bool nat_;
};

}  // namespace gateway::load
