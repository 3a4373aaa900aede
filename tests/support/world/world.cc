#include "tests/support/world/world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "crypto/prim/dh.h"
#include "gateway/shard/segment.h"
#include "stack/base/checksum.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip4.h"
#include "stack/wire/udp.h"

namespace test {
namespace {

namespace io = gateway::io;
namespace load = gateway::load;
namespace shard = gateway::shard;
using stack::Bytes;
using stack::ByteSpan;
using stack::ByteView;
using stack::Ip4;
using stack::wire::EtherType;
using stack::wire::IpProtocol;

constexpr size_t kEthernet = 14, kIpHeader = 20;
constexpr size_t kSentKept = 64;

stack::Mac GatewayMac(uint8_t interface) { return {{2, 0xad, 0x17, 0, 0, interface}}; }
stack::Mac MacOf(Ip4 ip) {
  stack::Mac mac{{2, 0, 0, 0, 0, 0}};
  stack::Store32(stack::AsWritableBytes(&mac.octets[2], 4).data(), ip.value);
  return mac;
}

Ip4 SourceOf(ByteView packet) { return {stack::Load32(&packet[12])}; }
Ip4 DestinationOf(ByteView packet) { return {stack::Load32(&packet[16])}; }
IpProtocol ProtocolOf(ByteView packet) { return static_cast<IpProtocol>(packet[9]); }

// Another address at `at`, the checksums of the packet and of UDP kept.
void RewriteAddress(ByteSpan packet, size_t at, Ip4 to) {
  std::byte* const checksum = &packet[kIpHeader + 6];
  const Ip4 from{stack::Load32(&packet[at])};
  if (ProtocolOf(packet) == IpProtocol::kUdp && stack::Load16(checksum) != 0) {
    stack::Store16(checksum, stack::Update32(stack::Load16(checksum), from.value, to.value));
  }
  at == 12 ? stack::wire::SetSource(packet, to) : stack::wire::SetDestination(packet, to);
}

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "world: %s\n", what.c_str());
  std::abort();
}

}  // namespace

conf::Model DefaultModel() {
  conf::Model model;
  conf::Interface& serve = model.interfaces.emplace_back();
  serve.name = "serve";
  serve.address = stack::Prefix{kServe, 24};
  serve.mac = GatewayMac(kServeSide);
  serve.serve = true;
  conf::Interface& wan = model.interfaces.emplace_back();
  wan.name = "wan";
  wan.address = stack::Prefix{kWan, 24};
  wan.gateway = kRouter;
  wan.mac = GatewayMac(kWanSide);
  wan.nat = true;
  conf::Pool& pool = model.pools.emplace_back();
  pool.first = {kInside.value + 1};
  pool.last = {kInside.value + 200};
  pool.gateway = kInside;
  pool.dns = {{0x09090909}};
  for (const char n : {'1', '2', '3', '4', '5', '6', '7', '8', '9'}) {
    conf::User& user = model.users.emplace_back();
    user.name = std::string("u") + n;
    user.password = conf::SecretText(std::string("p") + n);
  }
  model.ike.psk = conf::SecretText("psk");
  return model;
}

// ---- Building ---------------------------------------------------------------------------------

World::World(WorldOptions options)
    : options_(std::move(options)),
      now_(absl::UnixEpoch() + absl::Hours(1)),
      rng_(options_.seed),
      pool_(4096, 64) {
  conf::Model model = DefaultModel();
  if (options_.configure) options_.configure(model);
  std::vector<shard::InterfaceFacts> facts(model.interfaces.size());
  if (options_.facts) options_.facts(facts);
  auto settings = shard::Translate(model, facts, options_.shards, rng_);
  if (!settings.ok()) Die(std::string(settings.status().message()));
  settings_ = *std::move(settings);
  std::vector<Ip4> own;
  for (const auto& interface : settings_.interfaces) {
    if (interface.address) own.push_back(interface.address->address);
  }
  for (const auto& interface : settings_.interfaces) {
    rules_.push_back(settings_.Steering(interface, own));
  }
  io::LogOptions log_options;
  log_options.level = io::Level::kDebug;
  log_options.sink = [this](std::string_view line) { log.emplace_back(line); };
  writer_ = std::make_unique<io::LogWriter>(log_options);
  MakeShards();
  Settle();
  for (const auto& worker : workers_)
    empty_routes_.push_back(worker->shard->tables().router.size());
}

