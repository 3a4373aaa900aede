// Attributes: the mandatory-bit policy, recorded messages, and result codes as clients really send
// them.
#include "stack/l2tp/avp.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/stack/l2tp/recorded.h"
#include "tests/stack/l2tp/script.h"

namespace stack::l2tp {
namespace {

using test::Control;
using wire::AvpType;
namespace recorded = test::recorded;

constexpr unsigned kM = 0x8000, kH = 0x4000;

ByteView Avps(const Control& message) { return message.bytes().subspan(wire::kL2tpControlHeader); }

// The objection of an otherwise good HELLO with one more AVP.
GeneralError ObjectionTo(uint16_t type, ByteView value, unsigned bits, uint16_t vendor = 0) {
  const Control hello = Control(6, 0, 0).Avp(type, value, bits, vendor);
  const auto m = ReadMessage(Avps(hello));
  EXPECT_TRUE(m.ok());
  return m.ok() && m->objection ? m->objection->error : GeneralError::kNone;
}

TEST(ReadMessage, TheRecordedSession) {
  const Bytes sccrq = FromHex(recorded::kSccrq), icrq = FromHex(recorded::kIcrq),
              iccn = FromHex(recorded::kIccn), stop = FromHex(recorded::kStopCcn);
  const auto m = ReadMessage(ByteView(sccrq).subspan(12));
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(m->type, MessageType::kSccrq);
  EXPECT_FALSE(m->objection);
  EXPECT_EQ(m->protocol_version, 0x0100);
  EXPECT_EQ(m->framing_capabilities, 3U);
  EXPECT_EQ(m->host_name, "cli");
  EXPECT_EQ(m->vendor_name, "xelerance.com");
  EXPECT_EQ(m->assigned_tunnel, TunnelId{0xcf53});
  EXPECT_EQ(m->receive_window, 4);
  EXPECT_FALSE(m->challenge || m->sequencing_required || m->IsAboutSession());

  const auto call = ReadMessage(ByteView(icrq).subspan(12));
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->assigned_session, SessionId{0x7553});
  EXPECT_EQ(call->call_serial, 1U);
  EXPECT_TRUE(call->IsAboutSession() && call->IsRequest());

  const auto connected = ReadMessage(ByteView(iccn).subspan(12));
  ASSERT_TRUE(connected.ok());
  EXPECT_EQ(connected->framing_type, 1U);

  const auto end = ReadMessage(ByteView(stop).subspan(12));
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->result, (ResultCode{1, 0, "Goodbye!"}));
}

TEST(ReadMessage, UnknownIsIgnoredUnlessMandatory) {
  const Bytes value(2);
  EXPECT_EQ(ObjectionTo(99, value, 0), GeneralError::kNone);
  EXPECT_EQ(ObjectionTo(99, value, kM), GeneralError::kUnknownMandatoryAvp);
  EXPECT_EQ(ObjectionTo(20, value, kM), GeneralError::kUnknownMandatoryAvp);
  EXPECT_EQ(ObjectionTo(25, value, kM), GeneralError::kNone);  // known, though of no use
}

TEST(ReadMessage, VendorAttributesAreToldApartByVendor) {
  const Bytes guid(16);
  EXPECT_EQ(ObjectionTo(1, guid, 0, 311), GeneralError::kNone);   // Microsoft, not a Result Code
  EXPECT_EQ(ObjectionTo(9, guid, 0, 3561), GeneralError::kNone);  // Broadband Forum
  EXPECT_EQ(ObjectionTo(9, guid, kM, 3561), GeneralError::kUnknownMandatoryAvp);
  const Control icrq = Control(10, 0, 0).Avp16(14, 9).Avp(14, guid, 0, 3561);
  EXPECT_EQ(ReadMessage(Avps(icrq))->assigned_session, SessionId{9});
}

TEST(ReadMessage, HiddenAttributesAreNotReadable) {
  const Control hidden = Control(10, 0, 0).Avp(14, Bytes(2), kH);
  EXPECT_FALSE(ReadMessage(Avps(hidden))->assigned_session);
  EXPECT_EQ(ObjectionTo(14, Bytes(2), kH), GeneralError::kNone);
  EXPECT_EQ(ObjectionTo(14, Bytes(2), kM | kH), GeneralError::kUnknownMandatoryAvp);
}

TEST(ReadMessage, AReservedBitMakesAnAttributeUnrecognised) {
  EXPECT_EQ(ObjectionTo(14, Bytes(2), 0x0400), GeneralError::kNone);
  EXPECT_EQ(ObjectionTo(14, Bytes(2), kM | 0x2000), GeneralError::kUnknownMandatoryAvp);
}

TEST(ReadMessage, WrongLengthsOfNeededAttributes) {
  for (const uint16_t type : {uint16_t{2}, uint16_t{9}, uint16_t{10}, uint16_t{14}}) {
    EXPECT_EQ(ObjectionTo(type, Bytes(3), kM), GeneralError::kWrongLength) << type;
    EXPECT_EQ(ObjectionTo(type, Bytes(1), 0), GeneralError::kNone) << type;
  }
  EXPECT_EQ(ObjectionTo(15, Bytes(2), kM), GeneralError::kWrongLength);
  EXPECT_EQ(ObjectionTo(1, Bytes(1), kM), GeneralError::kWrongLength);
}

