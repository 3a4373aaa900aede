#include "gateway/run_embedded.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "conf/issue.h"
#include "conf/validate.h"
#include "crypto/prim/rng.h"
#include "gateway/embedded/instructions.h"
#include "gateway/embedded/kept.h"
#include "gateway/io/host.h"
#include "gateway/io/nic.h"
#include "gateway/io/private_file.h"

namespace gateway {
namespace {

using embedded::Kept;

// Two large public resolvers, where the host knows none that clients could reach.
constexpr stack::Ip4 kPublicDns[] = {{0x09090909}, {0x01010101}};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "adit: %s\n", std::string(status.message()).c_str());
  return 1;
}

absl::Status Save(const Kept& kept, const std::string& file) {
  std::string text = embedded::TextOf(kept);
  const absl::Status saved = io::WritePrivateFile(file, text);
  conf::ScrubMemory(text.data(), text.size());
  if (saved.ok()) return saved;
  return absl::Status(saved.code(), std::string(saved.message()) +
                                        " (another place: --state FILE; none: --ephemeral)");
}

absl::StatusOr<Kept> LoadOrMake(const std::string& file, const std::vector<stack::Prefix>& used) {
  if (!file.empty()) {
    absl::StatusOr<std::string> text = io::ReadPrivateFile(file);
    if (text.ok()) {
      auto kept = embedded::ParseKept(*text, file);
      conf::ScrubMemory(text->data(), text->size());
      return kept;
    }
    if (!absl::IsNotFound(text.status())) return text.status();
  }
  const auto network = embedded::FreePool(used);
  if (!network)
    return absl::FailedPreconditionError("no network is left for clients: write a configuration");
  crypto::SystemRng rng;
  Kept kept = embedded::MakeKept(rng, *network);
  if (file.empty()) return kept;
  if (absl::Status saved = Save(kept, file); !saved.ok()) return saved;
  return kept;
}

// Another pool where the one kept would take the place of a network the host reaches.
absl::Status AvoidOverlap(Kept& kept, const std::string& file,
                          const std::vector<stack::Prefix>& used) {
  bool overlaps = false;
  for (const stack::Prefix& network : used) overlaps |= embedded::Overlaps(kept.pool, network);
  if (!overlaps) return absl::OkStatus();
  const auto network = embedded::FreePool(used);
  if (!network)
    return absl::FailedPreconditionError("no network is left for clients: write a configuration");
  kept.pool = embedded::PoolIn(*network);
  std::fprintf(stderr, "adit: clients get addresses of %s now: the old ones are used elsewhere\n",
               network->Text().c_str());
  return file.empty() ? absl::OkStatus() : Save(kept, file);
}

conf::Model ModelOf(const Kept& kept, const io::NicFacts& nic) {
  conf::Model model;
  conf::Interface& interface = model.interfaces.emplace_back();
  interface.name = nic.name;
  interface.dhcp = nic.addresses.empty();
  interface.serve = true;
  interface.nat = true;
  conf::Pool& pool = model.pools.emplace_back(kept.pool);
  pool.dns = io::HostNameServers();
  if (pool.dns.empty()) pool.dns.assign(std::begin(kPublicDns), std::end(kPublicDns));
  pool.dns_of_lease = interface.dhcp;
  for (const conf::User& from : kept.users) {
    conf::User& user = model.users.emplace_back();
    user.name = from.name;
    user.password = from.password.Copy();
    user.address = from.address;
  }
  model.ike.psk = kept.psk.Copy();
  return model;
}

void Tell(const Kept& kept, stack::Ip4 server) {
  const conf::User& user = kept.users.front();
  std::string page =
      embedded::Instructions({server, kept.psk.Reveal(), user.name, user.password.Reveal()});
  std::fputs(page.c_str(), stdout);
  std::fflush(stdout);
  conf::ScrubMemory(page.data(), page.size());
}

// One run; the network of a lease that the pool stands in the way of, if that was its end.
struct Ended {
  int code = 0;
  std::optional<stack::Prefix> overlapped;
};

Ended RunOnce(const Kept& kept, const io::NicFacts& nic, RunOptions options) {
  const conf::Model model = ModelOf(kept, nic);
  const conf::Issues issues = conf::Validate(model, {});
  if (conf::HasError(issues)) {
    std::fputs(conf::TextOf(issues, "embedded default").c_str(), stderr);
    return {1, std::nullopt};
  }
  Ended ended;
  stack::Ip4 told;
  options.on_lease = [&](const std::string&, const stack::ip::Lease& lease) {
    const stack::Prefix network{lease.address.network(), lease.address.length};
    if (embedded::Overlaps(kept.pool, network)) {
      ended.overlapped = network;
      return false;
    }
    if (std::exchange(told, lease.address.address) != told) Tell(kept, lease.address.address);
    return true;
  };
  if (!nic.addresses.empty()) Tell(kept, nic.addresses.front().address);
  ended.code = Run(model, options);
  return ended;
}

}  // namespace

std::string DefaultStateFile() {
  const char* folders = std::getenv("STATE_DIRECTORY");
  if (folders == nullptr || *folders == '\0') return "/var/lib/adit/state.toml";
  const std::string list = folders;
  return list.substr(0, list.find(':')) + "/state.toml";
}

int RunEmbedded(const EmbeddedOptions& embedded, RunOptions options) {
  const auto nic = io::ReadNic(embedded.interface);
  if (!nic.ok()) return Fail(nic.status());
  std::string file;
  if (!embedded.ephemeral) file = embedded.state.empty() ? DefaultStateFile() : embedded.state;
  std::vector<stack::Prefix> used = io::HostNetworks();
  auto kept = LoadOrMake(file, used);
  if (!kept.ok()) return Fail(kept.status());
  for (;;) {
    if (const absl::Status free = AvoidOverlap(*kept, file, used); !free.ok()) return Fail(free);
    const Ended ended = RunOnce(*kept, *nic, options);
    if (!ended.overlapped) return ended.code;
    used.push_back(*ended.overlapped);
  }
}

}  // namespace gateway
