// Pools, users, and how users log in.
#include <algorithm>
#include <set>
#include <string>

#include "conf/judge.h"

namespace conf {
namespace {

using stack::Ip4;

bool Overlaps(const Pool& pool, const stack::Prefix& network) {
  return pool.first <= network.broadcast() && network.network() <= pool.last;
}

// Which address of the link is in the pool too, "" if none is.
std::string SharedWith(const Pool& pool, const Interface& interface) {
  const Ip4 own = interface.address->address;
  if (pool.Contains(own) && own != pool.gateway) return own.Text() + ", adit's own address there";
  if (interface.gateway && pool.Contains(*interface.gateway)) {
    return interface.gateway->Text() + ", the gateway there";
  }
  return "";
}

// Clients and the hosts of a link may have addresses of one network only if proxy ARP makes them
// neighbours.
void CheckPoolOnLink(Judge& judge, size_t i, const Interface& interface) {
  const Pool& pool = judge.model.pools[i];
  if (!interface.address || pool.first.IsZero()) return;
  const std::string key = PathOf("pool", i, "range");
  if (Overlaps(pool, *interface.address)) {
    const std::string shared = SharedWith(pool, interface);
    if (!interface.proxy_arp) {
      judge.Error(key, RangeOf(pool) + " overlaps " + interface.address->Text() +
                           " of interface \"" + interface.name + "\", which has no proxy_arp");
    } else if (!shared.empty()) {
      judge.Error(key, RangeOf(pool) + " holds " + shared);
    }
  }
}

void CheckPool(Judge& judge, size_t i) {
  const Pool& pool = judge.model.pools[i];
  if (!pool.first.IsZero() && pool.first == pool.last && pool.first == pool.gateway) {
    judge.Error(PathOf("pool", i, "range"), "holds nothing but the pool's gateway");
  }
  for (const Interface& interface : judge.model.interfaces) CheckPoolOnLink(judge, i, interface);
  const Interface* network = judge.NetworkOf(pool.gateway);
  if (network != nullptr && network->address->address != pool.gateway) {
    judge.Warn(
        PathOf("pool", i, "gateway"),
        pool.gateway.Text() + " may be another host's in the network of \"" + network->name + "\"");
  }
  for (const Ip4 server : pool.dns) {
    if (server != pool.gateway) continue;
    judge.Warn(PathOf("pool", i, "dns"), "adit itself answers no DNS at " + pool.gateway.Text());
  }
}

void CheckPoolPair(Judge& judge, size_t i, size_t j) {
  const Pool& a = judge.model.pools[i];
  const Pool& b = judge.model.pools[j];
  if (a.name == b.name) {
    judge.Error(PathOf("pool", i, "name"), "\"" + a.name + "\" is there already");
  }
  if (a.first.IsZero() || b.first.IsZero()) return;
  if (a.first <= b.last && b.first <= a.last) {
    judge.Error(PathOf("pool", i, "range"),
                RangeOf(a) + " overlaps " + RangeOf(b) + " of pool \"" + b.name + "\"");
  }
}

void CheckPools(Judge& judge) {
  if (judge.model.pools.empty()) {
    return judge.Error("pool", "none is given: clients have no addresses");
  }
  for (size_t i = 0; i < judge.model.pools.size(); ++i) {
    CheckPool(judge, i);
    for (size_t j = 0; j < i; ++j) CheckPoolPair(judge, i, j);
  }
}

// ---- Users ----

const Pool* FindPool(const Model& model, const std::string& name) {
  const auto found = std::ranges::find(model.pools, name, &Pool::name);
  return found == model.pools.end() ? nullptr : &*found;
}

void CheckUserPool(Judge& judge, size_t i) {
  const User& user = judge.model.users[i];
  if (!user.pool || judge.model.pools.empty()) return;
  const Pool* pool = FindPool(judge.model, *user.pool);
  if (pool == nullptr) {
    judge.Error(PathOf("user", i, "pool"), "no [[pool]] is called " + Quote(*user.pool) +
                                               HintAmong(judge.model.pools, *user.pool));
  } else if (user.address && !pool->Contains(*user.address)) {
    judge.Warn(PathOf("user", i, "address"),
               user.address->Text() + " is not in the user's pool, " + RangeOf(*pool));
  }
}

void CheckUserAddress(Judge& judge, size_t i) {
  const User& user = judge.model.users[i];
  const Ip4 address = *user.address;
  const std::string key = PathOf("user", i, "address");
  bool in_pool = false;
  for (const Pool& pool : judge.model.pools) {
    if (pool.gateway == address) judge.Error(key, address.Text() + " is the pool's gateway");
    in_pool |= pool.Contains(address);
  }
  const Interface* network = judge.NetworkOf(address);
  if (network != nullptr && !network->proxy_arp) {
    judge.Error(key, address.Text() + " is in the network of interface \"" + network->name +
                         "\", which has no proxy_arp");
  } else if (network != nullptr &&
             (network->address->address == address || network->gateway == address)) {
    judge.Error(key, address.Text() + " is taken on interface \"" + network->name + "\"");
  } else if (!in_pool && !user.pool && !judge.model.pools.empty()) {
    judge.Warn(key, address.Text() + " is in no pool");
  }
}

void CheckUsers(Judge& judge) {
  const auto& users = judge.model.users;
  if (users.empty() && !judge.IsBad("auth.chap_secrets")) {
    judge.Warn("user", "none is given: nobody can log in");
  }
  std::set<std::string> names;
  std::set<Ip4> addresses;
  for (size_t i = 0; i < users.size(); ++i) {
    const User& user = users[i];
    if (!user.name.empty() && !names.insert(user.name).second) {
      judge.Error(PathOf("user", i, "name"), "\"" + user.name + "\" is there already");
    }
    CheckUserPool(judge, i);
    if (!user.address) continue;
    if (!addresses.insert(*user.address).second) {
      judge.Error(PathOf("user", i, "address"),
                  user.address->Text() + " is another user's already");
    }
    CheckUserAddress(judge, i);
  }
}

void CheckProtocols(Judge& judge) {
  for (const Auth::Protocol protocol : judge.model.auth.protocols) {
    if (protocol == Auth::Protocol::kPap) {
      judge.Warn("auth.protocols",
                 "with pap the password itself goes through the tunnel: whoever has the "
                 "pre-shared key can pose as the gateway and collect passwords");
    } else if (protocol == Auth::Protocol::kChapMd5) {
      judge.Warn("auth.protocols",
                 "with chap-md5 the client cannot tell a false gateway, and whoever plays one can "
                 "search for the password offline");
    }
  }
}

}  // namespace

void JudgeClients(Judge& judge) {
  CheckPools(judge);
  CheckUsers(judge);
  CheckProtocols(judge);
}

}  // namespace conf
