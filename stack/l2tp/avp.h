// Attributes by type: a control message read into a struct, and written attribute by attribute.
//
// RFC 2661 sections 4.1 (mandatory bit), 4.3 (hiding) and 4.4. The policy: an attribute nobody here
// knows, one of a vendor, a hidden one (no secret is shared) is passed over if its M bit is clear
// and is an Objection if it is set; an attribute that is known but not needed is passed over
// unread. The tunnel answers an Objection with CDN or StopCCN. Broken framing makes the whole
// message rubbish.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stack/l2tp/event.h"

namespace stack::l2tp {

inline constexpr int kMaxAvps = 64;  // the longest message of the RFC has about twenty
inline constexpr uint16_t kProtocolVersion = 0x0100;  // version 1, revision 0

// What keeps a well-framed message from being carried out.
struct Objection {
  GeneralError error = GeneralError::kNone;
  uint16_t vendor = 0, attribute = 0;
};

// The attributes the tunnels act upon. Views borrow the message.
struct Message {
  MessageType type{};
  std::optional<Objection> objection;  // the first one
  std::optional<uint16_t> protocol_version;
  std::optional<TunnelId> assigned_tunnel;
  std::optional<SessionId> assigned_session;
  std::optional<uint16_t> receive_window;
  std::optional<uint32_t> framing_capabilities;
  std::optional<uint32_t> call_serial;
  std::optional<uint32_t> framing_type;
  std::optional<ResultCode> result;
  std::string_view host_name, vendor_name;  // raw octets; empty if absent
  bool challenge = false;                   // the peer wants tunnel authentication
  bool sequencing_required = false;

  bool IsAboutSession() const;  // one of the call's messages: a fault in it costs the call only
  bool IsRequest() const { return type == MessageType::kIcrq || type == MessageType::kOcrq; }
};

// Reads the AVPs of a control message that is no ZLB. kL2tpMalformed: framing broken, too many
// AVPs, or the first one is not a readable Message Type.
Result<Message, Drop> ReadMessage(ByteView avps);

// The general error that answers an objection, naming the attribute.
ResultCode Code(const Objection& objection);

// What a peer says about itself, fit for logs: trailing NULs cut (Apple, Android), other than
// printable ASCII replaced by '?', at most 64 characters.
std::string Printable(std::string_view text);

// Result Code values as peers really send them: 2 octets (MikroTik), 4 or more; and swapped octets
// in a longer AVP of which only the first two mean something (Apple). nullopt below 2 octets.
std::optional<ResultCode> ReadResultCode(ByteView value);

// Builds the AVPs of one message in place; no header, which Reliable writes.
class MessageWriter {
 public:
  explicit MessageWriter(MessageType type);
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  MessageWriter& AddU16(wire::AvpType type, uint16_t value);
  MessageWriter& AddU32(wire::AvpType type, uint32_t value);
  MessageWriter& AddText(wire::AvpType type, std::string_view value);  // cut at 255 octets
  MessageWriter& AddResult(const ResultCode& code);  // 10 octets, more only with a message

  MessageType type() const { return type_; }
  ByteView avps() const { return {buffer_.data(), out_.used()}; }

 private:
  MessageType type_;
  std::array<std::byte, 640> buffer_;
  Writer out_{buffer_};
};

}  // namespace stack::l2tp
