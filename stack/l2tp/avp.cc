#include "stack/l2tp/avp.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace stack::l2tp {
namespace {

using wire::Avp;
using wire::AvpType;

constexpr size_t kMaxPrintable = 64;
constexpr size_t kMaxText = 255;

// Attributes of RFC 2661 that may be passed over unread, whatever their M bit says.
bool IsKnown(const Avp& avp) {
  return avp.vendor == 0 && !avp.hidden && !avp.reserved &&
         wire::NameOf(AvpType{avp.type}) != "unknown";
}

// The M bit decides whether a fault in an attribute is one of the message (4.1).
void Object(const Avp& avp, GeneralError error, Message& m) {
  if (avp.mandatory && !m.objection) m.objection = Objection{error, avp.vendor, avp.type};
}

template <class T>
void Read16(const Avp& avp, std::optional<T>& to, Message& m) {
  if (avp.value.size() != 2) return Object(avp, GeneralError::kWrongLength, m);
  to = T{Load16(avp.value.data())};
}

void Read32(const Avp& avp, std::optional<uint32_t>& to, Message& m) {
  if (avp.value.size() != 4) return Object(avp, GeneralError::kWrongLength, m);
  to = Load32(avp.value.data());
}

void ReadResult(const Avp& avp, Message& m) {
  m.result = ReadResultCode(avp.value);
  if (!m.result) Object(avp, GeneralError::kWrongLength, m);
}

void ReadAttribute(const Avp& avp, Message& m) {
  switch (AvpType{avp.type}) {
    case AvpType::kResultCode:
      return ReadResult(avp, m);
    case AvpType::kProtocolVersion:
      return Read16(avp, m.protocol_version, m);
    case AvpType::kFramingCapabilities:
      return Read32(avp, m.framing_capabilities, m);
    case AvpType::kHostName:
      m.host_name = AsText(avp.value);
      return;
    case AvpType::kVendorName:
      m.vendor_name = AsText(avp.value);
      return;
    case AvpType::kAssignedTunnelId:
      return Read16(avp, m.assigned_tunnel, m);
    case AvpType::kReceiveWindowSize:
      return Read16(avp, m.receive_window, m);
    case AvpType::kChallenge:
      m.challenge = true;
      return;
    case AvpType::kAssignedSessionId:
      return Read16(avp, m.assigned_session, m);
    case AvpType::kCallSerialNumber:
      return Read32(avp, m.call_serial, m);
    case AvpType::kFramingType:
      return Read32(avp, m.framing_type, m);
    case AvpType::kSequencingRequired:
      m.sequencing_required = true;
      return;
    default:
      return;  // known, and of no use here: bearers, numbers, proxy authentication, tie breaker
  }
}

// The first AVP must be a Message Type that can be read: nothing else says what the message is.
bool ReadMessageType(const Avp& avp, Message& m) {
  if (avp.vendor != 0 || avp.type != 0 || avp.hidden || avp.value.size() != 2) return false;
  m.type = MessageType{Load16(avp.value.data())};
  if (wire::NameOf(m.type) == "unknown") Object(avp, GeneralError::kUnknownMandatoryAvp, m);
  return true;
}

}  // namespace

bool Message::IsAboutSession() const {
  return type >= MessageType::kOcrq && type <= MessageType::kSli;
}

Result<Message, Drop> ReadMessage(ByteView avps) {
  Message m;
  wire::AvpCursor cursor(avps);
  const std::optional<Avp> first = cursor.Next();
  if (!first || !ReadMessageType(*first, m)) return Drop::kL2tpMalformed;
  int count = 1;
  while (const std::optional<Avp> avp = cursor.Next()) {
    if (++count > kMaxAvps) return Drop::kL2tpMalformed;
    if (IsKnown(*avp)) {
      ReadAttribute(*avp, m);
    } else {
      Object(*avp, GeneralError::kUnknownMandatoryAvp, m);
    }
  }
  if (!cursor.ok()) return Drop::kL2tpMalformed;
  return m;
}

ResultCode Code(const Objection& objection) {
  constexpr uint16_t kGeneralError = 2;  // of StopCCN and CDN alike
  return {kGeneralError, static_cast<uint16_t>(objection.error),
          absl::StrCat("attribute ", objection.vendor, "/", objection.attribute)};
}

std::string Printable(std::string_view text) {
  const size_t end = text.find_last_not_of('\0');
  text = text.substr(0, end == std::string_view::npos ? 0 : end + 1).substr(0, kMaxPrintable);
  std::string clean(text);
  for (char& c : clean) {
    if (c < ' ' || c > '~') c = '?';
  }
  return clean;
}

std::optional<ResultCode> ReadResultCode(ByteView value) {
  if (value.size() < 2) return std::nullopt;
  Reader in(value);
  ResultCode code;
  code.result = in.U16();
  if (code.result != 0 && (code.result & 0xff) == 0) {
    // No result code goes beyond 11, so this is one written in little-endian order: Apple, whose
    // AVP is 14 octets long with nothing meant by the rest.
    code.result = static_cast<uint16_t>(code.result >> 8);
    return code;
  }
  if (in.left() >= 2) code.error = in.U16();
  code.message = Printable(AsText(in.Rest()));
  return code;
}

MessageWriter::MessageWriter(MessageType type) : type_(type) {
  AddU16(AvpType::kMessageType, static_cast<uint16_t>(type));
}

MessageWriter& MessageWriter::AddU16(AvpType type, uint16_t value) {
  std::array<std::byte, 2> bytes;
  Store16(bytes.data(), value);
  wire::WriteAvp(out_, type, true, bytes);
  return *this;
}

MessageWriter& MessageWriter::AddU32(AvpType type, uint32_t value) {
  std::array<std::byte, 4> bytes;
  Store32(bytes.data(), value);
  wire::WriteAvp(out_, type, true, bytes);
  return *this;
}

MessageWriter& MessageWriter::AddText(AvpType type, std::string_view value) {
  wire::WriteAvp(out_, type, true, AsBytes(value.substr(0, kMaxText)));
  return *this;
}

MessageWriter& MessageWriter::AddResult(const ResultCode& code) {
  std::array<std::byte, 4 + kMaxText> bytes;
  Writer value(bytes);
  value.U16(code.result);
  value.U16(code.error);  // always: some xl2tpd versions take the form without it for an error
  value.Put(AsBytes(std::string_view(code.message).substr(0, kMaxText)));
  wire::WriteAvp(out_, AvpType::kResultCode, true, value.written());
  return *this;
}

}  // namespace stack::l2tp