World::~World() = default;

void World::MakeShards() {
  const uint8_t count = options_.shards;
  for (const auto& interface : settings_.interfaces) {
    near_.emplace_back();
    far_.emplace_back();
    for (uint8_t i = 0; i < count; ++i) {
      auto [near, far] = io::MemoryPort::Pair(interface.name, "far", options_.port_slots);
      near_.back().push_back(std::move(near));
      far_.back().push_back(std::move(far));
    }
  }
  for (uint8_t i = 0; i < count; ++i) {
    workers_.push_back(std::make_unique<Worker>(options_.seed * 1000 + i));
  }
  for (size_t writer = 0; writer < count + 2U; ++writer) {
    auto& row = boxes_.emplace_back();
    for (const auto& worker : workers_) row.push_back(std::make_unique<shard::Box>(worker->waker));
  }
  for (uint8_t i = 0; i < count; ++i) {
    shard::Shard::Environment environment;
    environment.index = i;
    environment.settings = &settings_;
    for (const auto& ports : near_) environment.ports.push_back(ports[i].get());
    for (size_t writer = 0; writer < boxes_.size(); ++writer) {
      if (writer != i) environment.in.push_back(boxes_[writer][i].get());
    }
    for (uint8_t to = 0; to < count; ++to) {
      environment.out.push_back(to == i ? nullptr : boxes_[i][to].get());
    }
    environment.ask_crew = [this, i](gateway::crew::Job&& job) {
      if (crew_is_busy) return false;
      workers_[i]->jobs.push_back(std::move(job));
      return true;
    };
    environment.rng = &workers_[i]->rng;
    environment.log = &writer_->NewLog(i);
    environment.keylog = options_.keylog;
    auto made = shard::Shard::Create(now_, std::move(environment));
    if (!made.ok()) Die(std::string(made.status().message()));
    workers_[i]->shard = *std::move(made);
  }
}

Caller& World::Add(const Caller::Options& options) {
  auto caller = std::make_unique<Caller>();
  caller->rng_ = std::make_unique<FixedRng>(options_.seed * 77 + callers_made_++);
  caller->out_ = std::make_unique<load::Out>(pool_);
  caller->address_ = *Ip4::Parse(options.address);
  caller->nat_ = options.nat;
  const std::string number = std::to_string(options.user);
  load::ClientOptions to;
  to.ipsec.address = caller->address_;
  to.ipsec.server = options_.public_address.value_or(kServe);
  to.ipsec.ike =
      crypto::ike::InitiatorOptions::Default(crypto::Secret(stack::AsBytes(options.psk)));
  to.ppp.name = "u" + number;
  to.password =
      crypto::Secret(stack::AsBytes(options.password.empty() ? "p" + number : options.password));
  if (options.change) options.change(to);
  caller->client_ = std::make_unique<load::Client>(std::move(to), *caller->rng_);
  callers_.push_back(std::move(caller));
  return *callers_.back();
}

void World::Remove(Caller& caller) {
  wire_.clear();  // what is under way may be for it
  for (const auto& nat : nats_) nat->Forget(caller);
  std::erase_if(callers_, [&caller](const auto& one) { return one.get() == &caller; });
}

NatBox& World::AddNat(const std::string& external) {
  nats_.push_back(std::make_unique<NatBox>(*Ip4::Parse(external)));
  return *nats_.back();
}

// ---- What happens -----------------------------------------------------------------------------

void World::Do(Caller& caller,
               const std::function<void(absl::Time, load::Client&, load::Out&)>& what) {
  what(now_, *caller.client_, *caller.out_);
  Drain(caller);
}

void World::Dial(Caller& caller) {
  Do(caller, [](absl::Time now, load::Client& client, load::Out& out) { client.Start(now, out); });
}

