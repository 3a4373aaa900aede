#include "gateway/unavailable.h"

namespace gateway {
namespace {

class Finder {
 public:
  void Note(bool asked, std::string key) {
    if (asked) keys_.push_back(std::move(key));
  }
  std::vector<std::string> Take() { return std::move(keys_); }

 private:
  std::vector<std::string> keys_;
};

void FindInPools(const conf::Model& model, Finder& finder) {
  for (const conf::Pool& pool : model.pools) {
    finder.Note(!pool.routes.empty(), "pool.routes");
    finder.Note(!pool.domain.empty(), "pool.domain");
  }
}

}  // namespace

std::vector<std::string> UnavailableKeys(const conf::Model& model) {
  Finder finder;
  FindInPools(model, finder);
  return finder.Take();
}

}  // namespace gateway
