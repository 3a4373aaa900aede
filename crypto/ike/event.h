// What the IKE machines say to their owner, and the answers they take. RFC 2409.
//
// Everything is a value in one ordered Outbox, next to the frames. Frames are bare ISAKMP messages:
// the owner puts the non-ESP marker (RFC 3948 section 2.2) in front when the path's local port is
// 4500, and takes it off before a datagram is handed in.
//
// Questions carry a ticket and are answered exactly once, at any later time, with the ticket; an
// answer for a machine that is gone meanwhile is inert.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "crypto/ike/options.h"
#include "crypto/ike/suite.h"
#include "crypto/prim/dh.h"
#include "crypto/prim/secret.h"
#include "stack/base/address.h"
#include "stack/base/drop.h"
#include "stack/base/machine.h"

namespace crypto::ike {

inline constexpr uint16_t kIkePort = 500;
inline constexpr uint16_t kFloatedPort = 4500;

// Where a message came from, seen from here, and where its answer goes.
struct Path {
  stack::Endpoint local, remote;
  bool operator==(const Path&) const = default;
};

// One phase 1: the cookie that this end chose, which is unique here. For the responder that is the
// responder cookie, and its low 8 bits are the bucket.
struct PhaseOneId {
  uint64_t cookie = 0;
  auto operator<=>(const PhaseOneId&) const = default;
  template <class H>
  friend H AbslHashValue(H h, PhaseOneId id) {
    return H::combine(std::move(h), id.cookie);
  }
};

// SPI of an ESP SA, host byte order.
struct EspSpi {
  uint32_t value = 0;
  auto operator<=>(const EspSpi&) const = default;
};

using Ticket = uint64_t;

// ---- Questions
// -----------------------------------------------------------------------------------

// Make a key pair of `group` and agree on the spot with `peer_public`. Milliseconds: for the crew.
struct NeedDh {
  Ticket ticket;
  Group group;
  Bytes peer_public;
  bool established;  // the asker is authenticated already (PFS): serve it first
};
struct DhAnswer {
  enum class Outcome : uint8_t {
    kDone,
    kBusy,           // the queue is full: the peer's retransmission will ask again
    kBadPublicValue  // the peer's value has the wrong length or is no element of the group
  };
  Ticket ticket = 0;
  Outcome outcome = Outcome::kBusy;
  Bytes own_public;  // of kDone
  Secret shared;     // of kDone
};

// The initiator's two steps: first a key pair, later the agreement with it.
struct NeedKeyPair {
  Ticket ticket;
  Group group;
};
struct KeyPairAnswer {
  Ticket ticket = 0;
  std::shared_ptr<const DhKeyPair> pair;  // null: busy; asked again after a pause
};
struct NeedAgreement {
  Ticket ticket;
  std::shared_ptr<const DhKeyPair> pair;
  Bytes peer_public;
};
// answered by a DhAnswer without own_public

// Which SPI shall the inbound ESP SA have? Choose one in the right bucket. It is in use only once
// ChildReady says so: until then nothing need be kept for it.
struct NeedSpi {
  Ticket ticket;
  PhaseOneId sa;
  Identification idci, idcr;  // the client's and the server's end of the traffic, as proposed
  Path path;                  // the way the quick mode came
  EncapsulationMode mode;
};
struct SpiAnswer {
  Ticket ticket = 0;
  EspSpi spi;  // 0: refused; the quick mode fails
};

// ---- The timeline of a login
// ---------------------------------------------------------------------

// What the peer's vendor ids say about it. Unknown ones are only counted.
struct Vendors {
  bool rfc3947 = false, natt_draft = false;  // NAT traversal, as the RFC or in a draft's form
  bool dpd = false;
  bool fragmentation = false;
  bool microsoft = false, apple = false, strongswan = false, xauth = false;
  uint8_t unknown = 0;
};

struct FirstMessage {
  Vendors vendors;
  size_t transforms;  // offered in all
};
struct ProposalChosen {
  PhaseOneSuite suite;
};
struct NatDetected {
  bool peer, local;  // who is behind a NAT; both false: nobody
  bool forced;       // we pretended one at the peer's end, so that ESP travels in UDP
};
struct KeysAgreed {};  // both ends know the Diffie-Hellman secret; identities come next
struct QuickModeStarted {
  uint32_t message_id;
};
using StepKind =
    std::variant<FirstMessage, ProposalChosen, NatDetected, KeysAgreed, QuickModeStarted>;
struct Step {
  PhaseOneId sa;
  Path path;
  StepKind what;
};

// ---- Phase 1
// -------------------------------------------------------------------------------------

enum class Failure : uint8_t {
  kNoCommonProposal,   // nothing offered is allowed here; both lists are in the event
  kNoPreSharedKey,     // none is configured for this address
  kBadPublicValue,     // the peer's key exchange value is illegal
  kWrongPreSharedKey,  // the identity message decrypted to garbage until time was up
  kAuthentication,     // the peer's HASH is wrong though the message decrypts
  kTimeout,            // the peer fell silent
  kRefusedByPeer,      // the peer sent an error notify
  kRefusedHere,        // the owner gave no SPI
  kIllegalMessage,     // a message that is authentic but breaks the protocol
  kCrowdedOut,         // too many half-open logins: the oldest unproven one had to go
};
std::string_view NameOf(Failure failure);  // snake_case, stable: for metrics and logs

// The peer is authenticated. Told once, right after MM6 (or, as initiator, on MM6).
struct PhaseOneUp {
  PhaseOneId sa;
  Path path;  // where MM5 came from: floated if there is a NAT
  Identification peer;
  PhaseOneSuite suite;
  Vendors vendors;
  bool peer_natted = false, local_natted = false;
  absl::Time expires;
};

// What it takes to read the encrypted messages of a phase 1 along. Told only if Options::keylog
// asks for it, once both ends know the key.
struct KeyLog {
  PhaseOneId sa;
  uint64_t initiator_cookie = 0;
  PhaseOneSuite suite;
  Secret key;  // of the phase-1 cipher
};

// MM5 decrypts to garbage: nearly always another pre-shared key. Told once a login; the login goes
// on waiting, since anybody can forge such a message.
struct WrongPskSuspected {
  PhaseOneId sa;
  Path path;
};

struct PhaseOneFailed {
  PhaseOneId sa;  // cookie 0 if the first message was refused
  Path path;
  Failure why;
  NotifyType notify = NotifyType::kNone;  // of kRefusedByPeer
  std::vector<PhaseOneSuite> offered;     // of kNoCommonProposal: at most 32 of the peer's
  PhaseOnePolicy allowed;                 // of kNoCommonProposal: ours
};

// The ISAKMP SA is no more. ESP SAs negotiated under it live on (RFC 2409 ties them to nothing):
// neither they nor L2TP may be touched for this.
struct PhaseOneGone {
  // kCrowdedOut: its identity, or its address, has too many (established.h). The peer is not told.
  enum class Why : uint8_t { kDeletedByPeer, kDeletedHere, kExpired, kCrowdedOut };
  PhaseOneId sa;
  Why why;
};

// The peer says it remembers no older SAs. Which ones to remove is the owner's decision: never by
// outer address alone (RFC 3947 section 6).
struct InitialContact {
  PhaseOneId sa;
};

// The peer proved, by a fresh authenticated message, that it now lives at `path`. RFC 3947
// section 7.
struct PathChanged {
  PhaseOneId sa;
  Path path;
};

struct PeerAlive {  // R-U-THERE or its ACK arrived
  PhaseOneId sa;
  // An ACK: it names a number that only our own R-U-THERE told, so the peer receives where that was
  // sent.
  bool answered = false;
};
struct PeerDead {  // none of our R-U-THEREs was answered; the SA is left standing
  PhaseOneId sa;
};

// ---- Phase 2
// -------------------------------------------------------------------------------------

struct ChildKeys {
  Secret cipher, auth;
};

// A pair of ESP SAs is agreed. Told as QM2 leaves: install the inbound half at once, because the
// peer's first ESP packet may overtake QM3; send on the outbound half after ChildUp or the first
// good packet on spi_in.
struct ChildReady {
  PhaseOneId sa;
  uint32_t message_id = 0;
  EspSpi spi_in, spi_out;
  EspSuite suite;  // suite.lifetime is the peer's wish
  ChildKeys in, out;
  bool udp_encapsulated = false;
  Path path;                                            // where ESP goes
  Identification idci, idcr;                            // initiator's and responder's end
  std::optional<stack::Ip4> nat_oa_peer, nat_oa_local;  // as the peer's NAT-OA payloads say
};

// QM3 arrived (or left): the peer is ready to receive on spi_out, and it received QM2 at
// ChildReady::path. (The source of a message alone proves nothing: it can be forged.)
struct ChildUp {
  PhaseOneId sa;
  EspSpi spi_in;
};

// A quick mode failed. If spi_in is not 0, ChildReady had been told: QM3 never came. Remove that
// pair unless ESP arrived on it, which proves the peer's readiness as well as QM3 does.
struct ChildFailed {
  PhaseOneId sa;
  uint32_t message_id = 0;
  Failure why;
  EspSpi spi_in;
  NotifyType notify = NotifyType::kNone;  // of kRefusedByPeer
  std::vector<EspSuite> offered;          // of kNoCommonProposal: at most 32 of the peer's
  std::vector<EspSuite> acceptable;       // of kNoCommonProposal: ours, in order of preference
};

// The peer deletes its inbound SAs with these SPIs, which are our outbound ones. At most 64; may
// name SAs that are not (or no more) this peer's: check.
struct ChildDeleted {
  PhaseOneId sa;
  std::vector<EspSpi> spi_out;
};

using Event =
    std::variant<stack::Drop, NeedDh, NeedKeyPair, NeedAgreement, NeedSpi, Step, PhaseOneUp, KeyLog,
                 WrongPskSuspected, PhaseOneFailed, PhaseOneGone, InitialContact, PathChanged,
                 PeerAlive, PeerDead, ChildReady, ChildUp, ChildFailed, ChildDeleted>;
using Out = stack::Outbox<Event, Path>;

}  // namespace crypto::ike
