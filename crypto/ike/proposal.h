// Choosing among the transforms a peer offers, and building an offer. RFC 2409 appendix A (phase
// 1), RFC 2407 section 4.5 (phase 2).
//
// A transform that holds an attribute unknown here is passed over: it goes back unchanged when
// chosen, so choosing it would promise something not understood. All else in the offer stays
// usable.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/ike/options.h"
#include "crypto/ike/payload.h"
#include "crypto/ike/suite.h"

namespace crypto::ike {

inline constexpr size_t kMaxListed = 32;  // transforms kept to explain a failure

// What a transform says, whatever it says. nullopt if an attribute does not parse, is unknown, or
// contradicts an earlier one.
std::optional<PhaseOneSuite> ReadPhaseOne(const Transform& transform);
std::optional<EspSuite> ReadEsp(const Transform& transform);

// The chosen transform, with the proposal it stood in (which then holds only that transform).
template <class Suite>
struct Choice {
  Suite suite;
  Proposal proposal;  // views into the message: the SPI and the attributes
};

// The best of what is offered by `policy`; nullopt if nothing is allowed.
std::optional<Choice<PhaseOneSuite>> ChoosePhaseOne(const SaOffer& offer,
                                                    const PhaseOnePolicy& policy);

// The rest of what a quick mode says.
struct EspTerms {
  std::optional<size_t> public_value_octets;  // of the KE payload; absent: no PFS
  bool udp_allowed = false;                   // NAT-T was negotiated
  bool udp_preferred = false;                 // and there is a NAT
};
std::optional<Choice<EspSuite>> ChooseEsp(const SaOffer& offer, const EspPolicy& policy,
                                          const EspTerms& terms);

// For "no common proposal": what was offered, at most kMaxListed, and what would be accepted.
std::vector<PhaseOneSuite> ListPhaseOne(const SaOffer& offer);
std::vector<EspSuite> ListEsp(const SaOffer& offer);
std::vector<EspSuite> ListAcceptable(const EspPolicy& policy);

// SA payload bodies of an initiator: one proposal with a transform for each suite.
Bytes OfferPhaseOne(const std::vector<PhaseOneSuite>& suites);
Bytes OfferEsp(const std::vector<EspSuite>& suites, uint32_t spi);
// Whether the responder's SA payload is exactly one transform of ours, and which; lifetimes may be
// shorter than offered.
std::optional<Choice<PhaseOneSuite>> AcceptPhaseOne(const SaOffer& reply,
                                                    const std::vector<PhaseOneSuite>& offered);
std::optional<Choice<EspSuite>> AcceptEsp(const SaOffer& reply,
                                          const std::vector<EspSuite>& offered);

}  // namespace crypto::ike
