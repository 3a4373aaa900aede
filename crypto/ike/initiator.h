// The client's end of IKE: one phase 1 that we begin, and the quick modes under it. RFC 2409.
//
// The other half of Responder, sharing its payloads, proposals and key material and none of its
// state machines. Used to load a gateway and to connect sites; resends on its own, with backoff.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "crypto/ike/event.h"
#include "crypto/ike/isakmp_sa.h"
#include "crypto/ike/options.h"
#include "crypto/ike/ticket.h"
#include "stack/base/machine.h"
#include "stack/base/rng.h"

namespace crypto::ike {

class MainModeInitiator;
class QuickModeInitiator;
class Informational;

class Initiator {
 public:
  using In = stack::Datagram;
  using Out = ike::Out;

  // `path` is the way to the peer's port 500. `rng` outlives the initiator.
  Initiator(absl::Time now, InitiatorOptions options, const Path& path, stack::Rng& rng);
  ~Initiator();

  void Start(absl::Time now, Out& out);  // sends MM1; PhaseOneUp or PhaseOneFailed follows
  void OnPacket(absl::Time now, const In& in, Out& out);
  void OnDeadline(absl::Time now, Out& out);
  absl::Time NextDeadline() const;

  // Answers to NeedKeyPair, NeedAgreement, NeedSpi.
  void OnKeyPair(absl::Time now, const KeyPairAnswer& answer, Out& out);
  void OnDh(absl::Time now, DhAnswer answer, Out& out);
  void OnSpi(absl::Time now, const SpiAnswer& answer, Out& out);

  // Commands; inert before PhaseOneUp and after PhaseOneGone.
  // Negotiates a pair of ESP SAs: NeedSpi, then ChildReady and ChildUp, or ChildFailed. Call it
  // again to rekey. Gives the message id, 0 if there is no phase 1.
  uint32_t StartQuickMode(absl::Time now, Out& out);
  void DeleteChild(absl::Time now, EspSpi spi_in, Out& out);
  void DeletePhase1(absl::Time now, Out& out);
  bool StartDpd(absl::Time now, Out& out);
  void SetPath(const Path& path);

  PhaseOneId id() const;
  const IsakmpSa* sa() const { return sa_.get(); }  // nullptr until PhaseOneUp

 private:
  QuickModeInitiator* Of(uint32_t message_id) const;
  void OnProtected(absl::Time now, const In& in, Out& out);
  void Settle(Out& out);
  void LetGo(PhaseOneGone::Why why, Out& out);

  InitiatorOptions options_;
  stack::Rng& rng_;
  Tickets tickets_;
  std::unique_ptr<MainModeInitiator> main_mode_;
  std::unique_ptr<IsakmpSa> sa_;
  std::unique_ptr<Informational> informational_;
  std::map<uint32_t, std::unique_ptr<QuickModeInitiator>> quick_modes_;
  bool gone_ = false;  // sa_ stays, for what refers to it
};
static_assert(stack::Machine<Initiator>);

}  // namespace crypto::ike
