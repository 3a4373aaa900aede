#include "stack/wire/isakmp.h"

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace stack;        // NOLINT: a test reads as a script
using namespace stack::wire;  // NOLINT

// A header, then a NONCE of 4 octets and a VID of 2, as the RFC draws them.
constexpr char kMessage[] =
    "1122334455667788"
    "99aabbccddeeff00"  // cookies
    "0a"
    "10"
    "02"
    "00"
    "00000000"
    "0000002a"
    "0d"
    "00"
    "0008"
    "deadbeef"
    "00"
    "5a"
    "0006"
    "cafe";  // a reserved octet that is not zero

TEST(Isakmp, HeaderReadsAndWritesBack) {
  const Bytes bytes = FromHex(kMessage);
  const auto message = Isakmp::Parse(bytes);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->header.initiator_cookie, 0x1122334455667788u);
  EXPECT_EQ(message->header.responder_cookie, 0x99aabbccddeeff00u);
  EXPECT_EQ(message->header.next_payload, PayloadType::kNonce);
  EXPECT_EQ(message->header.exchange, ExchangeType::kIdentityProtection);
  EXPECT_FALSE(message->header.encrypted());
  EXPECT_EQ(message->header.length, 42u);
  EXPECT_EQ(message->body.size(), 14u);
  Bytes written(kIsakmpHeader);
  Writer writer(written);
  message->header.Write(writer);
  EXPECT_EQ(written, ToBytes(ByteView(bytes).first(kIsakmpHeader)));
}

TEST(Isakmp, EveryPrefixIsRefused) {
  const Bytes bytes = FromHex(kMessage);
  for (size_t n = 0; n < bytes.size(); ++n) {
    const auto message = Isakmp::Parse(ByteView(bytes).first(n));
    ASSERT_FALSE(message.ok()) << n;
    EXPECT_EQ(message.error(), n < kIsakmpHeader ? Drop::kTruncated : Drop::kIkeMalformed);
  }
}

TEST(Isakmp, VersionsAndLengths) {
  Bytes bytes = FromHex(kMessage);
  bytes[17] = std::byte{0x20};
  EXPECT_EQ(Isakmp::Parse(bytes).error(), Drop::kIkeVersion);
  bytes[17] = std::byte{0x11};  // a later minor version is read
  EXPECT_TRUE(Isakmp::Parse(bytes).ok());
  for (const uint32_t length : {0u, 27u, 43u, 0xffffffffu, 0x80000000u}) {
    Store32(bytes.data() + 24, length);
    EXPECT_EQ(Isakmp::Parse(bytes).error(), Drop::kIkeMalformed) << length;
  }
  Store32(bytes.data() + 24, 36);  // octets behind the message are ignored
  EXPECT_EQ(Isakmp::Parse(bytes)->body.size(), 8u);
}

TEST(PayloadChain, WalksAndFinds) {
  const Bytes bytes = FromHex(kMessage);
  const auto message = Isakmp::Parse(bytes);
  const auto chain = PayloadChain::Parse(message->header.next_payload, message->body);
  ASSERT_TRUE(chain.has_value());
  ASSERT_EQ(chain->size(), 2u);
  EXPECT_EQ(ToHex(*chain->Only(PayloadType::kNonce)), "deadbeef");
  EXPECT_EQ(ToHex((*chain)[1].whole), "005a0006cafe");
  EXPECT_EQ(chain->octets(), 14u);
  EXPECT_FALSE(chain->Only(PayloadType::kSa).has_value());
}

TEST(PayloadChain, PaddingIsNotCounted) {
  const Bytes bytes = FromHex(
      "00000006cafe"
      "a5a5a5a5");
  const auto chain = PayloadChain::Parse(PayloadType::kVendorId, bytes);
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->octets(), 6u);
}

TEST(PayloadChain, TwoOfAKindAreNotTheOnlyOne) {
  const Bytes bytes = FromHex(
      "0d000006cafe"
      "00000006beef");
  const auto chain = PayloadChain::Parse(PayloadType::kVendorId, bytes);
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->Count(PayloadType::kVendorId), 2u);
  EXPECT_FALSE(chain->Only(PayloadType::kVendorId).has_value());
}

TEST(PayloadChain, LengthsThatLie) {
  for (const char* hex : {"", "00", "0000", "000000", "00000000", "00000003", "00000005",
                          "0000ffff", "0d000004", "0d00000400000003"}) {
    EXPECT_FALSE(PayloadChain::Parse(PayloadType::kVendorId, FromHex(hex)).has_value()) << hex;
  }
  EXPECT_TRUE(PayloadChain::Parse(PayloadType::kVendorId, FromHex("00000004")).has_value());
  EXPECT_EQ(PayloadChain::Parse(PayloadType::kNone, FromHex("ffff"))->size(), 0u);
}

TEST(PayloadChain, HasABound) {
  Bytes bytes;
  for (size_t i = 1; i <= kIsakmpMaxPayloads + 1; ++i) {
    const Bytes one = FromHex("0d000004");
    bytes.insert(bytes.end(), one.begin(), one.end());
    Bytes ended = bytes;
    ended[ended.size() - 4] = std::byte{0};
    EXPECT_EQ(PayloadChain::Parse(PayloadType::kVendorId, ended).has_value(),
              i <= kIsakmpMaxPayloads);
  }
}

TEST(PayloadWriter, ChainsWhatItIsGiven) {
  Bytes bytes(14);
  Writer writer(bytes);
  PayloadWriter payloads(writer);
  payloads.Add(PayloadType::kNonce, FromHex("deadbeef"));
  payloads.Add(PayloadType::kVendorId, FromHex("cafe"));
  EXPECT_EQ(payloads.first(), PayloadType::kNonce);
  EXPECT_EQ(ToHex(bytes),
            "0d000008deadbeef"
            "00000006cafe");
  payloads.Add(PayloadType::kVendorId, {});  // no room: the writer is poisoned, nothing is written
  EXPECT_FALSE(writer.ok());
}

TEST(Names, AreTheRfcs) {
  EXPECT_EQ(NameOf(PayloadType::kKeyExchange), "KE");
  EXPECT_EQ(NameOf(ExchangeType::kQuickMode), "Quick Mode");
  EXPECT_EQ(NameOf(static_cast<PayloadType>(99)), "unknown");
}

}  // namespace
