// Who is on line, and whether somebody may come in now and with which address: as many sessions as
// the configuration allows, as many of one user as he may have, an address for each. Home owns it,
// so that one thread decides for all shards.
//
// A user may have many sessions, or each login replaces the one before, or it is refused while
// there is one. A client that crashed must not lock its user out, so a session that would be in the
// way ends all the same
//   - if the new login comes from the same machine: the same outer address and phase-1 identity;
//   - if its client is dead: nothing came from it within 5 s of an LCP Echo-Request that its shard
//     sends when the new login asks (Peers::OnMakeWay).
//
// Whoever has to wait for another session to make way waits here, and those who come after him for
// the same user behind him: there is no race between shards. The wait ends: a shard that is asked
// returns the address or says StaysOn, and one that does not have the session any more has returned
// its address already.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "gateway/auth/address_pool.h"
#include "gateway/shard/messages.h"
#include "gateway/shard/settings.h"
#include "stack/base/address.h"

namespace gateway::home {

class Admission {
 public:
  struct Letter {
    uint8_t shard;
    std::variant<shard::AddressGranted, shard::MakeWay, shard::ClientElsewhere> message;
  };
  using Letters = std::vector<Letter>;

  // `settings` outlives the object. InvalidArgument if the pools make no sense.
  static absl::StatusOr<Admission> Create(const shard::Settings& settings);

  void On(const shard::NeedAddress& need, Letters& out);
  void On(const shard::ReturnAddress& returned, Letters& out);
  void On(const shard::StaysOn& stays, Letters& out);
  // Users' own addresses, after a reload.
  void SetFixed(const std::vector<stack::Ip4>& fixed) { addresses_.SetFixed(fixed); }

  const auth::AddressPool& addresses() const { return addresses_; }
  bool Has(stack::Ip4 address) const { return sessions_.contains(address); }  // it is in use
  size_t sessions() const { return sessions_.size(); }
  size_t users() const { return users_.size(); }  // on line, or waiting
  uint64_t turned_away_full() const { return turned_away_full_; }
  uint64_t turned_away_logged_in() const { return turned_away_logged_in_; }

 private:
  struct Session {
    std::string user;
    uint8_t shard = 0;
    stack::Ip4 from;
    std::string identity;
  };
  struct User {
    std::vector<stack::Ip4> on_line;
    std::deque<shard::NeedAddress> waiting;  // the first one has asked the others to make way
  };

  Admission(const shard::Settings& settings, auth::AddressPool addresses)
      : settings_(&settings), addresses_(std::move(addresses)) {}
  void Decide(const std::string& name, Letters& out);
  void AskToMakeWay(const User& user, Letters& out) const;
  void Grant(const shard::NeedAddress& need, Letters& out);
  std::optional<stack::Ip4> TakeAddress(const shard::NeedAddress& need);
  uint8_t OwnerOf(stack::Ip4 address) const;

  const shard::Settings* settings_;
  auth::AddressPool addresses_;
  absl::flat_hash_map<stack::Ip4, Session> sessions_;
  absl::flat_hash_map<std::string, User> users_;
  uint64_t turned_away_full_ = 0, turned_away_logged_in_ = 0;
};

}  // namespace gateway::home
