// Engine against engine: the same keys and IVs give the same octets, whatever the suites, sizes and
// company of a batch; and a batch comes out as if its packets had been opened one after the other.
#include "crypto/esp/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crypto/esp/open.h"
#include "crypto/esp/seal.h"
#include "tests/support/esp_engines.h"
#include "tests/support/rng.h"
#include "tests/support/vectors.h"

namespace crypto::esp {
namespace {

using stack::Bytes;
using stack::Drop;
using stack::FromHex;
using stack::PacketBuf;
using stack::PacketPool;
using stack::ToHex;

constexpr uint64_t kSeed = 5;

// All there are.
std::vector<Suite> Suites() {
  std::vector<Suite> suites;
  for (const auto hash : {HashId::kSha1, HashId::kSha256, HashId::kSha384, HashId::kSha512}) {
    for (const size_t key : {16, 24, 32}) suites.push_back({CipherId::kAesCbc, key, hash});
    suites.push_back({CipherId::kTripleDesCbc, 24, hash});
  }
  for (const size_t key : {16, 24, 32}) suites.push_back({CipherId::kAesGcm, key, std::nullopt});
  return suites;
}

Bytes RandomBytes(size_t size, stack::Rng& rng) {
  Bytes bytes(size);
  rng.Fill(bytes);
  return bytes;
}

// A number of SAs of a suite each, their keys by `seed`, made for `engine`.
struct Sas {
  Sas(const Engine& engine, const std::vector<Suite>& suites, uint64_t hard_octets = kNoLimit) {
    test::FixedRng rng(kSeed);
    for (const Suite& suite : suites) {
      const Bytes key = RandomBytes(CipherKeySize(suite), rng);
      const Bytes auth = RandomBytes(AuthKeySize(suite), rng);
      const auto parameters = [&] {
        return SaParameters{.spi = {0x1000 + static_cast<uint32_t>(in.size())},
                            .suite = suite,
                            .keys = {Secret(key), Secret(auth)},
                            .hard_octets = hard_octets,
                            .replay_window = 64};
      };
      in.push_back(*MakeInboundSa(parameters(), engine));
      out.push_back(*MakeOutboundSa(parameters(), engine));
    }
  }
  std::vector<std::unique_ptr<InboundSa>> in;
  std::vector<std::unique_ptr<OutboundSa>> out;
};

struct Packet {
  size_t sa;
  Bytes bytes;
};

// Engines of one seed draw the same IVs.
std::unique_ptr<Engine> Make(EngineId id) {
  test::FixedRng rng(kSeed);
  return MakeEngine(id, rng);
}

// `payloads` sealed in batches of `batch`.
std::vector<Packet> SealAll(Engine& engine, const Sas& sas, const std::vector<Packet>& payloads,
                            size_t batch) {
  PacketPool pool(batch, 0);
  std::vector<Packet> sealed;
  for (size_t at = 0; at < payloads.size(); at += batch) {
    std::vector<PacketBuf> bufs;
    std::vector<SealJob> jobs;
    const size_t end = std::min(at + batch, payloads.size());
    for (size_t i = at; i < end; ++i) bufs.push_back(pool.Copy(payloads[i].bytes));
    for (size_t i = at; i < end; ++i) {
      jobs.push_back({&bufs[i - at], sas.out[payloads[i].sa].get(), 17});
    }
    Seal(engine, jobs);
    for (size_t i = at; i < end; ++i) {
      EXPECT_EQ(jobs[i - at].drop, Drop::kNone);
      sealed.push_back({payloads[i].sa, stack::ToBytes(bufs[i - at].bytes())});
    }
  }
  return sealed;
}

bool IsNumbers(Drop drop) {
  return drop == Drop::kReplayed || drop == Drop::kReplayTooOld || drop == Drop::kSaExpired;
}

// One line a packet: its fate, and what was in it. Every other one is opened from elsewhere, into
// room where something else stood, and stays there as it was.
std::vector<std::string> OpenAll(Engine& engine, const Sas& sas, std::vector<Packet> packets,
                                 size_t batch) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < packets.size(); at += batch) {
    std::vector<OpenJob> jobs;
    const size_t end = std::min(at + batch, packets.size());
    std::vector<Bytes> rooms(end - at);
    for (size_t i = at; i < end; ++i) {
      jobs.push_back({packets[i].bytes, sas.in[packets[i].sa].get()});
      if (i % 2 == 0) continue;
      rooms[i - at].assign(packets[i].bytes.size(), std::byte{0xee});
      jobs.back().packet = rooms[i - at];
      jobs.back().source = packets[i].bytes;
    }
    const std::vector<Packet> before = packets;
    Open(engine, jobs);
    for (size_t i = at; i < end; ++i) {
      if (i % 2 == 0) continue;
      EXPECT_EQ(packets[i].bytes, before[i].bytes) << "a source is only read";
    }
    for (const OpenJob& job : jobs) {
      std::string line(IsNumbers(job.drop) ? "number" : stack::NameOf(job.drop));
      if (job.drop == Drop::kNone) line += " " + ToHex(job.payload);
      lines.push_back(line);
    }
  }
  return lines;
}

