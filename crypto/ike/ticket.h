// Tickets of questions: which phase 1, and which of its exchanges, waits for an answer.
//
// A ticket is good for one answer; a late, doubled or invented one finds nobody.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "crypto/ike/event.h"

namespace crypto::ike {

class Tickets {
 public:
  struct Owner {
    PhaseOneId sa;
    uint32_t message_id;  // 0: phase 1 itself
  };

  Ticket Issue(PhaseOneId sa, uint32_t message_id) {
    owners_.emplace(++last_, Owner{sa, message_id});
    return last_;
  }
  std::optional<Owner> Redeem(Ticket ticket) {
    const auto it = owners_.find(ticket);
    if (it == owners_.end()) return std::nullopt;
    const Owner owner = it->second;
    owners_.erase(it);
    return owner;
  }
  size_t outstanding() const { return owners_.size(); }

 private:
  Ticket last_ = 0;
  absl::flat_hash_map<Ticket, Owner> owners_;  // every question is answered, so this stays small
};

}  // namespace crypto::ike
