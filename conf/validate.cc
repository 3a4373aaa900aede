#include "conf/validate.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "conf/parse.h"

namespace conf {
namespace {

using stack::Ip4;
using stack::Prefix;

constexpr size_t kShortPsk = 8;
constexpr uint32_t kMostAutoShards = 8;
constexpr uint32_t kNatBlock = 64;  // ports are dealt out to the shards in blocks of this size
// IPv4, UDP, ESP, IV, UDP, L2TP, PPP, padding and ICV around a client's packet, rounded up.
constexpr uint32_t kTunnelOverhead = 100;
const Prefix kDefault{};

std::string Path(const char* table, size_t i, const char* key) {
  return std::string(table) + "[" + std::to_string(i) + "]." + key;
}

std::string Range(const Pool& pool) { return pool.first.Text() + "-" + pool.last.Text(); }

class Checker {
 public:
  Checker(const Model& model, const Places& places) : model_(model), places_(places) {}

  Issues Run() {
    CheckInterfaces();
    CheckDefaults();
    CheckRoutes();
    CheckPools();
    CheckUsers();
    CheckIke();
    CheckForwarding();
    SortByPlace(issues_);
    return std::move(issues_);
  }

 private:
  void Error(const std::string& key, std::string reason) {
    Add(Issue::Severity::kError, key, std::move(reason));
  }
  void Warn(const std::string& key, std::string reason) {
    Add(Issue::Severity::kWarning, key, std::move(reason));
  }
  void Add(Issue::Severity severity, const std::string& key, std::string reason) {
    if (places_.IsBad(key)) return;  // the parser has said what is wrong with it
    issues_.push_back({severity, places_.Of(key), key, std::move(reason)});
  }

  void CheckInterfaces();
  void CheckInterface(size_t i);
  void CheckInterfacePair(size_t i, size_t j);
  void CheckDefaults();
  void CheckRoutes();
  void CheckRoute(size_t i);
  void CheckVia(size_t i);
  void CheckPools();
  void CheckPool(size_t i);
  void CheckPoolPair(size_t i, size_t j);
  void CheckUsers();
  void CheckUserAddress(size_t i);
  void CheckIke();
  void CheckForwarding();
  void CheckNatPorts();

  const Interface* FindInterface(const std::string& name) const;
  // The interface whose network holds `ip`, among those whose network is known.
  const Interface* NetworkOf(Ip4 ip) const;
  bool AnyDhcp() const { return std::ranges::any_of(model_.interfaces, &Interface::dhcp); }
  bool AnyNat() const { return std::ranges::any_of(model_.interfaces, &Interface::nat); }