std::vector<Packet> RandomPayloads(size_t count, size_t sas, test::FixedRng& rng) {
  std::vector<Packet> payloads;
  for (size_t i = 0; i < count; ++i) {
    payloads.push_back({rng.Below(sas), RandomBytes(1 + rng.Below(1500), rng)});
  }
  return payloads;
}

std::string StateOf(const Sas& sas) {
  std::string state;
  for (const auto& sa : sas.in) {
    state += std::to_string(sa->counters.packets) + "/" + std::to_string(sa->counters.octets) +
             "/" + std::to_string(sa->replay.highest()) + " ";
  }
  return state;
}

class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status there = CheckEngine(EngineId::kIpsecMb);
    if (!there.ok()) GTEST_SKIP() << there.message();
  }
  std::unique_ptr<Engine> botan = Make(EngineId::kBotan), lanes = Make(EngineId::kIpsecMb);
};

// Every suite alone: payloads of 1 to 1500 octets, and batches of all sizes.
TEST_F(EngineTest, EverySuiteIsComputedAlike) {
  for (const Suite& suite : Suites()) {
    test::FixedRng rng(7);
    const Sas by_botan(*botan, {suite}), by_lanes(*lanes, {suite});
    for (size_t batch = 1; batch <= kEngineBatch; batch += batch < 20 ? 1 : 11) {
      std::vector<Packet> payloads;
      for (size_t i = 0; i < batch; ++i) {
        payloads.push_back({0, RandomBytes(1 + rng.Below(1500), rng)});
      }
      const auto one = SealAll(*botan, by_botan, payloads, batch);
      const auto other = SealAll(*lanes, by_lanes, payloads, batch);
      const auto opened = OpenAll(*lanes, by_lanes, one, batch);
      EXPECT_EQ(opened, OpenAll(*botan, by_botan, other, batch));
      for (size_t i = 0; i < payloads.size(); ++i) {
        ASSERT_TRUE(one[i].bytes == other[i].bytes) << payloads[i].bytes.size();
        ASSERT_EQ(opened[i], "none " + ToHex(payloads[i].bytes));
      }
    }
  }
}

// All suites in every batch, and some packets are not what was sent: changed by a bit, cut short,
// repeated at once or much later. What SAs and packets are in the end is the same if Botan takes
// them one by one and if the lanes take them in batches.
TEST_F(EngineTest, ABatchIsAsGoodAsItsPackets) {
  const std::vector<Suite> suites = Suites();
  for (size_t batch = 1; batch <= kEngineBatch + 1; batch += 4) {
    test::FixedRng rng(batch);
    const Sas sender(*botan, suites);
    const Sas by_botan(*botan, suites, 20000), by_lanes(*lanes, suites, 20000);
    std::vector<Packet> packets =
        SealAll(*botan, sender, RandomPayloads(400, suites.size(), rng), 1);
    for (int i = 0; i < 150; ++i) {
      Packet copy = packets[rng.Below(packets.size())];
      const size_t kind = rng.Below(4), at = rng.Below(copy.bytes.size());
      if (kind == 0) copy.bytes[at] ^= std::byte{1} << rng.Below(8);
      if (kind == 1) copy.bytes.resize(at);
      packets.insert(packets.begin() + static_cast<ptrdiff_t>(rng.Below(packets.size())), copy);
    }
    const auto serial = OpenAll(*botan, by_botan, packets, 1);
    const auto batched = OpenAll(*lanes, by_lanes, packets, batch);
    for (size_t i = 0; i < packets.size(); ++i) ASSERT_EQ(batched[i], serial[i]) << i;
    EXPECT_EQ(StateOf(by_lanes), StateOf(by_botan));
    const auto count = [&serial](std::string_view drop) {
      return std::count_if(serial.begin(), serial.end(),
                           [drop](const std::string& line) { return line.starts_with(drop); });
    };
    EXPECT_GT(count("none"), 150);
    EXPECT_GT(count("number"), 20);
    EXPECT_GT(count("bad_icv"), 10);
    EXPECT_GT(count("truncated"), 5);
  }
}

