// The IPv4 header (RFC 791 section 3.1), as a checked view, a writer, and in-place setters that
// keep the header checksum right (RFC 1624).
//
//   0    1     2              4        6               8     9      10         12       16
//   |v|hl| tos | total length | id     | 0 D M offset  | ttl | prot | checksum | source |
//   destination
//
// The class is Ip4Packet because stack::Ip4 is the address. Whether a header may be believed at all
// (checksum, martian addresses) is decided in stack/ip/ip4_in.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/checksum.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

enum class IpProtocol : uint8_t { kIcmp = 1, kIgmp = 2, kTcp = 6, kUdp = 17, kGre = 47, kEsp = 50 };
std::string_view NameOf(IpProtocol protocol);

// A view of a whole packet, cut to its total length.
class Ip4Packet {
 public:
  static constexpr size_t kMinHeader = 20;
  static constexpr size_t kMaxHeader = 60;
  static constexpr size_t kMaxSize = 65535;

  // Checks version, header length and total length: kTruncated, kBadVersion, kBadHeaderLength.
  // Bytes behind the total length (Ethernet padding) are left out of the view. Does not sum the
  // header.
  static Result<Ip4Packet, Drop> Parse(ByteView bytes);
  // The same for a packet quoted in an ICMP error, which is cut off: the header must be whole, and
  // payload() is what is left of the rest, less than total_length() promises.
  static Result<Ip4Packet, Drop> ParseQuoted(ByteView bytes);

  size_t header_size() const { return (U8(0) & 15U) * 4; }  // octets: 20..60
  uint8_t tos() const { return U8(1); }
  uint16_t total_length() const { return Load16(bytes_.data() + 2); }
  uint16_t id() const { return Load16(bytes_.data() + 4); }
  bool dont_fragment() const { return (U8(6) & 0x40) != 0; }
  bool more_fragments() const { return (U8(6) & 0x20) != 0; }
  size_t fragment_offset() const { return (Load16(bytes_.data() + 6) & 0x1fffU) * 8; }  // octets
  bool is_fragment() const { return (Load16(bytes_.data() + 6) & 0x3fff) != 0; }
  uint8_t ttl() const { return U8(8); }
  IpProtocol protocol() const { return static_cast<IpProtocol>(U8(9)); }
  uint16_t checksum() const { return Load16(bytes_.data() + 10); }
  Ip4 source() const { return {Load32(bytes_.data() + 12)}; }
  Ip4 destination() const { return {Load32(bytes_.data() + 16)}; }
  ByteView options() const { return header().subspan(kMinHeader); }
  ByteView header() const { return bytes_.first(header_size()); }
  ByteView payload() const { return bytes_.subspan(header_size()); }
  ByteView bytes() const { return bytes_; }

  bool ChecksumHolds() const { return Finish(SumOf(header())) == 0; }

 private:
  explicit Ip4Packet(ByteView bytes) : bytes_(bytes) {}
  uint8_t U8(size_t at) const { return static_cast<uint8_t>(bytes_[at]); }
  ByteView bytes_;
};

// What a header we write says. Lengths and checksum are computed.
struct Ip4Fields {
  Ip4 source{}, destination{};
  IpProtocol protocol = IpProtocol::kUdp;
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint16_t id = 0;
  bool dont_fragment = false;
};
// Writes a header without options. Preconditions: `out` holds Ip4Packet::kMinHeader bytes, and
// header and payload together are at most Ip4Packet::kMaxSize.
void WriteIp4(ByteSpan out, const Ip4Fields& fields, size_t payload_size);

// In-place changes of a header that Parse accepted; each updates the header checksum. The transport
// checksum, which covers the addresses too, is the caller's (nat/rewrite).
void SetSource(ByteSpan packet, Ip4 source);
void SetDestination(ByteSpan packet, Ip4 destination);
void SetTtl(ByteSpan packet, uint8_t ttl);
void SetTos(ByteSpan packet, uint8_t tos);
// Sums the header anew, after larger changes.
void FillIp4Checksum(ByteSpan packet);

// Steps through the options of a header (RFC 791 section 3.1): one option a call, ends early and
// quietly at End of Option List or at a length that does not fit.
class Ip4OptionCursor {
 public:
  explicit Ip4OptionCursor(ByteView options) : rest_(options) {}
  // The next option with its type octet (and length octet, if it has one); empty at the end. No
  // Operation is handed out as one octet.
  ByteView Next();

 private:
  ByteView rest_;
};
inline constexpr uint8_t kIp4OptionEnd = 0, kIp4OptionNop = 1, kIp4OptionCopied = 0x80;

}  // namespace stack::wire
