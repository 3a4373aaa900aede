#include <gtest/gtest.h>
#include <tins/tins.h>

#include "stack/ip/icmp.h"
#include "stack/ip/udp_ports.h"
#include "tests/support/frames.h"

namespace stack::ip {
namespace {

const Ip4 kOwn = test::Ip("203.0.113.1"), kStranger = test::Ip("192.0.2.77");
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

class IcmpTest : public testing::Test {
 protected:
  Bytes Udp(size_t payload, const test::IpOptions& options = {}) {
    return test::UdpPacket({kStranger, 1000}, {kOwn, 33434}, test::Pattern(payload), options);
  }
  bool IsReported(const Bytes& packet, bool broadcast = false) {
    const auto error =
        icmp_.Unreachable(kStart, {packet, kOwn, broadcast}, wire::UnreachableCode::kPort);
    EXPECT_EQ(error.ok(), Icmp::MayReport({packet, kOwn, broadcast}));
    if (!error) {
      EXPECT_EQ(error.error(), Drop::kNone);
    }
    return error.ok();
  }

  PacketPool pool_{8, 1};
  Icmp icmp_{{.errors_per_second = 10, .error_burst = 40, .echoes_per_second = 2, .echo_burst = 3},
             pool_};
};

TEST_F(IcmpTest, AnswersEchoInPlace) {
  PacketBuf buf = pool_.Copy(test::EchoPacket(kStranger, kOwn, 0x1234, 9, test::Pattern(57),
                                              {.ttl = 3, .tos = 0x10, .id = 5}));
  ASSERT_EQ(icmp_.AnswerEcho(kStart, buf), Drop::kNone);
  Tins::IP reply(AsU8(std::as_const(buf).bytes()), static_cast<uint32_t>(buf.size()));
  EXPECT_EQ(reply.src_addr().to_string(), kOwn.Text());
  EXPECT_EQ(reply.dst_addr().to_string(), kStranger.Text());
  EXPECT_EQ(reply.ttl(), 64);
  EXPECT_EQ(reply.tos(), 0x10);
  const auto& icmp = reply.rfind_pdu<Tins::ICMP>();
  EXPECT_EQ(icmp.type(), Tins::ICMP::ECHO_REPLY);
  EXPECT_EQ(icmp.id(), 0x1234);
  EXPECT_EQ(icmp.sequence(), 9);
  const auto ours = reply.serialize();  // libtins sums anew: nothing may change
  EXPECT_EQ(ToHex(AsBytes(ours.data(), ours.size())), ToHex(buf.bytes()));
}

TEST_F(IcmpTest, AnswersNothingElse) {
  const auto answer = [this](Bytes packet) {
    PacketBuf buf = pool_.Copy(packet);
    const Drop drop = icmp_.AnswerEcho(kStart, buf);
    EXPECT_EQ(ToBytes(buf.bytes()), packet);
    return drop;
  };
  Bytes echo = test::EchoPacket(kStranger, kOwn, 1, 1, test::Pattern(8));
  echo[30] ^= std::byte{1};
  EXPECT_EQ(answer(echo), Drop::kBadChecksum);
  EXPECT_EQ(answer(test::IpPacket(kStranger, kOwn, 1, FromHex("0000 0000 0001 0001"))),
            Drop::kNoService);
  EXPECT_EQ(answer(test::IpPacket(kStranger, kOwn, 1, test::Pattern(7))), Drop::kTruncated);
  EXPECT_EQ(answer(Udp(8)), Drop::kNoService);
  EXPECT_EQ(answer(test::EchoPacket({0}, kOwn, 1, 1, {})), Drop::kSwallowed);
  EXPECT_EQ(answer(test::EchoPacket(kStranger, test::Ip("224.0.0.1"), 1, 1, {})), Drop::kSwallowed);
  EXPECT_EQ(answer(test::EchoPacket(kStranger, {0xffffffff}, 1, 1, {})), Drop::kSwallowed);
}

TEST_F(IcmpTest, EchoesAreLimited) {
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    PacketBuf buf = pool_.Copy(test::EchoPacket(kStranger, kOwn, 1, 1, {}));
    const Drop drop = icmp_.AnswerEcho(kStart, buf);
    answered += drop == Drop::kNone ? 1 : 0;
    EXPECT_TRUE(drop == Drop::kNone || drop == Drop::kRateLimited);
  }
  EXPECT_EQ(answered, 3);
  PacketBuf later = pool_.Copy(test::EchoPacket(kStranger, kOwn, 1, 1, {}));
  EXPECT_EQ(icmp_.AnswerEcho(kStart + absl::Milliseconds(499), later), Drop::kRateLimited);
  EXPECT_EQ(icmp_.AnswerEcho(kStart + absl::Milliseconds(501), later), Drop::kNone);
}

TEST_F(IcmpTest, FragmentationNeededQuotesThePacketAndTheMtu) {
  const Bytes offence = Udp(1472, {.dont_fragment = true});
  auto error =
      icmp_.Unreachable(kStart, {offence, kOwn}, wire::UnreachableCode::kFragmentationNeeded, 1400);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->size(), 576U);
  Tins::IP packet(AsU8(std::as_const(*error).bytes()), static_cast<uint32_t>(error->size()));
  EXPECT_EQ(packet.src_addr().to_string(), kOwn.Text());
  EXPECT_EQ(packet.dst_addr().to_string(), kStranger.Text());
  EXPECT_EQ(packet.tos(), 0xc0);
  const auto& icmp = packet.rfind_pdu<Tins::ICMP>();
  EXPECT_EQ(icmp.type(), Tins::ICMP::DEST_UNREACHABLE);
  EXPECT_EQ(icmp.code(), 4);
  EXPECT_EQ(icmp.mtu(), 1400);
  const auto view = *wire::Ip4Packet::Parse(std::as_const(*error).bytes());
  EXPECT_TRUE(view.ChecksumHolds());
  const auto message = *wire::Icmp4::Parse(view.payload());
  EXPECT_TRUE(message.ChecksumHolds());
  EXPECT_EQ(ToBytes(message.payload()), ToBytes(ByteView(offence).first(548)));
}

