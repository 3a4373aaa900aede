#include "gateway/load/ipsec_end.h"

#include <algorithm>
#include <utility>

#include "crypto/esp/open.h"
#include "crypto/esp/seal.h"
#include "stack/ip/ip4_in.h"
#include "stack/ip/ip4_out.h"
#include "stack/ip/udp_ports.h"
#include "stack/wire/esp.h"
#include "stack/wire/l2tp.h"

namespace gateway::load {
namespace {

namespace esp = crypto::esp;
namespace ike = crypto::ike;
using stack::Drop;
using stack::PacketBuf;
using stack::ip::UdpChecksum;
using stack::wire::IpProtocol;

constexpr size_t kNonEspMarker = 4;
constexpr std::byte kKeepaliveOctet{0xff};  // RFC 3948 section 2.3
constexpr uint8_t kUdpProtocol = 17;
constexpr size_t kIpHeader = 20, kUdpHeader = 8;

// A copy made on purpose: each phase 1 keeps its own key.
ike::InitiatorOptions CloneOf(const ike::InitiatorOptions& from) {
  ike::InitiatorOptions to;
  to.psk = from.psk.Clone();
  to.phase_one = from.phase_one;
  to.esp = from.esp;
  to.pfs_group = from.pfs_group;
  to.identity = from.identity;
  to.idci = from.idci;
  to.idcr = from.idcr;
  to.nat_traversal = from.nat_traversal;
  to.dpd = from.dpd;
  to.force_udp_encapsulation = from.force_udp_encapsulation;
  to.initial_contact = from.initial_contact;
  to.float_from = from.float_from;
  to.float_to = from.float_to;
  to.first_resend = from.first_resend;
  to.tries = from.tries;
  to.dpd_retry = from.dpd_retry;
  to.dpd_tries = from.dpd_tries;
  return to;
}

}  // namespace

IpsecEnd::PhaseOne::PhaseOne(absl::Time now, const IpsecOptions& options, stack::Rng& rng)
    : machine(now, CloneOf(options.ike),
              {{options.address, ike::kIkePort}, {options.server, ike::kIkePort}}, rng) {}

IpsecEnd::IpsecEnd(IpsecOptions options, stack::Rng& rng)
    : options_(std::move(options)), rng_(rng), next_ip_id_(static_cast<uint16_t>(rng.U32())) {
  if (options_.engine != nullptr) return;
  own_engine_ = esp::MakeEngine(esp::EngineId::kBotan, rng_);
  options_.engine = own_engine_.get();
}

IpsecEnd::~IpsecEnd() = default;

void IpsecEnd::Start(absl::Time now, Out& out) {
  phase_ones_.push_back(std::make_unique<PhaseOne>(now, options_, rng_));
  With(now, *phase_ones_.back(), out, [now](auto& machine, auto& to) { machine.Start(now, to); });
}

// ---- From the outer network -------------------------------------------------------------------

PacketBuf IpsecEnd::OnPacket(absl::Time now, PacketBuf packet, Out& out) {
  buried_.clear();
  const auto dead = [&out](Drop drop) {
    out.Tell(drop);
    return PacketBuf();
  };
  const auto arrival = stack::ip::In(packet);
  if (!arrival.ok()) return dead(arrival.error());
  if (arrival->is_fragment) return dead(Drop::kFragmentLimit);
  const stack::wire::Ip4Packet ip = arrival->packet;
  if (ip.destination() != options_.address || ip.source() != options_.server) {
    return dead(Drop::kNotOurs);
  }
  const IpProtocol protocol = ip.protocol();
  packet.Pull(ip.header_size());
  if (protocol == IpProtocol::kEsp) return OnEsp(std::move(packet), out);
  if (protocol != IpProtocol::kUdp) return dead(Drop::kNoService);
  const auto ports =
      stack::ip::PullUdp(packet, options_.server, options_.address, UdpChecksum::kHonest);
  if (!ports.ok()) return dead(ports.error());
  return OnUdp(now, std::move(packet), {options_.server, ports->source},
               {options_.address, ports->destination}, out);
}

// IKE on port 500; on 4500 ESP, and IKE behind four zero octets (RFC 3948 section 2.2).
PacketBuf IpsecEnd::OnUdp(absl::Time now, PacketBuf packet, const stack::Endpoint& from,
                          const stack::Endpoint& to, Out& out) {
  const bool floated = to.port == options_.ike.float_from;
  if (floated) {
    if (packet.size() < kNonEspMarker) {
      out.Tell(Drop::kNatKeepalive);
      return {};
    }
    if (stack::Load32(packet.bytes().data()) != 0) return OnEsp(std::move(packet), out);
    packet.Pull(kNonEspMarker);
  } else if (to.port != ike::kIkePort) {
    out.Tell(Drop::kNoService);
    return {};
  }
  OnIke(now, std::move(packet), from, to, out);
  return {};
}

// A message with a phase 1 of ours in it goes to that; whatever else, to the newest, which says why
// not.
void IpsecEnd::OnIke(absl::Time now, PacketBuf message, const stack::Endpoint& from,
                     const stack::Endpoint& to, Out& out) {
  const stack::ByteView bytes = std::as_const(message).bytes();
  if (bytes.size() < 8 || phase_ones_.empty() || is_over())
    return out.Tell(Drop::kIkeUnknownCookie);
  PhaseOne* phase_one = Find({stack::Load64(bytes.data())});
  if (phase_one == nullptr) return out.Tell(Drop::kIkeUnknownCookie);
  const stack::Datagram datagram{bytes, from, to};
  With(now, *phase_one, out,
       [&](auto& machine, auto& into) { machine.OnPacket(now, datagram, into); });
}

PacketBuf IpsecEnd::OnEsp(PacketBuf packet, Out& out) {
  const auto header = stack::wire::Esp::Parse(std::as_const(packet).bytes());
  esp::InboundSa* const sa = header.ok() ? InboundOf({header->spi()}) : nullptr;
  Drop drop = sa == nullptr ? Drop::kUnknownSpi : Drop::kNone;
  if (drop == Drop::kNone) {
    esp::OpenJob job{packet.bytes(), sa};
    esp::Open(*options_.engine, {&job, 1});
    drop = job.drop;
    if (drop == Drop::kNone) {
      packet.Pull(static_cast<size_t>(job.payload.data() - packet.bytes().data()));
      packet.Trim(packet.size() - job.payload.size());
      drop = Unwrap(packet, job.next_header);
    }
  }
  if (drop == Drop::kNone) return packet;
  out.Tell(drop);
  return {};
}

esp::InboundSa* IpsecEnd::InboundOf(esp::Spi spi) const {
  for (const Child& child : children_) {
    if (child.in->spi == spi) return child.in.get();
  }
  return nullptr;
}

// A NAT may have changed the addresses that the checksum covers; the ICV proved more.
Drop IpsecEnd::Unwrap(PacketBuf& payload, uint8_t next_header) const {
  if (next_header != kUdpProtocol) return Drop::kInnerNotL2tp;
  const auto ports = stack::ip::PullUdp(payload, {}, {}, UdpChecksum::kIgnore);
  if (!ports.ok()) return ports.error();
  return ports->destination == options_.l2tp_port ? Drop::kNone : Drop::kInnerNotL2tp;
}

// ---- To the outer network ---------------------------------------------------------------------

Drop IpsecEnd::Send(absl::Time now, PacketBuf message, Out& out) {
  const Child* child = is_over() ? nullptr : Current();
  if (child == nullptr) return Drop::kNoOutboundSa;
  last_sent_ = now;
  Drop drop =
      stack::ip::PushUdp(message, {options_.address, options_.l2tp_port},
                         {options_.server, options_.server_l2tp_port}, UdpChecksum::kHonest);
  if (drop != Drop::kNone) return drop;
  esp::SealJob job{&message, child->out.get(), kUdpProtocol};
  esp::Seal(*options_.engine, {&job, 1});
  drop = job.drop != Drop::kNone ? job.drop : Encapsulate(message);
  if (drop != Drop::kNone) return drop;
  out.items().emplace_back(std::in_place_index<0>, Out::Frame_{std::move(message), {}});
  return Drop::kNone;
}

uint16_t IpsecEnd::MaxMessage() const {
  const Child* child = Current();
  const size_t around = kIpHeader + (child != nullptr && child->udp_encapsulated ? kUdpHeader : 0);
  if (child == nullptr || options_.mtu <= around) return 0;
  const size_t payload = esp::MaxPayload(child->out->suite, options_.mtu - around);
  return payload <= kUdpHeader ? uint16_t{0} : static_cast<uint16_t>(payload - kUdpHeader);
}

Drop IpsecEnd::SendIp(IpProtocol protocol, PacketBuf payload, Out& out) {
  const Drop drop = PushIp(protocol, payload);
  if (drop == Drop::kNone) {
    out.items().emplace_back(std::in_place_index<0>, Out::Frame_{std::move(payload), {}});
  }
  return drop;
}

Drop IpsecEnd::PushIp(IpProtocol protocol, PacketBuf& payload) {
  stack::wire::Ip4Fields fields;
  fields.source = options_.address;
  fields.destination = options_.server;
  fields.protocol = protocol;
  fields.id = next_ip_id_++;
  return stack::ip::Push(payload, fields);
}

// No checksum inside: the ICV covers it, and none is asked for (RFC 3948 section 3.1.2).
esp::OutboundSa* IpsecEnd::Wrap(absl::Time now, PacketBuf& message) {
  const Child* child = is_over() ? nullptr : Current();
  if (child == nullptr) return nullptr;
  last_sent_ = now;
  const Drop drop =
      stack::ip::PushUdp(message, {options_.address, options_.l2tp_port},
                         {options_.server, options_.server_l2tp_port}, UdpChecksum::kIgnore);
  return drop == Drop::kNone ? child->out.get() : nullptr;
}

Drop IpsecEnd::Encapsulate(PacketBuf& packet) {
  const Child* child = is_over() ? nullptr : Current();
  if (child == nullptr) return Drop::kNoOutboundSa;
  if (!child->udp_encapsulated) return PushIp(IpProtocol::kEsp, packet);
  const Drop drop =
      stack::ip::PushUdp(packet, child->path.local, child->path.remote, UdpChecksum::kIgnore);
  return drop == Drop::kNone ? PushIp(IpProtocol::kUdp, packet) : drop;
}

void IpsecEnd::SendIke(const ike::Path& path, PacketBuf message, Out& out) {
  if (path.local.port == options_.ike.float_from) {
    const stack::ByteSpan marker = message.Push(kNonEspMarker);
    std::fill(marker.begin(), marker.end(), std::byte{0});
  }
  Drop drop = stack::ip::PushUdp(message, path.local, path.remote, UdpChecksum::kHonest);
  if (drop == Drop::kNone) drop = SendIp(IpProtocol::kUdp, std::move(message), out);
  if (drop != Drop::kNone) out.Tell(drop);
}

void IpsecEnd::SendKeepalive(absl::Time now, Out& out) {
  if (!natted_) return;
  timers_.Arm(Timer::kKeepalive, now + options_.keepalive);
  if (last_sent_ + options_.keepalive > now) return;  // what was sent has kept it alive
  PacketBuf octet = out.pool().Copy({&kKeepaliveOctet, 1});
  if (!octet || stack::ip::PushUdp(octet, natted_->local, natted_->remote, UdpChecksum::kIgnore) !=
                    Drop::kNone) {
    return;
  }
  const Drop drop = SendIp(IpProtocol::kUdp, std::move(octet), out);
  if (drop != Drop::kNone) out.Tell(drop);
}

// ---- Questions --------------------------------------------------------------------------------

// Each phase 1 counts its own tickets; the owner sees ours.
ike::Ticket IpsecEnd::Ask(const PhaseOne& phase_one, ike::Ticket ticket) {
  questions_[++last_ticket_] = {phase_one.machine.id(), ticket};
  return last_ticket_;
}

IpsecEnd::PhaseOne* IpsecEnd::Redeem(ike::Ticket& ticket) {
  const auto found = questions_.find(ticket);
  if (found == questions_.end()) return nullptr;
  ticket = found->second.ticket;
  PhaseOne* phase_one = is_over() ? nullptr : Find(found->second.sa);
  questions_.erase(found);
  return phase_one;
}

void IpsecEnd::OnKeyPair(absl::Time now, const ike::KeyPairAnswer& answer, Out& out) {
  buried_.clear();
  ike::KeyPairAnswer own = answer;
  PhaseOne* phase_one = Redeem(own.ticket);
  if (phase_one == nullptr) return;
  With(now, *phase_one, out, [&](auto& machine, auto& to) { machine.OnKeyPair(now, own, to); });
}

void IpsecEnd::OnDh(absl::Time now, ike::DhAnswer answer, Out& out) {
  buried_.clear();
  PhaseOne* phase_one = Redeem(answer.ticket);
  if (phase_one == nullptr) return;
  With(now, *phase_one, out,
       [&](auto& machine, auto& to) { machine.OnDh(now, std::move(answer), to); });
}

ike::EspSpi IpsecEnd::FreeSpi() const {
  for (;;) {
    const ike::EspSpi spi{rng_.U32()};
    const bool taken = std::any_of(children_.begin(), children_.end(), [spi](const Child& child) {
      return child.in->spi.value == spi.value;
    });
    if (spi.value >= esp::kMinSpi && !taken) return spi;
  }
}

// ---- Deadlines and lookups ----------------------------------------------------------------------

void IpsecEnd::OnDeadline(absl::Time now, Out& out) {
  buried_.clear();
  for (size_t i = 0; i < phase_ones_.size() && !is_over(); ++i) {
    PhaseOne& phase_one = *phase_ones_[i];
    if (phase_one.machine.NextDeadline() > now) continue;
    With(now, phase_one, out, [now](auto& machine, auto& to) { machine.OnDeadline(now, to); });
  }
  std::erase_if(children_, [now](const Child& child) { return child.remove_at <= now; });
  if (timers_.TakeDue(Timer::kKeepalive, now)) SendKeepalive(now, out);
  if (timers_.TakeDue(Timer::kRekeyEsp, now)) RekeyEsp(now, out);
  if (timers_.TakeDue(Timer::kRekeyPhaseOne, now)) RekeyPhaseOne(now, out);
}

absl::Time IpsecEnd::NextDeadline() const {
  if (is_over()) return absl::InfiniteFuture();
  absl::Time next = timers_.Next();
  for (const auto& phase_one : phase_ones_)
    next = std::min(next, phase_one->machine.NextDeadline());
  for (const Child& child : children_) next = std::min(next, child.remove_at);
  return next;
}

IpsecEnd::PhaseOne* IpsecEnd::Find(ike::PhaseOneId id) const {
  for (const auto& phase_one : phase_ones_) {
    if (phase_one->machine.id() == id) return phase_one.get();
  }
  return nullptr;
}

IpsecEnd::PhaseOne* IpsecEnd::NewestUp() const {
  for (auto it = phase_ones_.rbegin(); it != phase_ones_.rend(); ++it) {
    if ((*it)->up) return it->get();
  }
  return nullptr;
}

const IpsecEnd::Child* IpsecEnd::Current() const {
  for (auto it = children_.rbegin(); it != children_.rend(); ++it) {
    if (it->remove_at == absl::InfiniteFuture()) return &*it;
  }
  return nullptr;
}

}  // namespace gateway::load
