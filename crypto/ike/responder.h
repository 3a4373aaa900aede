// All phase 1s of one shard in which the peer began: RFC 2409 (Main Mode, Quick Mode), RFC 3947,
// RFC 3706. Demultiplexes by cookie and message id, never by address: clients share addresses and
// ports behind a NAT, and Windows counts message ids from 1 on every client.
//
// A message's way: header -> first message? a new MainMode : by responder cookie -> MainMode,
// QuickMode by message id, or Informational. Where it stands: the owner's stage for UDP 500, and
// 4500 with the non-ESP marker, which it takes off before.
#pragma once

#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "crypto/ike/established.h"
#include "crypto/ike/event.h"
#include "crypto/ike/half_open.h"
#include "crypto/ike/isakmp_sa.h"
#include "crypto/ike/options.h"
#include "crypto/ike/resend.h"
#include "crypto/ike/ticket.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"
#include "stack/base/wheel.h"

namespace crypto::ike {

// An authenticated phase 1 on its way from one responder to another: the threads of a gateway share
// nothing, and a client's next phase 1 may begin on another than his last one.
struct Transfer {
  PhaseOneId id;
  uint64_t initiator_cookie = 0;
  stack::Ip4 remote;  // where it began
  std::unique_ptr<IsakmpSa> sa;
  LastReply last;  // to MM5
  SeenIds quick_modes, informational;
};

class Responder {
 public:
  using In = stack::Datagram;
  using Out = ike::Out;

  // `options` is copied; `rng` outlives the responder.
  Responder(absl::Time now, const Options& options, stack::Rng& rng);
  ~Responder();
  // For phase 1s that begin from now on; existing ones keep theirs.
  void SetOptions(const Options& options);
  void SetPsks(std::shared_ptr<const PskStore> psks);  // the rest of the options stays

  // One ISAKMP message, without marker. Whatever is wrong with it is told as a stack::Drop.
  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const;

  // Answers to NeedDh and NeedSpi.
  void OnDh(absl::Time now, DhAnswer answer, Out& out);
  void OnSpi(absl::Time now, const SpiAnswer& answer, Out& out);

  // Commands. An unknown `sa` is inert.
  // Sends DELETE for the inbound ESP SA; the owner removes the pair itself.
  void DeleteChild(absl::Time now, PhaseOneId sa, EspSpi spi_in, Out& out);
  // Sends DELETE for the ISAKMP SA and forgets it at once (PhaseOneGone is told).
  void DeletePhase1(absl::Time now, PhaseOneId sa, Out& out);
  // Asks the peer for a sign of life: PeerAlive or PeerDead follows. False if it never advertised
  // DPD (Windows), or is unknown: nothing will follow.
  bool StartDpd(absl::Time now, PhaseOneId sa, Out& out);
  // ESP proved that the peer moved: our own messages go there from now on.
  void SetPath(PhaseOneId sa, const Path& path);
  // ESP arrived on spi_in: as good as QM3, so nothing is resent and no ChildFailed follows.
  void OnEspSeen(absl::Time now, PhaseOneId sa, EspSpi spi_in);

  // Gives an authenticated phase 1 away; nothing is told. Its quick modes on their way begin anew
  // when the peer repeats their first message to the new owner. nullopt if it is unknown or not
  // authenticated.
  std::optional<Transfer> Release(PhaseOneId sa);
  // Takes over what another one released; false if the cookie is in use here. PhaseOneGone may
  // follow for an older one of the same peer.
  bool Adopt(absl::Time now, Transfer transfer, Out& out);

  // For status: nullptr if unknown or not yet authenticated. Good until the next call.
  const IsakmpSa* Find(PhaseOneId sa) const;
  size_t half_open() const { return half_open_.size(); }
  size_t established() const { return established_.size(); }

 private:
  struct PhaseOne;
  // What makes a first message the same as one seen before, in place of a responder cookie.
  struct FirstKey {
    uint64_t initiator_cookie;
    stack::Ip4 remote;
    uint64_t fingerprint;
    bool operator==(const FirstKey&) const = default;
    template <class H>
    friend H AbslHashValue(H h, const FirstKey& k) {
      return H::combine(std::move(h), k.initiator_cookie, k.remote, k.fingerprint);
    }
  };

  void OnFirst(absl::Time now, const In& in, Out& out);
  bool MakeRoom(absl::Time now, stack::Ip4 remote, bool known, Out& out);
  uint64_t NewCookie();
  void Settle(absl::Time now, PhaseOne& phase_one, Out& out);
  void Establish(PhaseOne& phase_one, Out& out);
  void Enlist(PhaseOne& phase_one, Out& out);
  void Gone(PhaseOne& phase_one, PhaseOneGone::Why why, Out& out);
  void Remove(PhaseOne& phase_one, HalfOpen::End end = HalfOpen::End::kFailure);
  PhaseOne* Of(PhaseOneId sa) const;
  HalfOpen::Limits half_open_limits() const {
    return {options_->max_half_open, options_->max_half_open_per_prefix};
  }

  std::shared_ptr<const Options> options_;  // each phase 1 keeps the ones it began with
  stack::Rng& rng_;
  Tickets tickets_;
  stack::Wheel wheel_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<PhaseOne>> phase_ones_;  // by responder cookie
  absl::flat_hash_map<FirstKey, uint64_t> by_first_;
  HalfOpen half_open_;
  Established established_;
};
static_assert(stack::Machine<Responder>);

}  // namespace crypto::ike
