// ESP against recorded sessions: a Linux client and server (kernel ESP, strongSwan) whose keys are
// known, and tcpdump's own test captures.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "crypto/esp/open.h"
#include "crypto/esp/sad.h"
#include "crypto/esp/seal.h"
#include "crypto/prim/mac.h"
#include "tests/support/esp_engines.h"
#include "tests/support/esp_session.h"
#include "tests/support/rng.h"

namespace crypto::esp {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::ToHex;

// Both directions of one session. A gateway opens one and seals the other; a test may do both.
struct Session {
  Session(const std::string& name, EngineId id)
      : engine(MakeEngine(id, rng)),
        keys(test::ReadJson(test::DataPath(name + "/keys.json"))),
        packets(test::EspPackets(test::Pcap(test::DataPath(name + "/wire-server.pcap")))) {
    for (const auto& state : keys["ip_xfrm_state_srv"]) {
      EXPECT_TRUE(inbound.Insert(*MakeInboundSa(test::ParametersOf(state), *engine)));
      auto sa = *MakeOutboundSa(test::ParametersOf(state), *engine);
      const Spi spi = sa->spi;
      outbound[spi] = std::move(sa);
    }
  }
  test::FixedRng rng;
  std::unique_ptr<Engine> engine;
  nlohmann::json keys;
  std::vector<Bytes> packets;
  Sad inbound;
  std::map<Spi, std::unique_ptr<OutboundSa>> outbound;
};

const nlohmann::json& StateOf(const Session& session, Spi spi) {
  const auto& states = session.keys["ip_xfrm_state_srv"];
  return test::ParametersOf(states[0]).spi == spi ? states[0] : states[1];
}

using Param = std::tuple<const char*, EngineId>;
class Recorded : public testing::TestWithParam<Param> {
 protected:
  Session session{std::get<0>(GetParam()), std::get<1>(GetParam())};
};

TEST_P(Recorded, EveryPacketOpensOnce) {
  ASSERT_GT(session.packets.size(), 30u);
  std::vector<Bytes> twice;
  for (const Bytes& recorded : session.packets) twice.insert(twice.end(), {recorded, recorded});
  std::vector<OpenJob> jobs;
  for (Bytes& packet : twice) {
    InboundSa* const sa = session.inbound.Find(Spi{stack::Load32(packet.data())});
    ASSERT_NE(sa, nullptr);
    jobs.push_back({.packet = packet, .sa = sa});
  }
  Open(*session.engine, jobs);
  for (size_t i = 0; i < jobs.size(); i += 2) {
    ASSERT_EQ(jobs[i].drop, Drop::kNone);
    EXPECT_EQ(jobs[i + 1].drop, Drop::kReplayed);
    EXPECT_EQ(jobs[i].next_header, 17);
    stack::Reader udp(jobs[i].payload);
    EXPECT_EQ(udp.U16(), 1701);
    EXPECT_EQ(udp.U16(), 1701);
    EXPECT_EQ(udp.U16(), jobs[i].payload.size());
  }
  for (const auto& [spi, unused] : session.outbound) {
    EXPECT_GT(session.inbound.Find(spi)->counters.packets, 10u) << "one direction is missing";
  }
}

// What we seal differs from what the kernel sealed in the IV alone, and so in ciphertext and ICV:
// header, lengths, padding and trailer are the same octets.
TEST_P(Recorded, SealsAsTheKernelDid) {
  ASSERT_GE(session.packets.size(), 10u);
  stack::PacketPool pool(1, 0);
  for (Bytes& recorded : session.packets) {
    const Spi spi{stack::Load32(recorded.data())};
    OutboundSa& out = *session.outbound.at(spi);
    out.sequence = stack::Load32(recorded.data() + 4) - 1;
    const size_t before = kHeaderSize + IvSize(out.suite), icv = IcvSize(out.suite);
    OpenJob open{.packet = recorded, .sa = session.inbound.Find(spi)};
    Open(*session.engine, {&open, 1});
    ASSERT_EQ(open.drop, Drop::kNone);

    stack::PacketBuf buf = pool.Copy(open.payload);
    SealJob seal{.buf = &buf, .sa = &out, .next_header = open.next_header};
    Seal(*session.engine, {&seal, 1});
    ASSERT_EQ(seal.drop, Drop::kNone);
    ASSERT_EQ(buf.size(), recorded.size());
    EXPECT_EQ(ToHex(buf.bytes().first(8)), ToHex(ByteView(recorded).first(8)));
    const auto fresh = MakeInboundSa(test::ParametersOf(StateOf(session, spi)), *session.engine);
    OpenJob reopen{.packet = buf.bytes(), .sa = fresh->get()};
    Open(*session.engine, {&reopen, 1});
    ASSERT_EQ(reopen.drop, Drop::kNone);
    const size_t ciphered = recorded.size() - before - icv;
    EXPECT_EQ(ToHex(buf.bytes().subspan(before, ciphered)),
              ToHex(ByteView(recorded).subspan(before, ciphered)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Captures, Recorded,
    testing::Combine(testing::Values("nonat-aes256-sha1-modp2048", "nat-aes256-sha1-modp2048",
                                     "nat-aes256-sha256-modp2048", "force-aes256-sha1-modp2048",
                                     "natports-aes256-sha1-modp2048"),
                     testing::ValuesIn(test::EspEngines())),
    [](const auto& param) {
      std::string name = std::get<0>(param.param);
      for (char& c : name) c = c == '-' ? '_' : c;
      return name + "_" + test::NameOf(std::get<1>(param.param));
    });

// tcpdump's captures come with the encryption key alone. So the last 12 octets, an HMAC-SHA1-96
// under a key nobody wrote down, give way to one of ours; padding, trailer and payload are theirs.
void ExpectPings(const std::string& path) {
  const Bytes key = stack::FromHex("4043434545464649494a4a4c4c4f4f515152525454575758");
  const Bytes auth_key(20, std::byte{1});
  test::FixedRng rng;
  const auto engine = MakeEngine(EngineId::kBotan, rng);
  auto sa = MakeInboundSa({.spi = {0x12345678},
                           .suite = {CipherId::kTripleDesCbc, 24, HashId::kSha1},
                           .keys = {Secret(key), Secret(auth_key)}},
                          *engine);
  ASSERT_TRUE(sa.ok());
  size_t opened = 0;
  for (Bytes& packet : test::EspPackets(test::Pcap(path))) {
    if (stack::Load32(packet.data()) != 0x12345678) continue;
    const size_t authenticated = packet.size() - 12;
    Hmac hmac(HashId::kSha1, auth_key);
    hmac.Update(ByteView(packet).first(authenticated));
    hmac.Final(ByteSpan(packet).last(12));
    OpenJob job{.packet = packet, .sa = sa->get()};
    Open(*engine, {&job, 1});
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
