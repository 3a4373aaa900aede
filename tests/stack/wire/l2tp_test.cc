// The header in all its mixes of bits, the AVP framing at its edges, and messages of a recorded
// session against the reading that tshark gave of them.
#include "stack/wire/l2tp.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/stack/l2tp/recorded.h"

namespace stack::wire {
namespace {

namespace recorded = test::recorded;
using namespace l2tp_bits;

// A data message with the optional fields that `flags` calls for, three octets of offset padding,
// and "ppp".
Bytes DataMessage(uint16_t flags) {
  Bytes bytes(64);
  Writer out(bytes);
  out.U16(flags | kVersion);
  const size_t length = (flags & kLength) != 0 ? out.Hole16() : 0;
  out.U16(0x0102);
  out.U16(0x0304);
  if ((flags & kSequence) != 0) out.U32(0x05060708);
  if ((flags & kOffset) != 0) {
    out.U16(3);
    out.Zeros(3);
  }
  out.Put(AsBytes("ppp"));
  if (length != 0) out.FillLength16(length, 0);
  bytes.resize(out.used());
  return bytes;
}

Drop ErrorOf(ByteView bytes) {
  const auto header = L2tp::Parse(bytes);
  return header.ok() ? Drop::kNone : header.error();
}

TEST(L2tpHeader, TakesEveryMixOfLSOPInDataMessages) {
  for (unsigned mix = 0; mix < 16; ++mix) {
    const auto flags = static_cast<uint16_t>(
        ((mix & 1U) != 0 ? kLength : 0U) | ((mix & 2U) != 0 ? kSequence : 0U) |
        ((mix & 4U) != 0 ? kOffset : 0U) | ((mix & 8U) != 0 ? kPriority : 0U));
    const Bytes bytes = DataMessage(flags);
    const auto header = L2tp::Parse(bytes);
    ASSERT_TRUE(header.ok()) << mix;
    EXPECT_FALSE(header->is_control());
    EXPECT_EQ(header->has_length(), (mix & 1U) != 0);
    EXPECT_EQ(header->has_sequence(), (mix & 2U) != 0);
    EXPECT_EQ(header->has_offset(), (mix & 4U) != 0);
    EXPECT_EQ(header->has_priority(), (mix & 8U) != 0);
    EXPECT_EQ(header->tunnel().value, 0x0102);
    EXPECT_EQ(header->session().value, 0x0304);
    EXPECT_EQ(header->ns(), (mix & 2U) != 0 ? 0x0506 : 0);
    EXPECT_EQ(AsText(header->payload()), "ppp") << mix;
    for (size_t cut = 0; cut < header->header_size(); ++cut) {
      EXPECT_NE(ErrorOf(ByteView(bytes).first(cut)), Drop::kNone) << mix << " cut at " << cut;
    }
  }
}

TEST(L2tpHeader, IgnoresReservedBits) {
  Bytes bytes = DataMessage(kLength);
  bytes[0] |= std::byte{0x34};
  bytes[1] |= std::byte{0xf0};
  EXPECT_EQ(ErrorOf(bytes), Drop::kNone);
}

TEST(L2tpHeader, RefusesOtherVersions) {
  for (int version = 0; version < 16; ++version) {
    Bytes bytes = DataMessage(0);
    bytes[1] = static_cast<std::byte>(version);
    EXPECT_EQ(ErrorOf(bytes), version == 2 ? Drop::kNone : Drop::kL2tpMalformed) << version;
  }
}

TEST(L2tpHeader, HonoursALengthShorterThanTheDatagram) {
  Bytes bytes = DataMessage(kLength);
  bytes.resize(bytes.size() + 5);
  const auto header = L2tp::Parse(bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(AsText(header->payload()), "ppp");
}

TEST(L2tpHeader, RefusesALengthThatCannotBe) {
  Bytes bytes = DataMessage(kLength);
  Store16(bytes.data() + 2, static_cast<uint16_t>(bytes.size() + 1));
  EXPECT_EQ(ErrorOf(bytes), Drop::kTruncated);
  Store16(bytes.data() + 2, 7);
  EXPECT_EQ(ErrorOf(bytes), Drop::kL2tpMalformed);
  Store16(bytes.data() + 2, 8);
  EXPECT_EQ(ErrorOf(bytes), Drop::kNone);
}

TEST(L2tpHeader, RefusesAnOffsetPastTheEnd) {
  Bytes bytes = DataMessage(kOffset);
  Store16(bytes.data() + 6, 6);
  EXPECT_EQ(ErrorOf(bytes), Drop::kNone);  // three of padding and three of payload: an empty frame
  Store16(bytes.data() + 6, 7);
  EXPECT_EQ(ErrorOf(bytes), Drop::kL2tpMalformed);
  Store16(bytes.data() + 6, 0xffff);
  EXPECT_EQ(ErrorOf(bytes), Drop::kL2tpMalformed);
}

TEST(L2tpHeader, ControlNeedsLengthAndSequenceAndNoOffset) {
  EXPECT_EQ(ErrorOf(DataMessage(kType | kLength | kSequence)), Drop::kNone);
  EXPECT_EQ(ErrorOf(DataMessage(kType | kLength)), Drop::kL2tpMalformed);
  EXPECT_EQ(ErrorOf(DataMessage(kType | kSequence)), Drop::kL2tpMalformed);
  EXPECT_EQ(ErrorOf(DataMessage(kType | kLength | kSequence | kOffset)), Drop::kL2tpMalformed);
}

TEST(L2tpHeader, WritesTheFormThatIsRecorded) {
  Bytes bytes(kL2tpControlHeader);
  Writer out(bytes);
  Write(out, {{0xcf53}, {0}, 1, 2}, 12);
  EXPECT_EQ(ToHex(bytes), recorded::kZlbOfScccn);
  const auto zlb = L2tp::Parse(bytes);
  ASSERT_TRUE(zlb.ok());
  EXPECT_TRUE(zlb->is_zlb());
  EXPECT_EQ(zlb->nr(), 2);
}

struct Seen {
  std::string name, hex;
  bool mandatory;
  bool operator==(const Seen&) const = default;
};
void PrintTo(const Seen& s, std::ostream* os) {
  *os << s.name << "=" << s.hex << " " << s.mandatory;
}

std::vector<Seen> Walk(ByteView avps) {
  std::vector<Seen> seen;
  AvpCursor cursor(avps);
  while (const auto avp = cursor.Next()) {
    EXPECT_EQ(avp->vendor, 0);
    seen.push_back({std::string(NameOf(AvpType{avp->type})), ToHex(avp->value), avp->mandatory});
  }
  EXPECT_TRUE(cursor.ok());
  return seen;
}

TEST(AvpCursor, ReadsTheRecordedSccrqAsTsharkDoes) {
  const Bytes bytes = FromHex(recorded::kSccrq);
  const auto header = L2tp::Parse(bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(Walk(header->payload()), (std::vector<Seen>{
                                         {"Message Type", "0001", true},
                                         {"Protocol Version", "0100", true},
                                         {"Framing Capabilities", "00000003", true},
                                         {"Bearer Capabilities", "00000000", true},
                                         {"Firmware Revision", "0690", false},
                                         {"Host Name", "636c69", true},
                                         {"Vendor Name", "78656c6572616e63652e636f6d", false},
                                         {"Assigned Tunnel ID", "cf53", true},
                                         {"Receive Window Size", "0004", true},
                                     }));
}

TEST(AvpCursor, WhatWasWrittenIsWhatWasRecorded) {
  const Bytes icrp = FromHex(recorded::kIcrp);
  Bytes bytes(64);
  Writer out(bytes);
  WriteAvp(out, AvpType::kMessageType, true, FromHex("000b"));
  WriteAvp(out, AvpType::kAssignedSessionId, true, FromHex("92af"));
  EXPECT_EQ(ToHex(out.written()), ToHex(ByteView(icrp).subspan(kL2tpControlHeader)));
}

TEST(AvpCursor, BreaksAtLengthsBelowTheHeader) {
  for (unsigned length = 0; length < 12; ++length) {
    Bytes bytes = FromHex(
        "8000"
        "0000"
        "0007"
        "616263646566");
    Store16(bytes.data(), static_cast<uint16_t>(0x8000U | length));
    AvpCursor cursor(bytes);
    const bool first = cursor.Next().has_value();
    EXPECT_EQ(first, length >= 6) << length;
    EXPECT_EQ(cursor.ok(), length >= 6) << length;
  }
}

TEST(AvpCursor, TakesTheLongestAndNotOneOctetLess) {
  Bytes bytes(kMaxAvpSize + 1);
  Writer out(bytes);
  const Bytes value(kMaxAvpSize - kAvpHeader, std::byte{7});
  WriteAvp(out, AvpType::kHostName, false, value);
  ASSERT_TRUE(out.ok());
  AvpCursor whole(out.written());
  const auto avp = whole.Next();
  ASSERT_TRUE(avp);
  EXPECT_EQ(avp->value.size(), 1017U);
  EXPECT_FALSE(whole.Next());
  EXPECT_TRUE(whole.ok());
  AvpCursor cut(out.written().first(kMaxAvpSize - 1));
  EXPECT_FALSE(cut.Next());
  EXPECT_FALSE(cut.ok());

  Bytes larger(2 * kMaxAvpSize);
  Writer too_long(larger);
  WriteAvp(too_long, AvpType::kHostName, false, Bytes(kMaxAvpSize - kAvpHeader + 1));
  EXPECT_FALSE(too_long.ok());
}

TEST(AvpCursor, TellsTheBits) {
  const Bytes bytes = FromHex(
      "c006"
      "0137"
      "0001"
      "0406"
      "0000"
      "0002");
  AvpCursor cursor(bytes);
  const auto first = cursor.Next();
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->mandatory && first->hidden && !first->reserved);
  EXPECT_EQ(first->vendor, 311);
  const auto second = cursor.Next();
  ASSERT_TRUE(second);
  EXPECT_TRUE(!second->mandatory && !second->hidden && second->reserved);
}

TEST(AvpCursor, NeverReadsPastATruncation) {
  for (const char* hex : {recorded::kSccrq, recorded::kIccn, recorded::kStopCcn}) {
    const Bytes bytes = FromHex(hex);
    for (size_t size = kL2tpControlHeader; size < bytes.size(); ++size) {
      AvpCursor cursor(ByteView(bytes).subspan(kL2tpControlHeader, size - kL2tpControlHeader));
      while (cursor.Next()) {
      }
    }
    EXPECT_EQ(ErrorOf(ByteView(bytes).first(bytes.size() - 1)), Drop::kTruncated);
  }
}

TEST(L2tpNames, AreThoseOfTheRfc) {
  EXPECT_EQ(NameOf(MessageType::kSccrq), "SCCRQ");
  EXPECT_EQ(NameOf(MessageType::kStopCcn), "StopCCN");
  EXPECT_EQ(NameOf(MessageType::kSli), "SLI");
  EXPECT_EQ(NameOf(MessageType{5}), "unknown");
  EXPECT_EQ(NameOf(MessageType{13}), "unknown");
  EXPECT_EQ(NameOf(MessageType{65535}), "unknown");
  EXPECT_EQ(NameOf(AvpType::kChallengeResponse), "Challenge Response");
  EXPECT_EQ(NameOf(AvpType::kSequencingRequired), "Sequencing Required");
  EXPECT_EQ(NameOf(AvpType{20}), "unknown");
  EXPECT_EQ(NameOf(AvpType{40}), "unknown");
}

}  // namespace
}  // namespace stack::wire
