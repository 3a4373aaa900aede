#include "gateway/load/fleet.h"

#include <algorithm>
#include <cmath>

#include "stack/base/drop.h"

namespace gateway::load {
namespace {

namespace ike = crypto::ike;
using stack::Drop;
using stack::PacketBuf;

constexpr uint32_t kDialsAtOnce = 64;  // in one call, so that packets are not held up
constexpr size_t kReasonsKept = 64;
// PPP: 4500's headers around an MTU of 1500 leave less than this in every suite; the server cuts
// what it sends to the tunnel's own.
constexpr uint16_t kMru = 1400;

// The login step that a milestone ends.
std::optional<LoginStep> StepOf(Milestone what) {
  switch (what) {
    case Milestone::kPhaseOneUp:
      return LoginStep::kPhaseOne;
    case Milestone::kEspUp:
      return LoginStep::kQuickMode;
    case Milestone::kTunnelUp:
      return LoginStep::kTunnel;
    case Milestone::kCallUp:
      return LoginStep::kCall;
    case Milestone::kLcpUp:
      return LoginStep::kLcp;
    case Milestone::kAuthenticated:
      return LoginStep::kAuth;
    case Milestone::kIpUp:
      return LoginStep::kIpcp;
    default:
      return std::nullopt;
  }
}

std::string Numbered(std::string text, uint32_t number) {
  const size_t at = text.find("{n}");
  if (at != text.npos) text.replace(at, 3, std::to_string(number));
  return text;
}

uint64_t Nanoseconds(absl::Duration time) {
  return static_cast<uint64_t>(absl::ToInt64Nanoseconds(time));
}

// The batch engine where there is one: we measure the server's cipher, not ours.
std::unique_ptr<crypto::esp::Engine> BestEngine(stack::Rng& rng) {
  using crypto::esp::EngineId;
  const bool there = crypto::esp::CheckEngine(EngineId::kIpsecMb).ok();
  return crypto::esp::MakeEngine(there ? EngineId::kIpsecMb : EngineId::kBotan, rng);
}

void CountReason(std::map<std::string, uint64_t>& reasons, const std::string& reason) {
  if (reasons.size() < kReasonsKept || reasons.contains(reason)) ++reasons[reason];
}

std::string TextOf(const Down& down) {
  return std::string(NameOf(down.reason)) + (down.text.empty() ? "" : ": ") + down.text;
}

}  // namespace

std::string_view NameOf(LoginStep step) {
  switch (step) {
    case LoginStep::kPhaseOne:
      return "phase_1";
    case LoginStep::kQuickMode:
      return "quick_mode";
    case LoginStep::kTunnel:
      return "tunnel";
    case LoginStep::kCall:
      return "call";
    case LoginStep::kLcp:
      return "lcp";
    case LoginStep::kAuth:
      return "auth";
    case LoginStep::kIpcp:
      return "ipcp";
    case LoginStep::kWhole:
      return "whole";
  }
  return "unknown";
}

Fleet::Fleet(absl::Time now, Environment environment)
    : env_(std::move(environment)),
      options_(*env_.options),
      places_(options_.source, options_.nat),
      engine_(BestEngine(*env_.rng)),
      wheel_(now),
      out_(*env_.pool),
      reassembly_({}, *env_.pool, drops_) {
  subscribers_.reserve(options_.clients);
  for (uint32_t i = 0; i < options_.clients; ++i) {
    subscribers_.push_back(std::make_unique<Subscriber>());
    subscribers_.back()->number = i;
  }
}

Fleet::~Fleet() = default;

// ---- Logging in -------------------------------------------------------------------------------

ClientOptions Fleet::OptionsOf(uint32_t client) const {
  ClientOptions to;
  to.ipsec.address = places_.Inside(client);
  to.ipsec.server = options_.server;
  to.ipsec.engine = engine_.get();
  to.ipsec.mtu = options_.mtu;
  to.ipsec.rekey_esp = options_.rekey;
  to.ipsec.ike = ike::InitiatorOptions::Default(options_.psk.Clone());
  if (!options_.phase_one.empty()) to.ipsec.ike.phase_one = options_.phase_one;
  if (!options_.esp.empty()) to.ipsec.ike.esp = options_.esp;
  to.ipsec.ike.nat_traversal = options_.nat_t != NatT::kOff;
  to.ipsec.ike.force_udp_encapsulation = options_.nat_t == NatT::kForce;
  to.l2tp.host_name = "adit-load";
  to.ppp.name = Numbered(options_.user, client + 1);
  to.ppp.mru = kMru;
  to.ppp.authentication = {options_.auth};
  to.password = options_.password.Clone();
  return to;
}

void Fleet::Begin(absl::Time now) {
  begun_at_ = now;
  DialDue(now);
}

// Client n dials n / rate after the beginning.
void Fleet::DialDue(absl::Time now) {
  if (ended_ || begun_at_ > now) return;
  const double due = absl::ToDoubleSeconds(now - begun_at_) * options_.login_rate;
  for (uint32_t i = 0; i < kDialsAtOnce && next_to_dial_ < subscribers_.size() &&
                       static_cast<double>(next_to_dial_) <= due;
       ++i) {
    Dial(now, *subscribers_[next_to_dial_++]);
  }
}

void Fleet::Dial(absl::Time now, Subscriber& who) {
  ++who.generation;
  who.client = std::make_unique<Client>(OptionsOf(who.number), *env_.rng);
  who.state = State::kDialing;
  who.next = LoginStep::kPhaseOne;
  who.begun = who.step_begun = now;
  who.act_at = absl::InfiniteFuture();
  ++logins_.tried;
  ++alive_;
  ++dialing_;
  logins_.first_begun = std::min(logins_.first_begun, now);
  who.client->Start(now, out_);
  Drain(now, who);
}

absl::Time Fleet::NextDeadline() const {
  absl::Time next = std::min(wheel_.Next(), reassembly_.NextDeadline());
  if (!ended_ && next_to_dial_ < subscribers_.size() && begun_at_ != absl::InfiniteFuture()) {
    next = std::min(next, begun_at_ + absl::Seconds(next_to_dial_ / options_.login_rate));
  }
  return next;
}

void Fleet::OnDeadline(absl::Time now) {
  DialDue(now);
  if (reassembly_.NextDeadline() <= now) {
    reassembly_.Expire(now);
    reassembly_.TakeLate();
  }
  wheel_.Advance(
      now, [&](stack::WheelEntry& entry) { OnDue(now, static_cast<Subscriber&>(entry)); }, 256);
}

void Fleet::OnDue(absl::Time now, Subscriber& who) {
  FlushSends();  // SAs end at deadlines
  if (who.act_at <= now) {
    who.act_at = absl::InfiniteFuture();
    if (who.state == State::kUp) return Leave(now, who);
    if (who.state == State::kGone && !ended_) return Dial(now, who);
  }
  if (who.client == nullptr) return;
  who.client->OnDeadline(now, out_);
  Drain(now, who);
}

void Fleet::Leave(absl::Time now, Subscriber& who) {
  if (who.state == State::kUp) --up_;
  if (who.state == State::kDialing) --dialing_;
  who.state = State::kLeaving;
  who.client->Close(now, out_);
  Drain(now, who);
}

void Fleet::LogOut(absl::Time now) {
  ended_ = true;
  for (const auto& who : subscribers_) {
    if (who->state == State::kDialing || who->state == State::kUp) Leave(now, *who);
  }
}

bool Fleet::IsSettled() const { return next_to_dial_ == subscribers_.size() && dialing_ == 0; }

bool Fleet::IsUp(uint32_t client) const { return subscribers_[client]->state == State::kUp; }

// ---- What clients say -------------------------------------------------------------------------

void Fleet::Drain(absl::Time now, Subscriber& who) {
  for (;;) {
    for (size_t i = 0; i < out_.items().size(); ++i) {
      if (auto* frame = std::get_if<0>(&out_.items()[i])) {
        SendOuter(who.number, std::move(frame->buf), {});
      } else {
        On(now, who, std::get<1>(out_.items()[i]));
      }
    }
    out_.Clear();
    if (refused_.empty()) break;
    const Question question = refused_.back();
    refused_.pop_back();
    if (question.is_key_pair) {
      who.client->OnKeyPair(now, {question.ticket, nullptr}, out_);
    } else {
      ike::DhAnswer busy;
      busy.ticket = question.ticket;
      who.client->OnDh(now, std::move(busy), out_);
    }
  }
  if (who.state == State::kGone) {
    FlushSends();  // what is to be sealed may be its
    who.client.reset();
    wheel_.Schedule(who, who.act_at);
  } else {
    wheel_.Schedule(who, std::min(who.act_at, who.client->NextDeadline()));
  }
}

void Fleet::On(absl::Time now, Subscriber& who, Event& event) {
  std::visit(stack::Overloaded{
                 [&](Drop drop) { drops_.Add(drop); },
                 [&](const NeedKeyPair& need) { Ask(who, need); },
                 [&](const NeedAgreement& need) { Ask(who, need); },
                 [&](const Step& step) { OnStep(now, who, step.what); },
                 [&](const Up& up) { OnUp(now, who, up); },
                 [&](const Down& down) { OnDown(now, who, down); },
                 [&](const Received& received) {
                   env_.sink->OnInner(now, who.number, received.packet.bytes());
                 },
             },
             event);
}

void Fleet::OnStep(absl::Time now, Subscriber& who, Milestone what) {
  if (what == Milestone::kEspRekeyed || what == Milestone::kPhaseOneRekeyed) ++logins_.rekeys;
  const auto step = StepOf(what);
  if (step && who.state == State::kDialing) Reach(now, who, *step);
}

void Fleet::Reach(absl::Time now, Subscriber& who, LoginStep step) {
  logins_.times[static_cast<size_t>(step)].Add(Nanoseconds(now - who.step_begun));
  who.step_begun = now;
  who.next = static_cast<LoginStep>(static_cast<uint8_t>(step) + 1);
}

void Fleet::OnUp(absl::Time now, Subscriber& who, const Up& up) {
  who.up = up;
  if (who.state != State::kDialing) return;
  who.state = State::kUp;
  ++up_;
  --dialing_;
  ++logins_.succeeded;
  logins_.last_up = now;
  logins_.times[static_cast<size_t>(LoginStep::kWhole)].Add(Nanoseconds(now - who.begun));
  if (options_.hold > absl::ZeroDuration()) who.act_at = now + options_.hold;
}

void Fleet::OnDown(absl::Time now, Subscriber& who, const Down& down) {
  if (who.state == State::kDialing) {
    ++logins_.failed;
    --dialing_;
    const auto key = std::pair(std::min(who.next, LoginStep::kIpcp), TextOf(down));
    auto& failures = logins_.failures;
    if (failures.size() < kReasonsKept || failures.contains(key)) ++failures[key];
  } else if (who.state == State::kUp) {
    --up_;
    ++logins_.broken_off;
    CountReason(logins_.breaks, TextOf(down));
  } else {
    ++logins_.logged_out;
  }
  who.state = State::kGone;
  who.act_at = options_.churn && !ended_ ? now : absl::InfiniteFuture();
  --alive_;
}

// ---- Diffie-Hellman ---------------------------------------------------------------------------

void Fleet::Ask(const Subscriber& who, const NeedKeyPair& need) {
  const Question question{who.number, who.generation, need.ticket, true};
  crew::Job job{++last_question_, true, crew::Generate{need.group}};
  if (!env_.ask_crew(std::move(job))) return refused_.push_back(question);
  questions_[last_question_] = question;
}

void Fleet::Ask(const Subscriber& who, const NeedAgreement& need) {
  const Question question{who.number, who.generation, need.ticket, false};
  crew::Job job{++last_question_, true, crew::Agree{need.pair, need.peer_public}};
  if (!env_.ask_crew(std::move(job))) return refused_.push_back(question);
  questions_[last_question_] = question;
}

void Fleet::OnCrew(absl::Time now, crew::Answer answer) {
  const auto found = questions_.find(answer.ticket);
  if (found == questions_.end()) return;
  const Question question = found->second;
  questions_.erase(found);
  Subscriber& who = *subscribers_[question.client];
  if (who.client == nullptr || who.generation != question.generation) return;
  if (question.is_key_pair) {
    ike::KeyPairAnswer to{question.ticket, nullptr};
    if (answer.key) to.pair = std::make_shared<const crypto::DhKeyPair>(std::move(*answer.key));
    who.client->OnKeyPair(now, to, out_);
  } else {
    ike::DhAnswer to;
    to.ticket = question.ticket;
    to.outcome = answer.status.ok() ? ike::DhAnswer::Outcome::kDone
                                    : ike::DhAnswer::Outcome::kBadPublicValue;
    to.shared = std::move(answer.shared);
    who.client->OnDh(now, std::move(to), out_);
  }
  Drain(now, who);
}

}  // namespace gateway::load
