#include "conf/parse.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

#include "conf/spelling.h"
#include "conf/table.h"
#include "conf/toml.h"
#include "conf/values.h"

namespace conf {
namespace {

constexpr size_t kMaxInterfaces = 64;
constexpr size_t kMaxNatAddresses = 64;
constexpr size_t kMaxRoutes = 65536;
constexpr size_t kMaxPools = 256;
constexpr size_t kMaxPoolRoutes = 64;
constexpr size_t kMaxChapSecrets = 16;
constexpr size_t kMaxPsks = 65536;
constexpr size_t kMaxPath = 4095;  // PATH_MAX less its terminator
constexpr size_t kMaxName = 64;
constexpr int64_t kDay_s = 86400;
constexpr int64_t kHour_s = 3600;

// ---- Tables, in the order of the model ----

void ReadShards(Table& file, std::optional<uint32_t>& to) {
  if (!file.HasText("shards")) return file.Number("shards", to, 1, 64);
  file.Text("shards", [](std::string_view text) {
    return text == "auto" ? "" : Quote(text) + " is neither \"auto\" nor a number 1..64";
  });
}

void ReadInterface(Table& table, Interface& to) {
  table.Text("name", [&](std::string_view text) { return ReadInterfaceName(text, to.name); });
  table.Text("presence", Choice(to.presence, {"auto", "own", "share", "adopt"}));
  table.Text("address", [&](std::string_view text) { return ReadInterfaceAddress(text, to); });
  table.Text("gateway", Host(to.gateway));
  table.Text("mac", [&](std::string_view text) { return ReadMac(text, to.mac); });
  table.Number("mtu", to.mtu, 576, 9000);
  table.Flag("serve", to.serve);
  table.Flag("nat", to.nat);
  table.Texts("nat_addresses", kMaxNatAddresses, Hosts(to.nat_addresses));
  table.Flag("proxy_arp", to.proxy_arp);
  table.Flag("adopt_anyway", to.adopt_anyway);
  table.Text("io", Choice(to.io, {"packet", "xdp"}));
  table.Require("name");
}

void ReadRoute(Table& table, Route& to) {
  table.Text("prefix", Network(to.prefix));
  table.Text("via", Host(to.via));
  table.Text("interface", [&](std::string_view text) {
    std::string name;
    std::string reason = ReadInterfaceName(text, name);
    if (reason.empty()) to.interface = name;
    return reason;
  });
  table.Require("prefix");
}

void ReadPool(Table& table, Pool& to) {
  table.Text("name", Line(to.name, kMaxName));
  table.Text("range", [&](std::string_view text) { return ReadPoolRange(text, to); });
  table.Text("gateway", Host(to.gateway));
  table.Texts("dns", 2, Hosts(to.dns));
  table.Texts("routes", kMaxPoolRoutes, Networks(to.routes));
  table.Text("domain", [&](std::string_view text) { return ReadDomain(text, to.domain); });
  table.Require("range");
  table.Require("gateway");
}

TextReader ReadLogins(Logins& to) { return Choice(to, {"many", "replace", "refuse"}); }

void ReadUser(Table& table, User& to) {
  table.Text("name", Line(to.name, 253));
  table.Secret("password", to.password, kMaxSecret);
  table.Text("address", Host(to.address));
  table.Text("pool", [&](std::string_view text) {
    std::string name;
    std::string reason = ReadLine(text, kMaxName, name);
    if (reason.empty()) to.pool = name;
    return reason;
  });
  table.Text("logins", [&](std::string_view text) {
    Logins logins{};
    std::string reason = ReadLogins(logins)(text);
    if (reason.empty()) to.logins = logins;
    return reason;
  });
  table.Require("name");
  table.Require("password");
}

void ReadAuth(Table& table, Auth& to) {
  std::vector<Auth::Protocol> protocols;
  table.Texts("protocols", 3, [&](std::string_view text) -> std::string {
    Auth::Protocol protocol{};
    std::string reason = Choice(protocol, {"mschapv2", "chap-md5", "pap"})(text);
    if (!reason.empty()) return reason;
    if (std::ranges::find(protocols, protocol) != protocols.end()) return "is there already";
    protocols.push_back(protocol);
    return "";
  });
  if (!protocols.empty()) {
    to.protocols = std::move(protocols);
  } else if (table.HasEmptyArray("protocols")) {
    table.Bad("protocols", "must name one at least");
  }
  table.Texts("chap_secrets", kMaxChapSecrets, [&](std::string_view text) {
    std::string path;
    std::string reason = ReadLine(text, kMaxPath, path);
    if (reason.empty()) to.chap_secrets.push_back(path);
    return reason;
  });
  table.Text("logins", ReadLogins(to.logins));
}

// psk, psk_file, psk_env: one and the same pre-shared key of `owner`, in three places.
void ReadPskKeys(Table& table, SecretText& to, std::optional<size_t> owner, Parsed& out) {
  using Where = ElsewherePsk::Where;
  std::string file, variable;
  table.Secret("psk", to, kMaxSecret);
  table.Text("psk_file", Line(file, kMaxPath));
  table.Text("psk_env", [&](std::string_view text) { return ReadVariable(text, variable); });
  table.RequireOneOf({"psk", "psk_file", "psk_env"}, owner.has_value());
  if (!file.empty()) {
    out.elsewhere.push_back({Where::kFile, table.PathOf("psk_file"), file, owner});
  }
  if (!variable.empty()) {
    out.elsewhere.push_back({Where::kVariable, table.PathOf("psk_env"), variable, owner});
  }
}

void ReadPsk(Table& table, Parsed& out) {
  const size_t owner = out.model.psks.size();
  Psk& to = out.model.psks.emplace_back();
  table.Text("remote", Network(to.remote));
  ReadPskKeys(table, to.key, owner, out);
  table.Require("remote");
}

void ReadIke(Table& table, Ike& to, Parsed& out) {
  ReadPskKeys(table, to.psk, std::nullopt, out);
  table.Text("profile", Choice(to.profile, {"compat", "modern"}));
  table.Flag("modp1024", to.modp1024);
  table.Flag("md5", to.md5);
  table.Seconds("dpd", to.dpd, 0, kHour_s);
  table.Flag("force_encapsulation", to.force_encapsulation);
  table.Text("nat_d_echo", Choice(to.nat_d_echo, {"auto", "always", "never"}));
  table.Text("public_address", Host(to.public_address));
}

void ReadL2tp(Table& table, L2tp& to) {
  table.Seconds("hello", to.hello, 1, kHour_s);
  table.Text("host_name", Line(to.host_name, kMaxName));
}

void ReadPpp(Table& table, Ppp& to) {
  table.Number("mru", to.mru, 576, 1500);
  table.Seconds("echo", to.echo, 0, kHour_s);
}

void ReadNat(Table& table, Nat& to) {
  table.Text("ports", [&](std::string_view text) { return ReadPorts(text, to); });
  table.Number("quota", to.quota, 64, 64512);
  table.Text("filtering",
             Choice(to.filtering, {"endpoint-independent", "address-and-port-dependent"}));
}

void ReadEsp(Table& table, Esp& to) {
  uint32_t window = to.replay_window;
  table.Number("replay_window", window, 64, 4096);
  if (std::has_single_bit(window)) {
    to.replay_window = window;
  } else {
    table.Bad("replay_window", "must be a power of two");
  }
  table.Seconds("linger", to.linger, 0, kDay_s);
}

void ReadCrypto(Table& table, Crypto& to) {
  table.Text("engine", Choice(to.engine, {"auto", "botan", "ipsec-mb"}));
}

void ReadIo(Table& table, Io& to) {
  table.Flag("superframes", to.superframes);
  table.Number("ring_slots", to.ring_slots, 64, 262144);
  table.Number("large_ring_slots", to.large_ring_slots, 8, 16384);
  table.Microseconds("busy_poll", to.busy_poll, 0, 1000);
  table.Text("cpus", Cpus(to.cpus));
  table.Text("crew_cpus", Cpus(to.crew_cpus));
}

void ReadLimits(Table& table, Limits& to) {
  table.Number("sessions", to.sessions, 1, 1000000);
  table.Number("half_open", to.half_open, 16, 1000000);
  table.Number("half_open_per_prefix", to.half_open_per_prefix, 1, 1000000);
  table.Number("flows", to.flows, 1024, 16777216);
}

void ReadLog(Table& table, Log& to) {
  table.Text("level", Choice(to.level, {"debug", "info", "warning", "error"}));
  table.Flag("json", to.json);
}

void ReadModel(Table& file, Parsed& out) {
  Model& m = out.model;
  ReadShards(file, m.shards);
  file.Each("interface", kMaxInterfaces,
            [&](Table& table) { ReadInterface(table, m.interfaces.emplace_back()); });
  file.Each("route", kMaxRoutes, [&](Table& table) { ReadRoute(table, m.routes.emplace_back()); });
  file.Each("pool", kMaxPools, [&](Table& table) { ReadPool(table, m.pools.emplace_back()); });
  file.Each("user", kMaxUsers, [&](Table& table) { ReadUser(table, m.users.emplace_back()); });
  file.Sub("auth", [&](Table& table) { ReadAuth(table, m.auth); });
  file.Each("psk", kMaxPsks, [&](Table& table) { ReadPsk(table, out); });
  file.Sub("ike", [&](Table& table) { ReadIke(table, m.ike, out); });
  file.Sub("l2tp", [&](Table& table) { ReadL2tp(table, m.l2tp); });
  file.Sub("ppp", [&](Table& table) { ReadPpp(table, m.ppp); });
  file.Sub("nat", [&](Table& table) { ReadNat(table, m.nat); });
  file.Sub("esp", [&](Table& table) { ReadEsp(table, m.esp); });
  file.Sub("crypto", [&](Table& table) { ReadCrypto(table, m.crypto); });
  file.Sub("io", [&](Table& table) { ReadIo(table, m.io); });
  file.Sub("limits", [&](Table& table) { ReadLimits(table, m.limits); });
  file.Sub("log", [&](Table& table) { ReadLog(table, m.log); });
  file.RejectUnknown();
}

}  // namespace

Parsed Parse(std::string_view text) {
  Parsed parsed;
  if (text.size() > kMaxText) {
    parsed.issues.push_back({Issue::Severity::kError, {}, "", "larger than 1 MiB"});
    parsed.is_toml = false;
    return parsed;
  }
  const Document document = ReadToml(text);
  if (document.error) {
    parsed.issues.push_back(*document.error);
    parsed.is_toml = false;
    return parsed;
  }
  Table file(document.root, "", {parsed.places, parsed.issues});
  ReadModel(file, parsed);
  SortByPlace(parsed.issues);
  return parsed;
}

std::vector<std::string> AllKeys() {
  std::vector<std::string> keys;
  const Node nothing;
  Parsed parsed;
  Table file(nothing, "", {parsed.places, parsed.issues, &keys});
  ReadModel(file, parsed);
  return keys;
}

}  // namespace conf