bool World::LogIn(Caller& caller, absl::Duration limit) {
  Dial(caller);
  return RunUntil([&caller] { return caller.is_up() || caller.is_down(); }, limit) &&
         caller.is_up();
}

void World::Send(Caller& caller, ByteView packet) {
  Do(caller, [&](absl::Time now, load::Client& client, load::Out& out) {
    client.Send(now, pool_.Copy(packet), out);
  });
}

void World::SendOuter(Caller& caller, ByteView packet) {
  Bytes bytes = stack::ToBytes(packet);
  if (!ThroughNat(caller, bytes)) return;
  if (options_.public_address) RewriteAddress(bytes, 16, kServe);
  OnWire(std::move(bytes), [this](const Bytes& arrived) { Frame(kServeSide, arrived); });
}

bool World::ThroughNat(Caller& caller, ByteSpan packet) {
  return caller.nat_ == nullptr || caller.nat_->Outbound(caller, packet);
}

void World::FromInternet(ByteView packet, const io::VnetHdr& vnet) {
  Frame(kWanSide, packet, vnet);
}

Bytes World::FrameOf(uint8_t interface, ByteView packet) const {
  Bytes frame(kEthernet + packet.size());
  const Ip4 station = interface == kWanSide ? kRouter : SourceOf(packet);
  stack::wire::WriteEthernet(frame, settings_.interfaces[interface].mac, MacOf(station),
                             EtherType::kIp4);
  std::copy(packet.begin(), packet.end(), frame.begin() + kEthernet);
  return frame;
}

uint8_t World::ShardOf(uint8_t interface, ByteView frame) const {
  return io::ShardOf(frame, rules_[interface]);
}

void World::Frame(uint8_t interface, ByteView packet, const io::VnetHdr& vnet,
                  std::optional<uint8_t> to) {
  const Bytes frame = FrameOf(interface, packet);
  io::TxFrame tx{.bytes = frame, .more = {}, .vnet = vnet};
  far_[interface][to.value_or(ShardOf(interface, frame))]->Send({&tx, 1});
}

void World::AskArp(uint8_t interface, Ip4 sender, Ip4 target) {
  Bytes frame(60);
  stack::wire::WriteEthernet(frame, stack::Mac::Broadcast(), MacOf(sender), EtherType::kArp);
  const stack::wire::Arp request{
      stack::wire::ArpOperation::kRequest, MacOf(sender), sender, {}, target};
  request.Write(ByteSpan(frame).subspan(kEthernet));
  io::TxFrame tx{.bytes = frame, .more = {}, .vnet = {}};
  far_[interface][0]->Send({&tx, 1});
}

void World::Tell(const shard::Control& message) {
  for (const auto& box : boxes_[options_.shards]) {
    shard::Control copy = std::visit(
        []<class M>(const M& m) -> shard::Control {
          if constexpr (std::is_copy_constructible_v<M>) {
            return m;
          } else {
            Die("an answer of the crew is not for all");
          }
        },
        message);
    if (!box->PutControl(std::move(copy), shard::Room::kReserved)) Die("control box full");
    box->Flush();
  }
}

void World::ForgetNats() {
  for (const auto& nat : nats_) {
    nat->out_.clear();
    nat->in_.clear();
  }
}

void World::Move(Caller& caller, const std::string& address, NatBox* nat) {
  caller.address_ = *Ip4::Parse(address);
  caller.nat_ = nat;
  Do(caller, [&](absl::Time now, load::Client& client, load::Out& out) {
    client.MoveTo(now, caller.address_, out);
  });
}

void World::OnWire(Bytes packet, std::function<void(Bytes)> arrive) {
  if (on_outer) on_outer(packet);
  for (int copies = Chance(options_.duplicate_percent) ? 2 : 1; copies > 0; --copies) {
    if (deaf || Chance(options_.loss_percent)) continue;
    absl::Duration delay = options_.least_delay;
    const int64_t range = absl::ToInt64Microseconds(options_.most_delay - options_.least_delay);
    if (range > 0) {
      delay += absl::Microseconds(static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(range))));
    }
    wire_.emplace(now_ + delay, [packet, arrive] { arrive(packet); });
  }
}

