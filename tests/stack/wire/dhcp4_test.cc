#include "stack/wire/dhcp4.h"

#include <gtest/gtest.h>
#include <tins/tins.h>

#include "tests/support/frames.h"

namespace stack::wire {
namespace {

const Mac kMac = *Mac::Parse("02:00:00:00:00:0a");

Bytes TinsOffer() {
  Tins::DHCP dhcp;
  dhcp.opcode(Tins::BootP::BOOTREPLY);
  dhcp.htype(1);
  dhcp.hlen(6);
  dhcp.xid(0xdeadbeef);
  dhcp.yiaddr("192.0.2.50");
  dhcp.siaddr("192.0.2.3");
  dhcp.chaddr(Tins::HWAddress<6>(kMac.octets.data()));
  dhcp.type(Tins::DHCP::OFFER);
  dhcp.server_identifier("192.0.2.2");
  dhcp.lease_time(3600);
  dhcp.renewal_time(1800);
  dhcp.subnet_mask("255.255.255.0");
  dhcp.routers({"192.0.2.254"});
  dhcp.domain_name_servers({"9.9.9.9", "1.1.1.1"});
  dhcp.domain_name("example.org");
  dhcp.end();
  const auto raw = dhcp.serialize();
  return ToBytes(AsBytes(raw.data(), raw.size()));
}

// A message with these options behind the cookie.
Bytes Message(const char* options, const char* file = "", const char* sname = "") {
  Bytes bytes(Dhcp4::kFixed);
  bytes[0] = std::byte{2};
  bytes[1] = std::byte{1};
  bytes[2] = std::byte{6};
  Store32(bytes.data() + 236, 0x63825363);
  const Bytes in_file = FromHex(file), in_sname = FromHex(sname), more = FromHex(options);
  std::copy(in_file.begin(), in_file.end(), bytes.begin() + 108);
  std::copy(in_sname.begin(), in_sname.end(), bytes.begin() + 44);
  bytes.insert(bytes.end(), more.begin(), more.end());
  return bytes;
}

TEST(Dhcp4, ReadsWhatLibtinsBuilds) {
  const Bytes bytes = TinsOffer();
  const auto dhcp = Dhcp4::Parse(bytes);
  ASSERT_TRUE(dhcp);
  EXPECT_EQ(dhcp->op(), DhcpOp::kReply);
  EXPECT_EQ(dhcp->type(), DhcpType::kOffer);
  EXPECT_EQ(dhcp->xid(), 0xdeadbeefU);
  EXPECT_EQ(dhcp->yiaddr(), test::Ip("192.0.2.50"));
  EXPECT_EQ(dhcp->siaddr(), test::Ip("192.0.2.3"));
  EXPECT_EQ(dhcp->chaddr(), kMac);
  EXPECT_EQ(dhcp->OptionIp(DhcpOption::kServerIdentifier), test::Ip("192.0.2.2"));
  EXPECT_EQ(dhcp->OptionIp(DhcpOption::kSubnetMask), test::Ip("255.255.255.0"));
  EXPECT_EQ(dhcp->Option32(DhcpOption::kLeaseTime), 3600U);
  EXPECT_EQ(dhcp->Option32(DhcpOption::kRenewalTime), 1800U);
  EXPECT_EQ(dhcp->OptionIps(DhcpOption::kDomainNameServer, 4),
            (std::vector<Ip4>{test::Ip("9.9.9.9"), test::Ip("1.1.1.1")}));
  EXPECT_EQ(dhcp->OptionIps(DhcpOption::kDomainNameServer, 1).size(), 1U);
  EXPECT_EQ(AsText(*dhcp->Option(DhcpOption::kDomainName)), "example.org");
  EXPECT_EQ(dhcp->Option(DhcpOption::kHostName), std::nullopt);
  EXPECT_EQ(dhcp->Option16(DhcpOption::kInterfaceMtu), std::nullopt);
}

TEST(Dhcp4, LibtinsReadsWhatItWrites) {
  Bytes bytes(576);
  Dhcp4Writer writer(bytes,
                     {.op = DhcpOp::kRequest,
                      .xid = 0x01020304,
                      .secs = 9,
                      .broadcast = true,
                      .ciaddr = test::Ip("192.0.2.50"),
                      .chaddr = kMac},
                     DhcpType::kRequest);
  writer.Option(DhcpOption::kRequestedAddress, test::Ip("192.0.2.51"));
  writer.Option(DhcpOption::kHostName, AsBytes("adit"));
  const size_t size = writer.Finish();
  EXPECT_EQ(size, 300U);  // padded
  const Tins::DHCP theirs(AsU8(ByteView(bytes)), static_cast<uint32_t>(size));
  EXPECT_EQ(theirs.opcode(), Tins::BootP::BOOTREQUEST);
  EXPECT_EQ(theirs.type(), Tins::DHCP::REQUEST);
  EXPECT_EQ(theirs.xid(), 0x01020304U);
  EXPECT_EQ(theirs.secs(), 9);
  EXPECT_EQ(theirs.padding(), 0x8000);  // the flags field, as libtins calls it
  EXPECT_EQ(theirs.ciaddr().to_string(), "192.0.2.50");
  EXPECT_EQ(theirs.requested_ip().to_string(), "192.0.2.51");
  EXPECT_EQ(theirs.hostname(), "adit");
  EXPECT_EQ(Tins::HWAddress<6>(theirs.chaddr()).to_string(), kMac.Text());
  EXPECT_EQ(bytes[Dhcp4::kFixed], std::byte{53});  // the message type comes first
}

TEST(Dhcp4Writer, SaysWhenItDoesNotFit) {
  Bytes bytes(310);
  Dhcp4Writer writer(bytes, {}, DhcpType::kDiscover);
  writer.Option(DhcpOption::kHostName, test::Pattern(300));  // 255 at most; more than there is room
  EXPECT_EQ(writer.Finish(), 0U);
  Bytes short_of_padding(260);
  EXPECT_EQ(Dhcp4Writer(short_of_padding, {}, DhcpType::kDiscover).Finish(), 0U);
}

TEST(Dhcp4, RefusesWhatIsNoDhcpForEthernet) {
  const Bytes good = Message("350102 ff");
  ASSERT_TRUE(Dhcp4::Parse(good));
  EXPECT_EQ(Dhcp4::Parse(ByteView(good).first(239)).error(), Drop::kTruncated);
  for (const size_t at : {0U, 1U, 2U, 236U, 239U}) {
    Bytes bad = good;
    bad[at] = std::byte{9};
    EXPECT_EQ(Dhcp4::Parse(bad).error(), Drop::kDhcpMalformed) << at;
  }
  for (const char* options : {"", "ff", "3500 ff", "35020102 ff", "35", "3501", "350102 0c",
                              "350102 0cff41", "350102 340103"}) {
    const bool overload_of_zeros_is_fine = std::string(options) == "350102 340103";
    EXPECT_EQ(Dhcp4::Parse(Message(options)).ok(), overload_of_zeros_is_fine) << options;
  }
}

TEST(Dhcp4, ReadsOnWithoutEndOptionAndOverPadding) {
  const Bytes bytes = Message("00 00 350102 00 1c04c0000201");
  ASSERT_TRUE(Dhcp4::Parse(bytes));
  EXPECT_TRUE(Dhcp4::Parse(bytes)->Option(static_cast<DhcpOption>(28)));
}

TEST(Dhcp4, LooksIntoOverloadedFields) {
  const Bytes both = Message("340103 ff", "350105 ff", "33040000000a ff");
  const auto dhcp = Dhcp4::Parse(both);
  ASSERT_TRUE(dhcp);
  EXPECT_EQ(dhcp->type(), DhcpType::kAck);
  EXPECT_EQ(dhcp->Option32(DhcpOption::kLeaseTime), 10U);
  const Bytes only_file = Message("340101 ff", "350105 ff", "33040000000a ff");
  EXPECT_EQ(Dhcp4::Parse(only_file)->Option32(DhcpOption::kLeaseTime), std::nullopt);
  EXPECT_FALSE(Dhcp4::Parse(Message("350102 340101 ff", "0cff")));  // runs over the end of file
}

TEST(Dhcp4, OptionsOfAWrongLengthAreNotThere) {
  const Bytes bytes = Message("350102 3303000001 0603010203 1a03010203 ff");
  const auto dhcp = Dhcp4::Parse(bytes);
  ASSERT_TRUE(dhcp);
  EXPECT_EQ(dhcp->Option32(DhcpOption::kLeaseTime), std::nullopt);
  EXPECT_TRUE(dhcp->OptionIps(DhcpOption::kDomainNameServer, 4).empty());
  EXPECT_EQ(dhcp->Option16(DhcpOption::kInterfaceMtu), std::nullopt);
}

TEST(DhcpType, HasNames) {
  EXPECT_EQ(NameOf(DhcpType::kInform), "INFORM");
  EXPECT_EQ(NameOf(static_cast<DhcpType>(77)), "unknown");
}

}  // namespace
}  // namespace stack::wire
