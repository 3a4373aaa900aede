// IKE's events at the client: phase 1s and pairs of SAs as they come, are replaced and go.
#include <algorithm>
#include <utility>

#include "gateway/esp_suite.h"
#include "gateway/load/ipsec_end.h"

namespace gateway::load {
namespace {

namespace esp = crypto::esp;
namespace ike = crypto::ike;
using stack::Drop;

// A quick mode that failed while there is a pair of SAs is begun again after this.
constexpr absl::Duration kRekeyRetry = absl::Seconds(30);

esp::SaParameters ParametersOf(ike::EspSpi spi, const ike::EspSuite& suite, ike::ChildKeys& keys) {
  return {.spi = {spi.value},
          .suite = EspSuiteOf(suite),
          .keys = {std::move(keys.cipher), std::move(keys.auth)}};
}

std::string TextOf(ike::Failure why, ike::NotifyType notify) {
  std::string text(ike::NameOf(why));
  if (notify != ike::NotifyType::kNone) text += ": " + std::string(ike::NameOf(notify));
  return text;
}

}  // namespace

// What calls the machine again waits until its list is through.
void IpsecEnd::CarryOut(absl::Time now, PhaseOne& phase_one, ike::Out& from, Out& out) {
  std::vector<ike::Event> later;
  for (auto& item : from.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      SendIke(frame->address, std::move(frame->buf), out);
    } else {
      later.push_back(std::move(std::get<1>(item)));
    }
  }
  for (ike::Event& event : later) On(now, phase_one, event, out);
}

void IpsecEnd::On(absl::Time now, PhaseOne& phase_one, ike::Event& event, Out& out) {
  std::visit(
      stack::Overloaded{
          [&](Drop drop) { out.Tell(drop); },
          [&](ike::NeedKeyPair& need) {
            need.ticket = Ask(phase_one, need.ticket);
            out.Tell(std::move(need));
          },
          [&](ike::NeedAgreement& need) {
            need.ticket = Ask(phase_one, need.ticket);
            out.Tell(std::move(need));
          },
          [&](const ike::NeedSpi& need) {
            const ike::SpiAnswer answer{need.ticket, FreeSpi()};
            With(now, phase_one, out,
                 [&](auto& machine, auto& to) { machine.OnSpi(now, answer, to); });
          },
          [&](const ike::PhaseOneUp& up) { OnUp(now, phase_one, up, out); },
          [&](const ike::PhaseOneFailed& failed) { OnFailed(phase_one, failed); },
          [&](const ike::PhaseOneGone& gone) { OnGone(phase_one, gone, out); },
          [&](const ike::PeerDead&) { End(DownReason::kServerDead, "no answer to R-U-THERE"); },
          [&](ike::ChildReady& ready) { OnReady(ready); },
          [&](const ike::ChildUp& up) { OnChildUp(now, phase_one, up, out); },
          [&](const ike::ChildFailed& failed) { OnChildFailed(now, failed, out); },
          [&](const ike::ChildDeleted& deleted) { OnDeleted(now, deleted, out); },
          [](const auto&) {},  // the rest is a responder's, or news that changes nothing here
      },
      event);
}

void IpsecEnd::OnUp(absl::Time now, PhaseOne& phase_one, const ike::PhaseOneUp& up, Out& out) {
  phase_one.up = true;
  if (!phase_one.replaces && !phase_one.renews) out.Tell(Step{Milestone::kPhaseOneUp});
  if (up.local_natted) {
    natted_ = up.path;
    timers_.Arm(Timer::kKeepalive, now + options_.keepalive);
  }
  timers_.Arm(Timer::kRekeyPhaseOne, now + options_.rekey_phase_one);
  if (phase_one.renews) {
    out.Tell(Step{Milestone::kPhaseOneRekeyed});
    return DeleteOlder(now, phase_one, out);
  }
  With(now, phase_one, out, [now](auto& machine, auto& to) { machine.StartQuickMode(now, to); });
}

void IpsecEnd::OnFailed(PhaseOne& phase_one, const ike::PhaseOneFailed& failed) {
  const bool was_only = phase_ones_.size() == 1;
  Remove(phase_one);
  if (was_only) End(DownReason::kPhaseOneFailed, TextOf(failed.why, failed.notify));
}

void IpsecEnd::OnGone(PhaseOne& phase_one, const ike::PhaseOneGone& gone, Out& out) {
  if (gone.why == ike::PhaseOneGone::Why::kDeletedByPeer) {
    out.Tell(Step{Milestone::kPhaseOneDeleted});
  }
  Remove(phase_one);
  EndIfDeserted();
}

void IpsecEnd::OnReady(ike::ChildReady& ready) {
  auto in = esp::MakeInboundSa(ParametersOf(ready.spi_in, ready.suite, ready.in), *options_.engine);
  auto sa_out =
      esp::MakeOutboundSa(ParametersOf(ready.spi_out, ready.suite, ready.out), *options_.engine);
  if (!in.ok() || !sa_out.ok()) return End(DownReason::kQuickModeFailed, "SA cannot be made");
  Child& child = children_.emplace_back();
  child.phase_one = ready.sa;
  child.in = *std::move(in);
  child.out = *std::move(sa_out);
  child.udp_encapsulated = ready.udp_encapsulated;
  child.path = ready.path;
}