// Solves a client's questions, and carries out what it wants.
void World::Drain(Caller& caller) {
  load::SolveInline(now_, *caller.client_, *caller.out_);
  for (auto& item : caller.out_->items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      caller.sent.push_back(stack::ToBytes(frame->buf.bytes()));
      if (caller.sent.size() > kSentKept) caller.sent.pop_front();
      SendOuter(caller, caller.sent.back());
      continue;
    }
    std::visit(stack::Overloaded{
                   [&](stack::Drop drop) { caller.drops.Add(drop); },
                   [&](const load::Step& step) {
                     caller.notes.push_back({now_, step.what});
                   },
                   [&](const load::Up& up) { caller.up = up; },
                   [&](const load::Down& down) { caller.down = down; },
                   [&](const load::Received& received) {
                     caller.received.push_back(stack::ToBytes(received.packet.bytes()));
                   },
                   [](const auto&) {},
               },
               std::get<1>(item));
  }
  caller.out_->Clear();
}

// ---- Time -------------------------------------------------------------------------------------

absl::Time World::Next() const {
  absl::Time next = wire_.empty() ? absl::InfiniteFuture() : wire_.begin()->first;
  for (const auto& worker : workers_) next = std::min(next, worker->shard->NextDeadline());
  for (const auto& caller : callers_) next = std::min(next, caller->client_->NextDeadline());
  return next;
}

std::string World::WhoIsDue() const {
  std::string text = wire_.empty() || wire_.begin()->first > now_ ? "" : "wire ";
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i]->shard->NextDeadline() <= now_) text += "shard " + std::to_string(i) + " ";
  }
  for (size_t i = 0; i < callers_.size(); ++i) {
    if (callers_[i]->client_->NextDeadline() <= now_) text += "caller " + std::to_string(i) + " ";
  }
  return text;
}

bool World::RunUntil(const std::function<bool()>& done, absl::Duration limit) {
  const absl::Time end = now_ + limit;
  RunShards();
  while (!done()) {
    const absl::Time next = Next();
    if (next > end) {
      now_ = end;
      RunShards();
      return done();
    }
    steps_ = next > now_ ? 0 : steps_ + 1;
    if (steps_ > 1000) Die("time stands still: " + WhoIsDue());
    now_ = std::max(now_, next);
    Step();
  }
  return true;
}

void World::RunFor(absl::Duration time) {
  RunUntil([] { return false; }, time);
}

void World::Step() {
  while (!wire_.empty() && wire_.begin()->first <= now_) {
    const auto arrive = std::move(wire_.begin()->second);
    wire_.erase(wire_.begin());
    arrive();
  }
  for (const auto& caller : callers_) {
    if (caller->client_->NextDeadline() > now_) continue;
    caller->client_->OnDeadline(now_, *caller->out_);
    Drain(*caller);
  }
  RunShards();
}

void World::RunShards() {
  bool busy = true;
  for (int rounds = 0; busy; ++rounds) {
    if (rounds > 10000) Die("the shards do not come to rest");
    busy = false;
    for (const auto& worker : workers_) busy |= worker->shard->Round(now_);
    busy |= SolveJobs();
    busy |= TakeFrames();
    for (const auto& worker : workers_) busy |= worker->shard->HasMail();
  }
  writer_->Drain();
}

bool World::SolveJobs() {
  bool any = false;
  for (size_t i = 0; i < workers_.size(); ++i) {
    std::vector<gateway::crew::Job> jobs = std::move(workers_[i]->jobs);
    workers_[i]->jobs.clear();
    for (gateway::crew::Job& job : jobs) {
      const auto& respond = std::get<gateway::crew::Respond>(job.work);
      gateway::crew::Answer answer;
      answer.ticket = job.ticket;
      const auto pair = crypto::GenerateDh(respond.group);
      auto shared = pair->Agree(respond.peer_public);
      answer.own_public = stack::ToBytes(pair->public_value());
      answer.status = shared.status();
      if (shared.ok()) answer.shared = *std::move(shared);
      auto& box = *boxes_[options_.shards + 1U][i];
      if (!box.PutControl(std::move(answer), shard::Room::kReserved)) Die("crew's box full");
      box.Flush();
      any = true;
    }
  }
  return any;
}

