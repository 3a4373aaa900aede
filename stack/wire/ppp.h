// PPP frames, control packets and configuration options. Read RFC 1661 sections 2, 5 and 6 first;
// then RFC 1662 section 3.1 (address and control), RFC 1332 and RFC 1877 (IPCP options), RFC 1334
// section 2 (PAP), RFC 1994 section 4 and RFC 2759 sections 3 to 6 (CHAP and MS-CHAPv2).
//
//   | FF 03 | protocol | code | id | length | data .......... | padding |
//   |optional| 1 or 2  |  1   | 1  |   2    | options or text |         |
//
// A packet's way meets this above the L2TP header. Everything here comes from a stranger: views are
// made by Parse and cannot fail afterwards.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/packet_buf.h"
#include "stack/base/result.h"

namespace stack::wire {

// IANA "PPP DLL Protocol Numbers".
enum class PppProtocol : uint16_t {
  kIp4 = 0x0021,
  kVjCompressed = 0x002d,
  kVjUncompressed = 0x002f,
  kMultilink = 0x003d,
  kIp6 = 0x0057,
  kCompressed = 0x00fd,
  kAcsp = 0x0235,
  kIpcp = 0x8021,
  kEcp = 0x8053,
  kIp6cp = 0x8057,
  kCcp = 0x80fd,
  kAcscp = 0x8235,
  kLcp = 0xc021,
  kPap = 0xc023,
  kLinkQuality = 0xc025,
  kCbcp = 0xc029,
  kBacp = 0xc02b,
  kChap = 0xc223,
  kEap = 0xc227,
};
std::string_view NameOf(PppProtocol protocol);  // "unknown" for the others

// RFC 1661 section 5, RFC 1570 section 2. IPCP uses 1 to 7 of them.
enum class PppCode : uint8_t {
  kConfigureRequest = 1,
  kConfigureAck = 2,
  kConfigureNak = 3,
  kConfigureReject = 4,
  kTerminateRequest = 5,
  kTerminateAck = 6,
  kCodeReject = 7,
  kProtocolReject = 8,
  kEchoRequest = 9,
  kEchoReply = 10,
  kDiscardRequest = 11,
  kIdentification = 12,
  kTimeRemaining = 13,
};
std::string_view NameOf(PppCode code);

// RFC 1994 section 4; RFC 2759 sections 3 to 7.
enum class ChapCode : uint8_t {
  kChallenge = 1,
  kResponse = 2,
  kSuccess = 3,
  kFailure = 4,
  kChangePassword = 7,
};

// RFC 1334 section 2.2.
enum class PapCode : uint8_t {
  kAuthenticateRequest = 1,
  kAuthenticateAck = 2,
  kAuthenticateNak = 3
};

// RFC 1661 section 6, RFC 1570, RFC 1990. Named here are those that are understood or often
// refused.
enum class LcpOption : uint8_t {
  kMru = 1,
  kAccm = 2,
  kAuthentication = 3,
  kQuality = 4,
  kMagic = 5,
  kPfc = 7,
  kAcfc = 8,
  kCallback = 13,
  kMrru = 17,
  kShortSequence = 18,
  kEndpointDiscriminator = 19,
};

// RFC 1332 section 3, RFC 1877 section 1.
enum class IpcpOption : uint8_t {
  kAddresses = 1,  // deprecated pair
  kCompression = 2,
  kAddress = 3,
  kDns1 = 129,
  kNbns1 = 130,
  kDns2 = 131,
  kNbns2 = 132,
};

// CHAP algorithms as they stand behind C223 in the LCP authentication option.
enum class ChapAlgorithm : uint8_t { kMd5 = 5, kMsChap = 0x80, kMsChapV2 = 0x81 };

inline constexpr size_t kPppDefaultMru = 1500;  // RFC 1661 section 6.1: what everybody must take
inline constexpr size_t kPppMinMru = 128;  // the smallest we agree to; Rejects always fit into it
inline constexpr size_t kPppControlHeader = 4;  // code, id, length
inline constexpr size_t kPppMaxControl = 1500;  // larger control packets are refused

// One frame, address, control and protocol field taken off. FF 03 may be missing and the protocol
// may be compressed to one octet at any time: senders do so when they like, and neither is
// ambiguous.
struct PppFrame {
  PppProtocol
      protocol;  // as received: an even low octet is no legal number (section 2), and unknown
  ByteView payload;

  static Result<PppFrame, Drop> Parse(ByteView frame);  // kTruncated, kPppMalformed
};

// Code, identifier, length and what the length covers; octets behind it are padding (section 5).
struct PppControl {
  uint8_t code;
  uint8_t id;
  ByteView data;   // without the four octets of the header
  ByteView whole;  // with them, as a Code-Reject gives it back

  static Result<PppControl, Drop> Parse(ByteView payload);  // kTruncated, kPppMalformed
};

struct PppOption {
  uint8_t type;
  ByteView data;   // without type and length
  ByteView whole;  // with them, as a Configure-Reject gives it back
};

// Walks over configuration options. After the last, or at a length that is impossible, Next() has
// none; ok() tells the one from the other.
class PppOptions {
 public:
  explicit PppOptions(ByteView options) : left_(options) {}
  std::optional<PppOption> Next();
  bool ok() const { return ok_; }

  // True if the lengths of all options add up.
  static bool WellFormed(ByteView options);

 private:
  ByteView left_;
  bool ok_ = true;
};

// Appends one control frame with FF 03 in front: the safest form for every client, before and after
// ACFC was agreed on (Linux sends it always). False, and nothing usable in `to`, if it does not
// fit.
bool AppendPppControl(PacketBuf& to, PppProtocol protocol, uint8_t code, uint8_t id, ByteView data);

// Value and name of a CHAP Challenge or Response, RFC 1994 section 4.1.
struct ChapValue {
  ByteView value;
  ByteView name;

  static Result<ChapValue, Drop> Parse(ByteView data);  // kPppMalformed
};

// The data of an Authenticate-Request, RFC 1334 section 2.2.1. Either may be empty.
struct PapRequest {
  ByteView name;
  ByteView password;

  static Result<PapRequest, Drop> Parse(ByteView data);  // kPppMalformed
};

// The value of an MS-CHAPv2 Response, RFC 2759 section 4.
struct MsChapV2Response {
  std::array<std::byte, 16> peer_challenge{};
  std::array<std::byte, 24> nt_response{};

  static constexpr size_t kSize =
      49;  // with 8 reserved octets between them and one of flags behind
  static Result<MsChapV2Response, Drop> Parse(ByteView value);  // kPppMalformed unless kSize long
  void Write(Writer& out) const;
};

}  // namespace stack::wire