void IpsecEnd::OnChildUp(absl::Time now, PhaseOne& phase_one, const ike::ChildUp& up, Out& out) {
  const bool is_first = children_.size() == 1;
  if (is_first) {
    out.Tell(Step{Milestone::kEspUp});
  } else {
    out.Tell(Step{phase_one.replaces ? Milestone::kPhaseOneRekeyed : Milestone::kEspRekeyed});
    DeleteOthers(now, {up.spi_in.value}, out);
  }
  if (std::exchange(phase_one.replaces, false)) DeleteOlder(now, phase_one, out);
  timers_.Arm(Timer::kRekeyEsp, now + options_.rekey_esp);
}

void IpsecEnd::OnChildFailed(absl::Time now, const ike::ChildFailed& failed, Out& out) {
  if (Current() != nullptr) return timers_.Arm(Timer::kRekeyEsp, now + kRekeyRetry);
  Close(now, out);
  over_ =
      std::make_unique<Down>(Down{DownReason::kQuickModeFailed, TextOf(failed.why, failed.notify)});
}

// The server's DELETE names the SAs it receives on, which are our outbound ones.
void IpsecEnd::OnDeleted(absl::Time now, const ike::ChildDeleted& deleted, Out& out) {
  for (const ike::EspSpi spi : deleted.spi_out) {
    for (Child& child : children_) {
      if (child.out->spi.value != spi.value || child.remove_at != absl::InfiniteFuture()) continue;
      child.remove_at = now + options_.linger;
      out.Tell(Step{Milestone::kEspDeleted});
    }
  }
  EndIfDeserted();
}

// ---- Rekeying and the end ---------------------------------------------------------------------

void IpsecEnd::RekeyEsp(absl::Time now, Out& out) {
  PhaseOne* phase_one = is_over() ? nullptr : NewestUp();
  if (phase_one == nullptr) return RekeyPhaseOne(now, out);
  With(now, *phase_one, out, [now](auto& machine, auto& to) { machine.StartQuickMode(now, to); });
}

void IpsecEnd::RekeyPhaseOne(absl::Time now, Out& out) {
  if (!is_up()) return;
  Start(now, out);
  phase_ones_.back()->replaces = true;
}

void IpsecEnd::RenewPhaseOne(absl::Time now, Out& out) {
  if (!is_up()) return;
  Start(now, out);
  phase_ones_.back()->renews = true;
}

void IpsecEnd::MoveTo(absl::Time now, stack::Ip4 address, Out& out) {
  if (is_over()) return;
  options_.address = address;
  while (!phase_ones_.empty()) Remove(*phase_ones_.back());
  children_.clear();
  natted_.reset();
  timers_.DisarmAll();
  Start(now, out);
}

void IpsecEnd::SendDelete(absl::Time now, esp::Spi spi, Out& out) {
  PhaseOne* phase_one = is_over() ? nullptr : NewestUp();
  if (phase_one == nullptr) return;
  With(now, *phase_one, out,
       [&](auto& machine, auto& to) { machine.DeleteChild(now, {spi.value}, to); });
}

void IpsecEnd::DeleteOthers(absl::Time now, esp::Spi keep, Out& out) {
  for (Child& child : children_) {
    if (child.in->spi == keep || child.remove_at != absl::InfiniteFuture()) continue;
    child.remove_at = now + options_.linger;
    PhaseOne* phase_one = NewestUp();
    if (phase_one == nullptr) continue;
    const ike::EspSpi spi{child.in->spi.value};
    With(now, *phase_one, out, [&](auto& machine, auto& to) { machine.DeleteChild(now, spi, to); });
  }
}

void IpsecEnd::DeleteOlder(absl::Time now, const PhaseOne& keep, Out& out) {
  while (!phase_ones_.empty() && phase_ones_.front().get() != &keep) {
    PhaseOne& old = *phase_ones_.front();
    With(now, old, out, [now](auto& machine, auto& to) { machine.DeletePhase1(now, to); });
    Remove(old);  // also one that was not up yet
  }
}

void IpsecEnd::Close(absl::Time now, Out& out) {
  if (is_over()) return;
  DeleteOthers(now, esp::Spi{}, out);
  End(DownReason::kClosed, {});
  while (!phase_ones_.empty()) {
    PhaseOne& last = *phase_ones_.back();
    With(now, last, out, [now](auto& machine, auto& to) { machine.DeletePhase1(now, to); });
    Remove(last);
  }
}

void IpsecEnd::Remove(PhaseOne& phase_one) {
  const auto it = std::find_if(phase_ones_.begin(), phase_ones_.end(),
                               [&](const auto& p) { return p.get() == &phase_one; });
  if (it == phase_ones_.end()) return;
  buried_.push_back(std::move(*it));
  phase_ones_.erase(it);
}

void IpsecEnd::End(DownReason reason, std::string text) {
  if (over_ == nullptr) over_ = std::make_unique<Down>(Down{reason, std::move(text)});
  timers_.DisarmAll();
}

void IpsecEnd::EndIfDeserted() {
  if (phase_ones_.empty() && Current() == nullptr) End(DownReason::kEndedByServer, {});
}

}  // namespace gateway::load