// ---- The network ------------------------------------------------------------------------------

bool World::TakeFrames() {
  if (options_.hands_off) return false;
  bool any = false;
  std::array<io::RxFrame, io::kBatch> frames;
  for (uint8_t i = 0; i < far_.size(); ++i) {
    for (uint8_t s = 0; s < far_[i].size(); ++s) {
      const size_t count = far_[i][s]->Receive(frames);
      for (const io::RxFrame& frame : std::span(frames).first(count)) TakeApart(i, frame);
      far_[i][s]->Release();
      any |= count > 0;
    }
  }
  return any;
}

// As the kernel of whoever receives it would.
void World::TakeApart(uint8_t interface, const io::RxFrame& frame) {
  shard::Segmenter segments(frame.bytes, frame.vnet);
  if (segments.drop() != stack::Drop::kNone) Die("bad superframe");
  for (size_t i = 0; i < segments.count(); ++i) {
    const stack::PacketBuf segment = segments.Next(pool_);
    TakeFrame(interface, segment.bytes());
  }
}

void World::TakeFrame(uint8_t interface, ByteView bytes) {
  const auto frame = stack::wire::Ethernet::Parse(bytes);
  if (!frame.ok() || frame->source() != settings_.interfaces[interface].mac) Die("bad frame");
  if (frame->type() == EtherType::kArp) return AnswerArp(interface, frame->payload());
  const ByteView packet = frame->payload();
  if (!stack::wire::Ip4Packet::Parse(packet).ok()) Die("bad packet");
  const Ip4 hop = interface == kWanSide ? kRouter : DestinationOf(packet);
  if (frame->destination() != MacOf(hop)) ++misdirected;
  if (interface > kWanSide) return lan.push_back(stack::ToBytes(packet));
  interface == kWanSide ? ToInternet(packet) : ToCallers(packet);
}

// Everybody is there, but nobody has the gateway's own address.
void World::AnswerArp(uint8_t interface, ByteView payload) {
  const auto asked = stack::wire::Arp::Parse(payload);
  if (!asked.ok()) Die("bad ARP");
  arp.emplace_back(interface, *asked);
  const auto& settings = settings_.interfaces[interface];
  const bool is_own = (settings.address && asked->target_ip == settings.address->address) ||
                      asked->sender_ip == asked->target_ip;  // an announcement
  if (asked->operation != stack::wire::ArpOperation::kRequest || is_own) return;
  Bytes frame(60);
  stack::wire::WriteEthernet(frame, asked->sender_mac, MacOf(asked->target_ip), EtherType::kArp);
  const stack::wire::Arp reply{stack::wire::ArpOperation::kReply, MacOf(asked->target_ip),
                               asked->target_ip, asked->sender_mac, asked->sender_ip};
  reply.Write(ByteSpan(frame).subspan(kEthernet));
  io::TxFrame tx{.bytes = frame, .more = {}, .vnet = {}};
  far_[interface][0]->Send({&tx, 1});  // ARP comes to shard 0, whoever asked
}

void World::ToCallers(ByteView packet) {
  Bytes sent = stack::ToBytes(packet);
  if (options_.public_address) RewriteAddress(sent, 12, *options_.public_address);
  OnWire(std::move(sent), [this](Bytes arrived) {
    Caller* to = nullptr;
    for (const auto& nat : nats_) {
      if (nat->external() == DestinationOf(arrived)) to = nat->Inbound(arrived);
    }
    for (const auto& caller : callers_) {
      if (caller->nat_ == nullptr && caller->address_ == DestinationOf(arrived)) to = caller.get();
    }
    if (to == nullptr) return;
    if (on_delivery) on_delivery(*to, arrived);
    to->client_->OnPacket(now_, load::Client::In(arrived), *to->out_);
    Drain(*to);
  });
}

