#include "conf/validate.h"

#include <algorithm>

#include "conf/judge.h"

namespace conf {

using stack::Ip4;

std::string PathOf(const char* table, size_t i, const char* key) {
  return std::string(table) + "[" + std::to_string(i) + "]." + key;
}

std::string RangeOf(const Pool& pool) { return pool.first.Text() + "-" + pool.last.Text(); }

bool Judge::LivesAlone(size_t i) const {
  const Interface& interface = model.interfaces[i];
  if (interface.presence != Presence::kAuto) return interface.presence == Presence::kOwn;
  return interface.dhcp || interface.address || IsGiven(PathOf("interface", i, "address"));
}

const Interface* Judge::FindInterface(const std::string& name) const {
  const auto found = std::ranges::find(model.interfaces, name, &Interface::name);
  return found == model.interfaces.end() ? nullptr : &*found;
}

const Interface* Judge::NetworkOf(Ip4 ip) const {
  for (const Interface& interface : model.interfaces) {
    if (interface.address && interface.address->Contains(ip)) return &interface;
  }
  return nullptr;
}

bool Judge::AnyAddressUnknown() const {
  return std::ranges::any_of(model.interfaces, [](const Interface& i) { return !i.address; });
}

bool Judge::AnyNat() const { return std::ranges::any_of(model.interfaces, &Interface::nat); }

void Judge::Add(Issue::Severity severity, const std::string& key, std::string reason) {
  if (places_.IsBad(key)) return;  // the parser has said what is wrong with it
  Place place = places_.Of(key);
  const std::string name = place.file.empty() ? key : key.substr(key.rfind('.') + 1);
  issues_.push_back({severity, std::move(place), name, std::move(reason)});
}

Issues Validate(const Model& model, const Places& places) {
  Judge judge(model, places);
  JudgeNetwork(judge);
  JudgeClients(judge);
  JudgeSecurity(judge);
  Issues issues = judge.TakeIssues();
  SortByPlace(issues);
  return issues;
}

}  // namespace conf
