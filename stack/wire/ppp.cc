#include "stack/wire/ppp.h"

#include <algorithm>

namespace stack::wire {
namespace {

constexpr uint16_t kAddressAndControl = 0xff03;

}  // namespace

std::string_view NameOf(PppProtocol protocol) {
  switch (protocol) {
    case PppProtocol::kIp4:
      return "IPv4";
    case PppProtocol::kVjCompressed:
      return "VJ compressed TCP/IP";
    case PppProtocol::kVjUncompressed:
      return "VJ uncompressed TCP/IP";
    case PppProtocol::kMultilink:
      return "Multilink";
    case PppProtocol::kIp6:
      return "IPv6";
    case PppProtocol::kCompressed:
      return "compressed datagram";
    case PppProtocol::kAcsp:
      return "ACSP";
    case PppProtocol::kIpcp:
      return "IPCP";
    case PppProtocol::kEcp:
      return "ECP";
    case PppProtocol::kIp6cp:
      return "IPV6CP";
    case PppProtocol::kCcp:
      return "CCP";
    case PppProtocol::kAcscp:
      return "ACSCP";
    case PppProtocol::kLcp:
      return "LCP";
    case PppProtocol::kPap:
      return "PAP";
    case PppProtocol::kLinkQuality:
      return "Link Quality Report";
    case PppProtocol::kCbcp:
      return "CBCP";
    case PppProtocol::kBacp:
      return "BACP";
    case PppProtocol::kChap:
      return "CHAP";
    case PppProtocol::kEap:
      return "EAP";
  }
  return "unknown";
}

std::string_view NameOf(PppCode code) {
  static constexpr std::string_view kNames[] = {
      "unknown",          "Configure-Request", "Configure-Ack", "Configure-Nak",
      "Configure-Reject", "Terminate-Request", "Terminate-Ack", "Code-Reject",
      "Protocol-Reject",  "Echo-Request",      "Echo-Reply",    "Discard-Request",
      "Identification",   "Time-Remaining"};
  const auto number = static_cast<size_t>(code);
  return number < std::size(kNames) ? kNames[number] : kNames[0];
}

// The first octet of a protocol number is even and its second odd (RFC 1661 section 2): an odd
// first octet is a whole number in compressed form, and FF 03 is no number at all.
Result<PppFrame, Drop> PppFrame::Parse(ByteView frame) {
  if (frame.size() >= 2 && Load16(frame.data()) == kAddressAndControl) frame = frame.subspan(2);
  if (frame.empty()) return Drop::kTruncated;
  const auto first = static_cast<uint8_t>(frame[0]);
  if (first == 0xff) return Drop::kPppMalformed;  // address field, but not the control field
  if ((first & 1U) != 0) return PppFrame{static_cast<PppProtocol>(first), frame.subspan(1)};
  if (frame.size() < 2) return Drop::kTruncated;
  return PppFrame{static_cast<PppProtocol>(Load16(frame.data())), frame.subspan(2)};
}

Result<PppControl, Drop> PppControl::Parse(ByteView payload) {
  if (payload.size() < kPppControlHeader) return Drop::kTruncated;
  const size_t length = Load16(payload.data() + 2);
  if (length < kPppControlHeader || length > kPppMaxControl) return Drop::kPppMalformed;
  if (length > payload.size()) return Drop::kTruncated;
  const ByteView whole = payload.first(length);
  return PppControl{static_cast<uint8_t>(whole[0]), static_cast<uint8_t>(whole[1]),
                    whole.subspan(kPppControlHeader), whole};
}

std::optional<PppOption> PppOptions::Next() {
  if (left_.empty()) return std::nullopt;
  const size_t length = left_.size() < 2 ? 0 : static_cast<size_t>(left_[1]);
  if (length < 2 || length > left_.size()) {
    ok_ = false;
    left_ = {};
    return std::nullopt;
  }
  const ByteView whole = left_.first(length);
  left_ = left_.subspan(length);
  return PppOption{static_cast<uint8_t>(whole[0]), whole.subspan(2), whole};
}

bool PppOptions::WellFormed(ByteView options) {
  PppOptions cursor(options);
  while (cursor.Next()) {
  }
  return cursor.ok();
}

bool AppendPppControl(PacketBuf& to, PppProtocol protocol, uint8_t code, uint8_t id,
                      ByteView data) {
  const size_t length = kPppControlHeader + data.size();
  if (length > kPppMaxControl) return false;
  Writer out(to.Append(4 + length));
  out.U16(kAddressAndControl);
  out.U16(static_cast<uint16_t>(protocol));
  out.U8(code);
  out.U8(id);
  out.U16(static_cast<uint16_t>(length));
  out.Put(data);
  return out.ok();
}

Result<ChapValue, Drop> ChapValue::Parse(ByteView data) {
  Reader in(data);
  const ByteView value = in.Take(in.U8());
  const ByteView name = in.Rest();
  if (!in.ok() || value.empty()) return Drop::kPppMalformed;
  return ChapValue{value, name};
}

Result<PapRequest, Drop> PapRequest::Parse(ByteView data) {
  Reader in(data);
  const ByteView name = in.Take(in.U8());
  const ByteView password = in.Take(in.U8());
  if (!in.ok()) return Drop::kPppMalformed;
  return PapRequest{name, password};
}

Result<MsChapV2Response, Drop> MsChapV2Response::Parse(ByteView value) {
  if (value.size() != kSize) return Drop::kPppMalformed;
  MsChapV2Response response;
  std::copy_n(value.begin(), response.peer_challenge.size(), response.peer_challenge.begin());
  std::copy_n(value.begin() + 24, response.nt_response.size(), response.nt_response.begin());
  return response;
}

void MsChapV2Response::Write(Writer& out) const {
  out.Put(peer_challenge);
  out.Zeros(8);
  out.Put(nt_response);
  out.U8(0);
}

}  // namespace stack::wire
