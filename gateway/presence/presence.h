// adit's place on the interfaces of the host while it runs: read the facts, plan, and keep the
// kernel from answering what is adit's. Made before the packet rings are opened, so that nothing is
// answered twice, and gone with the object, or with the process.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "conf/model.h"
#include "gateway/io/held_sockets.h"
#include "gateway/io/nft_table.h"
#include "gateway/presence/plan.h"

namespace gateway::presence {

class Presence {
 public:
  // Errors are for people, as MakePlan's; NotFound for an interface that is not there.
  static absl::StatusOr<Presence> Establish(const conf::Model& model, uint8_t shards);

  const Plan& plan() const { return plan_; }
  const io::NicFacts& nic(size_t interface) const { return facts_.nics[interface]; }

 private:
  Presence(Facts facts, Plan plan) : facts_(std::move(facts)), plan_(std::move(plan)) {}
  absl::Status SilenceKernel(const InterfacePlan& interface, const conf::Model& model);

  Facts facts_;
  Plan plan_;
  std::vector<io::NftTables> tables_;
  std::vector<io::HeldSockets> sockets_;
};

}  // namespace gateway::presence
