#include "gateway/shard/settings.h"

#include <algorithm>
#include <utility>

namespace gateway::shard {
namespace {

// More are legal in a file but make no sense on one machine; indices fit in a byte everywhere.
constexpr size_t kMaxInterfaces = 64;

// A shard's share of a limit of the whole gateway; the kernel spreads logins only roughly evenly.
constexpr size_t kLeastShare = 16;
size_t ShareOf(size_t limit, uint8_t shards) { return std::max(kLeastShare, limit / shards); }
// Phase 1s for each session: the one in use, one that replaces it, and some that were left behind.
constexpr size_t kPhaseOnesPerSession = 4;
constexpr size_t kLeastPhaseOnes = 1024;

crypto::ike::NatDEcho EchoOf(conf::Ike::Echo echo) {
  switch (echo) {
    case conf::Ike::Echo::kAlways:
      return crypto::ike::NatDEcho::kAlways;
    case conf::Ike::Echo::kNever:
      return crypto::ike::NatDEcho::kNever;
    case conf::Ike::Echo::kAuto:
      break;
  }
  return crypto::ike::NatDEcho::kAuto;
}

void ChooseProfile(const conf::Ike& ike, crypto::ike::Options& options) {
  if (ike.profile == conf::Ike::Profile::kModern) {
    options.phase_one = crypto::ike::PhaseOnePolicy::Modern();
    options.esp = crypto::ike::EspPolicy::Modern();
  }
  if (ike.modp1024) options.phase_one.SetModp1024(*ike.modp1024);
  if (ike.md5) options.phase_one.AllowMd5();
}

crypto::ike::Options TranslateIke(const conf::Model& model, uint8_t shards) {
  crypto::ike::Options options;
  ChooseProfile(model.ike, options);
  options.public_address = model.ike.public_address;
  options.force_udp_encapsulation = model.ike.force_encapsulation;
  options.nat_d_echo = EchoOf(model.ike.nat_d_echo);
  options.dpd = model.ike.dpd > absl::ZeroDuration();
  options.max_half_open = ShareOf(model.limits.half_open, shards);
  options.max_half_open_per_prefix = ShareOf(model.limits.half_open_per_prefix, shards);
  options.max_phase_ones =
      std::max(kLeastPhaseOnes, kPhaseOnesPerSession * model.limits.sessions / shards);
  return options;
}

// Chance does not spread clients evenly over shards, and a client that dials in anew is there twice
// for a while; what is more than that is somebody with the group key who means harm.
size_t PeersAShard(uint32_t sessions, uint8_t shards) {
  return size_t{2} * sessions / shards + 256;
}

stack::l2tp::TunnelOptions TranslateL2tp(const conf::L2tp& l2tp) {
  stack::l2tp::TunnelOptions options;
  options.host_name = l2tp.host_name;
  options.hello_interval = l2tp.hello;
  return options;
}

stack::ppp::LnsOptions TranslatePpp(const conf::Ppp& ppp, const std::string& name) {
  stack::ppp::LnsOptions options;
  options.name = name;
  options.mru = ppp.mru;
  options.timing.echo_interval = ppp.echo;
  return options;
}

nat::Filtering TranslateFiltering(conf::Nat::Filtering filtering) {
  return filtering == conf::Nat::Filtering::kEndpointIndependent
             ? nat::Filtering::kEndpointIndependent
             : nat::Filtering::kAddressAndPortDependent;
}

// The translator's ports are the same at every interface, so each kernel's share narrows them all.
nat::Options TranslateNat(const conf::Nat& nat, uint32_t flows,
                          const std::vector<InterfaceFacts>& facts, uint8_t shards) {
  nat::Options options;
  options.ports.first = nat.first_port;
  options.ports.last = nat.last_port;
  for (const InterfaceFacts& interface : facts) {
    if (interface.nat_last == 0) continue;
    options.ports.first = std::max(options.ports.first, interface.nat_first);
    options.ports.last = std::min(options.ports.last, interface.nat_last);
  }
  options.ports.quota = nat.quota;
  options.ports.shards = shards;
  options.filtering = TranslateFiltering(nat.filtering);
  // A mapping without a flow in the table is a conversation too.
  options.max_flows = options.max_mappings = std::max(1U, flows / shards);
  return options;
}

InterfaceSettings TranslateInterface(const conf::Interface& from, const InterfaceFacts& facts) {
  InterfaceSettings to;
  to.name = from.name;
  to.mac = from.mac.value_or(facts.mac);
  to.shared = facts.shared;
  to.mtu = from.mtu.value_or(facts.mtu);
  to.serve = from.serve;
  to.nat = from.nat;
  to.dhcp = from.dhcp || facts.dhcp;
  to.address = facts.address ? facts.address : from.address;
  to.gateway = facts.gateway ? facts.gateway : from.gateway;
  if (from.nat) to.nat_addresses = from.nat_addresses;
  to.proxy_arp = from.proxy_arp;
  return to;
}

// The interface a route leaves by: the one it names, or the one whose network holds its next
// router.
absl::StatusOr<RouteSettings> TranslateRoute(const conf::Route& route,
                                             const std::vector<InterfaceSettings>& interfaces) {
  for (size_t i = 0; i < interfaces.size(); ++i) {
    const InterfaceSettings& interface = interfaces[i];
    const bool named = route.interface && *route.interface == interface.name;
    const bool holds = !route.interface && route.via && interface.address &&
                       interface.address->Contains(*route.via);
    if (named || holds) {
      return RouteSettings{route.prefix, static_cast<uint8_t>(i), route.via.value_or(stack::Ip4{})};
    }
  }
  return absl::InvalidArgumentError("no interface leads to the route " + route.prefix.Text());
}

}  // namespace

size_t Settings::PoolOf(stack::Ip4 ip) const {
  for (size_t i = 0; i < pools.size(); ++i) {
    if (pools[i].range.first <= ip && ip <= pools[i].range.last) return i;
  }
  return 0;
}

bool Settings::IsClient(stack::Ip4 ip) const {
  for (const PoolSettings& pool : pools) {
    if (pool.range.first <= ip && ip <= pool.range.last) return ip != pool.gateway;
  }
  const std::vector<stack::Ip4>& fixed = credentials->fixed_addresses;
  return std::binary_search(fixed.begin(), fixed.end(), ip);
}

std::vector<std::string> Settings::PoolNames() const {
  std::vector<std::string> names;
  for (const PoolSettings& pool : pools) names.push_back(pool.name);
  return names;
}

io::SteeringRules Settings::Steering(const InterfaceSettings& interface,
                                     const std::vector<stack::Ip4>& own) const {
  io::SteeringRules rules;
  rules.shards = shards;
  rules.own = own;
  for (const InterfaceSettings& each : interfaces) {
    rules.own.insert(rules.own.end(), each.nat_addresses.begin(), each.nat_addresses.end());
  }
  for (const PoolSettings& pool : pools) {
    rules.clients.push_back({pool.range.first, pool.range.last});
  }
  for (const stack::Ip4 ip : credentials->fixed_addresses) {
    const bool covered =
        std::any_of(rules.clients.begin(), rules.clients.end(),
                    [ip](const io::AddressRange& range) { return range.Contains(ip); });
    if (!covered) rules.clients.push_back({ip, ip});
  }
  if (interface.nat) {
    rules.nat_first = nat.ports.first;
    rules.nat_last = nat.ports.last;
  }
  return rules;
}

auth::AddressPoolOptions Settings::AddressPool() const {
  auth::AddressPoolOptions options;
  options.shards = shards;
  options.fixed = credentials->fixed_addresses;
  for (const PoolSettings& pool : pools) {
    options.ranges.push_back(pool.range);
    options.never.push_back(pool.gateway);
  }
  return options;
}

absl::StatusOr<Settings> Translate(const conf::Model& model,
                                   const std::vector<InterfaceFacts>& facts, uint8_t shards,
                                   stack::Rng& rng) {
  if (model.interfaces.size() > kMaxInterfaces || facts.size() != model.interfaces.size()) {
    return absl::InvalidArgumentError("too many interfaces");
  }
  Settings settings;
  settings.shards = shards;
  auto engine = ChooseEspEngine(model.crypto.engine);
  if (!engine.ok()) return engine.status();
  settings.esp_engine = *std::move(engine);
  for (size_t i = 0; i < facts.size(); ++i) {
    settings.interfaces.push_back(TranslateInterface(model.interfaces[i], facts[i]));
  }
  for (const conf::Route& route : model.routes) {
    auto translated = TranslateRoute(route, settings.interfaces);
    if (!translated.ok()) return translated.status();
    settings.routes.push_back(*translated);
  }
  for (const conf::Pool& pool : model.pools) {
    PoolSettings& to = settings.pools.emplace_back();
    to.name = pool.name;
    to.range = {pool.first, pool.last};
    to.gateway = pool.gateway;
    for (size_t i = 0; i < std::min(pool.dns.size(), to.dns.size()); ++i) to.dns[i] = pool.dns[i];
    to.dns_of_lease = pool.dns_of_lease;
    to.routes = pool.routes;
    to.domain = pool.domain;
  }
  auto credentials = TranslateCredentials(model, settings.PoolNames(), rng);
  if (!credentials.ok()) return credentials.status();
  settings.credentials = *std::move(credentials);
  settings.ike = TranslateIke(model, shards);
  settings.l2tp = TranslateL2tp(model.l2tp);
  settings.ppp = TranslatePpp(model.ppp, model.l2tp.host_name);
  settings.nat = TranslateNat(model.nat, model.limits.flows, facts, shards);
  settings.max_sessions = model.limits.sessions;
  settings.replay_window = model.esp.replay_window;
  settings.linger = model.esp.linger;
  settings.dpd = model.ike.dpd;
  settings.superframes = model.io.superframes;
  settings.peers_a_shard = PeersAShard(model.limits.sessions, shards);
  return settings;
}

}  // namespace gateway::shard
