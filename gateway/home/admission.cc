#include "gateway/home/admission.h"

#include <utility>

#include "gateway/io/steer.h"

namespace gateway::home {

using auth::Logins;
using Why = shard::AddressGranted::Why;

absl::StatusOr<Admission> Admission::Create(const shard::Settings& settings) {
  auto addresses = auth::AddressPool::Create(settings.AddressPool());
  if (!addresses.ok()) return addresses.status();
  return Admission(settings, *std::move(addresses));
}

// Where many sessions are allowed nobody makes way for anybody.
void Admission::On(const shard::NeedAddress& need, Letters& out) {
  if (need.grants.logins == Logins::kMany) return Grant(need, out);
  User& user = users_[need.user];
  user.waiting.push_back(need);
  if (user.waiting.size() == 1) Decide(need.user, out);
}

void Admission::On(const shard::ReturnAddress& returned, Letters& out) {
  const auto session = sessions_.find(returned.ip);
  if (session == sessions_.end() || !addresses_.Release(returned.ip)) return;
  out.push_back({OwnerOf(returned.ip), shard::ClientElsewhere{returned.ip, std::nullopt}});
  const std::string name = std::move(session->second.user);
  sessions_.erase(session);
  User& user = users_[name];
  std::erase(user.on_line, returned.ip);
  if (user.on_line.empty()) Decide(name, out);  // else the others that were asked are still to come
}

void Admission::On(const shard::StaysOn& stays, Letters& out) {
  const auto session = sessions_.find(stays.ip);
  if (session == sessions_.end()) return;
  const std::string name = session->second.user;
  User& user = users_[name];
  if (user.waiting.empty() || user.waiting.front().grants.logins != Logins::kRefuse) return;
  const shard::NeedAddress need = std::move(user.waiting.front());
  user.waiting.pop_front();
  ++turned_away_logged_in_;
  out.push_back({need.shard, shard::AddressGranted{.ticket = need.ticket, .why = Why::kLoggedIn}});
  Decide(name, out);
}

// Those who wait, in their order, until there is one for whom others have to make way.
void Admission::Decide(const std::string& name, Letters& out) {
  for (;;) {
    const auto user = users_.find(name);
    if (user == users_.end()) return;
    if (user->second.waiting.empty()) {
      if (user->second.on_line.empty()) users_.erase(user);
      return;
    }
    if (!user->second.on_line.empty()) return AskToMakeWay(user->second, out);
    const shard::NeedAddress need = std::move(user->second.waiting.front());
    user->second.waiting.pop_front();
    Grant(need, out);
  }
}

void Admission::AskToMakeWay(const User& user, Letters& out) const {
  const shard::NeedAddress& need = user.waiting.front();
  for (const stack::Ip4 address : user.on_line) {
    const Session& session = sessions_.at(address);
    const bool is_same_machine = session.from == need.from && session.identity == need.identity;
    const bool only_if_dead = need.grants.logins == Logins::kRefuse && !is_same_machine;
    out.push_back({session.shard, shard::MakeWay{address, only_if_dead}});
  }
}

void Admission::Grant(const shard::NeedAddress& need, Letters& out) {
  shard::AddressGranted granted{.ticket = need.ticket, .why = Why::kFull};
  const bool is_full = sessions_.size() >= settings_->max_sessions;
  if (is_full) {
    ++turned_away_full_;
  } else {
    granted.ip = TakeAddress(need);
    granted.why = granted.ip ? Why::kGranted : Why::kNoAddress;
  }
  if (granted.ip) {
    const auth::Grants& his = need.grants;
    granted.pool =
        his.address && his.pool ? *his.pool : static_cast<uint8_t>(settings_->PoolOf(*granted.ip));
    const uint8_t owner = OwnerOf(*granted.ip);
    if (owner != need.shard) {
      out.push_back({owner, shard::ClientElsewhere{*granted.ip, need.shard}});
    }
    sessions_[*granted.ip] = {need.user, need.shard, need.from, need.identity};
    users_[need.user].on_line.push_back(*granted.ip);
  }
  out.push_back({need.shard, granted});
}

std::optional<stack::Ip4> Admission::TakeAddress(const shard::NeedAddress& need) {
  const auth::Grants& his = need.grants;
  if (!his.address) return addresses_.Allocate(need.user, need.shard, his.pool);
  return addresses_.TakeFixed(*his.address) ? his.address : std::nullopt;
}

uint8_t Admission::OwnerOf(stack::Ip4 address) const {
  return io::ShardOfBucket(static_cast<uint8_t>(address.value), settings_->shards);
}

}  // namespace gateway::home
