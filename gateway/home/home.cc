#include "gateway/home/home.h"

#include <algorithm>

#include "stack/ip/ip4_out.h"
#include "stack/ip/udp_ports.h"
#include "stack/link/ethernet_io.h"

namespace gateway::home {
namespace {

constexpr uint16_t kDhcpClientPort = 68;

// Spreads first messages over shards; not secret, and the same for a retransmission.
uint64_t Mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  return x;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Home>> Home::Create(const shard::Settings& settings,
                                                   stack::PacketPool& pool, stack::Rng& rng,
                                                   io::Log& log) {
  auto admission = Admission::Create(settings);
  if (!admission.ok()) return admission.status();
  return std::unique_ptr<Home>(new Home(settings, pool, rng, log, *std::move(admission)));
}

Home::Home(const shard::Settings& settings, stack::PacketPool& pool, stack::Rng& rng, io::Log& log,
           Admission admission)
    : settings_(settings), pool_(pool), log_(log), admission_(std::move(admission)) {
  for (const shard::InterfaceSettings& interface : settings.interfaces) {
    stack::link::Neighbors::Options arp;
    arp.mac = interface.mac;
    arp.max_addresses = 1 + interface.nat_addresses.size();
    links_.push_back(std::make_unique<Link>(
        arp, stack::ip::DhcpClient::Options{interface.mac, settings.l2tp.host_name}, rng));
  }
}

void Home::Start(absl::Time now, Outcome& out) {
  for (uint8_t i = 0; i < links_.size(); ++i) {
    const shard::InterfaceSettings& interface = settings_.interfaces[i];
    if (interface.address) {
      stack::link::Neighbors::Out arp(pool_);
      if (interface.shared) {
        links_[i]->neighbors.BorrowAddress(*interface.address, arp);
      } else {
        links_[i]->neighbors.AddAddress(now, *interface.address, arp);
      }
      CarryOut(now, i, arp, out);
    }
    for (const stack::Ip4 external : interface.nat_addresses) {
      stack::link::Neighbors::Out arp(pool_);
      links_[i]->neighbors.AddAddress(now, {external, 32}, arp);
      CarryOut(now, i, arp, out);
    }
    if (interface.dhcp) {
      stack::ip::DhcpClient::Out dhcp(pool_);
      links_[i]->dhcp.Start(now, dhcp);
      CarryOut(now, i, dhcp, out);
    }
  }
}

void Home::Stop(absl::Time now, Outcome& out) {
  for (uint8_t i = 0; i < links_.size(); ++i) {
    stack::ip::DhcpClient::Out dhcp(pool_);
    links_[i]->dhcp.Release(now, dhcp);
    CarryOut(now, i, dhcp, out);
  }
}

void Home::On(absl::Time now, const shard::NeedNeighbor& need, Outcome& out) {
  stack::link::Neighbors::Out arp(pool_);
  links_[need.interface]->neighbors.Resolve(now, need.ip, arp);
  CarryOut(now, need.interface, arp, out);
}

template <class M>
void Home::Admit(absl::Time now, const M& message, Outcome& out) {
  Admission::Letters letters;
  admission_.On(message, letters);
  for (const Admission::Letter& letter : letters) {
    Message copy = std::visit([](const auto& m) -> Message { return m; }, letter.message);
    if (auto* granted = std::get_if<shard::AddressGranted>(&copy); granted && granted->ip) {
      granted->dns = DnsOf(settings_.pools[granted->pool]);
      StartProxy(now, *granted->ip, out);
    }
    out.mail.push_back({letter.shard, std::move(copy)});
  }
}

void Home::On(absl::Time now, const shard::NeedAddress& need, Outcome& out) {
  Admit(now, need, out);
}

void Home::On(absl::Time now, const shard::ReturnAddress& returned, Outcome& out) {
  if (!admission_.Has(returned.ip)) return;
  for (const auto& link : links_) link->neighbors.RemoveProxied(returned.ip);
  Admit(now, returned, out);
}

void Home::On(absl::Time now, const shard::StaysOn& stays, Outcome& out) { Admit(now, stays, out); }

void Home::OnCredentials(const shard::Credentials& credentials) {
  admission_.SetFixed(credentials.fixed_addresses);
}

void Home::Report() const {
  log_.Info("sessions",
            {{"sessions", admission_.sessions()},
             {"limit", settings_.max_sessions},
             {"turned_away_full", admission_.turned_away_full()},
             {"turned_away_logged_in", admission_.turned_away_logged_in()},
             {"addresses_in_use", admission_.addresses().in_use()},
             {"addresses_free", admission_.addresses().free()}},
            "sessions");
}

// Whoever is on a link with proxy ARP finds the client there.
void Home::StartProxy(absl::Time now, stack::Ip4 client, Outcome& out) {
  for (uint8_t i = 0; i < links_.size(); ++i) {
    if (!settings_.interfaces[i].proxy_arp) continue;
    stack::link::Neighbors::Out arp(pool_);
    links_[i]->neighbors.AddProxied(client, arp);
    CarryOut(now, i, arp, out);
  }
}

void Home::On(absl::Time, const shard::PeerAt& at, Outcome&) { peers_[at.remote] = at.shard; }

void Home::On(absl::Time, const shard::PeerLeft& left, Outcome&) {
  const auto it = peers_.find(left.remote);
  if (it != peers_.end() && it->second == left.shard) peers_.erase(it);
}

void Home::On(absl::Time, const shard::FindPlace& find, Outcome& out) {
  const auto it = peers_.find(find.remote);
  shard::PlaceFound found{find.sa, std::nullopt};
  if (it != peers_.end()) found.shard = it->second;
  out.mail.push_back({find.shard, found});
}

uint8_t Home::ShardForFirst(const stack::Endpoint& from, uint64_t initiator_cookie) const {
  if (const auto it = peers_.find(from); it != peers_.end()) return it->second;
  return static_cast<uint8_t>(Mix(initiator_cookie ^ from.ip.value) % settings_.shards);
}

void Home::OnArp(absl::Time now, uint8_t interface, stack::ByteView packet, Outcome& out) {
  stack::link::Neighbors::Out arp(pool_);
  links_[interface]->neighbors.OnPacket(now, packet, arp);
  CarryOut(now, interface, arp, out);
  stack::link::AddressCheck::Out check(pool_);
  links_[interface]->check.OnPacket(now, packet, check);
  CarryOut(now, interface, check, out);
}

void Home::OnDhcp(absl::Time now, uint8_t interface, stack::ByteView payload, Outcome& out) {
  stack::ip::DhcpClient::Out dhcp(pool_);
  links_[interface]->dhcp.OnPacket(now, payload, dhcp);
  CarryOut(now, interface, dhcp, out);
}

void Home::OnDeadline(absl::Time now, Outcome& out) {
  for (uint8_t i = 0; i < links_.size(); ++i) {
    Link& link = *links_[i];
    if (link.neighbors.NextDeadline() <= now) {
      stack::link::Neighbors::Out arp(pool_);
      link.neighbors.OnDeadline(now, arp);
      CarryOut(now, i, arp, out);
    }
    if (link.check.NextDeadline() <= now) {
      stack::link::AddressCheck::Out check(pool_);
      link.check.OnDeadline(now, check);
      CarryOut(now, i, check, out);
    }
    if (link.dhcp.NextDeadline() <= now) {
      stack::ip::DhcpClient::Out dhcp(pool_);
      link.dhcp.OnDeadline(now, dhcp);
      CarryOut(now, i, dhcp, out);
    }
  }
}

absl::Time Home::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& link : links_) {
    next = std::min({next, link->neighbors.NextDeadline(), link->check.NextDeadline(),
                     link->dhcp.NextDeadline()});
  }
  return next;
}