// Sixty-four times the same packet in one batch: it is taken once.
TEST_F(EngineTest, TakesOneOfManyCopies) {
  for (const Suite& suite : Suites()) {
    const Sas sas(*lanes, {suite});
    const auto packet = SealAll(*lanes, sas, {{0, Bytes(700)}}, 1)[0];
    const auto lines =
        OpenAll(*lanes, sas, std::vector<Packet>(kEngineBatch, packet), kEngineBatch);
    EXPECT_TRUE(lines[0].starts_with("none"));
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "number"), 63);
    EXPECT_EQ(sas.in[0]->counters.packets, 1u);
  }
}

// A forgery spoils neither the packets beside it nor the window.
TEST_F(EngineTest, AForgerySpoilsNothing) {
  for (const Suite& suite : Suites()) {
    const Sas sas(*lanes, {suite});
    std::vector<Packet> packets =
        SealAll(*lanes, sas, std::vector<Packet>(kEngineBatch, {0, Bytes(300)}), kEngineBatch);
    std::vector<Packet> forged = packets;
    for (size_t i = 0; i < forged.size(); i += 2) forged[i].bytes.back() ^= std::byte{1};
    stack::Store32(&forged[0].bytes[4], 1000000);  // it would leave all others behind
    const auto lines = OpenAll(*lanes, sas, forged, kEngineBatch);
    for (size_t i = 0; i < lines.size(); ++i) {
      EXPECT_TRUE(lines[i].starts_with(i % 2 == 0 ? "bad_icv" : "none")) << i;
    }
    EXPECT_EQ(sas.in[0]->replay.highest(), kEngineBatch);
  }
}

TEST_F(EngineTest, AnSaEndsInTheMiddleOfABatch) {
  for (const auto& engine : {botan.get(), lanes.get()}) {
    const Sas sas(*engine, {Suites()[2]}, 1000);
    PacketPool pool(16, 0);
    std::vector<PacketBuf> bufs;
    std::vector<SealJob> jobs;
    for (int i = 0; i < 16; ++i) bufs.push_back(pool.Copy(Bytes(100)));
    for (PacketBuf& buf : bufs) jobs.push_back({&buf, sas.out[0].get(), 17});
    Seal(*engine, jobs);
    std::vector<OpenJob> open;
    for (size_t i = 0; i < jobs.size(); ++i) {
      EXPECT_EQ(jobs[i].drop, i < 10 ? Drop::kNone : Drop::kSaExpired) << i;
      EXPECT_EQ(bufs[i].size() == 100, i >= 10);
      if (i < 10) open.push_back({bufs[i].bytes(), sas.in[0].get()});
    }
    EXPECT_EQ(sas.out[0]->sequence, 10u);
    sas.in[0]->hard_octets = 500;
    Open(*engine, open);
    for (size_t i = 0; i < open.size(); ++i) {
      EXPECT_EQ(open[i].drop, i < 5 ? Drop::kNone : Drop::kSaExpired) << i;
    }
  }
}

TEST_F(EngineTest, NumbersRunOutInTheMiddleOfABatch) {
  const Sas sas(*lanes, {Suites()[0]});
  sas.out[0]->sequence = kLastSequence - 5;
  PacketPool pool(16, 0);
  std::vector<PacketBuf> bufs;
  std::vector<SealJob> jobs;
  for (int i = 0; i < 16; ++i) bufs.push_back(pool.Copy(Bytes(100)));
  for (PacketBuf& buf : bufs) jobs.push_back({&buf, sas.out[0].get(), 17});
  Seal(*lanes, jobs);
  for (size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_EQ(jobs[i].drop, i < 5 ? Drop::kNone : Drop::kSequenceExhausted) << i;
  }
  EXPECT_EQ(stack::Load32(bufs[4].bytes().data() + 4), kLastSequence);
}

// A peer goes to another shard and takes its SAs along; the engine that made them may be gone.
TEST_F(EngineTest, SasMoveFromEngineToEngine) {
  for (const EngineId id : test::EspEngines()) {
    test::FixedRng rng(3);
    std::unique_ptr<Engine> here = Make(id), there = Make(id);
    const std::vector<Suite> suites = Suites();
    const Sas sas(*here, suites);
    const auto payloads = RandomPayloads(256, suites.size(), rng);
    for (int turn = 0; turn < 3; ++turn) {
      const auto lines = OpenAll(*there, sas, SealAll(*here, sas, payloads, 64), 64);
      for (size_t i = 0; i < lines.size(); ++i) {
        ASSERT_EQ(lines[i], "none " + ToHex(payloads[i].bytes));
      }
      here = std::exchange(there, Make(id));
    }
  }
}

