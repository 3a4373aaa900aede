#include "gateway/presence/plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace gateway::presence {
namespace {

using conf::Presence;
using Kind = io::KernelSocket::Kind;

constexpr uint32_t kFirstPort = 1024, kEndOfPorts = 65536;
constexpr uint32_t kBlock = 64;  // ports that a client and a shard get at least (nat/ports.h)
// A port costs two sockets, about 11 KB of the kernel's memory, on each address.
constexpr uint32_t kMaxHeldPorts = 1024;
constexpr uint64_t kOtherFiles = 512;  // rings, logs, and what the libraries open

const stack::Prefix* Held(const io::NicFacts& nic, stack::Ip4 ip) {
  const auto found = std::find_if(nic.addresses.begin(), nic.addresses.end(),
                                  [ip](const stack::Prefix& held) { return held.address == ip; });
  return found == nic.addresses.end() ? nullptr : &*found;
}

// A socket that hears what comes for `address`.
bool Hears(const io::KernelSocket& socket, stack::Ip4 address) {
  return socket.kind != Kind::kTcpConnection &&
         (socket.local == io::HostAddress{} || socket.local == io::Mapped(address));
}

// A UDP socket and a TCP socket for each port of each address.
uint64_t SocketsFor(uint32_t ports, size_t addresses) { return uint64_t{2} * ports * addresses; }

uint32_t HoldablePorts(uint64_t open_files, size_t addresses) {
  const uint64_t sockets = open_files > kOtherFiles ? open_files - kOtherFiles : 0;
  return static_cast<uint32_t>(
      std::min<uint64_t>(sockets / SocketsFor(1, addresses), kMaxHeldPorts));
}

// One interface of the plan.
class Planner {
 public:
  Planner(const conf::Interface& interface, const Facts& facts, const io::NicFacts& nic)
      : interface_(interface), facts_(facts), nic_(nic) {}

  absl::StatusOr<InterfacePlan> Run();

 private:
  absl::Status Own(std::string reason);
  absl::Status Share();
  absl::Status Adopt();
  absl::Status TakeKernelAddress(const char* presence);
  absl::Status CheckSessions();
  absl::Status Wrong(const std::string& text) const {
    return absl::FailedPreconditionError(absl::StrCat("interface ", interface_.name, ": ", text));
  }
  std::string WhyAlone() const;
  const stack::Prefix* KernelHolds(stack::Ip4 ip) const { return Held(nic_, ip); }
  std::string KernelAddresses() const;

