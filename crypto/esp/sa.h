// ESP security associations: one direction each, with all that opening or sealing a packet needs.
// RFC 4303 sections 2 and 3 for the fields, RFC 4301 section 4.4.2 for what an SA holds.
//
// An SA is made once from the keys that IKE's Quick Mode agreed on, for the kind of engine that
// will compute for it (engine.h), belongs to one shard, and is then used by crypto/esp/{open,seal}.
// Making one allocates; using it never does.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "absl/status/statusor.h"
#include "crypto/esp/engine.h"
#include "crypto/esp/keys.h"
#include "crypto/esp/replay.h"
#include "crypto/esp/suite.h"

namespace crypto::esp {

// Security Parameters Index. Ours carry the bucket, and so the shard, in their low 8 bits (sad.h);
// the peer's are any number.
struct Spi {
  uint32_t value = 0;

  uint8_t bucket() const { return static_cast<uint8_t>(value); }
  friend auto operator<=>(const Spi&, const Spi&) = default;
  template <class H>
  friend H AbslHashValue(H h, Spi spi) {
    return H::combine(std::move(h), spi.value);
  }
};

// SPIs 0 to 255 are reserved (RFC 4303 section 2.1).
inline constexpr uint32_t kMinSpi = 256;
// No number comes after this one (RFC 4303 section 3.3.3): an SA without extended numbers ends.
inline constexpr uint32_t kLastSequence = std::numeric_limits<uint32_t>::max();

inline constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

struct Counters {
  uint64_t packets = 0;
  uint64_t octets = 0;  // of payload, without ESP's own
};

// What an SA is made of.
struct SaParameters {
  Spi spi;
  Suite suite;
  Keys keys;
  uint64_t hard_octets = kNoLimit;              // of payload
  uint32_t peer = 0;                            // the shard's index of the subscriber it belongs to
  size_t replay_window = kDefaultReplayWindow;  // inbound only
};

// An SA comes to its end when it has carried hard_octets, or when its sequence numbers are used up:
// has_ended() says so from then on, and whatever still wants to pass is refused, with kSaExpired or
// kSequenceExhausted. So the owner need not watch it: the first refusal is the time to look, to
// send DELETE and to remove the pair. The end by time is the owner's own: an SA that is removed
// carries nothing. The softer limits at which an SA is renewed are the initiator's business.

// From the peer to us.
struct InboundSa {
  Spi spi;
  Suite suite;
  uint32_t peer;
  uint64_t hard_octets;
  Counters counters;
  ReplayWindow replay;
  SaKeys keys;

  bool has_ended() const {
    return counters.octets >= hard_octets || replay.highest() == kLastSequence;
  }
};

// From us to the peer.
struct OutboundSa {
  Spi spi;
  Suite suite;
  uint32_t peer;
  uint64_t hard_octets;
  Counters counters;
  uint32_t sequence;  // of the last packet sent; the first one has 1 (RFC 4303 section 2.2)
  // GCM wants IVs that never come twice under a key (RFC 4106 section 3.1): a counter that starts
  // with the keys and never goes back, whatever becomes of the sequence number. 2^64 outlasts 2^32.
  uint64_t next_iv;
  SaKeys keys;

  bool has_ended() const { return counters.octets >= hard_octets || sequence == kLastSequence; }
};

// InvalidArgument if a key has not the size that the suite wants, the suite has no such key size or
// hash, or the SPI is reserved. The keys are copied; `parameters` is consumed and its keys are
// scrubbed.
absl::StatusOr<std::unique_ptr<InboundSa>> MakeInboundSa(SaParameters parameters,
                                                         const Engine& engine);
absl::StatusOr<std::unique_ptr<OutboundSa>> MakeOutboundSa(SaParameters parameters,
                                                           const Engine& engine);

}  // namespace crypto::esp
