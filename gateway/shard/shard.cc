#include "gateway/shard/shard.h"

#include <algorithm>
#include <utility>

namespace gateway::shard {
namespace {

// Stale ARP and reassembly are looked after this often; neither needs to be exact.
constexpr absl::Duration kChores = absl::Seconds(1);
// NAT tables are swept a little at a time, all of them within a minute: 512 entries take some 10
// us.
constexpr absl::Duration kSweepAll = absl::Seconds(60);
constexpr uint32_t kSweepBudget = 512;
constexpr absl::Duration kMinSweepInterval = absl::Milliseconds(1);

absl::Duration SweepInterval(uint32_t entries) {
  const absl::Duration interval = kSweepAll * (double{kSweepBudget} / std::max(1U, entries));
  return std::clamp(interval, kMinSweepInterval, kChores);
}
// How long an orderly end may take before it is cut short.
constexpr absl::Duration kDrainLimit = absl::Seconds(5);
constexpr size_t kMailARound = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<Shard>> Shard::Create(absl::Time now, Environment environment) {
  std::unique_ptr<Shard> shard(new Shard(now, std::move(environment)));
  if (shard->env_.index != 0) return shard;
  auto home = home::Home::Create(*shard->env_.settings, shard->tables_.pool, *shard->env_.rng,
                                 *shard->env_.log);
  if (!home.ok()) return home.status();
  shard->home_ = *std::move(home);
  shard->home_->Start(now, shard->outcome_);
  return shard;
}

Shard::Shard(absl::Time now, Environment environment)
    : env_(std::move(environment)),
      tables_(*env_.settings, env_.index, env_.ports, *env_.rng, *env_.log, env_.keylog),
      post_(env_.out, tables_.stats),
      sealer_(tables_),
      peers_(now, tables_, sealer_, env_.ask_crew),
      down_(tables_, peers_, sealer_, post_),
      up_(tables_, peers_, fifo_, down_, post_),
      refused_(env_.ports.size()),
      next_chores_(now + kChores),
      next_sweep_(now + kChores) {}

bool Shard::Round(absl::Time now) {
  ++tables_.stats.rounds;
  bool busy = ReadMail(now);
  for (uint8_t i = 0; i < env_.ports.size(); ++i) busy |= ReceiveFrom(now, i) > 0;
  RunWays(now);
  RunFifo(now);
  RunDeadlines(now);
  CarryOutHome(now);  // home may ask our own peers, who answer by mail
  SendQuestions(now);
  tables_.egress.Flush();
  post_.Flush();
  peers_.Bury();
  FinishDraining(now);
  return busy || !fifo_.empty();
}

void Shard::RunWays(absl::Time now) {
  up_.Run(now);
  down_.Run(now);
  tables_.egress.Flush();
}

void Shard::RunFifo(absl::Time now) {
  while (!fifo_.empty()) {
    ControlItem item = fifo_.Pop();
    std::visit(
        stack::Overloaded{
            [&](IkeItem& ike) { peers_.OnIke(now, ike); },
            [&](L2tpItem& l2tp) { peers_.OnL2tp(now, l2tp); },
            [&](PppItem& ppp) { peers_.OnPpp(now, ppp); },
            [&](StrayItem& stray) { peers_.OnStray(now, stray); },
            [&](ArpItem& arp) {
              if (home_)
                home_->OnArp(now, arp.interface, std::as_const(arp.packet).bytes(), outcome_);
            },
            [&](DhcpItem& dhcp) {
              if (home_)
                home_->OnDhcp(now, dhcp.interface, std::as_const(dhcp.payload).bytes(), outcome_);
            },
            [&](const PathTooBig& path) { TellAll(now, path); },
        },
        item);
  }
}

// Any shard may get the ICMP message, and any may have the peer: none of them asks another which.
void Shard::TellAll(absl::Time now, const PathTooBig& path) {
  if (!path_reports_.Take(now)) return tables_.stats.Drop(stack::Drop::kRateLimited);
  peers_.OnPathTooBig(now, path);
  for (uint8_t to = 0; to < env_.settings->shards; ++to) {
    if (to != env_.index) post_.SendControl(to, path, Room::kOrdinary);
  }
}

bool Shard::ReadMail(absl::Time now) {
  size_t taken = 0;
  for (Box* box : env_.in) {
    taken += box->TakeControl([this, now](Control&& message) { On(now, message); }, kMailARound);
    taken += box->TakePackets([this, now](const PacketMeta& meta,
                                          stack::ByteSpan bytes) { TakeMailed(now, meta, bytes); },
                              kMailARound);
  }
  return taken > 0;
}

bool Shard::HasMail() const {
  return std::any_of(env_.in.begin(), env_.in.end(), [](const Box* box) { return !box->empty(); });
}

void Shard::On(absl::Time now, Control& message) {
  std::visit(
      stack::Overloaded{
          [&](const NeighborKnown& known) { tables_.egress.OnNeighbor(known, now); },
          [&](const NeighborLost& lost) { tables_.egress.OnNeighborLost(lost); },
          [&](const AddressGranted& granted) { peers_.OnAddress(now, granted); },
          [&](const MakeWay& make_way) { peers_.OnMakeWay(now, make_way); },
          [&](const NewCredentials& fresh) {
            peers_.SetCredentials(fresh.credentials);
            if (home_) home_->OnCredentials(*fresh.credentials);
          },
          [&](const InterfaceAddress& change) { ChangeAddress(now, change); },
          [&](const ClientElsewhere& client) {
            if (client.shard) {
              tables_.router.Add({client.ip, 32}, {nat::Hop::Kind::kShard, *client.shard, {}});
            } else if (tables_.router.Lookup(client.ip).kind == nat::Hop::Kind::kShard) {
              tables_.router.Remove({client.ip, 32});
            }
          },
          [&](const PlaceFound& found) { peers_.OnPlaceFound(now, found); },
          [&](Moved& moved) { peers_.OnMoved(now, std::move(*moved.what)); },
          [&](const MovedEnded& ended) { peers_.OnMovedEnded(ended); },
          [&](const PathTooBig& path) { peers_.OnPathTooBig(now, path); },
          [&](crew::Answer& answer) { peers_.OnDh(now, std::move(answer)); },
          [&](const shard::Report&) { Report(now); },
          [&](const SuperframesRefused& refused) { Report(refused); },
          [&](const Drain&) {
            drain_until_ = now + kDrainLimit;
            peers_.Drain(now);
          },
          [&](const auto& for_home) { ToHome(now, for_home); },
      },
      message);
}

// Whoever dialled the old address has lost his gateway: his sessions end while there is still a way
// to tell him.
void Shard::ChangeAddress(absl::Time now, const InterfaceAddress& change) {
  const stack::Ip4 before = tables_.OwnAddress(change.interface);
  const bool moved = !change.address || change.address->address != before;
  if (!before.IsZero() && moved) peers_.LeaveAddress(now, before, "address_lost");
  tables_.SetInterface(change, now);
  if (env_.index != 0) return;  // one program steers the whole group
  for (size_t i = 0; i < env_.ports.size(); ++i) {
    const absl::Status steered = env_.ports[i]->Steer(tables_.steering[i]);
    if (!steered.ok()) {
      env_.log->Warning("steering", {{"interface", env_.ports[i]->name()}},
                        std::string(steered.message()));
    }
  }
}

template <class M>
void Shard::ToHome(absl::Time now, const M& message) {
  if (home_) home_->On(now, message, outcome_);
}

// What the shard wants of home: called directly on shard 0, by mail from the others.
void Shard::SendQuestions(absl::Time now) {
  while (peers_.has_mail() || tables_.egress.has_questions()) {
    std::vector<Control> mail = peers_.TakeMail();
    for (Control& question : tables_.egress.TakeQuestions()) mail.push_back(std::move(question));
    for (Control& message : mail) {
      if (home_) {
        On(now, message);
      } else {
        // What home must hear has room kept for it; a question about a neighbour is asked again.
        const bool must = !std::holds_alternative<NeedNeighbor>(message);
        post_.SendControl(0, std::move(message), must ? Room::kReserved : Room::kOrdinary);
      }
    }
    for (Peers::Letter& letter : peers_.TakeLetters()) {
      post_.SendControl(letter.shard, std::move(letter.message), Room::kReserved);
    }
    CarryOutHome(now);
  }
}

void Shard::CarryOutHome(absl::Time now) {
  if (!home_) return;
  home::Outcome outcome = std::exchange(outcome_, {});
  for (auto& frame : outcome.frames)
    tables_.egress.SendFrame(std::move(frame.frame), frame.interface);
  for (const auto& news : outcome.leases) {
    if (env_.on_lease) env_.on_lease(news.interface, news.lease);
  }
  for (auto& mail : outcome.mail) {
    for (uint8_t to = 0; to < env_.settings->shards; ++to) {
      if (mail.shard && *mail.shard != to) continue;
      Control copy =
          std::visit([](const auto& message) -> Control { return message; }, mail.message);
      if (to == env_.index) {
        On(now, copy);
      } else {
        post_.SendControl(to, std::move(copy), Room::kReserved);
      }
    }
  }
}

void Shard::RunDeadlines(absl::Time now) {
  peers_.EndSpentSas(now);
  if (peers_.NextDeadline() <= now) peers_.OnDeadline(now);
  if (home_ && home_->NextDeadline() <= now) home_->OnDeadline(now, outcome_);
  if (now >= next_sweep_) {
    tables_.translator.Sweep(Seconds(now), kSweepBudget);
    next_sweep_ = now + SweepInterval(tables_.translator.entries());
  }
  if (now < next_chores_) return;
  next_chores_ = now + kChores;
  for (stack::ip::Reassembly* fragments : {&tables_.outer, &tables_.inner}) {
    fragments->Expire(now);
    for (const stack::PacketBuf& first : fragments->TakeLate()) TellTooLate(now, first.bytes());
  }
  down_.Run(now);
  tables_.egress.Expire(now);
  env_.log->ReportSuppressed();
}

// Whoever sent a datagram of which fragments are missing may send it again.
void Shard::TellTooLate(absl::Time now, stack::ByteView first_fragment) {
  const stack::Ip4 source{stack::Load32(&first_fragment[12])};
  const nat::Hop hop = tables_.router.Lookup(source);
  const bool is_link = hop.kind == nat::Hop::Kind::kInterface;
  if (!is_link && hop.kind != nat::Hop::Kind::kPeer) return;
  const auto interface = static_cast<uint8_t>(hop.index);
  const stack::Ip4 us = is_link ? tables_.OwnAddress(interface)
                                : env_.settings->pools[env_.settings->PoolOf(source)].gateway;
  auto error = tables_.icmp.TimeExceeded(now, {first_fragment, us},
                                         stack::wire::TimeExceededCode::kReassembly);
  if (!error.ok() || !*error) return;
  if (!is_link) return down_.AddRouted(now, *std::move(error));
  const stack::Drop drop =
      tables_.egress.Send(now, *error, interface, hop.via.IsZero() ? source : hop.via);
  if (drop != stack::Drop::kNone) tables_.stats.Drop(drop);
}

absl::Time Shard::NextDeadline() const {
  absl::Time next = std::min({peers_.NextDeadline(), next_chores_, next_sweep_, drain_until_});
  return home_ ? std::min(next, home_->NextDeadline()) : next;
}

void Shard::FinishDraining(absl::Time now) {
  if (!peers_.draining() || drained()) return;
  if (!peers_.empty()) {
    if (now < drain_until_) return;
    peers_.Abandon(now);
    SendQuestions(now);
    tables_.egress.Flush();
    post_.Flush();
    peers_.Bury();
  }
  drain_until_ = absl::InfiniteFuture();
  drained_.store(true, std::memory_order_release);
}

void Shard::Leave(absl::Time now) {
  if (!home_) return;
  home_->Stop(now, outcome_);
  CarryOutHome(now);
  tables_.egress.Flush();
}

Census Shard::census() const {
  Census census;
  census.peers = peers_.counts();
  census.sas = tables_.sad.size();
  census.routes = tables_.router.size();
  census.nat_clients = tables_.translator.clients();
  census.nat_mappings = tables_.translator.mappings();
  census.small_buffers = tables_.pool.small_slots() - tables_.pool.free_small();
  census.large_buffers = tables_.pool.large_slots() - tables_.pool.free_large();
  if (home_) {
    census.addresses = home_->addresses_in_use();
    census.places = home_->places();
  }
  return census;
}

// Every shard finds out for itself, but it is one fact.
void Shard::Report(const SuperframesRefused& refused) {
  Coalescer::Kinds& known = refused_[refused.interface];
  if (std::exchange(refused.tcp ? known.tcp : known.udp, true)) return;
  const std::string_view kind = refused.tcp ? "tcp" : "udp";
  const std::string& name = env_.ports[refused.interface]->name();
  env_.log->Info("superframes_refused", {{"interface", name}, {"kind", kind}},
                 "superframes: " + name + " takes none of " + std::string(kind) +
                     ", packets leave one by one");
}

void Shard::Report(absl::Time now) {
  const Stats& s = tables_.stats;
  env_.log->Info("counters",
                 {{"frames_in", s.frames_in},
                  {"frames_out", s.frames_out},
                  {"superframes_in", s.superframes_in},
                  {"segments_in", s.segments_in},
                  {"superframes_out", s.superframes_out},
                  {"segments_out", s.segments_out},
                  {"up_packets", s.up_packets},
                  {"up_bytes", s.up_bytes},
                  {"down_packets", s.down_packets},
                  {"down_bytes", s.down_bytes},
                  {"mailed", s.mailed},
                  {"nat_mappings", tables_.translator.mappings()},
                  {"nat_flows", tables_.translator.flows()},
                  {"nat_shared", tables_.translator.shared()},
                  {"rounds", s.rounds}},
                 "counters");
  const Census c = census();
  env_.log->Info("census",
                 {{"peers", c.peers.peers},
                  {"tunnels", c.peers.tunnels},
                  {"sessions", c.peers.sessions},
                  {"phase_ones", c.peers.phase_ones},
                  {"sas", c.sas},
                  {"timers", c.peers.timers},
                  {"routes", c.routes},
                  {"nat_clients", c.nat_clients},
                  {"nat_mappings", c.nat_mappings},
                  {"elsewhere", c.peers.elsewhere},
                  {"addresses", c.addresses},
                  {"places", c.places},
                  {"small_buffers", c.small_buffers},
                  {"large_buffers", c.large_buffers}},
                 "census");
  for (size_t i = 1; i < stack::kDropCount; ++i) {
    const auto reason = static_cast<stack::Drop>(i);
    if (s.drops[reason] == 0) continue;
    env_.log->Info("drop", {{"reason", stack::NameOf(reason)}, {"count", s.drops[reason]}},
                   std::string("drop ") + std::string(stack::NameOf(reason)) + " " +
                       std::to_string(s.drops[reason]));
  }
  if (home_) home_->Report();
  peers_.ListSessions(now);
}

}  // namespace gateway::shard
