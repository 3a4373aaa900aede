// L2TP on the wire: the header of control and data messages, and a cursor over attribute-value
// pairs.
//
//    0                   1
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//   |T|L|x|x|S|x|O|P|x x x x|  Ver  |  Length (L)  |  Tunnel ID  |  Session ID  |  Ns (S)  |  Nr
//   (S) |  Offset Size (O)  |  offset padding  |  AVPs of a control message, or a PPP frame
//
// RFC 2661 sections 3.1 (header), 4.1 (AVP), 3.2 and 4.4 (numbers). Stands inside UDP inside ESP:
// upstream after the inner UDP header was pulled. What the messages mean is said in stack/l2tp.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

inline constexpr uint16_t kL2tpPort = 1701;

// Each end gives its own numbers; the header carries those of the receiver. 0 means "none yet".
struct TunnelId {
  uint16_t value = 0;
  auto operator<=>(const TunnelId&) const = default;
  template <class H>
  friend H AbslHashValue(H h, TunnelId id) {
    return H::combine(std::move(h), id.value);
  }
};
struct SessionId {
  uint16_t value = 0;
  auto operator<=>(const SessionId&) const = default;
  template <class H>
  friend H AbslHashValue(H h, SessionId id) {
    return H::combine(std::move(h), id.value);
  }
};

// RFC 2661 section 3.2.
enum class MessageType : uint16_t {
  kSccrq = 1,
  kSccrp = 2,
  kScccn = 3,
  kStopCcn = 4,
  kHello = 6,
  kOcrq = 7,
  kOcrp = 8,
  kOccn = 9,
  kIcrq = 10,
  kIcrp = 11,
  kIccn = 12,
  kCdn = 14,
  kWen = 15,
  kSli = 16,
};
std::string_view NameOf(MessageType type);  // "SCCRQ"; "unknown" for a number without a name

// RFC 2661 section 4.4, vendor 0.
enum class AvpType : uint16_t {
  kMessageType = 0,
  kResultCode = 1,
  kProtocolVersion = 2,
  kFramingCapabilities = 3,
  kBearerCapabilities = 4,
  kTieBreaker = 5,
  kFirmwareRevision = 6,
  kHostName = 7,
  kVendorName = 8,
  kAssignedTunnelId = 9,
  kReceiveWindowSize = 10,
  kChallenge = 11,
  kQ931CauseCode = 12,
  kChallengeResponse = 13,
  kAssignedSessionId = 14,
  kCallSerialNumber = 15,
  kMinimumBps = 16,
  kMaximumBps = 17,
  kBearerType = 18,
  kFramingType = 19,
  kCalledNumber = 21,
  kCallingNumber = 22,
  kSubAddress = 23,
  kTxConnectSpeed = 24,
  kPhysicalChannelId = 25,
  kInitialReceivedLcpConfReq = 26,
  kLastSentLcpConfReq = 27,
  kLastReceivedLcpConfReq = 28,
  kProxyAuthenType = 29,
  kProxyAuthenName = 30,
  kProxyAuthenChallenge = 31,
  kProxyAuthenId = 32,
  kProxyAuthenResponse = 33,
  kCallErrors = 34,
  kAccm = 35,
  kRandomVector = 36,
  kPrivateGroupId = 37,
  kRxConnectSpeed = 38,
  kSequencingRequired = 39,
};
std::string_view NameOf(AvpType type);  // "Host Name"; "unknown" for a number without a name

namespace l2tp_bits {
inline constexpr uint16_t kType = 0x8000;      // T: control message
inline constexpr uint16_t kLength = 0x4000;    // L
inline constexpr uint16_t kSequence = 0x0800;  // S
inline constexpr uint16_t kOffset = 0x0200;    // O
inline constexpr uint16_t kPriority = 0x0100;  // P
inline constexpr uint16_t kVersionMask = 0x000f;
inline constexpr uint16_t kVersion = 2;
}  // namespace l2tp_bits

// A checked header. The view borrows the datagram it was parsed from.
class L2tp {
 public:
  // Takes a UDP payload. Reserved bits are ignored, any mix of L, S, O and P is taken for data; a
  // control message must have L and S and must not have O. A Length below the datagram's is
  // honoured (what is behind it belongs to nobody), one above it is kTruncated. Other faults are
  // kL2tpMalformed.
  static Result<L2tp, Drop> Parse(ByteView datagram);