// Nothing that an SA carries from one kind of engine to the other can do harm: CBC works, GCM is
// refused.
TEST_F(EngineTest, KeysOfAnotherKindOfEngineAreRefusedOrWork) {
  for (const Suite& suite : Suites()) {
    const Sas sas(*lanes, {suite});
    const auto packet = SealAll(*lanes, sas, {{0, Bytes(100)}}, 1)[0];
    const std::string line = OpenAll(*botan, sas, {packet}, 1)[0];
    EXPECT_TRUE(line.starts_with(IsGcm(suite) ? "bad_icv" : "none")) << line;
  }
}

// Larger than any lane takes, and than any packet there can be on the wire.
TEST_F(EngineTest, TakesTheLargestBuffers) {
  test::FixedRng rng;
  for (const Suite& suite : Suites()) {
    if (suite.cipher == CipherId::kTripleDesCbc) continue;  // the same way, very slowly
    const Sas sas(*lanes, {suite});
    PacketPool pool(1, 8);
    std::vector<PacketBuf> bufs;
    std::vector<SealJob> jobs;
    for (size_t i = 0; i < 8; ++i) {
      bufs.push_back(pool.Copy(RandomBytes(65400 + 10 * i, rng)));
      ASSERT_TRUE(bufs.back());
    }
    for (PacketBuf& buf : bufs) jobs.push_back({&buf, sas.out[0].get(), 17});
    Seal(*lanes, jobs);
    std::vector<OpenJob> open;
    for (PacketBuf& buf : bufs) open.push_back({buf.bytes(), sas.in[0].get()});
    Open(*lanes, open);
    for (size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(open[i].drop, Drop::kNone);
      EXPECT_EQ(open[i].payload.size(), 65400 + 10 * i);
    }
  }
}

// ---- Vectors ----------------------------------------------------------------------------------

// Associated data in the header's place, the nonce's first four octets in the salt's: every vector
// with the sizes that ESP has, good and bad.
TEST(EngineVectors, WycheproofGcm) {
  ADIT_NEED_VECTORS("wycheproof/aes_gcm_test.json.gz", path);
  const auto file = test::ReadJson(path);
  for (const EngineId id : test::EspEngines()) {
    const auto engine = Make(id);
    int valid = 0, invalid = 0;
    for (const auto& group : file["testGroups"]) {
      if (group["ivSize"] != 96 || group["tagSize"] != 128) continue;
      for (const auto& t : group["tests"]) {
        const Bytes key = FromHex(t["key"].get<std::string>());
        Bytes iv = FromHex(t["iv"].get<std::string>()), text = FromHex(t["ct"].get<std::string>());
        const Bytes aad = FromHex(t["aad"].get<std::string>());
        Bytes tag = FromHex(t["tag"].get<std::string>());
        const Suite suite{CipherId::kAesGcm, key.size(), std::nullopt};
        const Keys keys{Secret::Concat({key, ByteView(iv).first(4)}), Secret()};
        auto made = SaKeys::Create(suite, keys, Direction::kDecrypt, *engine);
        ASSERT_TRUE(made.ok());
        Work work{{aad, ByteSpan(iv).subspan(4), text, tag, {}}, &suite, &*made, text, false};
        engine->Open({&work, 1});
        const bool is_valid = t["result"] == "valid";
        EXPECT_EQ(work.done, is_valid) << t["tcId"];
        if (is_valid) {
          EXPECT_EQ(ToHex(text), t["msg"].get<std::string>()) << t["tcId"];
        }
        ++(is_valid ? valid : invalid);
      }
    }
    EXPECT_GT(valid, 50);
    EXPECT_GT(invalid, 30);
  }
}

TEST(CheckEngine, BotanIsAlwaysThere) {
  EXPECT_TRUE(CheckEngine(EngineId::kBotan).ok());
  EXPECT_EQ(Make(EngineId::kBotan)->id(), EngineId::kBotan);
  const absl::Status lanes = CheckEngine(EngineId::kIpsecMb);
  EXPECT_EQ(Make(EngineId::kIpsecMb)->id(), lanes.ok() ? EngineId::kIpsecMb : EngineId::kBotan);
  EXPECT_EQ(lanes.ok(), lanes.message().empty());
}

}  // namespace
}  // namespace crypto::esp