void World::ToInternet(ByteView packet) {
  internet.push_back(stack::ToBytes(packet));
  if (host_echoes && DestinationOf(packet) == kHost) Echo(packet);
}

// What a host sends back: addresses and ports swapped, which leaves the checksums right.
void World::Echo(ByteView packet) {
  Bytes back = stack::ToBytes(packet);
  const auto swap = [&back](size_t a, size_t b, size_t n) {
    std::swap_ranges(&back[a], &back[a] + n, &back[b]);
  };
  if (stack::wire::Ip4Packet::Parse(packet)->is_fragment()) return;
  swap(12, 16, 4);
  if (ProtocolOf(packet) == IpProtocol::kUdp || ProtocolOf(packet) == IpProtocol::kTcp) {
    swap(kIpHeader, kIpHeader + 2, 2);
  } else if (ProtocolOf(packet) == IpProtocol::kIcmp && back[kIpHeader] == std::byte{8}) {
    std::byte* const checksum = &back[kIpHeader + 2];
    stack::Store16(checksum, stack::Update16(stack::Load16(checksum), 0x0800, 0));
    back[kIpHeader] = std::byte{0};
  } else {
    return;
  }
  FromInternet(back);
}

// ---- What is to be seen -----------------------------------------------------------------------

bool World::Logged(std::string_view text) const {
  return std::any_of(log.begin(), log.end(), [text](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
}

uint64_t World::Dropped(stack::Drop reason) const {
  uint64_t count = 0;
  for (const auto& worker : workers_) count += worker->shard->stats().drops[reason];
  return count;
}

std::string World::Drops() const {
  std::string text;
  for (size_t i = 1; i < stack::kDropCount; ++i) {
    const auto reason = static_cast<stack::Drop>(i);
    if (const uint64_t count = Dropped(reason); count != 0) {
      text += std::string(stack::NameOf(reason)) + "=" + std::to_string(count) + " ";
    }
  }
  return text;
}

shard::Census World::Counts() const {
  shard::Census all;
  for (const auto& worker : workers_) {
    const shard::Census c = worker->shard->census();
    all.peers.peers += c.peers.peers;
    all.peers.children += c.peers.children;
    all.peers.tunnels += c.peers.tunnels;
    all.peers.sessions += c.peers.sessions;
    all.peers.logins += c.peers.logins;
    all.peers.phase_ones += c.peers.phase_ones;
    all.peers.places += c.peers.places;
    all.peers.elsewhere += c.peers.elsewhere;
    all.sas += c.sas;
    all.addresses += c.addresses;
    all.places += c.places;
  }
  return all;
}

bool World::IsEmpty(std::string* why) const {
  std::string text;
  for (size_t i = 0; i < workers_.size(); ++i) {
    const shard::Census c = workers_[i]->shard->census();
    const auto check = [&](const char* what, size_t is, size_t should) {
      if (is == should) return;
      text += "shard " + std::to_string(i) + ": " + what + " " + std::to_string(is) +
              " instead of " + std::to_string(should) + "; ";
    };
    check("peers", c.peers.peers, 0);
    check("pairs of SAs", c.peers.children, 0);
    check("tunnels", c.peers.tunnels, 0);
    check("sessions", c.peers.sessions, 0);
    check("logins", c.peers.logins, 0);
    check("phase 1s", c.peers.phase_ones, 0);
    check("tickets", c.peers.tickets, 0);
    check("places", c.peers.places, 0);
    check("numbers elsewhere", c.peers.elsewhere, 0);
    check("timers", c.peers.timers, 0);
    check("SAs", c.sas, 0);
    check("routes", c.routes, empty_routes_[i]);
    check("NAT clients", c.nat_clients, 0);
    check("NAT mappings", c.nat_mappings, 0);
    check("small buffers", c.small_buffers, 0);
    check("large buffers", c.large_buffers, 0);
    check("addresses", c.addresses, 0);
    check("entries of the directory", c.places, 0);
  }
  if (why != nullptr) *why = text;
  return text.empty();
}

}  // namespace test
