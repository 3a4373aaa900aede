#include "gateway/presence/presence.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/io/rights.h"
#include "gateway/presence/ruleset.h"

namespace gateway::presence {
namespace {

// Empty if an nftables table can be made.
std::string WhyNoTables() {
  if (!io::NftTables::IsSupported()) return "this build has no libnftables";
  if (!io::MayAdministerNetwork()) return "no CAP_NET_ADMIN";
  // The kernel may be one without nftables.
  return std::string(io::NftTables::Make(TrialRuleset(getpid())).status().message());
}

absl::StatusOr<Facts> ReadFacts(const conf::Model& model) {
  Facts facts;
  bool beside_kernel = false;
  for (const conf::Interface& interface : model.interfaces) {
    auto nic = io::ReadNic(interface.name);
    if (!nic.ok()) return nic.status();
    beside_kernel |= IsBesideKernel(interface, *nic);
    facts.nics.push_back(*std::move(nic));
  }
  facts.kernel = io::ReadKernelUse();
  if (beside_kernel) facts.no_tables = WhyNoTables();
  facts.open_files = io::RaiseOpenFiles();
  return facts;
}

std::vector<AddressSpan> ClientsOf(const conf::Model& model) {
  std::vector<AddressSpan> clients;
  for (const conf::Pool& pool : model.pools) clients.push_back({pool.first, pool.last});
  for (const conf::User& user : model.users) {
    if (!user.address) continue;
    const bool pooled =
        std::any_of(model.pools.begin(), model.pools.end(),
                    [&](const conf::Pool& pool) { return pool.Contains(*user.address); });
    if (!pooled) clients.push_back({*user.address, *user.address});
  }
  return clients;
}

absl::Status Hold(const Share& share, io::HeldSockets& sockets) {
  absl::Status status;
  if (share.serve) {
    status = sockets.HoldEsp();
    for (const uint16_t port : kServedPorts) status.Update(sockets.HoldUdp(port));
  }
  for (uint32_t port = share.nat_first; share.HasNat() && port <= share.nat_last; ++port) {
    const auto held = static_cast<uint16_t>(port);
    const bool done = share.serve && std::find(kServedPorts.begin(), kServedPorts.end(), held) !=
                                         kServedPorts.end();
    if (!done) status.Update(sockets.HoldUdp(held));
    status.Update(sockets.HoldTcp(held));
    if (!status.ok()) break;
  }
  return status;
}

absl::Status At(const InterfacePlan& interface, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("interface ", interface.name, ": ",
                                                  std::string(status.message())));
}

}  // namespace

absl::StatusOr<Presence> Presence::Establish(const conf::Model& model, uint8_t shards) {
  auto facts = ReadFacts(model);
  if (!facts.ok()) return facts.status();
  facts->shards = shards;
  auto plan = MakePlan(model, *facts);
  if (!plan.ok()) return plan.status();
  Presence presence(*std::move(facts), *std::move(plan));
  for (const InterfacePlan& interface : presence.plan_.interfaces) {
    const absl::Status silenced = At(interface, presence.SilenceKernel(interface, model));
    if (!silenced.ok()) return silenced;
  }
  return presence;
}

absl::Status Presence::SilenceKernel(const InterfacePlan& interface, const conf::Model& model) {
  switch (interface.silence) {
    case Silence::kNothing:
      return absl::OkStatus();
    case Silence::kSockets:
      return Hold(interface.share, sockets_.emplace_back(interface.address->address));
    case Silence::kTable:
      break;
  }
  auto table = io::NftTables::Make(Ruleset(interface, ClientsOf(model)));
  if (absl::IsPermissionDenied(table.status())) {  // and the trial was not
    return absl::PermissionDeniedError(absl::StrCat(
        std::string(table.status().message()), " (another adit on this interface owns the table)"));
  }
  if (!table.ok()) return table.status();
  tables_.push_back(*std::move(table));
  return absl::OkStatus();
}

}  // namespace gateway::presence