  bool is_control() const { return (flags_ & l2tp_bits::kType) != 0; }
  bool has_length() const { return (flags_ & l2tp_bits::kLength) != 0; }
  bool has_sequence() const { return (flags_ & l2tp_bits::kSequence) != 0; }
  bool has_offset() const { return (flags_ & l2tp_bits::kOffset) != 0; }
  bool has_priority() const { return (flags_ & l2tp_bits::kPriority) != 0; }
  TunnelId tunnel() const { return tunnel_; }
  SessionId session() const { return session_; }
  uint16_t ns() const { return ns_; }  // 0 without S
  uint16_t nr() const { return nr_; }  // 0 without S; means nothing in data messages
  size_t header_size() const { return header_size_; }  // with offset size and padding
  // The AVPs, or the PPP frame. A control message with none is a zero-length body message (ZLB).
  ByteView payload() const { return payload_; }
  bool is_zlb() const { return is_control() && payload_.empty(); }

 private:
  L2tp() = default;
  uint16_t flags_ = 0, ns_ = 0, nr_ = 0;
  TunnelId tunnel_;
  SessionId session_;
  size_t header_size_ = 0;
  ByteView payload_;
};

inline Result<L2tp, Drop> L2tp::Parse(ByteView datagram) {
  using namespace l2tp_bits;
  if (datagram.size() < 6) return Drop::kTruncated;
  const std::byte* p = datagram.data();
  L2tp h;
  h.flags_ = Load16(p);
  if ((h.flags_ & kVersionMask) != kVersion) return Drop::kL2tpMalformed;
  if (h.is_control() && (!h.has_length() || !h.has_sequence() || h.has_offset())) {
    return Drop::kL2tpMalformed;
  }
  const size_t size =
      size_t{6} + (h.has_length() ? 2 : 0) + (h.has_sequence() ? 4 : 0) + (h.has_offset() ? 2 : 0);
  if (datagram.size() < size) return Drop::kTruncated;
  size_t end = datagram.size();
  size_t at = 2;
  if (h.has_length()) {
    end = Load16(p + at);
    at += 2;
    if (end > datagram.size()) return Drop::kTruncated;
    if (end < size) return Drop::kL2tpMalformed;
  }
  h.tunnel_.value = Load16(p + at);
  h.session_.value = Load16(p + at + 2);
  at += 4;
  if (h.has_sequence()) {
    h.ns_ = Load16(p + at);
    h.nr_ = Load16(p + at + 2);
    at += 4;
  }
  h.header_size_ = size + (h.has_offset() ? Load16(p + at) : 0U);
  if (h.header_size_ > end) return Drop::kL2tpMalformed;
  h.payload_ = datagram.subspan(h.header_size_, end - h.header_size_);
  return h;
}

// The only form of control header that is sent: T, L and S, nothing else (Android takes no other).
inline constexpr size_t kL2tpControlHeader = 12;
inline constexpr uint16_t kL2tpControlFlags = 0xc802;
struct L2tpControlHeader {
  TunnelId tunnel;    // the receiver's
  SessionId session;  // the receiver's; 0 for messages about the tunnel
  uint16_t ns = 0, nr = 0;
};
// `length` is that of the whole message, this header included.
void Write(Writer& out, const L2tpControlHeader& header, uint16_t length);

// One attribute-value pair as it stands on the wire.
struct Avp {
  bool mandatory = false;  // M
  bool hidden = false;     // H
  bool reserved = false;   // a reserved bit is set: to be taken as unrecognised (section 4.1)
  uint16_t vendor = 0;     // SMI enterprise number, 0 is the IETF
  uint16_t type = 0;       // an AvpType if the vendor is 0
  ByteView value;          // 0..1017 octets
};

inline constexpr size_t kAvpHeader = 6;
inline constexpr size_t kMaxAvpSize = 1023;  // ten bits of length, the header included

// Walks over the AVPs of a control message.
class AvpCursor {
 public:
  explicit AvpCursor(ByteView avps) : in_(avps) {}
  // The next one; nullopt at the end, and where the framing breaks (length below 6 or past the
  // end).
  std::optional<Avp> Next();
  bool ok() const { return in_.ok(); }  // false once the framing was broken

 private:
  Reader in_;
};

// One AVP, M as given, H clear. The writer is poisoned if the value is longer than an AVP may be.
void WriteAvp(Writer& out, AvpType type, bool mandatory, ByteView value);

}  // namespace stack::wire
