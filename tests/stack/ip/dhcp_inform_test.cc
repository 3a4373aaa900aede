// The answer to DHCPINFORM, byte for byte where clients are strict, and as libtins reads it.
#include "stack/ip/dhcp_inform.h"

#include <gtest/gtest.h>
#include <tins/tins.h>

#include "stack/wire/dhcp4.h"
#include "tests/support/frames.h"

namespace stack::ip {
namespace {

using wire::DhcpOption;

const Ip4 kServer = test::Ip("10.99.0.1"), kClient = test::Ip("10.99.0.20");
const std::array<Ip4, 2> kDns{test::Ip("9.9.9.9"), test::Ip("1.1.1.1")};

// Of Apple's client: a hardware type and address of its own making, and these parameters.
Bytes Question(const char* parameters, wire::DhcpType type = wire::DhcpType::kInform) {
  Bytes message(600);
  wire::Dhcp4Writer writer(message, {.xid = 0xcafe, .ciaddr = kClient}, type);
  if (*parameters != 0) writer.Option(DhcpOption::kParameterRequestList, FromHex(parameters));
  message.resize(writer.Finish());
  message[1] = std::byte{8};
  message[28 + 5] = std::byte{1};
  message[28 + 9] = std::byte{7};
  return message;
}

struct DhcpInform : testing::Test {
  Bytes Ack(const Bytes& question) {
    const auto ack = AnswerInform({kServer, kClient, kDns, routes, "example.net"}, question, pool);
    EXPECT_TRUE(ack.ok());
    return ack.ok() ? ToBytes(ack->bytes()) : Bytes{};
  }
  Drop Refusal(const Bytes& question) {
    const auto ack = AnswerInform({kServer, kClient, kDns, routes, ""}, question, pool);
    return ack.ok() ? Drop::kNone : ack.error();
  }
  PacketPool pool{4, 0};
  std::vector<Prefix> routes{*Prefix::Parse("10.1.0.0/16"), *Prefix::Parse("0.0.0.0/0"),
                             *Prefix::Parse("192.168.7.128/25")};
};

TEST_F(DhcpInform, AnswersWhatIsAskedInTheOrderAppleWants) {
  const Bytes ack = Ack(Question("062c2b01f90f"));
  const ByteView message = ByteView(ack).subspan(28);
  const std::string fixed = ToHex(message.first(44));
  EXPECT_EQ(fixed.substr(0, 24),
            "02080600"
            "0000cafe"
            "00000000");
  EXPECT_EQ(Load32(&message[12]), kClient.value);
  EXPECT_EQ(Load32(&message[16]), 0U) << "yiaddr";
  EXPECT_EQ(ToHex(message.subspan(28, 16)), "00000000000100000007000000000000");
  EXPECT_EQ(ToHex(message.subspan(240)),
            "350105"
            "36040a630001"
            "0104ffffffff"
            "06080909090901010101"
            "0f0b6578616d706c652e6e6574"
            "f915"
            "100a010a630001"
            "000a630001"
            "19c0a807800a630001"
            "ff");
}

TEST_F(DhcpInform, IsADatagramToTheClient) {
  const Bytes ack = Ack(Question("79"));
  Tins::IP ip(AsU8(ByteView(ack)), static_cast<uint32_t>(ack.size()));
  EXPECT_EQ(ip.src_addr().to_string(), "10.99.0.1");
  EXPECT_EQ(ip.dst_addr().to_string(), "10.99.0.20");
  EXPECT_EQ(ip.rfind_pdu<Tins::UDP>().sport(), 67);
  EXPECT_EQ(ip.rfind_pdu<Tins::UDP>().dport(), 68);
  const auto dhcp = ip.rfind_pdu<Tins::RawPDU>().to<Tins::DHCP>();
  EXPECT_EQ(dhcp.type(), Tins::DHCP::ACK);
  EXPECT_EQ(dhcp.server_identifier().to_string(), "10.99.0.1");
  EXPECT_EQ(dhcp.search_option(static_cast<Tins::DHCP::OptionTypes>(51)), nullptr) << "no lease";
  EXPECT_NE(dhcp.search_option(static_cast<Tins::DHCP::OptionTypes>(121)), nullptr);
  EXPECT_EQ(dhcp.search_option(static_cast<Tins::DHCP::OptionTypes>(249)), nullptr) << "not asked";
  EXPECT_EQ(dhcp.search_option(static_cast<Tins::DHCP::OptionTypes>(6)), nullptr);
}

TEST_F(DhcpInform, WithoutAListEverythingIsSaid) {
  const Bytes ack = Ack(Question(""));
  const auto message = wire::Dhcp4::ParseAnyHardware(ByteView(ack).subspan(28));
  ASSERT_TRUE(message.ok());
  for (const int code : {1, 6, 15, 121, 249}) {
    EXPECT_TRUE(message->Option(static_cast<DhcpOption>(code))) << code;
  }
}

TEST_F(DhcpInform, ManyRoutesAreSaidInSeveralOptions) {
  routes.clear();
  for (uint32_t i = 0; i < 64; ++i) routes.push_back({{0x0a020000 + (i << 8) + 1}, 32});
  const Bytes ack = Ack(Question("79f9"));
  size_t seen[2] = {0, 0};
  ByteView options = ByteView(ack).subspan(28 + 240);
  while (options.size() >= 2 && options[0] != std::byte{255}) {
    const auto code = static_cast<uint8_t>(options[0]);
    const auto length = static_cast<size_t>(options[1]);
    if (code == 121 || code == 249) {
      EXPECT_EQ(length % 9, 0U) << "whole routes";
      seen[code == 249] += length / 9;
    }
    options = options.subspan(2 + length);
  }
  EXPECT_EQ(seen[0], 64U);
  EXPECT_EQ(seen[1], 64U);
}

TEST_F(DhcpInform, OtherMessagesAreNotOurs) {
  EXPECT_EQ(Refusal(Question("01", wire::DhcpType::kDiscover)), Drop::kDhcpIgnored);
  EXPECT_EQ(Refusal(Question("01", wire::DhcpType::kRequest)), Drop::kDhcpIgnored);
  Bytes reply = Question("01");
  reply[0] = std::byte{2};
  EXPECT_EQ(Refusal(reply), Drop::kDhcpIgnored);
  EXPECT_EQ(Refusal(Bytes(100)), Drop::kTruncated);
  EXPECT_EQ(Refusal(Bytes(300)), Drop::kDhcpMalformed);
}

}  // namespace
}  // namespace stack::ip