void Home::CarryOut(absl::Time now, uint8_t interface, stack::link::Neighbors::Out& from,
                    Outcome& out) {
  for (auto& item : from.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      out.frames.push_back({interface, std::move(frame->buf)});
      continue;
    }
    std::visit(stack::Overloaded{
                   [&](const stack::link::Resolved& resolved) {
                     out.mail.push_back({std::nullopt, shard::NeighborKnown{interface, resolved.ip,
                                                                            resolved.mac}});
                   },
                   [&](const stack::link::Failed& failed) {
                     out.mail.push_back({std::nullopt, shard::NeighborLost{interface, failed.ip}});
                   },
                   [&](const stack::link::Conflict& conflict) {
                     log_.LineLimited(now, io::Level::kError, "address_conflict",
                                      {{"interface", settings_.interfaces[interface].name},
                                       {"address", conflict.ip},
                                       {"mac", conflict.mac.Text()}},
                                      "another station uses our address");
                     if (conflict.ip != Leased(interface)) return;
                     stack::ip::DhcpClient::Out dhcp(pool_);
                     links_[interface]->dhcp.OnConflict(now, dhcp);
                     CarryOut(now, interface, dhcp, out);
                   },
                   [](stack::Drop) {},  // counted where the frame came in
               },
               std::get<1>(item));
  }
}

void Home::CarryOut(absl::Time now, uint8_t interface, stack::link::AddressCheck::Out& from,
                    Outcome& out) {
  for (auto& item : from.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      out.frames.push_back({interface, std::move(frame->buf)});
      continue;
    }
    const auto& event = std::get<1>(item);
    if (std::holds_alternative<stack::Drop>(event)) continue;  // counted where the frame came in
    const auto* taken = std::get_if<stack::link::AddressTaken>(&event);
    if (taken != nullptr) {
      log_.Warning("lease_declined",
                   {{"interface", settings_.interfaces[interface].name},
                    {"address", taken->ip},
                    {"mac", taken->mac.Text()}},
                   "the address offered by DHCP is in use; asking for another one");
    }
    OnChecked(now, interface, taken != nullptr, out);
  }
}

