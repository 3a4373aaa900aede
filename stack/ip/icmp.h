// The ICMP messages a router sends: RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3.
//
// Everything made here answers a packet of a stranger, so all of it goes through one token bucket,
// and an error is never sent about an ICMP error, a broadcast or multicast, a later fragment, or a
// source that is no single host (RFC 1812 4.3.2.7).
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "stack/base/packet_buf.h"
#include "stack/wire/icmp4.h"
#include "stack/wire/ip4.h"

namespace stack::ip {

// A rate limit: `burst` at once, then `per_second`.
class TokenBucket {
 public:
  TokenBucket(double per_second, double burst)
      : per_second_(per_second), burst_(burst), tokens_(burst) {}
  bool Take(absl::Time now);

 private:
  double per_second_, burst_, tokens_;
  absl::Time last_ = absl::InfinitePast();
};

class Icmp {
 public:
  struct Limits {
    double errors_per_second = 100, error_burst = 50;
    double echoes_per_second = 1000, echo_burst = 200;
  };
  // `pool` outlives the object.
  Icmp(const Limits& limits, PacketPool& pool)
      : pool_(pool),
        errors_(limits.errors_per_second, limits.error_burst),
        echoes_(limits.echoes_per_second, limits.echo_burst) {}

  // Turns an echo request for one of our addresses into its reply, in place: a packet ready to be
  // routed. Options are not reflected. kTruncated, kBadChecksum, kNoService (no echo request),
  // kSwallowed (a source that cannot be answered, or a group destination), kRateLimited; then
  // `packet` is as it was. Precondition: it passed In() and is whole.
  [[nodiscard]] Drop AnswerEcho(absl::Time now, PacketBuf& packet);

  // What an error is about, and who reports it.
  struct Offence {
    ByteView packet;         // the IPv4 packet, as it came; passed In()
    Ip4 reporter;            // our address towards its source
    bool broadcast = false;  // it came as a link-layer or directed broadcast
  };
  // A whole packet with the error, to be routed to the offender's source; it quotes as much as fits
  // into 576 octets. No packet and kNone: none may be sent about this one. kRateLimited, kPoolDry.
  // `mtu` (octets) goes with kFragmentationNeeded only.
  Result<PacketBuf, Drop> Unreachable(absl::Time now, const Offence& about,
                                      wire::UnreachableCode code, uint16_t mtu = 0);
  Result<PacketBuf, Drop> TimeExceeded(absl::Time now, const Offence& about,
                                       wire::TimeExceededCode code);

  // Whether an error may be sent about this packet at all.
  static bool MayReport(const Offence& about);

  static constexpr size_t kMaxError = 576;  // octets of the packet, RFC 1812 4.3.2.3

 private:
  Result<PacketBuf, Drop> Error(absl::Time now, const Offence& about, wire::IcmpType type,
                                uint8_t code, uint32_t rest);

  PacketPool& pool_;
  TokenBucket errors_, echoes_;
};

}  // namespace stack::ip
