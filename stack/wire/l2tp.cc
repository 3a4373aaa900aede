#include "stack/wire/l2tp.h"

#include <algorithm>
#include <array>

namespace stack::wire {
namespace {

constexpr uint16_t kMandatory = 0x8000, kHidden = 0x4000, kReserved = 0x3c00, kLengthMask = 0x03ff;

constexpr std::array<std::string_view, 17> kMessageNames = {
    "unknown", "SCCRQ", "SCCRP", "SCCCN", "StopCCN", "unknown", "HELLO", "OCRQ", "OCRP",
    "OCCN",    "ICRQ",  "ICRP",  "ICCN",  "unknown", "CDN",     "WEN",   "SLI"};

constexpr std::array<std::string_view, 40> kAvpNames = {
    "Message Type",
    "Result Code",
    "Protocol Version",
    "Framing Capabilities",
    "Bearer Capabilities",
    "Tie Breaker",
    "Firmware Revision",
    "Host Name",
    "Vendor Name",
    "Assigned Tunnel ID",
    "Receive Window Size",
    "Challenge",
    "Q.931 Cause Code",
    "Challenge Response",
    "Assigned Session ID",
    "Call Serial Number",
    "Minimum BPS",
    "Maximum BPS",
    "Bearer Type",
    "Framing Type",
    "unknown",
    "Called Number",
    "Calling Number",
    "Sub-Address",
    "Tx Connect Speed",
    "Physical Channel ID",
    "Initial Received LCP CONFREQ",
    "Last Sent LCP CONFREQ",
    "Last Received LCP CONFREQ",
    "Proxy Authen Type",
    "Proxy Authen Name",
    "Proxy Authen Challenge",
    "Proxy Authen ID",
    "Proxy Authen Response",
    "Call Errors",
    "ACCM",
    "Random Vector",
    "Private Group ID",
    "Rx Connect Speed",
    "Sequencing Required",
};

template <size_t kCount>
std::string_view NameIn(const std::array<std::string_view, kCount>& names, size_t number) {
  return number < kCount ? names[number] : "unknown";
}

}  // namespace

std::string_view NameOf(MessageType type) {
  return NameIn(kMessageNames, static_cast<size_t>(type));
}

std::string_view NameOf(AvpType type) { return NameIn(kAvpNames, static_cast<size_t>(type)); }

void Write(Writer& out, const L2tpControlHeader& header, uint16_t length) {
  out.U16(kL2tpControlFlags);
  out.U16(length);
  out.U16(header.tunnel.value);
  out.U16(header.session.value);
  out.U16(header.ns);
  out.U16(header.nr);
}

std::optional<Avp> AvpCursor::Next() {
  if (!in_.ok() || in_.left() == 0) return std::nullopt;
  const uint16_t first = in_.U16();
  const size_t length = first & kLengthMask;
  Avp avp;
  avp.mandatory = (first & kMandatory) != 0;
  avp.hidden = (first & kHidden) != 0;
  avp.reserved = (first & kReserved) != 0;
  avp.vendor = in_.U16();
  avp.type = in_.U16();
  if (length < kAvpHeader) in_.Fail();
  avp.value = in_.Take(std::max(length, kAvpHeader) - kAvpHeader);
  if (!in_.ok()) return std::nullopt;
  return avp;
}

void WriteAvp(Writer& out, AvpType type, bool mandatory, ByteView value) {
  const size_t length = kAvpHeader + value.size();
  if (length > kMaxAvpSize) {
    while (out.ok()) out.U8(0);  // never fits: poisons the writer
    return;
  }
  out.U16(static_cast<uint16_t>((mandatory ? kMandatory : 0U) | length));
  out.U16(0);
  out.U16(static_cast<uint16_t>(type));
  out.Put(value);
}

}  // namespace stack::wire
