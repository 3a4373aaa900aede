#include "gateway/presence/ruleset.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gateway::presence {
namespace {

std::string Hook(const std::string& device, const char* policy) {
  return absl::StrCat("    type filter hook ingress device \"", device, "\" priority 0; policy ",
                      policy, ";\n");
}

std::string Table(const std::string& suffix, const std::string& chains) {
  return absl::StrCat("table netdev adit-", suffix, " {\n  flags owner;\n", chains, "}\n");
}

std::string OurPart(const Share& share) {
  std::string rules;
  if (share.serve) {
    absl::StrAppend(&rules, "    ip protocol 50 drop\n", "    udp dport { ",
                    absl::StrJoin(kServedPorts, ", "), " } drop\n");
  }
  if (share.HasNat()) {
    const std::string ports = absl::StrCat(share.nat_first, "-", share.nat_last);
    absl::StrAppend(&rules, "    tcp dport ", ports, " drop\n", "    udp dport ", ports, " drop\n");
  }
  return rules;
}

std::string Shared(const InterfacePlan& plan, const std::vector<AddressSpan>& clients) {
  std::string text = absl::StrCat("  chain ours {\n", OurPart(plan.share), "  }\n",
                                  "  chain ingress {\n", Hook(plan.name, "accept"), "    ip daddr ",
                                  plan.address->address.Text(), " goto ours\n");
  for (const AddressSpan& span : clients) {
    absl::StrAppend(&text, "    ip daddr ", span.first.Text(), "-", span.last.Text(), " drop\n");
  }
  return absl::StrCat(text, "  }\n");
}

}  // namespace

std::string Ruleset(const InterfacePlan& plan, const std::vector<AddressSpan>& clients) {
  const std::string chains =
      plan.presence == conf::Presence::kShare
          ? Shared(plan, clients)
          : absl::StrCat("  chain ingress {\n", Hook(plan.name, "drop"), "  }\n");
  return Table(std::to_string(plan.index), chains);
}

std::string TrialRuleset(int process) {
  return Table(absl::StrCat("trial-", process),
               absl::StrCat("  chain ingress {\n", Hook("lo", "accept"), "  }\n"));
}

}  // namespace gateway::presence