  const Model& model_;
  const Places& places_;
  Issues issues_;
};

// ---- Interfaces and default routes ----

void Checker::CheckInterfaces() {
  const auto& interfaces = model_.interfaces;
  if (interfaces.empty()) {
    Error("interface", "none is given: adit has nowhere to listen");
    return;
  }
  bool maybe_serves = false;
  for (size_t i = 0; i < interfaces.size(); ++i) {
    CheckInterface(i);
    for (size_t j = 0; j < i; ++j) CheckInterfacePair(i, j);
    maybe_serves |= interfaces[i].serve || places_.IsBad(Path("interface", i, "serve"));
  }
  if (!maybe_serves) Error("interface", "none has serve = true: clients cannot dial in");
}

void Checker::CheckInterface(size_t i) {
  const Interface& interface = model_.interfaces[i];
  if (interface.address && interface.gateway) {
    const std::string key = Path("interface", i, "gateway");
    if (*interface.gateway == interface.address->address) {
      Error(key, "is the interface's own address");
    } else if (!interface.address->Contains(*interface.gateway)) {
      Error(key, interface.gateway->Text() + " is not in " + interface.address->Text());
    }
  }
  if (interface.serve && interface.mtu && *interface.mtu < model_.ppp.mru + kTunnelOverhead) {
    Warn(Path("interface", i, "mtu"), "too small for ppp.mru = " + std::to_string(model_.ppp.mru) +
                                          " inside a tunnel: large packets will be fragmented");
  }
}

void Checker::CheckInterfacePair(size_t i, size_t j) {
  const Interface& a = model_.interfaces[i];
  const Interface& b = model_.interfaces[j];
  if (!a.name.empty() && a.name == b.name) {
    Error(Path("interface", i, "name"), "\"" + a.name + "\" is there already");
  }
  if (a.address && b.address && a.address->Overlaps(*b.address)) {
    Error(Path("interface", i, "address"),
          a.address->Text() + " overlaps " + b.address->Text() + " of \"" + b.name + "\"");
  }
}

void Checker::CheckDefaults() {
  std::vector<std::string> defaults;
  bool maybe_more = AnyDhcp();
  for (size_t i = 0; i < model_.interfaces.size(); ++i) {
    const std::string key = Path("interface", i, "gateway");
    if (model_.interfaces[i].gateway) defaults.push_back(key);
    maybe_more |= places_.IsBad(key);
  }
  for (size_t i = 0; i < model_.routes.size(); ++i) {
    const std::string key = Path("route", i, "prefix");
    const bool bad = places_.IsBad(key);
    if (model_.routes[i].prefix == kDefault && !bad) defaults.push_back(key);
    maybe_more |= bad;
  }
  for (size_t i = 1; i < defaults.size(); ++i) {
    Error(defaults[i], "a second default route: " + defaults[0] + " is one already");
  }
  if (defaults.empty() && !maybe_more && AnyNat()) {
    Warn("interface", "no default route: no interface has a gateway");
  }
}

// ---- Routes ----

void Checker::CheckRoutes() {
  std::map<Prefix, size_t> seen;
  for (size_t i = 0; i < model_.routes.size(); ++i) {
    CheckRoute(i);
    const Prefix& prefix = model_.routes[i].prefix;
    if (prefix == kDefault) continue;  // judged by CheckDefaults
    if (!seen.emplace(prefix, i).second) {
      Error(Path("route", i, "prefix"), prefix.Text() + " has a route already");
    }
  }
}

void Checker::CheckRoute(size_t i) {
  const Route& route = model_.routes[i];
  if (route.interface && FindInterface(*route.interface) == nullptr) {
    std::vector<std::string_view> names;
    for (const Interface& interface : model_.interfaces) names.push_back(interface.name);
    const std::string nearest = Nearest(*route.interface, names);
    Error(Path("route", i, "interface"),
          "no [[interface]] is called \"" + *route.interface + "\"" +
              (nearest.empty() ? "" : " (did you mean \"" + nearest + "\"?)"));
  } else if (route.via) {
    CheckVia(i);
  } else if (!route.interface && !places_.IsBad(Path("route", i, "via")) &&
             !places_.IsBad(Path("route", i, "interface"))) {
    Error("route[" + std::to_string(i) + "]", "has neither via nor interface: it leads nowhere");
  }
}

void Checker::CheckVia(size_t i) {
  const Route& route = model_.routes[i];
  const std::string key = Path("route", i, "via");
  const Interface* network = NetworkOf(*route.via);
  if (network != nullptr && network->address->address == *route.via) {
    Error(key, route.via->Text() + " is adit's own address");
    return;
  }
  if (!route.interface) {
    if (network == nullptr && !AnyDhcp()) {
      Error(key, route.via->Text() + " is in no interface's network");
    }
    return;
  }
  const Interface* named = FindInterface(*route.interface);
  if (named->address && !named->address->Contains(*route.via)) {
    Error(key, route.via->Text() + " is not in " + named->address->Text() + " of \"" + named->name +
                   "\"");
  }
}

const Interface* Checker::FindInterface(const std::string& name) const {
  const auto found = std::ranges::find(model_.interfaces, name, &Interface::name);
  return found == model_.interfaces.end() ? nullptr : &*found;
}

const Interface* Checker::NetworkOf(Ip4 ip) const {
  for (const Interface& interface : model_.interfaces) {
    if (interface.address && interface.address->Contains(ip)) return &interface;
  }
  return nullptr;
}

// ---- Pools and users ----

void Checker::CheckPools() {
  if (model_.pools.empty()) {
    Error("pool", "none is given: clients have no addresses");
    return;
  }
  for (size_t i = 0; i < model_.pools.size(); ++i) {
    CheckPool(i);
    for (size_t j = 0; j < i; ++j) CheckPoolPair(i, j);
  }
}

void Checker::CheckPool(size_t i) {
  const Pool& pool = model_.pools[i];
  if (!pool.first.IsZero() && pool.first == pool.last && pool.first == pool.gateway) {
    Error(Path("pool", i, "range"), "holds nothing but the pool's gateway");
  }
  for (const Interface& interface : model_.interfaces) {
    if (!interface.address || pool.first.IsZero()) continue;
    if (pool.first <= interface.address->broadcast() && interface.address->network() <= pool.last) {
      Error(Path("pool", i, "range"), Range(pool) + " overlaps " + interface.address->Text() +
                                          " of interface \"" + interface.name + "\"");
    }
  }
  const Interface* network = NetworkOf(pool.gateway);
  if (network != nullptr && network->address->address != pool.gateway) {
    Warn(
        Path("pool", i, "gateway"),
        pool.gateway.Text() + " may be another host's in the network of \"" + network->name + "\"");
  }
  for (size_t d = 0; d < pool.dns.size(); ++d) {
    if (pool.dns[d] != pool.gateway) continue;
    Warn(Path("pool", i, "dns"), "adit itself answers no DNS at " + pool.gateway.Text());
  }
}

void Checker::CheckPoolPair(size_t i, size_t j) {
  const Pool& a = model_.pools[i];
  const Pool& b = model_.pools[j];
  if (a.name == b.name) {
    Error(Path("pool", i, "name"), "\"" + a.name + "\" is there already");
  }
  if (a.first.IsZero() || b.first.IsZero()) return;
  if (a.first <= b.last && b.first <= a.last) {
    Error(Path("pool", i, "range"),
          Range(a) + " overlaps " + Range(b) + " of pool \"" + b.name + "\"");
  }
}

void Checker::CheckUsers() {
  if (model_.users.empty()) Warn("user", "none is given: nobody can log in");
  std::set<std::string> names;
  std::set<Ip4> addresses;
  for (size_t i = 0; i < model_.users.size(); ++i) {
    const User& user = model_.users[i];
    if (!user.name.empty() && !names.insert(user.name).second) {
      Error(Path("user", i, "name"), "\"" + user.name + "\" is there already");
    }
    if (!user.address) continue;
    if (!addresses.insert(*user.address).second) {
      Error(Path("user", i, "address"), user.address->Text() + " is another user's already");
    }
    CheckUserAddress(i);
  }
}

void Checker::CheckUserAddress(size_t i) {
  const Ip4 address = *model_.users[i].address;
  const std::string key = Path("user", i, "address");
  bool in_pool = false;
  for (const Pool& pool : model_.pools) {
    if (pool.gateway == address) Error(key, address.Text() + " is the pool's gateway");
    in_pool |= pool.Contains(address);
  }
  if (const Interface* network = NetworkOf(address)) {
    Error(key, address.Text() + " is in the network of interface \"" + network->name + "\"");
  } else if (!in_pool && !model_.pools.empty()) {
    Warn(key, address.Text() + " is in no pool");
  }
}

// ---- The rest ----

void Checker::CheckIke() {
  if (model_.ike.psk.empty()) {
    Error("ike.psk", "is missing: clients cannot authenticate");
  } else if (model_.ike.psk.size() < kShortPsk) {
    Warn("ike.psk", "shorter than 8 characters: whoever records one login can guess it");
  }
}

void Checker::CheckForwarding() {
  bool maybe_nat = AnyNat();
  for (size_t i = 0; i < model_.interfaces.size(); ++i) {
    maybe_nat |= places_.IsBad(Path("interface", i, "nat"));
  }
  if (!maybe_nat && model_.routes.empty()) {
    Warn("interface",
         "no interface has nat = true and there is no [[route]]: clients reach only "
         "what knows the way back to them");
  }
  if (AnyNat()) CheckNatPorts();
}

void Checker::CheckNatPorts() {
  // Whole blocks, one for each shard at least.
  const uint32_t first = (model_.nat.first_port + kNatBlock - 1) / kNatBlock;
  const uint32_t end = (model_.nat.last_port + 1U) / kNatBlock;
  const uint32_t blocks = end > first ? end - first : 0;
  const uint32_t shards = model_.shards.value_or(kMostAutoShards);
  if (blocks < shards) {
    Error("nat.ports", "too few: each of " + std::to_string(shards) +
                           " shards needs a block of 64 ports of its own");
  }
}

}  // namespace

Issues Validate(const Model& model, const Places& places) { return Checker(model, places).Run(); }

}  // namespace conf