TEST_F(IcmpTest, AShortPacketIsQuotedWhole) {
  const Bytes offence = Udp(5);
  const auto error =
      icmp_.TimeExceeded(kStart, {offence, kOwn}, wire::TimeExceededCode::kInTransit);
  ASSERT_TRUE(error);
  const auto message = *wire::Icmp4::Parse(wire::Ip4Packet::Parse(error->bytes())->payload());
  EXPECT_EQ(message.type(), wire::IcmpType::kTimeExceeded);
  EXPECT_EQ(message.code(), 0);
  EXPECT_EQ(message.mtu(), 0);
  EXPECT_EQ(ToBytes(message.payload()), offence);
}

TEST_F(IcmpTest, NeverReportsWhatRfc1812Forbids) {
  EXPECT_TRUE(IsReported(Udp(8)));
  EXPECT_TRUE(IsReported(test::EchoPacket(kStranger, kOwn, 1, 1, {})));
  EXPECT_TRUE(IsReported(Udp(8, {.more_fragments = true})));  // a first fragment
  EXPECT_FALSE(IsReported(Udp(8, {.fragment_offset = 1})));   // a later one
  EXPECT_FALSE(IsReported(Udp(8), true));                     // came by link broadcast
  for (const int type : {3, 4, 5, 11, 12}) {
    Bytes message(16);
    message[0] = static_cast<std::byte>(type);
    EXPECT_FALSE(IsReported(test::IpPacket(kStranger, kOwn, 1, message))) << type;
  }
  EXPECT_FALSE(
      IsReported(test::IpPacket(kStranger, kOwn, 1, test::Pattern(4))));  // may be an error
  for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.1.1.1"}) {
    EXPECT_FALSE(IsReported(test::IpPacket(test::Ip(source), kOwn, 17, test::Pattern(8))))
        << source;
  }
  for (const char* to : {"224.0.0.251", "255.255.255.255"}) {
    EXPECT_FALSE(IsReported(test::IpPacket(kStranger, test::Ip(to), 17, test::Pattern(8)))) << to;
  }
  EXPECT_FALSE(Icmp::MayReport({Bytes(10), kOwn}));
}

TEST_F(IcmpTest, ErrorsAreLimitedAndADryPoolIsNamed) {
  const Bytes offence = Udp(8);
  std::vector<PacketBuf> held;
  const auto error = [&] {
    auto result = icmp_.Unreachable(kStart, {offence, kOwn}, wire::UnreachableCode::kHost);
    if (!result) return result.error();
    held.push_back(std::move(*result));
    return Drop::kNone;
  };
  for (int i = 0; i < 8; ++i) EXPECT_EQ(error(), Drop::kNone);
  EXPECT_EQ(error(), Drop::kPoolDry);
  held.clear();
  int sent = 9;
  while (error() == Drop::kNone) {
    ++sent;
    held.clear();
  }
  EXPECT_EQ(sent, 40);
  EXPECT_EQ(error(), Drop::kRateLimited);
}