void Home::OnChecked(absl::Time now, uint8_t interface, bool taken, Outcome& out) {
  Link& link = *links_[interface];
  stack::ip::DhcpClient::Out dhcp(pool_);
  link.dhcp.OnChecked(now, link.check_ticket, taken, dhcp);
  CarryOut(now, interface, dhcp, out);
}

void Home::CarryOut(absl::Time now, uint8_t interface, stack::ip::DhcpClient::Out& from,
                    Outcome& out) {
  for (auto& item : from.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      SendDhcp(interface, std::move(frame->buf), frame->address, out);
      continue;
    }
    std::visit(stack::Overloaded{
                   [&](const stack::ip::LeaseUp& up) { OnLease(now, interface, up.lease, out); },
                   [&](const stack::ip::LeaseLost& lost) {
                     OnLeaseLost(interface, NameOf(lost.why), out);
                   },
                   [&](const stack::ip::NeedCheck& need) {
                     Link& link = *links_[interface];
                     link.check_ticket = need.ticket;
                     stack::link::AddressCheck::Out check(pool_);
                     link.check.Start(now, need.ip, check);
                     CarryOut(now, interface, check, out);
                   },
                   [](stack::Drop) {},
               },
               std::get<1>(item));
  }
}

void Home::OnLease(absl::Time now, uint8_t interface, const stack::ip::Lease& lease, Outcome& out) {
  Link& link = *links_[interface];
  if (link.lease && link.lease->address != lease.address) OnLeaseLost(interface, "changed", out);
  link.lease = lease;
  out.leases.push_back({interface, lease});
  log_.Info("lease",
            {{"interface", settings_.interfaces[interface].name},
             {"address", lease.address.Text()},
             {"gateway", lease.gateway},
             {"server", lease.server}},
            "address by DHCP");
  shard::InterfaceAddress change{interface, lease.address, std::nullopt, lease.routes, lease.mtu};
  if (!lease.gateway.IsZero()) change.gateway = lease.gateway;
  out.mail.push_back({std::nullopt, change});
  stack::link::Neighbors::Out arp(pool_);
  link.neighbors.AddAddress(now, lease.address, arp);
  CarryOut(now, interface, arp, out);
}

void Home::OnLeaseLost(uint8_t interface, std::string_view why, Outcome& out) {
  Link& link = *links_[interface];
  if (!link.lease) return;
  log_.Warning("lease_lost",
               {{"interface", settings_.interfaces[interface].name},
                {"address", Leased(interface)},
                {"reason", why}},
               "the address given by DHCP is gone");
  link.neighbors.RemoveAddress(Leased(interface));
  link.lease.reset();
  out.mail.push_back(
      {std::nullopt, shard::InterfaceAddress{interface, std::nullopt, std::nullopt, {}, 0}});
}

stack::Ip4 Home::Leased(uint8_t interface) const {
  const auto& lease = links_[interface]->lease;
  return lease ? lease->address.address : stack::Ip4{};
}

// The name servers of the first lease that has any, where the pool shall hand these on.
std::array<stack::Ip4, 2> Home::DnsOf(const shard::PoolSettings& pool) const {
  for (const auto& link : links_) {
    if (!pool.dns_of_lease || !link->lease || link->lease->dns.empty()) continue;
    const std::vector<stack::Ip4>& dns = link->lease->dns;
    return {dns[0], dns.size() > 1 ? dns[1] : stack::Ip4{}};
  }
  return pool.dns;
}

// To all by Ethernet in either case: a renewal's server may not be in ARP's reach before there is a
// route, and every server takes it.
void Home::SendDhcp(uint8_t interface, stack::PacketBuf payload, const stack::Endpoint& to,
                    Outcome& out) {
  const stack::Ip4 from = to.ip.IsLimitedBroadcast() ? stack::Ip4{} : Leased(interface);
  stack::wire::Ip4Fields fields;
  fields.source = from;
  fields.destination = to.ip;
  const bool pushed =
      stack::ip::PushUdp(payload, {from, kDhcpClientPort}, to, stack::ip::UdpChecksum::kHonest) ==
          stack::Drop::kNone &&
      stack::ip::Push(payload, fields) == stack::Drop::kNone &&
      stack::link::Push(payload, stack::Mac::Broadcast(), settings_.interfaces[interface].mac,
                        stack::wire::EtherType::kIp4);
  if (pushed) out.frames.push_back({interface, std::move(payload)});
}

}  // namespace gateway::home
