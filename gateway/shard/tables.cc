#include "gateway/shard/tables.h"

namespace gateway::shard {
namespace {

constexpr stack::Prefix kDefaultRoute{};

nat::Options NatOf(const Settings& settings, uint8_t shard) {
  nat::Options options = settings.nat;
  options.ports.shard = shard;
  return options;
}

}  // namespace

Tables::Tables(const Settings& its_settings, uint8_t its_shard, const std::vector<io::Port*>& ports,
               stack::Rng& its_rng, io::Log& its_log, io::KeyLog* its_keylog)
    : settings(its_settings),
      shard(its_shard),
      rng(its_rng),
      log(its_log),
      keylog(its_keylog),
      pool(kSmallSlots, kLargeSlots),
      interfaces(settings.interfaces.size()),
      steering(settings.interfaces.size()),
      translator(NatOf(settings, its_shard), its_rng),
      esp(crypto::esp::MakeEngine(settings.esp_engine.id, its_rng)),
      icmp({}, pool),
      outer({}, pool, stats.drops),
      inner({}, pool, stats.drops),
      ip_ids(shard, settings.shards, its_rng.U32()),
      egress(settings, ports, {pool, stats, ip_ids}) {
  for (const PoolSettings& clients : settings.pools) {
    router.Add({clients.gateway, 32}, {nat::Hop::Kind::kLocal, 0, {}});
  }
  for (uint8_t i = 0; i < interfaces.size(); ++i) {
    interfaces[i] = {settings.interfaces[i].address, settings.interfaces[i].gateway, {}};
    AddRoutes(i);
  }
  Resteer();
}

void Tables::AddRoutes(uint8_t i) {
  using Kind = nat::Hop::Kind;
  const InterfaceState& state = interfaces[i];
  if (state.address) {
    router.Add(*state.address, {Kind::kInterface, i, {}});
    router.Add({state.address->address, 32}, {Kind::kLocal, i, {}});
    if (state.gateway) router.Add(kDefaultRoute, {Kind::kInterface, i, *state.gateway});
    for (const auto& route : state.routes) {
      router.Add(route.prefix, {Kind::kInterface, i, route.via});
    }
  }
  const InterfaceSettings& interface = settings.interfaces[i];
  for (const stack::Ip4 external : interface.nat_addresses) {
    router.Add({external, 32}, {Kind::kLocal, i, {}});
    translator.AddExternal(external, i);
  }
  if (interface.nat && interface.nat_addresses.empty() && state.address) {
    translator.AddExternal(state.address->address, i);
  }
  for (const RouteSettings& route : settings.routes) {
    if (route.interface == i) router.Add(route.prefix, {Kind::kInterface, i, route.via});
  }
}

void Tables::RemoveRoutes(uint8_t i) {
  const InterfaceState& state = interfaces[i];
  if (!state.address) return;
  router.Remove(*state.address);
  router.Remove({state.address->address, 32});
  if (state.gateway) router.Remove(kDefaultRoute);
  for (const auto& route : state.routes) router.Remove(route.prefix);
}

void Tables::Resteer() {
  std::vector<stack::Ip4> own;
  own_.clear();
  for (uint8_t i = 0; i < interfaces.size(); ++i) {
    for (const stack::Ip4 external : settings.interfaces[i].nat_addresses) own_[external] = i;
    if (!interfaces[i].address) continue;
    own.push_back(interfaces[i].address->address);
    own_[own.back()] = i;
  }
  for (size_t i = 0; i < steering.size(); ++i) {
    steering[i] = settings.Steering(settings.interfaces[i], own);
  }
}

void Tables::SetInterface(const InterfaceAddress& change, absl::Time now) {
  const uint8_t i = change.interface;
  const InterfaceState before = interfaces[i];
  RemoveRoutes(i);
  interfaces[i] = {change.address,
                   settings.interfaces[i].gateway ? settings.interfaces[i].gateway : change.gateway,
                   change.routes};
  egress.SetMtu(i, change.mtu);
  const bool moved =
      before.address && (!change.address || change.address->address != before.address->address);
  // Does nothing if it was not translated to.
  if (moved) translator.RemoveExternal(before.address->address, Seconds(now));
  // The default route may have been another interface's, too: all are put back, in their order.
  for (uint8_t each = 0; each < interfaces.size(); ++each) AddRoutes(each);
  Resteer();
}

stack::Ip4 Tables::OwnAddress(uint8_t interface) const {
  return interfaces[interface].address ? interfaces[interface].address->address : stack::Ip4{};
}

}  // namespace gateway::shard