  const conf::Interface& interface_;
  const Facts& facts_;
  const io::NicFacts& nic_;
  InterfacePlan plan_;
};

absl::StatusOr<InterfacePlan> Planner::Run() {
  plan_.name = interface_.name;
  plan_.index = nic_.index;
  plan_.gateway = interface_.gateway;
  absl::Status status;
  switch (interface_.presence) {
    case Presence::kOwn:
      status = Own("as configured");
      break;
    case Presence::kShare:
      status = Share();
      break;
    case Presence::kAdopt:
      status = Adopt();
      break;
    case Presence::kAuto:
      status = IsBesideKernel(interface_, nic_) ? Share() : Own(WhyAlone());
  }
  if (!status.ok()) return status;
  return std::move(plan_);
}

// kAuto's reason for kOwn.
std::string Planner::WhyAlone() const {
  if (interface_.dhcp) return "its address comes by DHCP";
  if (!interface_.address) {
    return "neither the configuration nor the kernel has an address: asking by DHCP";
  }
  return absl::StrCat(interface_.address->address.Text(), " is not the kernel's");
}

absl::Status Planner::Own(std::string reason) {
  plan_.presence = Presence::kOwn;
  plan_.reason = std::move(reason);
  plan_.mac = interface_.mac.value_or(io::DerivedMac(nic_.mac, nic_.name));
  plan_.dhcp = interface_.dhcp || !interface_.address;
  plan_.address = interface_.address;
  if (plan_.address && KernelHolds(plan_.address->address) != nullptr) {
    return Wrong(absl::StrCat("presence \"own\" needs an address the kernel does not have, but ",
                              plan_.address->address.Text(),
                              " is the kernel's: give another one, or presence = \"share\""));
  }
  return absl::OkStatus();
}

absl::Status Planner::Share() {
  plan_.presence = Presence::kShare;
  if (absl::Status taken = TakeKernelAddress("share"); !taken.ok()) return taken;
  plan_.share.serve = interface_.serve;
  plan_.reason = absl::StrCat("kernel has ", plan_.address->Text());
  if (facts_.no_tables.empty()) {
    plan_.silence = Silence::kTable;
    absl::StrAppend(&plan_.reason, ", CAP_NET_ADMIN is there");
    return absl::OkStatus();
  }
  plan_.silence = Silence::kSockets;
  absl::StrAppend(&plan_.reason, ", ", facts_.no_tables);
  plan_.warnings.push_back(
      absl::StrCat(facts_.no_tables,
                   ": sockets are held so that the kernel does not answer for what is adit's; "
                   "stations of this very link may still get TCP resets from it, and NAT has few "
                   "ports"));
  if (facts_.kernel.forwards) {
    plan_.warnings.push_back(
        "the kernel forwards (net.ipv4.ip_forward = 1): packets routed to clients' addresses would "
        "go out a second time; set it to 0, or give CAP_NET_ADMIN");
  }
  return absl::OkStatus();
}

absl::Status Planner::Adopt() {
  plan_.presence = Presence::kAdopt;
  if (!facts_.no_tables.empty()) {
    return Wrong(absl::StrCat(
        "presence \"adopt\" hides everything from the kernel by an nftables table, which cannot be "
        "made (",
        facts_.no_tables, "): put that right, or use presence = \"share\""));
  }
  if (absl::Status taken = TakeKernelAddress("adopt"); !taken.ok()) return taken;
  plan_.silence = Silence::kTable;
  plan_.reason = absl::StrCat("as configured; the kernel has ", plan_.address->Text(),
                              " and hears nothing while adit runs");
  return CheckSessions();
}

// The one the configuration names, or the first.
absl::Status Planner::TakeKernelAddress(const char* presence) {
  if (interface_.mac || !interface_.nat_addresses.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("interface ", interface_.name, ": ", interface_.mac ? "mac" : "nat_addresses",
                     " makes no sense with presence \"", presence,
                     "\", which uses the kernel's address: leave it out, or give an "
                     "address of adit's own"));
  }
  const stack::Prefix* address = nic_.addresses.empty() ? nullptr : nic_.addresses.data();
  if (address == nullptr) {
    return Wrong(absl::StrCat("presence \"", presence,
                              "\" needs an IPv4 address that the kernel "
                              "has there, and there is none: set one, or give adit its own"));
  }
  if (interface_.address) address = KernelHolds(interface_.address->address);
  if (address == nullptr) {
    return Wrong(absl::StrCat("the kernel has not ", interface_.address->address.Text(),
                              " there but ", KernelAddresses(), ": with presence \"", presence,
                              "\" leave the address out, or name one of these"));
  }
  plan_.mac = nic_.mac;
  plan_.address = *address;
  if (interface_.gateway && !address->Contains(*interface_.gateway)) {
    return Wrong(absl::StrCat("the gateway ", interface_.gateway->Text(), " is not in ",
                              address->Text(), ", which is the kernel's network there"));
  }
  return absl::OkStatus();
}

// Whoever is connected to the host over the interface would be cut off, and could not come back.
// Any TCP connection of the kernel's counts: a login is one, whatever its port and program.
absl::Status Planner::CheckSessions() {
  std::vector<const io::KernelSocket*> cut;
  for (const io::KernelSocket& socket : facts_.kernel.sockets) {
    const auto is = [&](const io::HostAddress& end) {
      return std::find(nic_.hosts.begin(), nic_.hosts.end(), end) != nic_.hosts.end();
    };
    if (socket.kind != Kind::kTcpConnection || !is(socket.local) || is(socket.remote)) continue;
    cut.push_back(&socket);
  }
  if (cut.empty()) return absl::OkStatus();
  const std::string sessions = absl::StrCat(
      cut.size(), cut.size() == 1 ? " TCP connection" : " TCP connections", " of the host (",
      io::TextOf(cut[0]->local, cut[0]->local_port), " with ",
      io::TextOf(cut[0]->remote, cut[0]->remote_port), cut.size() > 1 ? ", ...)" : ")");
  if (interface_.adopt_anyway) {
    plan_.warnings.push_back(absl::StrCat("cuts ", sessions, ", as adopt_anyway says"));
    return absl::OkStatus();
  }
  return Wrong(absl::StrCat("presence \"adopt\" would cut ", sessions,
                            ", perhaps somebody's login: end them, come in another way, or set "
                            "adopt_anyway = true"));
}