TEST(TokenBucket, NeverSavesMoreThanItsBurstAndTimeNeverHurts) {
  TokenBucket bucket(1, 2);
  EXPECT_TRUE(bucket.Take(kStart));
  EXPECT_TRUE(bucket.Take(kStart));
  EXPECT_FALSE(bucket.Take(kStart));
  EXPECT_FALSE(bucket.Take(kStart - absl::Seconds(9)));
  const absl::Time later = kStart + absl::Hours(1000);
  EXPECT_TRUE(bucket.Take(later));
  EXPECT_TRUE(bucket.Take(later));
  EXPECT_FALSE(bucket.Take(later));
}

const Endpoint kFrom = test::At("192.0.2.1:500"), kTo = test::At("203.0.113.1:4500");

Bytes UdpOf(size_t payload) {
  return ToBytes(
      wire::Ip4Packet::Parse(test::UdpPacket(kFrom, kTo, test::Pattern(payload)))->payload());
}

TEST(PushUdp, WritesTheOctetsLibtinsWrites) {
  PacketPool pool(1, 1);
  PacketBuf buf = pool.Copy(test::Pattern(99));
  ASSERT_EQ(PushUdp(buf, kFrom, kTo, UdpChecksum::kHonest), Drop::kNone);
  EXPECT_EQ(ToBytes(buf.bytes()), UdpOf(99));
  buf.Pull(8);
  ASSERT_EQ(PushUdp(buf, kFrom, kTo, UdpChecksum::kIgnore), Drop::kNone);
  Bytes zero = UdpOf(99);
  Store16(zero.data() + 6, 0);
  EXPECT_EQ(ToBytes(buf.bytes()), zero);
}

TEST(PushUdp, RefusesWhatDoesNotFit) {
  PacketPool pool(1, 1);
  PacketBuf large = pool.Copy(test::Pattern(65528));
  EXPECT_EQ(PushUdp(large, kFrom, kTo, UdpChecksum::kIgnore), Drop::kTooBig);
  PacketBuf full = pool.Copy(test::Pattern(1));
  full.Push(kHeadroom - 7);
  EXPECT_EQ(PushUdp(full, kFrom, kTo, UdpChecksum::kIgnore), Drop::kTooBig);
}

TEST(PullUdp, TakesTheHeaderOffAndTheRestAway) {
  PacketPool pool(1, 0);
  Bytes bytes = UdpOf(11);
  bytes.resize(bytes.size() + 5);
  PacketBuf buf = pool.Copy(bytes);
  const auto ports = PullUdp(buf, kFrom.ip, kTo.ip, UdpChecksum::kHonest);
  ASSERT_TRUE(ports);
  EXPECT_EQ(ports->source, 500);
  EXPECT_EQ(ports->destination, 4500);
  EXPECT_EQ(ToBytes(buf.bytes()), test::Pattern(11));
}

TEST(PullUdp, ChecksTheSumUnlessToldNotTo) {
  PacketPool pool(1, 0);
  Bytes bytes = UdpOf(11);
  bytes[9] ^= std::byte{1};
  PacketBuf buf = pool.Copy(bytes);
  EXPECT_EQ(PullUdp(buf, kFrom.ip, kTo.ip, UdpChecksum::kHonest).error(), Drop::kBadUdpChecksum);
  EXPECT_EQ(buf.size(), 19U);
  EXPECT_TRUE(PullUdp(buf, kFrom.ip, kTo.ip, UdpChecksum::kIgnore));
}

TEST(PullUdp, NamesBadLengths) {
  PacketPool pool(1, 0);
  PacketBuf buf = pool.Copy(Bytes(7));
  EXPECT_EQ(PullUdp(buf, kFrom.ip, kTo.ip, UdpChecksum::kHonest).error(), Drop::kTruncated);
  buf.Append(1);
  EXPECT_EQ(PullUdp(buf, kFrom.ip, kTo.ip, UdpChecksum::kHonest).error(), Drop::kBadUdpLength);
}

}  // namespace
}  // namespace stack::ip
