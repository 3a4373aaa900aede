#include "stack/ip/dhcp_client.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

namespace stack::ip {
namespace {

using wire::Dhcp4;
using wire::DhcpOption;
using wire::DhcpType;

constexpr Ip4 kAll{0xffffffff};
constexpr size_t kMessageRoom = 576;
constexpr uint16_t kMaxMessage = 1500;  // what we take, as an IP packet (RFC 2132 9.10)
constexpr size_t kMaxDns = 4;
constexpr size_t kMaxRoutes = 16;
constexpr uint16_t kMinMtu = 576;   // a smaller one is a fault, or an attack
constexpr uint32_t kMinLease = 10;  // seconds; with less, a server could make us ask all day
constexpr uint32_t kForever = 0xffffffff;
constexpr int kRequests = 4;  // RFC 2131 3.1 (5): "such as four times", about 60 s
constexpr absl::Duration kFirstBackoff = absl::Seconds(4);  // RFC 2131 4.1
constexpr absl::Duration kLastBackoff = absl::Seconds(64);
constexpr absl::Duration kMinRenewal = absl::Seconds(60);  // RFC 2131 4.4.5
constexpr absl::Duration kAfterNak =
    absl::Seconds(2);  // so that a server that refuses all is not stormed
constexpr absl::Duration kSoon = absl::Seconds(1);
constexpr absl::Duration kCheckLimit = absl::Seconds(5);
constexpr absl::Duration kAfterDecline = absl::Seconds(10);  // RFC 2131 3.1 (5)

bool IsHost(Ip4 ip) { return (ip.value >> 24) != 0 && !ip.IsLoopback() && (ip.value >> 28) < 0xe; }

// The length of a contiguous mask.
std::optional<uint8_t> LengthOf(Ip4 mask) {
  const auto ones = static_cast<uint8_t>(std::countl_one(mask.value));
  if (mask.IsZero() || std::popcount(mask.value) != ones) return {};
  return ones;
}

absl::Duration LeaseTime(uint32_t seconds) {
  return seconds == kForever ? absl::InfiniteDuration() : absl::Seconds(seconds);
}

// RFC 3442: where there are classless routes, the router option does not count.
void TakeRoutes(const Dhcp4& message, Lease& lease) {
  const auto routes = message.ClasslessRoutes(kMaxRoutes);
  if (!routes) {
    const std::vector<Ip4> routers = message.OptionIps(DhcpOption::kRouter, 1);
    if (!routers.empty() && IsHost(routers[0])) lease.gateway = routers[0];
    return;
  }
  for (const wire::DhcpRoute& route : *routes) {
    const bool is_default = route.prefix.length == 0;
    if (is_default && IsHost(route.via)) lease.gateway = route.via;
    if (is_default || !(route.via.IsZero() || IsHost(route.via))) continue;
    if (IsHost(route.prefix.address)) lease.routes.push_back(route);
  }
}

// What an OFFER or ACK gives; nothing if it lacks what we need, or gives what no host can have.
std::optional<Lease> LeaseOf(const Dhcp4& message) {
  const auto mask = message.OptionIp(DhcpOption::kSubnetMask);
  const auto server = message.OptionIp(DhcpOption::kServerIdentifier);
  const auto seconds = message.Option32(DhcpOption::kLeaseTime);
  if (!mask || !server || !seconds || *seconds < kMinLease) return {};
  const std::optional<uint8_t> length = LengthOf(*mask);
  if (!length || !IsHost(message.yiaddr()) || !IsHost(*server)) return {};
  Lease lease;
  lease.address = {message.yiaddr(), *length};
  lease.server = *server;
  lease.time = LeaseTime(*seconds);
  TakeRoutes(message, lease);
  lease.dns = message.OptionIps(DhcpOption::kDomainNameServer, kMaxDns);
  std::erase_if(lease.dns, [](Ip4 ip) { return !IsHost(ip); });
  const uint16_t mtu = message.Option16(DhcpOption::kInterfaceMtu).value_or(0);
  lease.mtu = mtu >= kMinMtu ? mtu : uint16_t{0};
  return lease;
}

bool SameButTime(Lease a, const Lease& b) {
  a.time = b.time;
  return a == b;
}

uint16_t Seconds(absl::Duration d) {
  return static_cast<uint16_t>(std::clamp<int64_t>(absl::ToInt64Seconds(d), 0, 0xffff));
}

// Puts one message into the Outbox: `fill` adds the options behind the message type.
template <class Fill>
void Send(DhcpClient::Out& out, Ip4 to, const wire::Dhcp4Fields& fields, DhcpType type, Fill fill) {
  PacketBuf* frame = out.Frame(kMessageRoom, Endpoint{to, wire::kDhcpServerPort});
  if (frame == nullptr) return;
  wire::Dhcp4Writer writer(frame->Append(kMessageRoom), fields, type);
  fill(writer);
  const size_t size = writer.Finish();
  if (size == 0) return out.Retract();
  frame->Trim(kMessageRoom - size);
}

}  // namespace

std::string_view NameOf(LeaseLost::Why why) {
  static constexpr std::string_view kNames[] = {"expired", "refused", "conflict", "released"};
  return kNames[static_cast<size_t>(why)];
}

std::string_view DhcpClient::state() const {
  static constexpr std::string_view kNames[] = {"STOPPED",  "INIT",  "SELECTING", "REQUESTING",
                                                "CHECKING", "BOUND", "RENEWING",  "REBINDING"};
  return kNames[state_.index()];
}

// RFC 2131 4.4.1 wants a random wait of 1 to 10 s here, against crowds of clients switched on
// together; a gateway is one, and its users wait for it.
void DhcpClient::Start(absl::Time now, Out& out) {
  if (std::holds_alternative<Stopped>(state_)) Discover(now, out);
}

void DhcpClient::Discover(absl::Time now, Out& out) {
  timers_.DisarmAll();
  state_ = Selecting{.xid = rng_.U32(), .since = now};
  SendDiscover(now, std::get<Selecting>(state_), out);
}

void DhcpClient::SendDiscover(absl::Time now, Selecting& state, Out& out) {
  timers_.Arm(Timer::kResend, now + Backoff(++state.sent));
  Send(out, kAll, Fields(state.xid, Seconds(now - state.since)), DhcpType::kDiscover,
       [this](wire::Dhcp4Writer& to) {
         PutIdentity(to);
         PutWishes(to);
       });
}

void DhcpClient::OnPacket(absl::Time now, const In& payload, Out& out) {
  const Result<Dhcp4, Drop> message = Dhcp4::Parse(payload);
  if (!message) return out.Tell(message.error());
  if (!IsForUs(*message)) return out.Tell(Drop::kDhcpIgnored);
  switch (message->type()) {
    case DhcpType::kOffer:
      return OnOffer(now, *message, out);
    case DhcpType::kAck:
      return OnAck(now, *message, out);
    case DhcpType::kNak:
      return OnNak(now, *message, out);
    default:
      return out.Tell(Drop::kDhcpIgnored);
  }
}

bool DhcpClient::IsForUs(const Dhcp4& message) const {
  if (message.op() != wire::DhcpOp::kReply || message.chaddr() != options_.mac) return false;
  return std::visit(
      Overloaded{[](const Stopped&) { return false; }, [](const Init&) { return false; },
                 [](const Checking&) { return false; }, [](const Bound&) { return false; },
                 [&message](const auto& s) { return s.xid == message.xid(); }},
      state_);
}

// The first usable offer is taken: whoever has two servers on one link has made them agree.
void DhcpClient::OnOffer(absl::Time now, const Dhcp4& offer, Out& out) {
  const auto* selecting = std::get_if<Selecting>(&state_);
  const std::optional<Lease> lease = LeaseOf(offer);
  if (selecting == nullptr || !lease) return out.Tell(Drop::kDhcpIgnored);
  state_ = Requesting{.xid = selecting->xid,
                      .secs = Seconds(now - selecting->since),
                      .since = now,
                      .offered = lease->address.address,
                      .server = lease->server};
  SendRequest(now, std::get<Requesting>(state_), out);
}

void DhcpClient::SendRequest(absl::Time now, Requesting& state, Out& out) {
  timers_.Arm(Timer::kResend, now + Backoff(++state.sent));
  Send(out, kAll, Fields(state.xid, state.secs), DhcpType::kRequest,
       [this, &state](wire::Dhcp4Writer& to) {
         to.Option(DhcpOption::kRequestedAddress, state.offered);
         to.Option(DhcpOption::kServerIdentifier, state.server);
         PutIdentity(to);
         PutWishes(to);
       });
}

void DhcpClient::OnAck(absl::Time now, const Dhcp4& ack, Out& out) {
  std::optional<Lease> lease = LeaseOf(ack);
  if (!lease || std::holds_alternative<Selecting>(state_)) return out.Tell(Drop::kDhcpIgnored);
  const Held* before = held();
  const Requesting* requesting = std::get_if<Requesting>(&state_);
  const Ip4 wanted = before != nullptr ? before->lease.address.address : requesting->offered;
  const bool stranger = requesting != nullptr && requesting->server != lease->server;
  if (lease->address.address != wanted || stranger) return out.Tell(Drop::kDhcpIgnored);
  absl::Time since = now;
  if (requesting != nullptr) since = requesting->since;
  if (const auto* renewing = std::get_if<Renewing>(&state_)) since = renewing->since;
  if (const auto* rebinding = std::get_if<Rebinding>(&state_)) since = rebinding->since;
  Held held = HoldFrom(since, ack, *std::move(lease));
  if (before == nullptr) return Check(now, std::move(held), out);
  Bind(now, std::move(held), out);
}

// The lease runs from when it was asked for, not from when the answer came (RFC 2131 4.4.1).
DhcpClient::Held DhcpClient::HoldFrom(absl::Time since, const Dhcp4& ack, Lease lease) {
  absl::Duration t1 = lease.time / 2, t2 = lease.time / 8 * 7;  // RFC 2131 4.4.5
  const auto asked1 = ack.Option32(DhcpOption::kRenewalTime);
  const auto asked2 = ack.Option32(DhcpOption::kRebindingTime);
  if (asked1 && asked2 && *asked1 > 0 && *asked1 < *asked2 && LeaseTime(*asked2) < lease.time) {
    t1 = LeaseTime(*asked1);
    t2 = LeaseTime(*asked2);
  }
  if (t1 != absl::InfiniteDuration()) t1 -= Jitter(t1 / 50);
  const absl::Time end = since + lease.time;
  return {.lease = std::move(lease), .renew = since + t1, .rebind = since + t2, .end = end};
}

void DhcpClient::Check(absl::Time now, Held held, Out& out) {
  out.Tell(NeedCheck{++last_ticket_, held.lease.address.address});
  timers_.DisarmAll();
  timers_.Arm(Timer::kResend, now + kCheckLimit);
  state_ = Checking{std::move(held), last_ticket_};
}

void DhcpClient::OnChecked(absl::Time now, uint32_t ticket, bool taken, Out& out) {
  auto* checking = std::get_if<Checking>(&state_);
  if (checking == nullptr || checking->ticket != ticket) return;
  Held held = std::move(checking->held);
  if (!taken) return Bind(now, std::move(held), out);
  SendFarewell(DhcpType::kDecline, held.lease, kAll, out);
  StartAgainAt(now + kAfterDecline + Jitter(absl::Seconds(1)));
}

// The server may have been so slow, or the lease be so short, that its times are over already.
void DhcpClient::Bind(absl::Time now, Held fresh, Out& out) {
  const Held* before = held();
  if (fresh.end <= now) {
    if (before != nullptr) Lose(LeaseLost::Why::kExpired, out);
    return Discover(now, out);
  }
  const bool news = before == nullptr || !SameButTime(before->lease, fresh.lease);
  if (news) out.Tell(LeaseUp{fresh.lease});
  timers_.DisarmAll();
  timers_.Arm(Timer::kT1, std::max(fresh.renew, now + kSoon));
  timers_.Arm(Timer::kT2, std::max(fresh.rebind, now + kSoon));
  timers_.Arm(Timer::kEnd, fresh.end);
  state_ = Bound{std::move(fresh)};
}

void DhcpClient::OnNak(absl::Time now, const Dhcp4& nak, Out& out) {
  const Requesting* requesting = std::get_if<Requesting>(&state_);
  const auto server = nak.OptionIp(DhcpOption::kServerIdentifier);
  const bool stranger = requesting != nullptr && server != requesting->server;
  if (std::holds_alternative<Selecting>(state_) || stranger) return out.Tell(Drop::kDhcpIgnored);
  if (held() != nullptr) Lose(LeaseLost::Why::kRefused, out);
  StartAgainAt(now + kAfterNak + Jitter(kAfterNak));
}

void DhcpClient::OnDeadline(absl::Time now, Out& out) {
  if (timers_.TakeDue(Timer::kEnd, now)) {
    Lose(LeaseLost::Why::kExpired, out);
    return Discover(now, out);
  }
  if (timers_.TakeDue(Timer::kT2, now)) return OnRebindingTime(now, out);
  if (timers_.TakeDue(Timer::kT1, now)) return OnRenewalTime(now, out);
  if (timers_.TakeDue(Timer::kResend, now)) OnResend(now, out);
}

void DhcpClient::OnRenewalTime(absl::Time now, Out& out) {
  auto* bound = std::get_if<Bound>(&state_);
  if (bound == nullptr) return;
  Held held = std::move(bound->held);
  state_ = Renewing{.held = std::move(held), .xid = rng_.U32(), .since = now};
  OnResend(now, out);
}

void DhcpClient::OnRebindingTime(absl::Time now, Out& out) {
  timers_.Disarm(Timer::kT1);
  const Held* current = held();
  if (current == nullptr) return;
  Held held = *current;
  state_ = Rebinding{.held = std::move(held), .xid = rng_.U32(), .since = now};
  OnResend(now, out);
}

// Whatever is due in this state: said again, or the next thing tried.
void DhcpClient::OnResend(absl::Time now, Out& out) {
  if (std::holds_alternative<Init>(state_)) return Discover(now, out);
  if (auto* checking = std::get_if<Checking>(&state_)) {
    Held held = std::move(checking->held);
    return Bind(now, std::move(held), out);
  }
  if (auto* selecting = std::get_if<Selecting>(&state_)) return SendDiscover(now, *selecting, out);
  if (auto* requesting = std::get_if<Requesting>(&state_)) {
    if (requesting->sent >= kRequests) return Discover(now, out);
    return SendRequest(now, *requesting, out);
  }
  if (const auto* renewing = std::get_if<Renewing>(&state_)) {
    SendRenewal(now, *renewing, renewing->held.rebind, renewing->held.lease.server, out);
  }
  if (const auto* rebinding = std::get_if<Rebinding>(&state_)) {
    SendRenewal(now, *rebinding, rebinding->held.end, kAll, out);
  }
}

// RFC 2131 4.4.5: again after half of the time that is left, but not within a minute.
template <class State>
void DhcpClient::SendRenewal(absl::Time now, const State& state, absl::Time until, Ip4 to,
                             Out& out) {
  timers_.Arm(Timer::kResend, now + std::max(kMinRenewal, (until - now) / 2));
  wire::Dhcp4Fields fields = Fields(state.xid, Seconds(now - state.since));
  fields.ciaddr = state.held.lease.address.address;
  Send(out, to, fields, DhcpType::kRequest, [this](wire::Dhcp4Writer& writer) {
    PutIdentity(writer);
    PutWishes(writer);
  });
}

void DhcpClient::Release(absl::Time, Out& out) {
  if (const Held* current = held()) {
    SendFarewell(DhcpType::kRelease, current->lease, current->lease.server, out);
    Lose(LeaseLost::Why::kReleased, out);
  }
  timers_.DisarmAll();
  state_ = Stopped{};
}

void DhcpClient::OnConflict(absl::Time now, Out& out) {
  const Held* current = held();
  if (current == nullptr) return;
  const Lease lease = current->lease;
  Lose(LeaseLost::Why::kConflict, out);
  SendFarewell(DhcpType::kDecline, lease, kAll, out);
  StartAgainAt(now + kAfterDecline + Jitter(absl::Seconds(1)));
}

// DECLINE names the address in an option, RELEASE in ciaddr (RFC 2131 table 5).
void DhcpClient::SendFarewell(DhcpType type, const Lease& lease, Ip4 to, Out& out) {
  const bool release = type == DhcpType::kRelease;
  wire::Dhcp4Fields fields = Fields(rng_.U32(), 0);
  fields.broadcast = false;  // nothing comes back
  if (release) fields.ciaddr = lease.address.address;
  Send(out, to, fields, type, [&](wire::Dhcp4Writer& writer) {
    if (!release) writer.Option(DhcpOption::kRequestedAddress, lease.address.address);
    writer.Option(DhcpOption::kServerIdentifier, lease.server);
    PutIdentity(writer);
  });
}

void DhcpClient::Lose(LeaseLost::Why why, Out& out) {
  timers_.DisarmAll();
  state_ = Init{};
  out.Tell(LeaseLost{why});
}

void DhcpClient::StartAgainAt(absl::Time when) {
  timers_.DisarmAll();
  timers_.Arm(Timer::kResend, when);
  state_ = Init{};
}

const DhcpClient::Held* DhcpClient::held() const {
  if (const auto* bound = std::get_if<Bound>(&state_)) return &bound->held;
  if (const auto* renewing = std::get_if<Renewing>(&state_)) return &renewing->held;
  if (const auto* rebinding = std::get_if<Rebinding>(&state_)) return &rebinding->held;
  return nullptr;
}

// RFC 2131 4.1: 4 s, doubled each time up to 64 s, and each time up to a second more or less.
absl::Duration DhcpClient::Backoff(int sent) {
  const absl::Duration base = std::min(kFirstBackoff * (1 << std::min(sent - 1, 4)), kLastBackoff);
  return base - absl::Seconds(1) + Jitter(absl::Seconds(2));
}

absl::Duration DhcpClient::Jitter(absl::Duration below) {
  return below * (static_cast<double>(rng_.U32()) / 4294967296.0);
}

wire::Dhcp4Fields DhcpClient::Fields(uint32_t xid, uint16_t secs) const {
  wire::Dhcp4Fields fields;
  fields.xid = xid;
  fields.secs = secs;
  fields.broadcast = held() == nullptr;
  fields.chaddr = options_.mac;
  return fields;
}

void DhcpClient::PutIdentity(wire::Dhcp4Writer& to) const {
  std::array<std::byte, 7> id{std::byte{1}};  // hardware type, then the address (RFC 2132 9.14)
  options_.mac.Store(id.data() + 1);
  to.Option(DhcpOption::kClientIdentifier, id);
}

void DhcpClient::PutWishes(wire::Dhcp4Writer& to) const {
  static constexpr std::array<uint8_t, 9> kWanted = {1, 121, 3, 6, 26, 51, 54, 58, 59};
  to.Option(DhcpOption::kParameterRequestList, AsBytes(kWanted.data(), kWanted.size()));
  to.Option16(DhcpOption::kMaximumMessageSize, kMaxMessage);
  const std::string& name = options_.host_name;
  if (!name.empty())
    to.Option(DhcpOption::kHostName, AsBytes(std::string_view(name).substr(0, 63)));
}

}  // namespace stack::ip