TEST(ReadMessage, TheFirstObjectionIsKept) {
  const Control hello = Control(6, 0, 0).Avp16(98, 0).Avp(9, Bytes(1), kM);
  const auto m = ReadMessage(Avps(hello));
  ASSERT_TRUE(m.ok() && m->objection);
  EXPECT_EQ(m->objection->attribute, 98);
  EXPECT_EQ(Code(*m->objection), (ResultCode{2, 8, "attribute 0/98"}));
}

TEST(ReadMessage, TheFirstAvpMustBeAReadableMessageType) {
  EXPECT_FALSE(ReadMessage({}).ok());
  EXPECT_FALSE(ReadMessage(Avps(Control::Zlb(0, 0).Avp16(9, 1).Avp16(0, 1))).ok());
  EXPECT_FALSE(ReadMessage(Avps(Control::Zlb(0, 0).Avp(0, Bytes(4)))).ok());
  EXPECT_FALSE(ReadMessage(Avps(Control::Zlb(0, 0).Avp(0, Bytes(2), kM | kH))).ok());
  EXPECT_FALSE(ReadMessage(Avps(Control::Zlb(0, 0).Avp(0, Bytes(2), kM, 9))).ok());
}

TEST(ReadMessage, BoundsTheNumberOfAttributes) {
  Control hello(6, 0, 0);
  for (int i = 1; i < kMaxAvps; ++i) hello.Avp(99, {}, 0);
  EXPECT_TRUE(ReadMessage(Avps(hello)).ok());
  hello.Avp(99, {}, 0);
  EXPECT_FALSE(ReadMessage(Avps(hello)).ok());
}

TEST(ReadMessage, EveryTruncationIsEitherRefusedOrAWholeMessage) {
  const Bytes whole = FromHex(recorded::kSccrq);
  int accepted = 0;
  for (size_t size = 12; size < whole.size(); ++size) {
    accepted += ReadMessage(ByteView(whole).subspan(12, size - 12)).ok() ? 1 : 0;
  }
  EXPECT_EQ(accepted, 8);  // at the ends of its first eight AVPs
}

TEST(ResultCodes, InTheLengthsThatAreSeen) {
  const auto read = [](const char* hex) { return ReadResultCode(FromHex(hex)); };
  EXPECT_EQ(read(""), std::nullopt);
  EXPECT_EQ(read("00"), std::nullopt);
  EXPECT_EQ(read("0003"), (ResultCode{3, 0, ""}));      // MikroTik
  EXPECT_EQ(read("00020008"), (ResultCode{2, 8, ""}));  // most
  EXPECT_EQ(read("000200086162"), (ResultCode{2, 8, "ab"}));
  EXPECT_EQ(read("0300a1b2c3d4e5f6"), (ResultCode{3, 0, ""}));  // Apple, CDN
  EXPECT_EQ(read("0100a1b2c3d4e5f6"), (ResultCode{1, 0, ""}));  // Apple, StopCCN
  EXPECT_EQ(read("000300"), (ResultCode{3, 0, ""}));
}

TEST(ResultCodes, AreWrittenInTenOctetsUnlessThereIsAMessage) {
  MessageWriter cdn(MessageType::kCdn);
  cdn.AddResult(Code(CdnResult::kAdministrative));
  EXPECT_EQ(ToHex(cdn.avps()),
            "800800000000000e"
            "800a0000000100030000");
  MessageWriter stop(MessageType::kStopCcn);
  stop.AddResult({2, 8, std::string(1000, 'x')});
  const auto m = ReadMessage(stop.avps());
  ASSERT_TRUE(m.ok() && m->result);
  EXPECT_EQ(m->result->error, 8);
  EXPECT_EQ(m->result->message, std::string(64, 'x'));
}

TEST(PrintableText, IsFitForLogs) {
  EXPECT_EQ(Printable(std::string_view("mac\0\0", 5)), "mac");
  EXPECT_EQ(Printable(std::string_view("\0", 1)), "");
  EXPECT_EQ(Printable(std::string_view("a\0b", 3)), "a?b");
  EXPECT_EQ(Printable("x\x1b[31m\x7f\xc3\xa9"), "x?[31m???");
  EXPECT_EQ(Printable(std::string(100, 'y')).size(), 64U);
}

TEST(MessageWriting, IsReadBack) {
  MessageWriter w(MessageType::kIcrq);
  w.AddU16(AvpType::kAssignedSessionId, 0x1234).AddU32(AvpType::kCallSerialNumber, 0xdeadbeef);
  w.AddText(AvpType::kHostName, std::string(300, 'h'));
  const auto m = ReadMessage(w.avps());
  ASSERT_TRUE(m.ok());
  EXPECT_FALSE(m->objection);
  EXPECT_EQ(m->assigned_session, SessionId{0x1234});
  EXPECT_EQ(m->call_serial, 0xdeadbeef);
  EXPECT_EQ(m->host_name.size(), 255U);
}

}  // namespace
}  // namespace stack::l2tp
