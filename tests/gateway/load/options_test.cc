// The words of the command line, what is refused and why; the NAT that follows from them; the
// search for a rate.
#include "gateway/load/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/load/nat.h"
#include "gateway/load/search.h"
#include "stack/wire/ip4.h"
#include "stack/wire/udp.h"

namespace gateway::load {
namespace {

using testing::HasSubstr;

Options Good() {
  Options options;
  options.interface = "out0";
  options.server = *stack::Ip4::Parse("192.0.2.1");
  EXPECT_EQ(ReadSource("192.0.2.10-192.0.2.20/24", options.source), "");
  return options;
}

TEST(Source, IsARangeInANetwork) {
  SourceRange range;
  EXPECT_EQ(ReadSource("10.0.0.1-10.0.3.255/8", range), "");
  EXPECT_EQ(range.size(), 1023U);
  EXPECT_EQ(ReadSource("10.0.0.7/8", range), "");
  EXPECT_EQ(range.first, range.last);
  EXPECT_TRUE(range.IsOnLink(*stack::Ip4::Parse("10.255.0.1")));
  for (const char* bad : {"10.0.0.1", "10.0.0.1/33", "10.0.0.9-10.0.0.1/8", "10.0.0.1-10.1.0.1/24",
                          "10.0.0.1-10.0.0.2-10.0.0.3/8", "", "x/8"}) {
    EXPECT_NE(ReadSource(bad, range), "") << bad;
  }
}

TEST(TrafficSpec, ReadsWhatItWrites) {
  for (const char* text : {"up:udp:1400:50000", "down:tcp:64:max", "down:udp:52:0.5"}) {
    TrafficSpec spec;
    EXPECT_EQ(ReadTraffic(text, spec), "");
    EXPECT_EQ(spec.Text(), text);
  }
  TrafficSpec spec;
  for (const char* bad : {"up:udp:1400", "sideways:udp:1400:1", "up:udp:51:1", "up:tcp:63:1",
                          "up:udp:1501:1", "up:udp:1400:0", "up:udp:1400:-1", "up:udp:1400:nan"}) {
    EXPECT_NE(ReadTraffic(bad, spec), "") << bad;
  }
  EXPECT_THAT(ReadTraffic("upp:udp:1400:1", spec), HasSubstr("did you mean \"up\"?"));
}

TEST(Suites, AreReadByTheirUsualNames) {
  std::vector<crypto::ike::PhaseOneSuite> phase_one;
  EXPECT_EQ(ReadPhaseOne("aes256-sha1-modp2048,3des-sha256-ecp256", phase_one), "");
  ASSERT_EQ(phase_one.size(), 2U);
  EXPECT_EQ(crypto::ike::Text(phase_one[0]), "AES-CBC-256/SHA1/MODP-2048/PSK");
  EXPECT_EQ(crypto::ike::Text(phase_one[1]), "3DES-CBC/SHA2-256/ECP-256/PSK");
  std::vector<crypto::ike::EspSuite> esp;
  EXPECT_EQ(ReadEsp("aes256gcm16,aes128-sha256", esp), "");
  ASSERT_EQ(esp.size(), 2U);
  EXPECT_TRUE(crypto::ike::KeySizesOf(esp[0]).has_value());
  EXPECT_TRUE(crypto::ike::KeySizesOf(esp[1]).has_value());
  EXPECT_THAT(ReadPhaseOne("aes256-sha1-mdp2048", phase_one), HasSubstr("modp2048"));
  EXPECT_NE(ReadEsp("aes256", esp), "");
  EXPECT_EQ(esp.size(), 2U) << "a refused text changes nothing";
}

TEST(Options, SayWhatDoesNotGoTogether) {
  EXPECT_EQ(Good().Problem(), "");
  Options options = Good();
  options.clients = 12;
  EXPECT_THAT(options.Problem(), HasSubstr("room for 11; give more addresses, or --nat"));
  options.nat = true;
  EXPECT_EQ(options.Problem(), "");
  options.nat_t = NatT::kOff;
  EXPECT_THAT(options.Problem(), HasSubstr("NAT traversal"));
  options = Good();
  options.server = *stack::Ip4::Parse("198.51.100.1");
  EXPECT_THAT(options.Problem(), HasSubstr("--gateway"));
  options.gateway = *stack::Ip4::Parse("192.0.2.254");
  EXPECT_EQ(options.Problem(), "");
  options.traffic.push_back({true, false, 1400, 1000});
  EXPECT_THAT(options.Problem(), HasSubstr("--far"));
  options.far = "in0";
  options.far_address = *stack::Prefix::Parse("198.18.0.9/24");
  EXPECT_EQ(options.Problem(), "");
  options.prepare = 1e6;
  EXPECT_THAT(options.Problem(), HasSubstr("--prepare-memory"));
}

// ---- The NAT ----------------------------------------------------------------------------------

stack::Bytes Datagram(stack::Endpoint from, stack::Endpoint to) {
  stack::Bytes packet(20 + 8 + 5, std::byte{0x42});
  stack::wire::Ip4Fields fields;
  fields.source = from.ip;
  fields.destination = to.ip;
  stack::wire::WriteIp4(packet, fields, 13);
  const stack::ByteSpan udp = stack::ByteSpan(packet).subspan(20);
  stack::wire::WriteUdp(udp, from.port, to.port, 5);
  stack::wire::FillUdpChecksum(udp, from.ip, to.ip);
  return packet;
}

void ExpectGood(const stack::Bytes& bytes) {
  const auto packet = stack::wire::Ip4Packet::Parse(bytes);
  ASSERT_TRUE(packet.ok());
  EXPECT_TRUE(packet->ChecksumHolds());
  const auto udp = stack::wire::Udp::Parse(packet->payload());
  ASSERT_TRUE(udp.ok());
  EXPECT_TRUE(udp->ChecksumHolds(packet->source(), packet->destination()));
}

TEST(Places, WithoutANatAClientIsItsAddress) {
  const Places places(Good().source, false);
  EXPECT_EQ(places.Inside(3).Text(), "192.0.2.13");
  EXPECT_EQ(places.Outside(3).Text(), "192.0.2.13");
  EXPECT_EQ(places.ClientAt(places.Outside(3), 9), 3U);
  EXPECT_EQ(places.ClientAt(*stack::Ip4::Parse("192.0.2.21"), 9), std::nullopt);
}

TEST(Places, TheNatGivesEveryClientPortsOfItsOwnAndFindsItByThem) {
  const Places places(Good().source, true);
  const stack::Ip4 server = Good().server;
  for (const uint32_t client : {0U, 1U, 10U, 11U, 5000U, 11U * kClientsBehindNat - 1}) {
    for (const uint16_t port : {uint16_t{500}, uint16_t{4500}}) {
      const stack::Endpoint inside{places.Inside(client), port};
      const stack::Bytes sent = Datagram(inside, {server, port});
      stack::Bytes packet = sent;
      ASSERT_TRUE(places.Outbound(client, packet));
      ExpectGood(packet);
      const stack::Ip4 outside{stack::Load32(&packet[12])};
      const uint16_t outside_port = stack::Load16(&packet[20]);
      EXPECT_EQ(outside, places.Outside(client));
      EXPECT_EQ(places.ClientAt(outside, outside_port), client);
      EXPECT_EQ(places.IsFloated(outside_port), port == 4500);
      stack::Bytes answer = Datagram({server, port}, {outside, outside_port});
      ASSERT_TRUE(places.Inbound(client, answer));
      ExpectGood(answer);
      EXPECT_EQ(stack::Load32(&answer[16]), inside.ip.value);
      EXPECT_EQ(stack::Load16(&answer[22]), port);
    }
  }
}

TEST(Places, WhatIsNoUdpDoesNotPassTheNat) {
  stack::Bytes packet = Datagram({{1}, 1}, {{2}, 2});
  packet[9] = std::byte{50};
  EXPECT_FALSE(Places(Good().source, true).Outbound(0, packet));
  EXPECT_TRUE(Places(Good().source, false).Outbound(0, packet));
}

// ---- The search -------------------------------------------------------------------------------

// A gateway that carries `limit` packets a second and loses the rest.
RateSearch Searched(double start, double limit, double own_limit = 1e12) {
  RateSearch search(start, 0.001);
  for (bool again = true; again;) {
    const double sent = std::min(search.rate(), own_limit);
    const double lost = std::max(0.0, sent - limit);
    again = search.Next(static_cast<uint64_t>(sent), static_cast<uint64_t>(lost),
                        static_cast<uint64_t>(search.rate() - sent));
  }
  return search;
}

TEST(RateSearch, ComesNearFromBelowAndAbove) {
  for (const double start : {1000.0, 1e6, 123'456.0}) {
    const RateSearch search = Searched(start, 300'000);
    ASSERT_TRUE(search.best().has_value());
    EXPECT_LE(*search.best(), 300'400);
    EXPECT_GE(*search.best(), 285'000);
    EXPECT_LE(search.trials().size(), 24U);
  }
}

TEST(RateSearch, DoesNotTakeOurOwnLimitForTheGateways) {
  const RateSearch search = Searched(1000, 1e9, 50'000);
  ASSERT_TRUE(search.best().has_value());
  EXPECT_NEAR(*search.best(), 50'000, 2'500);
  EXPECT_TRUE(std::ranges::any_of(search.trials(), &RateSearch::Trial::was_our_limit));
}

TEST(RateSearch, GivesUpWhereNothingHolds) {
  const RateSearch search = Searched(1000, 0);
  EXPECT_FALSE(search.best().has_value());
}

}  // namespace
}  // namespace gateway::load
