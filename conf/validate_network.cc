// Interfaces and how adit lives on them, default routes, routes, NAT.
#include <map>
#include <string>
#include <vector>

#include "conf/judge.h"

namespace conf {
namespace {

using stack::Ip4;
using stack::Prefix;

constexpr uint32_t kMostAutoShards = 8;
constexpr uint32_t kNatBlock = 64;  // ports are dealt out to the shards in blocks of this size
// IPv4, UDP, ESP, IV, UDP, L2TP, PPP, padding and ICV around a client's packet, rounded up.
constexpr uint32_t kTunnelOverhead = 100;
const Prefix kDefault{};

// ---- Interfaces ----

// The keys that only some presences have a use for.
void CheckPresence(Judge& judge, size_t i) {
  const Interface& interface = judge.model.interfaces[i];
  const Presence presence = interface.presence;
  const auto path = [i](const char* key) { return PathOf("interface", i, key); };
  const bool kernels = presence == Presence::kShare || presence == Presence::kAdopt;
  if (presence == Presence::kOwn && !judge.IsGiven(path("address"))) {
    judge.Error(path("presence"), "\"own\" needs an address, or address = \"dhcp\"");
  }
  if (kernels && interface.dhcp) {
    judge.Error(path("address"),
                "the address is the kernel's here, and so is its DHCP: leave \"dhcp\" out");
  }
  if (!judge.LivesAlone(i)) {
    const char* reason =
        "is of use only where adit has an address of its own: presence = \"own\" and an address";
    if (interface.mac) judge.Error(path("mac"), reason);
    if (!interface.nat_addresses.empty()) judge.Error(path("nat_addresses"), reason);
  }
  if (interface.adopt_anyway && presence != Presence::kAdopt) {
    judge.Error(path("adopt_anyway"), "is of use only with presence = \"adopt\"");
  }
}

void CheckGateway(Judge& judge, size_t i) {
  const Interface& interface = judge.model.interfaces[i];
  if (!interface.address || !interface.gateway) return;
  const std::string key = PathOf("interface", i, "gateway");
  if (*interface.gateway == interface.address->address) {
    judge.Error(key, "is the interface's own address");
  } else if (!interface.address->Contains(*interface.gateway)) {
    judge.Error(key, interface.gateway->Text() + " is not in " + interface.address->Text());
  }
}

void CheckNatAddress(Judge& judge, size_t i, Ip4 ip) {
  const Interface& interface = judge.model.interfaces[i];
  const std::string key = PathOf("interface", i, "nat_addresses");
  for (const Interface& other : judge.model.interfaces) {
    if (other.address && other.address->address == ip) {
      judge.Error(key, ip.Text() + " is the own address of \"" + other.name + "\"");
    }
    if (other.gateway == ip) judge.Error(key, ip.Text() + " is a gateway");
  }
  for (const Pool& pool : judge.model.pools) {
    if (pool.Contains(ip) || pool.gateway == ip) {
      judge.Error(key, ip.Text() + " belongs to the pool \"" + pool.name + "\"");
    }
  }
  if (interface.address && !interface.address->Contains(ip)) {
    judge.Warn(key, ip.Text() + " is not in " + interface.address->Text() +
                        ": the routers there must send it here");
  }
}

void CheckNatAddresses(Judge& judge) {
  std::map<Ip4, size_t> seen;
  for (size_t i = 0; i < judge.model.interfaces.size(); ++i) {
    const Interface& interface = judge.model.interfaces[i];
    const std::string key = PathOf("interface", i, "nat_addresses");
    if (!interface.nat_addresses.empty() && !interface.nat &&
        !judge.IsBad(PathOf("interface", i, "nat"))) {
      judge.Error(key, "is of use only with nat = true");
    }
    for (const Ip4 ip : interface.nat_addresses) {
      if (!seen.emplace(ip, i).second) judge.Error(key, ip.Text() + " is there already");
      CheckNatAddress(judge, i, ip);
    }
  }
}

void CheckProxyArp(Judge& judge, size_t i) {
  const Interface& interface = judge.model.interfaces[i];
  if (!interface.proxy_arp || !interface.address || judge.IsBad("pool")) return;
  for (size_t p = 0; p < judge.model.pools.size(); ++p) {
    const Pool& pool = judge.model.pools[p];
    if (judge.IsBad(PathOf("pool", p, "range")) || interface.address->Contains(pool.first)) return;
  }
  for (const User& user : judge.model.users) {
    if (user.address && interface.address->Contains(*user.address)) return;
  }
  judge.Warn(PathOf("interface", i, "proxy_arp"), "no client can have an address in " +
                                                      interface.address->Text() +
                                                      ": nobody there will ask for one");
}

void CheckMtu(Judge& judge, size_t i) {
  const Interface& interface = judge.model.interfaces[i];
  const uint16_t mru = judge.model.ppp.mru;
  if (!interface.serve || !interface.mtu || *interface.mtu >= mru + kTunnelOverhead) return;
  judge.Warn(PathOf("interface", i, "mtu"),
             "too small for ppp.mru = " + std::to_string(mru) +
                 " inside a tunnel: large packets will be fragmented");
}

void CheckInterfacePair(Judge& judge, size_t i, size_t j) {
  const Interface& a = judge.model.interfaces[i];
  const Interface& b = judge.model.interfaces[j];
  if (!a.name.empty() && a.name == b.name) {
    judge.Error(PathOf("interface", i, "name"), "\"" + a.name + "\" is there already");
  }
  if (a.address && b.address && a.address->Overlaps(*b.address)) {
    judge.Error(PathOf("interface", i, "address"),
                a.address->Text() + " overlaps " + b.address->Text() + " of \"" + b.name + "\"");
  }
}

void CheckInterfaces(Judge& judge) {
  const auto& interfaces = judge.model.interfaces;
  if (interfaces.empty()) {
    return judge.Error("interface", "none is given: adit has nowhere to listen");
  }
  bool maybe_serves = false;
  for (size_t i = 0; i < interfaces.size(); ++i) {
    CheckPresence(judge, i);
    CheckGateway(judge, i);
    CheckProxyArp(judge, i);
    CheckMtu(judge, i);
    for (size_t j = 0; j < i; ++j) CheckInterfacePair(judge, i, j);
    maybe_serves |= interfaces[i].serve || judge.IsBad(PathOf("interface", i, "serve"));
  }
  if (!maybe_serves) judge.Error("interface", "none has serve = true: clients cannot dial in");
}

// ---- Routes ----

void CheckDefaults(Judge& judge) {
  const Model& model = judge.model;
  std::vector<std::string> defaults;
  bool maybe_more = false;  // a lease or the kernel may know one
  for (size_t i = 0; i < model.interfaces.size(); ++i) {
    const std::string key = PathOf("interface", i, "gateway");
    if (model.interfaces[i].gateway) defaults.push_back(key);
    maybe_more |= judge.IsBad(key) || model.interfaces[i].dhcp || !judge.LivesAlone(i);
  }
  for (size_t i = 0; i < model.routes.size(); ++i) {
    const std::string key = PathOf("route", i, "prefix");
    const bool bad = judge.IsBad(key);
    if (model.routes[i].prefix == kDefault && !bad) defaults.push_back(key);
    maybe_more |= bad;
  }
  for (size_t i = 1; i < defaults.size(); ++i) {
    judge.Error(defaults[i], "a second default route: " + defaults[0] + " is one already");
  }
  if (defaults.empty() && !maybe_more && judge.AnyNat()) {
    judge.Warn("interface", "no default route: no interface has a gateway");
  }
}

void CheckVia(Judge& judge, size_t i) {
  const Route& route = judge.model.routes[i];
  const std::string key = PathOf("route", i, "via");
  const Interface* network = judge.NetworkOf(*route.via);
  if (network != nullptr && network->address->address == *route.via) {
    return judge.Error(key, route.via->Text() + " is adit's own address");
  }
  if (!route.interface) {
    if (network == nullptr && !judge.AnyAddressUnknown()) {
      judge.Error(key, route.via->Text() + " is in no interface's network");
    }
    return;
  }
  const Interface* named = judge.FindInterface(*route.interface);
  if (named->address && !named->address->Contains(*route.via)) {
    judge.Error(key, route.via->Text() + " is not in " + named->address->Text() + " of \"" +
                         named->name + "\"");
  }
}

void CheckRoute(Judge& judge, size_t i) {
  const Route& route = judge.model.routes[i];
  if (route.interface && judge.FindInterface(*route.interface) == nullptr) {
    judge.Error(PathOf("route", i, "interface"),
                "no [[interface]] is called \"" + *route.interface + "\"" +
                    HintAmong(judge.model.interfaces, *route.interface));
  } else if (route.via) {
    CheckVia(judge, i);
  } else if (!route.interface && !judge.IsBad(PathOf("route", i, "via")) &&
             !judge.IsBad(PathOf("route", i, "interface"))) {
    judge.Error("route[" + std::to_string(i) + "]",
                "has neither via nor interface: it leads nowhere");
  }
}

void CheckRoutes(Judge& judge) {
  std::map<Prefix, size_t> seen;
  for (size_t i = 0; i < judge.model.routes.size(); ++i) {
    CheckRoute(judge, i);
    const Prefix& prefix = judge.model.routes[i].prefix;
    if (prefix == kDefault) continue;  // judged by CheckDefaults
    if (!seen.emplace(prefix, i).second) {
      judge.Error(PathOf("route", i, "prefix"), prefix.Text() + " has a route already");
    }
  }
}

// ---- Forwarding ----

void CheckNatPorts(Judge& judge) {
  // Whole blocks, one for each shard at least.
  const Nat& nat = judge.model.nat;
  const uint32_t first = (nat.first_port + kNatBlock - 1) / kNatBlock;
  const uint32_t end = (nat.last_port + 1U) / kNatBlock;
  const uint32_t blocks = end > first ? end - first : 0;
  const uint32_t shards = judge.model.shards.value_or(kMostAutoShards);
  if (blocks >= shards) return;
  judge.Error("nat.ports", "too few: each of " + std::to_string(shards) +
                               " shards needs a block of 64 ports of its own");
}

void CheckForwarding(Judge& judge) {
  bool maybe_nat = judge.AnyNat();
  for (size_t i = 0; i < judge.model.interfaces.size(); ++i) {
    maybe_nat |= judge.IsBad(PathOf("interface", i, "nat")) || judge.model.interfaces[i].proxy_arp;
  }
  if (!maybe_nat && judge.model.routes.empty()) {
    judge.Warn("interface",
               "no interface has nat = true and there is no [[route]]: clients reach only what "
               "knows the way back to them");
  }
  if (judge.AnyNat()) CheckNatPorts(judge);
}

}  // namespace

void JudgeNetwork(Judge& judge) {
  CheckInterfaces(judge);
  CheckNatAddresses(judge);
  CheckDefaults(judge);
  CheckRoutes(judge);
  CheckForwarding(judge);
}

}  // namespace conf
