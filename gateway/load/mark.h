// What stands in every payload that `adit load` sends: whose it is, which one it is, when it left,
// and a pattern that follows from all of that and fills the rest.
//
//   0       2      3        4        7      8          12          16
//   | magic | kind | stream | client | size | sequence | sent (us) | pattern ...
//
// A payload that differs in one bit from what was sent is told from a good one: the pattern's seed
// is made of the sixteen octets in front of it. Both ways the pattern is one addition for eight
// octets, so that a payload of 1400 octets costs well under a tenth of a microsecond.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/base/bytes.h"

namespace gateway::load {

struct Mark {
  // Which way it goes, or what it is for if not to be counted.
  enum class Kind : uint8_t {
    kUp,
    kDown,
    kHello,  // up, ahead of the traffic: shows the far end where to find the client
  };

  // A seed, and eight octets of pattern.
  static constexpr size_t kMinSize = 24;

  Kind kind = Kind::kUp;
  uint8_t stream = 0;     // number of the --traffic it belongs to
  uint32_t client = 0;    // number of the client, below 2^24
  uint32_t sequence = 0;  // of this stream of this client
  // When it was made, microseconds of the clock that made it modulo 2^32; 0: long before it was
  // sent.
  uint32_t sent = 0;

  // Fills `payload`, which has at least kMinSize octets.
  void Write(stack::ByteSpan payload) const;
  bool operator==(const Mark&) const = default;
};

// The mark of a payload as it arrived. Nothing if it is none of ours at all: shorter, or without
// the magic.
std::optional<Mark> ReadMark(stack::ByteView payload);
// Whether `payload`, which has a mark, is to the last octet what was written.
bool IsIntact(stack::ByteView payload);

}  // namespace gateway::load