std::string Planner::KernelAddresses() const {
  std::string text;
  for (const stack::Prefix& held : nic_.addresses) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", held.Text());
  }
  return text;
}

// One default route: that of the configuration, or else the kernel's best by an interface it
// shares.
void TakeKernelRoute(const conf::Model& model, const Facts& facts, Plan& plan) {
  const auto has = [](const auto& list, auto is) { return std::ranges::any_of(list, is); };
  if (has(model.interfaces, [](const conf::Interface& i) { return i.gateway.has_value(); }) ||
      has(model.routes, [](const conf::Route& route) { return route.prefix.length == 0; })) {
    return;
  }
  std::optional<size_t> best;
  for (size_t i = 0; i < plan.interfaces.size(); ++i) {
    const auto& route = facts.nics[i].route;
    if (plan.interfaces[i].presence == Presence::kOwn || !route) continue;
    if (!best || route->metric < facts.nics[*best].route->metric) best = i;
  }
  if (best) plan.interfaces[*best].gateway = facts.nics[*best].route->gateway;
}

// What the configuration alone could not tell of the addresses it gives to clients.
absl::Status CheckPools(const conf::Model& model, const InterfacePlan& interface) {
  if (interface.presence == Presence::kOwn) return absl::OkStatus();
  const stack::Ip4 address = interface.address->address;
  for (const conf::Pool& pool : model.pools) {
    if (!pool.Contains(address) && pool.gateway != address) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "interface ", interface.name, ": pool \"", pool.name, "\" holds the kernel's address ",
        address.Text(), ": give clients other addresses"));
  }
  return absl::OkStatus();
}

// What the kernel loses by it, or cannot give up.
absl::Status CheckServices(const Facts& facts, InterfacePlan& plan) {
  for (const io::KernelSocket& socket : facts.kernel.sockets) {
    if (!Hears(socket, plan.address->address)) continue;
    const bool udp = socket.kind == Kind::kUdp;
    const bool served = plan.share.serve && udp &&
                        std::find(kServedPorts.begin(), kServedPorts.end(), socket.local_port) !=
                            kServedPorts.end();
    if (!served && !plan.share.IsNatPort(socket.local_port)) continue;
    const std::string which = absl::StrCat("a program of this host has ", udp ? "UDP" : "TCP",
                                           " port ", socket.local_port);
    if (plan.silence == Silence::kSockets) {
      return absl::FailedPreconditionError(absl::StrCat(
          "interface ", plan.name, ": ", which, ", which adit needs there: end it",
          served ? ", or give adit an address of its own" : ", or give nat.ports another range"));
    }
    plan.warnings.push_back(absl::StrCat(which, ", which is adit's now: it hears nothing there"));
  }
  return absl::OkStatus();
}

// `held`: the addresses on which a socket stands for each port.
absl::Status CheckGivenPorts(const conf::Nat& nat, const Facts& facts, size_t held) {
  const io::PortSpan& kernel = facts.kernel.ephemeral;
  if (nat.first_port <= kernel.last && kernel.first <= nat.last_port) {
    return absl::FailedPreconditionError(
        absl::StrCat("nat.ports ", nat.first_port, "-", nat.last_port,
                     " and the kernel's own ports ", kernel.first, "-", kernel.last,
                     " (net.ipv4.ip_local_port_range) overlap on a shared "
                     "address: give nat.ports a range beside them, or leave it out"));
  }
  const uint32_t wanted = nat.last_port - nat.first_port + 1U;
  const uint64_t sockets = SocketsFor(wanted, held);
  if (held > 0 && sockets + kOtherFiles > facts.open_files) {
    return absl::FailedPreconditionError(
        absl::StrCat("nat.ports: without CAP_NET_ADMIN, ", wanted, " ports take ", sockets,
                     " sockets, and only ", facts.open_files,
                     " files may be open: raise the limit (ulimit -n), or give fewer ports"));
  }
  return absl::OkStatus();
}

