#include "conf/diff.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace conf {
namespace {

constexpr size_t kNamedUsers = 5;  // that changed in the same way; more are counted

// Compares two tables key by key. A field that is missing here changes silently at the next
// restart: whoever adds one to model.h adds it here.
template <class T>
class Table {
 public:
  Table(const T& from, const T& to, std::string path, std::vector<std::string>& changed)
      : from_(from), to_(to), path_(std::move(path)), changed_(changed) {}

  template <class Value>
  Table& Key(const char* key, Value T::*field) {
    if (!(from_.*field == to_.*field)) changed_.push_back(path_ + "." + key);
    return *this;
  }

 private:
  const T& from_;
  const T& to_;
  const std::string path_;
  std::vector<std::string>& changed_;
};

// The same for an array of tables; `compare` is called for each pair.
template <class T, class Compare>
void Tables(const std::vector<T>& from, const std::vector<T>& to, const std::string& name,
            std::vector<std::string>& changed, Compare compare) {
  if (from.size() != to.size()) return changed.push_back(name);
  for (size_t i = 0; i < from.size(); ++i) {
    compare(Table<T>(from[i], to[i], name + "[" + std::to_string(i) + "]", changed));
  }
}

void DiffNetwork(const Model& from, const Model& to, std::vector<std::string>& changed) {
  if (from.shards != to.shards) changed.emplace_back("shards");
  Tables(from.interfaces, to.interfaces, "interface", changed, [](Table<Interface> table) {
    table.Key("name", &Interface::name)
        .Key("presence", &Interface::presence)
        .Key("address", &Interface::dhcp)
        .Key("address", &Interface::address)
        .Key("gateway", &Interface::gateway)
        .Key("mac", &Interface::mac)
        .Key("mtu", &Interface::mtu)
        .Key("serve", &Interface::serve)
        .Key("nat", &Interface::nat)
        .Key("nat_addresses", &Interface::nat_addresses)
        .Key("proxy_arp", &Interface::proxy_arp)
        .Key("adopt_anyway", &Interface::adopt_anyway)
        .Key("io", &Interface::io);
  });
  Tables(from.routes, to.routes, "route", changed, [](Table<Route> table) {
    table.Key("prefix", &Route::prefix).Key("via", &Route::via).Key("interface", &Route::interface);
  });
  Tables(from.pools, to.pools, "pool", changed, [](Table<Pool> table) {
    table.Key("name", &Pool::name)
        .Key("range", &Pool::first)
        .Key("range", &Pool::last)
        .Key("gateway", &Pool::gateway)
        .Key("dns", &Pool::dns)
        .Key("routes", &Pool::routes)
        .Key("domain", &Pool::domain);
  });
}

void DiffProtocols(const Model& from, const Model& to, std::vector<std::string>& changed) {
  Table(from.ike, to.ike, "ike", changed)
      .Key("profile", &Ike::profile)
      .Key("modp1024", &Ike::modp1024)
      .Key("md5", &Ike::md5)
      .Key("dpd", &Ike::dpd)
      .Key("force_encapsulation", &Ike::force_encapsulation)
      .Key("nat_d_echo", &Ike::nat_d_echo)
      .Key("public_address", &Ike::public_address);
  Table(from.l2tp, to.l2tp, "l2tp", changed)
      .Key("hello", &L2tp::hello)
      .Key("host_name", &L2tp::host_name);
  Table(from.ppp, to.ppp, "ppp", changed).Key("mru", &Ppp::mru).Key("echo", &Ppp::echo);
  Table(from.nat, to.nat, "nat", changed)
      .Key("ports", &Nat::first_port)
      .Key("ports", &Nat::last_port)
      .Key("ports", &Nat::ports_given)
      .Key("quota", &Nat::quota)
      .Key("filtering", &Nat::filtering);
  Table(from.esp, to.esp, "esp", changed)
      .Key("replay_window", &Esp::replay_window)
      .Key("linger", &Esp::linger);
  Table(from.crypto, to.crypto, "crypto", changed).Key("engine", &Crypto::engine);
  Table(from.io, to.io, "io", changed)
      .Key("superframes", &Io::superframes)
      .Key("ring_slots", &Io::ring_slots)
      .Key("large_ring_slots", &Io::large_ring_slots)
      .Key("busy_poll", &Io::busy_poll)
      .Key("cpus", &Io::cpus)
      .Key("crew_cpus", &Io::crew_cpus);
  Table(from.limits, to.limits, "limits", changed)
      .Key("sessions", &Limits::sessions)
      .Key("half_open", &Limits::half_open)
      .Key("half_open_per_prefix", &Limits::half_open_per_prefix)
      .Key("flows", &Limits::flows);
}

bool Same(const User& a, const User& b) {
  return a.password == b.password && a.address == b.address && a.pool == b.pool &&
         a.logins == b.logins;
}

void Name(const std::vector<std::string>& users, const char* what,
          std::vector<std::string>& changed) {
  if (users.size() > kNamedUsers) {
    return changed.push_back(std::to_string(users.size()) + " users " + what);
  }
  for (const std::string& user : users) changed.push_back("user " + user + " " + what);
}

void DiffUsers(const Model& from, const Model& to, std::vector<std::string>& changed) {
  std::map<std::string_view, const User*> before;
  for (const User& user : from.users) before[user.name] = &user;
  std::vector<std::string> added, altered, removed;
  for (const User& user : to.users) {
    const auto it = before.find(user.name);
    if (it == before.end()) {
      added.push_back(user.name);
    } else {
      if (!Same(*it->second, user)) altered.push_back(user.name);
      before.erase(it);
    }
  }
  for (const auto& [name, user] : before) removed.emplace_back(name);
  Name(added, "added", changed);
  Name(altered, "changed", changed);
  Name(removed, "removed", changed);
}

void DiffCredentials(const Model& from, const Model& to, std::vector<std::string>& changed) {
  DiffUsers(from, to, changed);
  Table(from.auth, to.auth, "auth", changed)
      .Key("protocols", &Auth::protocols)
      .Key("chap_secrets", &Auth::chap_secrets)
      .Key("logins", &Auth::logins);
  Tables(from.psks, to.psks, "psk", changed,
         [](Table<Psk> table) { table.Key("remote", &Psk::remote).Key("psk", &Psk::key); });
  Table(from.ike, to.ike, "ike", changed).Key("psk", &Ike::psk);
  Table(from.log, to.log, "log", changed).Key("level", &Log::level).Key("json", &Log::json);
}

// A key that is kept in several fields is named once.
void DropRepetitions(std::vector<std::string>& keys) {
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
}

}  // namespace

Changes Diff(const Model& from, const Model& to) {
  Changes changes;
  DiffCredentials(from, to, changes.at_once);
  DiffNetwork(from, to, changes.at_restart);
  DiffProtocols(from, to, changes.at_restart);
  DropRepetitions(changes.at_restart);
  return changes;
}

std::string ListOf(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : ", ") + key;
  return text.empty() ? "nothing" : text;
}

}  // namespace conf
