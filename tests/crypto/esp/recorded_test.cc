// ESP against recorded sessions: a Linux client and server (kernel ESP, strongSwan) whose keys are
// known, and tcpdump's own test captures.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "crypto/esp/open.h"
#include "crypto/esp/sad.h"
#include "crypto/esp/seal.h"
#include "tests/support/esp_session.h"
#include "tests/support/rng.h"

namespace crypto::esp {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::ToHex;

// Both directions of one session. A gateway opens one and seals the other; a test may do both.
struct Session {
  explicit Session(const std::string& name)
      : keys(test::ReadJson(test::DataPath(name + "/keys.json"))),
        packets(test::EspPackets(test::Pcap(test::DataPath(name + "/wire-server.pcap")))) {
    test::FixedRng rng;
    for (const auto& state : keys["ip_xfrm_state_srv"]) {
      EXPECT_TRUE(inbound.Insert(*MakeInboundSa(test::ParametersOf(state))));
      auto sa = *MakeOutboundSa(test::ParametersOf(state), rng);
      const Spi spi = sa->spi;
      outbound[spi] = std::move(sa);
    }
  }
  nlohmann::json keys;
  std::vector<Bytes> packets;
  Sad inbound;
  std::map<Spi, std::unique_ptr<OutboundSa>> outbound;
};

const nlohmann::json& StateOf(const Session& session, Spi spi) {
  const auto& states = session.keys["ip_xfrm_state_srv"];
  return test::ParametersOf(states[0]).spi == spi ? states[0] : states[1];
}

class Recorded : public testing::TestWithParam<const char*> {};

TEST_P(Recorded, EveryPacketOpensOnce) {
  Session session(GetParam());
  ASSERT_GT(session.packets.size(), 30u);
  for (const Bytes& recorded : session.packets) {
    InboundSa* const sa = session.inbound.Find(Spi{stack::Load32(recorded.data())});
    ASSERT_NE(sa, nullptr);
    Bytes packet = recorded, again = recorded;
    OpenJob jobs[] = {{.packet = packet, .sa = sa}, {.packet = again, .sa = sa}};
    Open(jobs);
    ASSERT_EQ(jobs[0].drop, Drop::kNone);
    EXPECT_EQ(jobs[1].drop, Drop::kReplayed);
    EXPECT_EQ(jobs[0].next_header, 17);
    stack::Reader udp(jobs[0].payload);
    EXPECT_EQ(udp.U16(), 1701);
    EXPECT_EQ(udp.U16(), 1701);
    EXPECT_EQ(udp.U16(), jobs[0].payload.size());
  }
  for (const auto& [spi, unused] : session.outbound) {
    EXPECT_GT(session.inbound.Find(spi)->counters.packets, 10u) << "one direction is missing";
  }
}

// What we seal differs from what the kernel sealed in the IV alone, and so in ciphertext and ICV:
// header, lengths, padding and trailer are the same octets.
TEST_P(Recorded, SealsAsTheKernelDid) {
  Session session(GetParam());
  ASSERT_GE(session.packets.size(), 10u);
  stack::PacketPool pool(1, 0);
  for (Bytes& recorded : session.packets) {
    const Spi spi{stack::Load32(recorded.data())};
    OutboundSa& out = *session.outbound.at(spi);
    out.sequence = stack::Load32(recorded.data() + 4) - 1;
    const size_t before = kHeaderSize + IvSize(out.suite), icv = IcvSize(out.suite);
    OpenJob open{.packet = recorded, .sa = session.inbound.Find(spi)};
    Open({&open, 1});
    ASSERT_EQ(open.drop, Drop::kNone);

    stack::PacketBuf buf = pool.Copy(open.payload);
    SealJob seal{.buf = &buf, .sa = &out, .next_header = open.next_header};
    Seal({&seal, 1});
    ASSERT_EQ(seal.drop, Drop::kNone);
    ASSERT_EQ(buf.size(), recorded.size());
    EXPECT_EQ(ToHex(buf.bytes().first(8)), ToHex(ByteView(recorded).first(8)));
    const auto fresh = MakeInboundSa(test::ParametersOf(StateOf(session, spi)));
    OpenJob reopen{.packet = buf.bytes(), .sa = fresh->get()};
    Open({&reopen, 1});
    ASSERT_EQ(reopen.drop, Drop::kNone);
    const size_t ciphered = recorded.size() - before - icv;
    EXPECT_EQ(ToHex(buf.bytes().subspan(before, ciphered)),
              ToHex(ByteView(recorded).subspan(before, ciphered)));
  }
}

INSTANTIATE_TEST_SUITE_P(Captures, Recorded,
                         testing::Values("nonat-aes256-sha1-modp2048", "nat-aes256-sha1-modp2048",
                                         "nat-aes256-sha256-modp2048", "force-aes256-sha1-modp2048",
                                         "natports-aes256-sha1-modp2048"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

// tcpdump's captures come with the encryption key alone. So the last 12 octets, an HMAC-SHA1-96
// under a key nobody wrote down, give way to one of ours; padding, trailer and payload are theirs.
void ExpectPings(const std::string& path) {
  const Bytes key = stack::FromHex("4043434545464649494a4a4c4c4f4f515152525454575758");
  const Bytes auth_key(20, std::byte{1});
  auto sa = MakeInboundSa({.spi = {0x12345678},
                           .suite = {CipherId::kTripleDesCbc, 24, HashId::kSha1},
                           .keys = {Secret(key), Secret(auth_key)}});
  ASSERT_TRUE(sa.ok());
  size_t opened = 0;
  for (Bytes& packet : test::EspPackets(test::Pcap(path))) {
    if (stack::Load32(packet.data()) != 0x12345678) continue;
    const size_t authenticated = packet.size() - 12;
    Hmac hmac(HashId::kSha1, auth_key);
    hmac.Update(ByteView(packet).first(authenticated));
    hmac.Final(ByteSpan(packet).last(12));
    OpenJob job{.packet = packet, .sa = sa->get()};
    Open({&job, 1});
    ASSERT_EQ(job.drop, Drop::kNone);
    EXPECT_EQ(job.next_header, 4);  // IP in IP
    stack::Reader ip(job.payload);
    EXPECT_EQ(ip.U8(), 0x45);
    ip.Skip(8);
    EXPECT_EQ(ip.U8(), 1);  // ICMP
    ++opened;
  }
  EXPECT_GE(opened, 3u);
}

TEST(TcpdumpVectors, EspInUdp) {
  ADIT_NEED_VECTORS("captures/tcpdump/espudp1.pcap", path);
  ExpectPings(path);
}
TEST(TcpdumpVectors, EspInIp) {
  ADIT_NEED_VECTORS("captures/tcpdump/02-sunrise-sunset-esp.pcap", path);
  ExpectPings(path);
}

}  // namespace
}  // namespace crypto::esp