// Ports and services, once it is known which addresses are shared.
absl::Status PlanPorts(const conf::Model& model, const Facts& facts, Plan& plan) {
  std::vector<stack::Ip4> addresses;
  bool by_sockets = false;
  for (size_t i = 0; i < plan.interfaces.size(); ++i) {
    const InterfacePlan& interface = plan.interfaces[i];
    if (interface.presence != Presence::kShare || !model.interfaces[i].nat) continue;
    addresses.push_back(interface.address->address);
    by_sockets |= interface.silence == Silence::kSockets;
  }
  if (addresses.empty()) return absl::OkStatus();
  if (model.nat.ports_given) {
    plan.nat_first = model.nat.first_port;
    plan.nat_last = model.nat.last_port;
    return CheckGivenPorts(model.nat, facts, by_sockets ? addresses.size() : 0);
  }
  const auto free = FreePorts(facts, addresses, by_sockets);
  if (!free) {
    return absl::FailedPreconditionError(
        "too few NAT ports are left beside the kernel's, 64 for each shard: give nat.ports a "
        "range, narrow net.ipv4.ip_local_port_range, raise the limit of open files, or set shards");
  }
  plan.nat_first = free->first;
  plan.nat_last = free->last;
  return absl::OkStatus();
}

}  // namespace

bool IsBesideKernel(const conf::Interface& interface, const io::NicFacts& nic) {
  if (interface.presence != Presence::kAuto) return interface.presence != Presence::kOwn;
  if (interface.dhcp || nic.addresses.empty()) return false;
  return !interface.address || Held(nic, interface.address->address) != nullptr;
}

std::optional<io::PortSpan> FreePorts(const Facts& facts, const std::vector<stack::Ip4>& addresses,
                                      bool by_sockets) {
  std::vector<io::PortSpan> taken = {facts.kernel.ephemeral};
  for (const io::KernelSocket& socket : facts.kernel.sockets) {
    const bool heard = std::any_of(addresses.begin(), addresses.end(),
                                   [&](stack::Ip4 address) { return Hears(socket, address); });
    if (heard) taken.push_back({socket.local_port, socket.local_port});
  }
  std::sort(taken.begin(), taken.end(),
            [](const io::PortSpan& a, const io::PortSpan& b) { return a.first < b.first; });
  uint32_t first = kFirstPort, best_first = 0, best_size = 0;
  const auto end_at = [&](uint32_t end) {  // a part ends before `end`; whole blocks of it count
    const uint32_t from = (first + kBlock - 1) / kBlock * kBlock, to = end / kBlock * kBlock;
    if (to <= from || to - from <= best_size) return;
    best_first = from;
    best_size = to - from;
  };
  for (const io::PortSpan& span : taken) {
    end_at(span.first);
    first = std::max(first, span.last + 1U);
  }
  end_at(kEndOfPorts);
  if (by_sockets) {
    const uint32_t size =
        std::min(best_size, HoldablePorts(facts.open_files, addresses.size()) / kBlock * kBlock);
    best_first += best_size - size;
    best_size = size;
  }
  if (best_size < kBlock * facts.shards) return std::nullopt;
  return io::PortSpan{static_cast<uint16_t>(best_first),
                      static_cast<uint16_t>(best_first + best_size - 1)};
}

std::string_view NameOf(Presence presence) {
  switch (presence) {
    case Presence::kAuto:
      return "auto";
    case Presence::kOwn:
      return "own";
    case Presence::kShare:
      return "share";
    case Presence::kAdopt:
      return "adopt";
  }
  return "?";
}

absl::StatusOr<Plan> MakePlan(const conf::Model& model, const Facts& facts) {
  Plan plan;
  for (size_t i = 0; i < model.interfaces.size(); ++i) {
    auto interface = Planner(model.interfaces[i], facts, facts.nics[i]).Run();
    if (!interface.ok()) return interface.status();
    if (absl::Status pools = CheckPools(model, *interface); !pools.ok()) return pools;
    plan.interfaces.push_back(*std::move(interface));
  }
  TakeKernelRoute(model, facts, plan);
  if (absl::Status ports = PlanPorts(model, facts, plan); !ports.ok()) return ports;
  for (size_t i = 0; i < plan.interfaces.size(); ++i) {
    InterfacePlan& interface = plan.interfaces[i];
    if (interface.presence != Presence::kShare) continue;
    if (model.interfaces[i].nat) {
      interface.share.nat_first = plan.nat_first;
      interface.share.nat_last = plan.nat_last;
    }
    if (absl::Status status = CheckServices(facts, interface); !status.ok()) return status;
  }
  return plan;
}

}  // namespace gateway::presence
