// What the checks across keys share: the model, the issues they find, and a few questions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/issue.h"
#include "conf/model.h"
#include "conf/spelling.h"
#include "stack/base/address.h"

namespace conf {

// "interface[1].mtu".
std::string PathOf(const char* table, size_t i, const char* key);
// "10.0.0.10-10.0.0.250".
std::string RangeOf(const Pool& pool);
// ' (did you mean "nearest"?)' among the names of the elements, or "".
template <class Element>
std::string HintAmong(const std::vector<Element>& elements, const std::string& name) {
  std::vector<std::string_view> names;
  for (const Element& element : elements) names.push_back(element.name);
  return HintFor(name, names);
}

class Judge {
 public:
  Judge(const Model& judged, const Places& places) : model(judged), places_(places) {}

  const Model& model;

  // At `key`, unless the parser has refused it already. For a user of a file of its own the key is
  // the part that is wrong there: "address".
  void Error(const std::string& key, std::string reason) {
    Add(Issue::Severity::kError, key, std::move(reason));
  }
  void Warn(const std::string& key, std::string reason) {
    Add(Issue::Severity::kWarning, key, std::move(reason));
  }
  bool IsBad(const std::string& key) const { return places_.IsBad(key); }
  bool IsGiven(const std::string& key) const { return places_.Has(key); }

  // adit has a MAC and an address of its own at interface[i]: by name, or by the address given.
  bool LivesAlone(size_t i) const;
  // The interface called `name`, nullptr if there is none.
  const Interface* FindInterface(const std::string& name) const;
  // The interface whose network holds `ip`, among those whose network is known.
  const Interface* NetworkOf(stack::Ip4 ip) const;
  // Some interface's address comes by DHCP or is the kernel's.
  bool AnyAddressUnknown() const;
  bool AnyNat() const;

  Issues TakeIssues() { return std::move(issues_); }

 private:
  void Add(Issue::Severity severity, const std::string& key, std::string reason);

  const Places& places_;
  Issues issues_;
};

// The checks, each in a file of its own.
void JudgeNetwork(Judge& judge);   // interfaces, default routes, routes, NAT
void JudgeClients(Judge& judge);   // pools, users, how they log in
void JudgeSecurity(Judge& judge);  // pre-shared keys, IKE, limits

}  // namespace conf
